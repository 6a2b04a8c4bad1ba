"""The gate doctor: silent where a dictionary is run as it was meant, and the mistake's name where it is not."""

from __future__ import annotations

import dataclasses
import json
import sys

import numpy as np
import pytest
import torch
from dictionary_models import identity
from doctor_worlds import D, F, K, data, fvu, l0, ranked, scale_of, scoped, trained, with_promise
from foreign_layouts import config_class
from safetensors.torch import load_file, save_file

from pellucid.dictionaries import VARIANTS, Convention, TopK, load_dictionary, save_dictionary, splice
from pellucid.dictionaries.formats import doctor
from pellucid.dictionaries.formats.conversion import remade
from pellucid.dictionaries.formats.doctor import diagnose
from pellucid.dictionaries.formats.examination import examine, loss
from pellucid.dictionaries.formats.hypotheses import Hypothesis, admissible, as_read, repair
from pellucid.dictionaries.formats.registry import FORMATS
from pellucid.dictionaries.variants import build
from pellucid.findings import InputError

N = 1024  # rows of each judgement


def aspects(found) -> list[str]:
    return [said.split(":")[0] for said in found.mistakes]


def refusal(call, code: str) -> str:
    with pytest.raises(InputError) as caught:
        call()
    assert caught.value.code == code
    return str(caught.value)


# ------------------------------------------------------------------- laws
@pytest.mark.law("dictionaries.gate_check")
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_hypothesis_is_the_dictionary_that_repair_makes(variant):
    """L0, fvu and cosine of a hypothesis are those of the repaired dictionary, computed here in float64.

    1e-5: the codes are float32, and the order of their sums differs.
    """
    dictionary, rows = trained(variant), data()[:256]
    found = diagnose(dictionary, rows)
    y = rows.double()
    for fit in found.fits:
        made = repair(dictionary, fit.hypothesis)
        out = made(rows).double()
        assert fit.l0 == pytest.approx(l0(made, rows), abs=2 / len(rows))  # a code at its threshold
        assert fit.fvu == pytest.approx(fvu(made, rows), rel=1e-4, abs=1e-5)
        a, b = (y - y.mean(0)).flatten(), (out - out.mean(0)).flatten()
        assert fit.cosine == pytest.approx(float(a @ b / (a.norm() * b.norm())), abs=1e-5)


def test_chunks_change_nothing(monkeypatch):
    dictionary, rows = trained("batchtopk"), data()[:100]
    whole = diagnose(dictionary, rows)
    monkeypatch.setattr(doctor, "CHUNK", 7)
    parts = diagnose(dictionary, rows)
    assert [fit.hypothesis for fit in whole.fits] == [fit.hypothesis for fit in parts.fits]
    for a, b in zip(whole.fits, parts.fits, strict=True):
        assert (a.l0, a.fvu) == pytest.approx((b.l0, b.fvu), rel=1e-5)


def test_the_cosine_is_blind_to_scale_and_offset():
    """Codes ten times too large and another b_dec leave it; they ruin the error."""
    dictionary, rows = trained("topk"), data()[:512]
    tensors = dict(dictionary.state_dict())
    other = remade(dictionary, tensors | {"W_dec": 10 * tensors["W_dec"]})
    assert diagnose(other, rows).own.cosine == pytest.approx(diagnose(dictionary, rows).own.cosine, abs=1e-5)
    assert diagnose(other, rows).own.fvu > 1


def test_repair_by_its_own_record_is_the_dictionary():
    for variant in VARIANTS:
        dictionary = trained(variant)
        assert repair(dictionary, as_read(dictionary)).sha256 == dictionary.sha256
        assert as_read(dictionary).differences(as_read(dictionary)) == ()


def test_hypotheses_are_distinct_and_the_record_comes_first():
    for variant in VARIANTS:
        dictionary = trained(variant)
        found = admissible(dictionary, (2.0, 3.0), 3.0, True)
        assert found[0] == as_read(dictionary)
        assert len(set(found)) == len(found)
        assert len({hypothesis.name for hypothesis in found}) == len(found)


# ------------------------------------------------------------------- false alarms
@pytest.mark.truth("dictionaries.gate_check")
def test_no_false_alarm_over_twenty_trained_dictionaries():
    """Twenty right dictionaries, every variant, other worlds: none is contradicted.

    0 of 20 leaves a rate of at most 14 % (exact one-sided 95 %). Each Finding says the same.
    """
    order, alarms = list(VARIANTS), []
    for seed in range(20):
        variant = order[seed % len(order)]
        found = diagnose(trained(variant, seed=seed), data(seed=seed)[:N])
        alarms += [(variant, seed, found.mistakes)] * found.contradicted
        assert found.repaired() is found.dictionary or found.contradicted
        assert not found.warnings
    assert alarms == []
    right = examine(trained("topk"), data()[:N])
    assert right.measures["mistakes"].value == 0
    assert right.header.status == "supports"
    wrong = examine(remade(trained("topk"), trained("topk").state_dict(), subtract="none"), data()[:N])
    assert wrong.measures["mistakes"].value == 1
    assert wrong.header.status == "refutes"
    assert wrong.arrays["mistake"].coords["mistake"][0].startswith("subtraction: b_dec is subtracted")


# ------------------------------------------------------------------- planted mistakes, format by format
def edit(file, **changes) -> None:
    """Other settings in a JSON file; None: without them."""
    held = json.loads(file.read_text(encoding="utf-8")) | changes
    kept = {key: value for key, value in held.items() if value is not None}
    file.write_text(json.dumps(kept), encoding="utf-8")


def edit_record(place, **changes) -> None:
    held = json.loads((place / "dictionary.json").read_text(encoding="utf-8"))
    held["convention"] |= changes
    (place / "dictionary.json").write_text(json.dumps(held), encoding="utf-8")


def edit_threshold(place, factor: float) -> None:
    held = load_file(place / "params.safetensors")
    save_file(held | {"threshold": held["threshold"] * factor}, place / "params.safetensors")


def edit_npz(place, factor: float) -> None:
    with np.load(place / "params.npz") as held:
        table = dict(held)
    np.savez(place / "params.npz", **(table | {"threshold": table["threshold"] * factor}))


def without_threshold(place) -> None:
    held = torch.load(place / "ae.pt", weights_only=True)
    torch.save(held | {"threshold": torch.tensor(-1.0)}, place / "ae.pt")


def edit_class(place, name: str) -> None:
    held = json.loads((place / "config.json").read_text(encoding="utf-8"))
    held["trainer"]["dict_class"] = name
    (place / "config.json").write_text(json.dumps(held), encoding="utf-8")


def hyper(place):
    return place / "hyperparams.json"


def finished(place) -> float:
    return json.loads(hyper(place).read_text(encoding="utf-8"))["jump_relu_threshold"]


SMALL = 0.05
SCALE = scale_of(data(SMALL))
# format, dictionary, rows, what spoils the file (and what the caller is made to tell), what is to be named
PLANTED = {
    "pellucid: b_dec not subtracted": (
        "pellucid",
        lambda: trained("topk"),
        1.0,
        lambda at: edit_record(at, subtract="none"),
        ["subtraction"],
    ),
    "saelens: b_dec not subtracted": (
        "saelens",
        lambda: trained("topk"),
        1.0,
        lambda at: edit(at / "cfg.json", apply_b_dec_to_input=False),
        ["subtraction"],
    ),
    "saelens: norm ranking missing": (
        "saelens",
        lambda: remade(ranked(), ranked().state_dict(), code_units="h_norm"),
        1.0,
        lambda at: edit(at / "cfg.json", rescale_acts_by_decoder_norm=None),
        ["ranking"],
    ),
    "saelens: a layer norm that was never there": (
        "saelens",
        lambda: trained("topk"),
        1.0,
        lambda at: edit(at / "cfg.json", normalize_activations="layer_norm"),
        ["normalisation"],
    ),
    "saelens: norms of tokens forgotten": (
        "saelens",
        lambda: trained("topk", layer_norm=True),
        1.0,
        lambda at: edit(at / "cfg.json", normalize_activations="none"),
        ["normalisation"],
    ),
    "dictionary_learning: a run too short for its threshold": (
        "dictionary_learning",
        lambda: trained("batchtopk"),
        1.0,
        without_threshold,
        ["gate"],
    ),
    "dictionary_learning: the class that subtracts nothing": (
        "dictionary_learning",
        lambda: trained("relu"),
        1.0,
        lambda at: {"subtract": "none"},
        ["subtraction"],
    ),
    "sparsify: read as a transcoder": (
        "sparsify",
        lambda: trained("topk"),
        1.0,
        lambda at: edit(at / "cfg.json", transcode=True),
        ["subtraction"],
    ),
    "llama_scope: the threshold times the input's scale": (
        "llama_scope",
        scoped,
        SMALL,
        lambda at: edit(hyper(at), jump_relu_threshold=SCALE * finished(at)),
        ["units"],
    ),
    "llama_scope: the threshold over the input's scale": (
        "llama_scope",
        scoped,
        SMALL,
        lambda at: edit(hyper(at), jump_relu_threshold=finished(at) / SCALE),
        ["units"],
    ),
    "llama_scope: no norm ranking": (
        "llama_scope",
        lambda: remade(ranked(), ranked().state_dict()),
        1.0,
        lambda at: edit(hyper(at), sparsity_include_decoder_norm=False),
        ["ranking"],
    ),
    "llama_scope: the bias subtracted": (
        "llama_scope",
        scoped,
        SMALL,
        lambda at: edit(hyper(at), apply_decoder_bias_to_pre_encoder=True),
        ["subtraction"],
    ),
    "llama_scope: the norms of another site": (
        "llama_scope",
        scoped,
        SMALL,
        lambda at: edit(hyper(at), dataset_average_activation_norm={"in": 0.5, "out": 0.5}),
        ["units", "normalisation"],
    ),
    "gemma_scope: the bias subtracted": (
        "gemma_scope",
        lambda: trained("jumprelu"),
        1.0,
        lambda at: {"subtract": "b_dec"},
        ["subtraction"],
    ),
    "gemma_scope: thresholds of a scaled space": (
        "gemma_scope",
        lambda: trained("jumprelu", SMALL),
        SMALL,
        lambda at: edit_npz(at, scale_of(data(SMALL)[:N])),
        ["units"],
    ),
    "gemma_scope_2: thresholds of a scaled space": (
        "gemma_scope_2",
        lambda: trained("jumprelu", SMALL),
        SMALL,
        lambda at: edit_threshold(at, 1 / scale_of(data(SMALL)[:N])),
        ["units"],
    ),
    "gemma_scope_2: scaled twice": (
        "gemma_scope_2",
        lambda: trained("jumprelu"),
        1.0,
        lambda at: {"input_transform": "scale", "scale_in": 4.0, "scale_out": 4.0},
        ["normalisation"],
    ),
    "circuit_tracer: the bias subtracted": (
        "circuit_tracer",
        lambda: trained("jumprelu"),
        1.0,
        lambda at: {"subtract": "b_dec"},
        ["subtraction"],
    ),
    "kissane: the bias not subtracted": (
        "kissane",
        lambda: trained("relu"),
        1.0,
        lambda at: {"subtract": "none"},
        ["subtraction"],
    ),
    "openai: no layer norm": (
        "openai",
        lambda: trained("topk", layer_norm=True),
        1.0,
        lambda at: {"input_transform": "none"},
        ["normalisation"],
    ),
    "e2e_sae: the bias subtracted": (
        "e2e_sae",
        lambda: trained("relu"),
        1.0,
        lambda at: {"subtract": "b_dec"},
        ["subtraction"],
    ),
    "goodfire: the bias subtracted": (
        "goodfire",
        lambda: trained("relu"),
        1.0,
        lambda at: {"subtract": "b_dec"},
        ["subtraction"],
    ),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_mistake_is_named_and_the_right_file_is_not_blamed(name, tmp_path):
    """The right file passes; the spoilt one is named by exactly what was spoilt, and repaired to the right L0
    and error."""
    form, make, size, spoil, expected = PLANTED[name]
    place, rows, right = tmp_path / "mlp", data(size)[:N], make()
    save_dictionary(right, place, format=form)
    promised = l0(right, rows)
    clean = diagnose(load_dictionary(place, format=form), rows, promised=promised)
    assert not clean.contradicted, clean.mistakes
    told = spoil(place)
    spoilt = load_dictionary(place, format=form, told=told)
    found = diagnose(spoilt, rows, promised=promised)
    assert aspects(found) == expected
    repaired = found.repaired()
    assert l0(repaired, rows) == pytest.approx(promised, rel=0.1)
    # the ReLU of a batch-wise gate whose threshold is lost is run as a TopK: of equal L0, a little worse
    assert fvu(repaired, rows) <= fvu(right, rows) * (1.8 if expected == ["gate"] else 1.02) + 1e-4
    assert spoilt.sha256 == load_dictionary(place, format=form, told=told).sha256  # never applied unasked


def test_every_format_that_is_written_has_a_planted_mistake():
    written = {entry.name for entry in FORMATS if entry.write is not None}
    assert {form for form, *_ in PLANTED.values()} == written


def test_a_mistake_in_a_format_that_is_only_read(tmp_path):
    """Dunefsky's autoencoders subtract b_dec; told otherwise, the doctor objects."""
    held = {name: value.clone() for name, value in trained("relu").state_dict().items()}
    held["W_enc"] = held["W_enc"].T.contiguous()
    made = config_class()()
    made.__dict__.update(hook_point="blocks.1.hook_resid_post", d_in=D, d_sae=F)
    torch.save({"cfg": made, "state_dict": held}, tmp_path / "sae.pt")
    for part in ("sae_training", "sae_training.config"):
        del sys.modules[part]
    assert not diagnose(load_dictionary(tmp_path / "sae.pt"), data()[:N]).contradicted
    found = diagnose(load_dictionary(tmp_path / "sae.pt", told={"subtract": "none"}), data()[:N])
    assert aspects(found) == ["subtraction"]


def test_two_mistakes_at_once():
    tensors = dict(ranked().state_dict())
    spoilt = remade(ranked(), tensors, rank_score="h", subtract="none")
    assert aspects(diagnose(spoilt, data()[:N])) == ["ranking", "subtraction"]


def test_the_words_say_what_to_do():
    rows = data(SMALL)[:N]
    tensors = dict(scoped().state_dict())
    wrong = remade(scoped(), tensors | {"threshold": tensors["threshold"] * SCALE})
    found = diagnose(wrong, rows, promised=3.0)
    assert found.mistakes == (
        f"units: the threshold is in other units: multiply it with 1/S_in = {1 / SCALE:.4g}",
    )
    assert found.verdict.name == f"jumprelu by h n, threshold x 1/S_in, input scaled by {SCALE:.4g}"
    said = diagnose(remade(ranked(), ranked().state_dict(), rank_score="h"), data()[:N]).mistakes
    assert said == ("ranking: the gate ranks by h times the length of the decoder row",)


def test_the_averaged_threshold_of_a_topk_can_be_the_one_meant():
    """dictionary_learning keeps it beside a TopK's weights: admissible, and run as a JumpReLU."""
    rows = data()[:N]
    dictionary = remade(trained("topk"), trained("topk").state_dict())
    dictionary.training_record = {"origin": {"extra": {"threshold": 0.2}, "promise": {"k": 3.0}}}
    found = diagnose(dictionary, rows)
    averaged = [fit for fit in found.fits if fit.hypothesis.units == "average"]
    assert averaged
    made = repair(dictionary, averaged[0].hypothesis)
    assert made.settings()["variant"] == "jumprelu"
    assert made.threshold.tolist() == pytest.approx([0.2] * F)


# ------------------------------------------------------------------- promises, positions, models
def test_the_promise_is_the_files_own():
    assert diagnose(trained("topk"), data()[:64]).promised == K
    assert diagnose(trained("relu"), data()[:64]).promised is None
    assert diagnose(with_promise(trained("relu"), 7.5), data()[:64]).promised == 7.5
    assert diagnose(trained("topk"), data()[:64], promised=9.0).promised == 9.0


def test_a_dense_gate_and_an_error_above_the_variance_are_warned_of():
    tensors = dict(trained("batchtopk").state_dict())
    wide = remade(trained("batchtopk"), tensors | {"threshold": tensors["threshold"] * 0 - 1})
    found = diagnose(wide, data()[:N], promised=1.0)
    assert any("more than ten times the 1 promised" in said for said in found.warnings)
    large = remade(trained("topk"), dict(trained("topk").state_dict()), subtract="none")
    assert any("the mean alone would do better" in said for said in diagnose(large, data()[:N]).warnings)
    shut = remade(trained("batchtopk"), tensors | {"threshold": tensors["threshold"] * 1e6})
    assert "no latent is ever active" in diagnose(shut, data()[:N]).warnings


def sequences(first: float) -> torch.Tensor:
    """64 sequences of 16 positions, the first of which is one huge vector with noise."""
    rows = data()[: 64 * 16].reshape(64, 16, D).clone()
    direction = torch.nn.functional.normalize(torch.arange(1.0, D + 1), dim=0)
    rows[:, 0] = first * direction + 0.05 * first * rows[:, 0]
    return rows


def test_a_first_position_that_was_never_trained_on():
    dictionary = trained("topk")
    found = diagnose(dictionary, sequences(500.0))
    assert aspects(found) == ["first_position"]
    assert found.repaired().convention.excluded_positions == (0,)
    assert not diagnose(found.repaired(), sequences(500.0)).contradicted
    plain = data()[: 64 * 16].reshape(64, 16, D)
    assert not diagnose(dictionary, plain).contradicted


def test_a_first_position_that_is_reconstructed_is_kept():
    """An exact dictionary of huge first activations: large ones are no mistake of themselves."""
    exact = identity(D, "")
    assert not diagnose(exact, sequences(500.0)).contradicted


def test_excluded_tokens_are_left_out():
    rows = sequences(500.0)
    tokens = torch.ones(64, 16, dtype=torch.long)
    tokens[:, 0] = 7
    marked = remade(trained("topk"), trained("topk").state_dict(), excluded_tokens=(7,))
    found = diagnose(marked, rows, tokens)
    assert found.rows == 64 * 15
    assert not found.contradicted


def test_a_transcoder_is_judged_on_inputs_and_targets(tmp_path):
    """y = ReLU(W x) exactly; a subtraction that does not exist is not even a hypothesis, a scale is."""
    generator = torch.Generator().manual_seed(2)
    x = 0.05 * torch.randn(1024, D, generator=generator)
    record = Convention(subtract="none", decoder_unit_norm=False)
    made = build(
        {"variant": "relu"}, D, F, d_out=5, convention=record, site_in="a.mlp_in", site_out="a.mlp_out"
    )
    y = made(x).detach()
    assert diagnose(made, (x, y)).own.fvu < 1e-8
    spoilt = remade(made, made.state_dict(), input_transform="scale", scale_in=30.0, scale_out=2.0)
    spoilt.b_enc.data.fill_(-0.1)
    made.b_enc.data.fill_(-0.1)
    found = diagnose(spoilt, (x, made(x).detach()))
    assert aspects(found) == ["normalisation"]
    assert "folded into the weights already" in found.mistakes[0]
    message = refusal(lambda: diagnose(made, x), "DI123")
    assert message.startswith("A transcoder is judged on its targets too.")


def test_with_a_model_the_loss_is_measured(model, tokens):
    """An exact identity loses nothing; read without its b_dec it differs, and the verdict brings it back."""
    width = 8
    exact = identity(width, "blocks.0.resid_post")
    shift = 0.8 * torch.randn(width, generator=torch.Generator().manual_seed(1))
    tensors = dict(exact.state_dict()) | {"b_dec": shift}
    right = remade(exact, tensors, subtract="b_dec")
    spoilt = remade(right, tensors, subtract="none")
    finding = examine(spoilt, model, tokens)
    numbers = finding.measures
    assert numbers["mistakes"].value == 1
    assert numbers["best_ce_increase"].value == pytest.approx(0, abs=1e-5)
    assert abs(numbers["ce_increase"].value) > 1e-3  # an untrained model may even gain
    keep = torch.ones_like(tokens, dtype=torch.bool)
    keep[:, 0] = False
    by_hand = loss(splice(model, spoilt), tokens, keep) - loss(model, tokens, keep)
    assert numbers["ce_increase"].value == pytest.approx(by_hand, abs=1e-9)
    names = finding.arrays["l0"].coords["hypothesis"]
    assert sum(name.endswith("(as read)") for name in names) == 1
    assert finding.id == examine(spoilt, model, tokens).id
    assert refusal(lambda: examine(spoilt, model), "DI123").startswith("A model was given without tokens.")


def test_a_finding_from_a_path_says_its_numbers(tmp_path):
    save_dictionary(trained("topk"), tmp_path)
    finding = examine(tmp_path, data()[:N])
    said = finding.statement.replace("\u2009", " ")
    assert said.startswith("As read, 3 latents are active per token where 3 latents are promised, and 0.1")
    assert said.endswith("0 mistakes in the record.")
    assert finding.measures["ratio"].value == pytest.approx(1, abs=0.01)
    assert len(finding.arrays["fvu"].values) == 12
    assert "ce_increase" not in finding.measures


# ------------------------------------------------------------------- at the reading of a file
def test_reading_with_a_check(tmp_path):
    save_dictionary(trained("topk"), tmp_path, format="saelens")
    rows = data()[:N]
    assert load_dictionary(tmp_path, check=rows).k == K
    edit(tmp_path / "cfg.json", apply_b_dec_to_input=False)
    load_dictionary(tmp_path)  # unasked, nothing is judged
    with pytest.warns(UserWarning, match="the mean alone would do better"):
        said = refusal(lambda: load_dictionary(tmp_path, check=rows), "DI125")
    assert "Run as its record says (topk 3 by h), the dictionary has 3.0 latents active" in said
    assert "In the record: subtraction: b_dec is subtracted from the input, not nothing." in said
    assert "take diagnose(dictionary, activations).repaired()" in said


def test_reading_with_a_check_on_a_model(tmp_path, model, tokens):
    save_dictionary(identity(8, "blocks.0.resid_post"), tmp_path)
    assert isinstance(load_dictionary(tmp_path, check=(model, tokens)), TopK)


def test_a_hypothesis_of_other_weights_is_refused():
    said = refusal(lambda: repair(trained("topk"), Hypothesis("jumprelu")), "DI122")
    assert "has no threshold, so that it cannot be run as 'jumprelu by h'" in said
    assert "the gate 'gated'" in refusal(lambda: repair(trained("gated"), Hypothesis("relu")), "DI122")
    pre = dataclasses.replace(as_read(trained("topk")), subtract="b_pre")
    assert "has no b_pre" in refusal(lambda: repair(trained("topk"), pre), "DI122")


def test_what_cannot_be_judged_is_refused():
    dictionary, rows = trained("topk"), data()[:64]
    assert "1 rows are too few" in refusal(lambda: diagnose(dictionary, rows[:1]), "DI123")
    assert "Targets of shape (64, 3) for 64 inputs" in refusal(
        lambda: diagnose(dictionary, (rows, rows[:, :3])), "DI123"
    )
    assert "0.0 active latents are promised" in refusal(
        lambda: diagnose(dictionary, rows, promised=0.0), "DI123"
    )
    assert "reads width 16" in refusal(lambda: diagnose(dictionary, rows[:, :4]), "DI04")
    refusal(lambda: diagnose(dictionary, rows / 0), "DI05")


def test_rows_that_do_not_vary_have_no_error_to_share():
    found = diagnose(trained("topk"), torch.ones(64, D))
    assert np.isnan(found.own.fvu)
    assert not found.contradicted
