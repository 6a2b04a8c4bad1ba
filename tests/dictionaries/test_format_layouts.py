"""Eight more programs' files: read as they mean them, written bit for bit, refused where they cannot be."""

from __future__ import annotations

import json
import warnings

import foreign_layouts as foreign
import numpy as np
import pytest
import torch
from foreign_layouts import LAYOUTS, D, F, K, X, drawn, stored
from safetensors.torch import load_file, save_file

from pellucid.dictionaries import Convention, Dictionary, load_dictionary, save_dictionary
from pellucid.dictionaries.formats.fitting import Holds, fitted
from pellucid.dictionaries.formats.registry import FORMATS, load_dictionaries
from pellucid.dictionaries.variants import build
from pellucid.findings import InputError, MissingError

WRITTEN = [name for name in LAYOUTS if not name.startswith("dunefsky")]


def refusal(call, code: str, kind: type = InputError) -> str:
    with pytest.raises(kind) as caught:
        call()
    assert caught.value.code == code
    return str(caught.value)


# ------------------------------------------------------------------- reading
@pytest.mark.parametrize("name", LAYOUTS)
def test_a_file_computes_what_its_program_means(name, tmp_path):
    """Codes and reconstruction against a float64 forward by hand; 1e-6 is float32's rounding of 8 terms."""
    layout = LAYOUTS[name]
    read = load_dictionary(layout.write(tmp_path / "there"))
    codes, made = layout.forward(X)
    assert read.W_enc.dtype == torch.float32
    assert ((read.encode(X) != 0) == (codes != 0)).all()
    assert (read.encode(X) - codes).abs().max() <= 1e-6
    assert (read(X) - made).abs().max() <= 1e-6 * max(1.0, float(made.abs().max()))
    assert 0.05 < (codes != 0).double().mean() < 0.9  # neither silent nor dense: the gate was put to the test


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_file_is_recognised_with_its_sites_and_promise(name, tmp_path):
    layout = LAYOUTS[name]
    read = load_dictionary(layout.write(tmp_path / "there"))
    origin = read.training_record["origin"]
    assert origin["format"] == layout.format
    assert (read.site_in, read.site_out) == layout.sites
    assert tuple(origin["promise"].items()) == layout.promise
    assert "guess" not in origin["sources"].values()
    assert set(origin["sources"]) == set(read.convention.to_dict())


def test_bos_is_left_out_where_it_was_never_trained_on(tmp_path):
    for name in ("llama_jumprelu", "gemma_new_names", "gemma_2"):
        read = load_dictionary(LAYOUTS[name].write(tmp_path / name))
        assert read.convention.excluded_positions == (0,)


def test_bfloat16_is_computed_with_in_float32_and_kept(tmp_path):
    place = LAYOUTS["llama_jumprelu"].write(tmp_path / "there")
    read = load_dictionary(place)
    assert read.training_record["origin"]["dtypes"]["W_enc"] == "bfloat16"
    save_dictionary(read, tmp_path / "again", format="llama_scope")
    held = load_file(tmp_path / "again" / "checkpoints" / "final.safetensors")
    assert {value.dtype for value in held.values()} == {torch.bfloat16}


# ------------------------------------------------------------------- writing back
@pytest.mark.parametrize("name", WRITTEN)
def test_what_is_read_is_written_bit_for_bit(name, tmp_path):
    """Every tensor and every setting; nothing is added beside."""
    layout = LAYOUTS[name]
    place = layout.write(tmp_path / "there")
    read = load_dictionary(place)
    again = tmp_path / "again" / place.relative_to(tmp_path / "there")
    save_dictionary(read, again, format=layout.format)
    before, after = stored(place), stored(again)
    renamed = {"samples_0.pt": "samples_400000.pt", "sae.pt": "gelu-2l_L1.pt"}
    renamed["sae_cfg.json"] = "gelu-2l_L1_cfg.json"
    after = {renamed.get(file, file): held for file, held in after.items()}
    assert set(before) == set(after)
    for file, held in before.items():
        for key, value in held.items():
            if torch.is_tensor(value):
                assert value.dtype == after[file][key].dtype
                assert torch.equal(value, after[file][key])
            else:
                assert after[file][key] == value
        extra = set(after[file]) - set(held)
        assert extra <= {"model_kind"}, extra  # circuit-tracer's loader asks for it
    back = load_dictionary(again)
    assert back.sha256 == read.sha256


def test_several_dictionaries_of_one_file(tmp_path):
    sites = ("blocks-2-hook_resid_pre", "blocks-6-hook_resid_pre")
    place = foreign.e2e(tmp_path / "there", sites)
    assert "2 dictionaries: blocks.2.resid_pre, blocks.6.resid_pre" in refusal(
        lambda: load_dictionary(place), "DI121"
    )
    found = load_dictionaries(place)
    assert list(found) == ["blocks.2.resid_pre", "blocks.6.resid_pre"]
    from pellucid.dictionaries.formats.e2e_sae import write_all

    write_all(list(found.values()), tmp_path / "again.pt")
    before, after = (
        torch.load(p, weights_only=True) for p in (place / "samples_400000.pt", tmp_path / "again.pt")
    )
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert set(before) == set(after)


def test_several_layers_of_one_folder(tmp_path):
    place = foreign.tracer(tmp_path / "there", layers=(2, 10))
    assert "layer_2.safetensors, layer_10.safetensors" in refusal(lambda: load_dictionary(place), "DI121")
    assert list(load_dictionaries(place)) == ["blocks.2.resid_mid", "blocks.10.resid_mid"]
    assert load_dictionary(place / "layer_10.safetensors").site_out == "blocks.10.mlp_out"


def test_one_dictionary_is_all_there_is(tmp_path):
    place = LAYOUTS["goodfire"].write(tmp_path / "there")
    assert list(load_dictionaries(place)) == [""]


def test_thresholds_in_one_number_stay_one_number(tmp_path):
    place = foreign.tracer(tmp_path / "there")
    held = load_file(place / "layer_4.safetensors") | {"activation_function.threshold": torch.tensor(0.25)}
    save_file(held, place / "layer_4.safetensors")
    read = load_dictionary(place)
    assert read.threshold.tolist() == [0.25] * F
    save_dictionary(read, tmp_path / "again", format="circuit_tracer")
    assert load_file(tmp_path / "again" / "layer_4.safetensors")["activation_function.threshold"].shape == ()


# ------------------------------------------------------------------- conversions
def ours(variant: str, **more: object) -> Dictionary:
    """One of our own with unequal decoder rows, biases and thresholds."""
    record = {"subtract": "b_dec", "decoder_unit_norm": False, **more}
    settings = {"variant": variant} | ({"k": K} if variant in ("topk", "batchtopk", "matryoshka") else {})
    site_out = "blocks.1.mlp_out" if more.get("skip") else None
    made = build(
        settings, D, 2 * F, site_in="blocks.1.resid_post", site_out=site_out, convention=Convention(**record)
    )
    generator = torch.Generator().manual_seed(3)
    for name, value in made.requires_grad_(False).state_dict().items():
        noise = torch.randn(value.shape, generator=generator)
        value.copy_(0.3 + 0.1 * noise.abs() if name == "threshold" else value + 0.3 * noise)
    return made


SCALED = {"input_transform": "scale", "scale_in": 2.5, "scale_out": 2.5}
NORMED = {"input_transform": "layer_norm", "restore": "without_epsilon"}
SOURCES = {
    "relu": ours("relu"),
    "relu_scaled": ours("relu", **SCALED),
    "topk": ours("topk"),
    "topk_ranked": ours("topk", rank_score="h_norm"),
    "topk_normed": ours("topk", **NORMED),
    "batchtopk": ours("batchtopk"),
    "matryoshka_ranked": ours("matryoshka", rank_score="h_norm"),
    "jumprelu": ours("jumprelu"),
    "gated": ours("gated"),
    "skip": ours("jumprelu", subtract="none", skip="linear"),
    "centred": ours("relu", input_transform="centre"),
}
HELD = {
    "pellucid": set(SOURCES),
    "saelens": set(SOURCES) - {"centred"},
    "dictionary_learning": set(SOURCES) - {"topk_normed", "skip", "centred"},
    "sparsify": {"topk", "topk_ranked"},
    "llama_scope": {"relu", "relu_scaled", "topk", "topk_ranked", "batchtopk", "matryoshka_ranked"},
    "gemma_scope": set(SOURCES) - {"topk", "topk_ranked", "topk_normed", "skip", "centred"},
    "gemma_scope_2": set(SOURCES) - {"topk", "topk_ranked", "topk_normed", "centred"},
    "circuit_tracer": set(SOURCES) - {"topk", "topk_ranked", "topk_normed", "centred"},
    "kissane": {"relu", "relu_scaled"},
    "openai": {"relu", "relu_scaled", "topk_normed"},
    "e2e_sae": {"relu", "relu_scaled"},
    "goodfire": {"relu", "relu_scaled"},
}
PAIRS = [(source, form) for source in SOURCES for form in HELD]


@pytest.mark.parametrize(("source", "form"), PAIRS)
def test_a_conversion_keeps_the_function_or_is_refused(source, form, tmp_path):
    """A -> B -> A keeps y_hat to 1e-5 (float32 folds and sums); where B has no word for A, it says so."""
    dictionary = SOURCES[source]
    there, back = tmp_path / "blocks.1.mlp", tmp_path / "back"
    if source not in HELD[form]:
        with pytest.raises(InputError) as caught:
            save_dictionary(dictionary, there, format=form)
        assert caught.value.code in ("DI84", "DI28")
        assert not any(there.rglob("*")), "a refused conversion leaves nothing"
        return
    before = dictionary.sha256
    save_dictionary(dictionary, there, format=form)
    assert dictionary.sha256 == before
    read = load_dictionary(there, format=form)
    assert (read(X) - dictionary(X)).abs().max() <= 1e-5
    assert (read.site_in, read.site_out) == (dictionary.site_in, dictionary.site_out)
    assert read.convention.excluded_positions == dictionary.convention.excluded_positions
    save_dictionary(read, back)
    assert (load_dictionary(back)(X) - dictionary(X)).abs().max() <= 1e-5


def test_every_format_has_its_line_in_the_table_of_conversions():
    assert set(HELD) == {entry.name for entry in FORMATS if entry.write is not None}


def test_the_conversions_that_are_refused_say_why(tmp_path):
    def said(source: str, form: str, code: str = "DI84") -> str:
        return refusal(lambda: save_dictionary(SOURCES[source], tmp_path, format=form), code)

    assert "cannot hold a dictionary of the gate 'topk'. Set thresholds on rows" in said(
        "topk", "gemma_scope"
    )
    assert "holds relu only; no weights of that gate" in said("jumprelu", "goodfire")
    assert "a threshold of its own for every latent" in said("jumprelu", "llama_scope")
    assert "cannot hold a skip path" in said("skip", "gemma_scope")
    assert "cannot hold a transcoder" in said("skip", "kissane")
    assert "activations transformed by 'centre'. It reads raw activations." in said("centred", "goodfire")
    assert "Its TopK reads layer-normed activations" in said("topk", "openai")
    assert "Its ReLU reads raw activations" in said("centred", "openai")
    assert "It has a scale, or the norm of each token" in said("centred", "llama_scope")
    ranked = ours("topk", code_units="h_norm")
    message = refusal(lambda: save_dictionary(ranked, tmp_path, format="llama_scope"), "DI28")
    assert "ranks latents by h: other lengths" in message


def test_norm_ranked_topk_with_unit_columns_is_plain_topk():
    """Exact where formats force unit columns: the folded dictionary chooses the same latents."""
    ranked = SOURCES["topk_ranked"]
    plain = fitted(ranked, Holds("a", ("topk",), "b_dec"))
    assert plain.convention.rank_score == "h"
    assert torch.equal(plain.encode(X) != 0, ranked.encode(X) != 0)
    refusal(lambda: fitted(ours("topk", code_units="h_norm"), Holds("a", ("topk",), "b_dec")), "DI28")


def test_a_dictionary_read_from_one_program_is_written_for_another(tmp_path):
    """Llama Scope's threshold in finished units becomes one that Gemma Scope compares with h."""
    read = load_dictionary(LAYOUTS["llama_jumprelu"].write(tmp_path / "there"))
    save_dictionary(read, tmp_path / "gemma", format="gemma_scope_2")
    _, made = LAYOUTS["llama_jumprelu"].forward(X)
    again = load_dictionary(tmp_path / "gemma")
    assert (again(X) - made).abs().max() <= 1e-5
    assert (again.site_in, again.site_out) == (read.site_in, read.site_out)


def test_notes_beside_a_file_hold_what_it_has_no_word_for(tmp_path):
    marked = ours("relu", excluded_tokens=(5, 7), model_processing="folded", excluded_positions=(0, 1))
    save_dictionary(marked, tmp_path / "a.pth", format="goodfire")
    note = json.loads((tmp_path / "a.pellucid.json").read_text(encoding="utf-8"))["pellucid"]
    assert note["site_in"] == "blocks.1.resid_post"
    assert load_dictionary(tmp_path / "a.pth").convention.excluded_tokens == (5, 7)
    read = load_dictionary(tmp_path / "a.pth")
    read.site_in = read.site_out = ""
    read.convention = Convention(gate="relu", subtract="none")
    save_dictionary(read, tmp_path / "a.pth", format="goodfire")
    assert not (tmp_path / "a.pellucid.json").exists()  # an old note would speak for the new file


def test_lengths_that_changed_are_not_written_as_they_were(tmp_path):
    """The stored decoder of e2e_sae is remembered for the rows that were read, not for others."""
    read = load_dictionary(LAYOUTS["e2e_sae"].write(tmp_path / "there"))
    read.W_dec.data = read.W_dec.flip(0).contiguous()
    save_dictionary(read, tmp_path / "again", format="e2e_sae")
    assert (load_dictionary(tmp_path / "again").W_dec - read.W_dec).abs().max() < 1e-6


# ------------------------------------------------------------------- refusals
def test_a_cross_layer_transcoder_is_refused_with_the_reason(tmp_path):
    (tmp_path / "clt").mkdir()
    save_file({"W_enc_0": torch.ones(F, D)}, tmp_path / "clt" / "W_enc_0.safetensors")
    save_file({"W_dec_0": torch.ones(F, 2, D)}, tmp_path / "clt" / "W_dec_0.safetensors")
    for read in (load_dictionary, load_dictionaries):
        said = refusal(lambda read=read: read(tmp_path / "clt"), "DI120")
        assert "clt holds a cross-layer transcoder: each of its latents writes to several layers" in said
        assert "Summing its decoders is no way out" in said
    gemma = foreign.gemma_2(tmp_path / "gemma", type="clt")
    refusal(lambda: load_dictionary(gemma), "DI120")
    gemma = foreign.gemma_2(tmp_path / "layers")
    held = load_file(gemma / "params.safetensors")
    save_file(held | {"w_dec": held["w_dec"][:, None].repeat(1, 2, 1)}, gemma / "params.safetensors")
    refusal(lambda: load_dictionary(gemma), "DI120")


UNRUN = [
    ("llama", {"act_fn": "gelu"}, "the activation 'gelu'"),
    ("llama", {"use_glu_encoder": True}, "a gated linear encoder"),
    ("llama", {"norm_activation": "batch-wise"}, "normalises activations 'batch-wise'"),
    ("llama", {"norm_activation": "token-wise"}, "normalises activations 'token-wise'"),
    ("llama", {"dataset_average_activation_norm": None}, "must hold dataset_average_activation_norm"),
    ("gemma_2", {"architecture": "topk"}, "the architecture 'topk'"),
]


@pytest.mark.parametrize(("writer", "more", "said"), UNRUN)
def test_what_nothing_here_computes_is_refused(writer, more, said, tmp_path):
    place = getattr(foreign, writer)(tmp_path / "there", **more)
    assert said in refusal(lambda: load_dictionary(place), "DI83")


def test_token_wise_norms_of_an_autoencoder_are_its_own(tmp_path):
    same = {"hook_point_in": "blocks.1.hook_mlp_out", "hook_point_out": "blocks.1.hook_mlp_out"}
    place = foreign.llama(tmp_path / "there", norm_activation="token-wise", act_fn="relu", **same)
    read = load_dictionary(place)
    length = X.norm(dim=1, keepdim=True) / D**0.5
    w = {name: value.bfloat16().float() for name, value in drawn().items()}
    made = ((X / length @ w["e"].T + w["eb"]).relu() @ w["w"] + w["wb"]) * length
    assert (read(X) - made).abs().max() < 1e-5
    save_dictionary(read, tmp_path / "again", format="llama_scope")
    assert load_dictionary(tmp_path / "again").sha256 == read.sha256


def test_a_llama_dictionary_without_a_decoder_bias(tmp_path):
    place = foreign.llama(tmp_path / "there", use_decoder_bias=False)
    held = load_file(place / "checkpoints" / "final.safetensors")
    held.pop("decoder.bias")
    save_file(held, place / "checkpoints" / "final.safetensors")
    read = load_dictionary(place)
    assert not read.b_dec.any()
    save_dictionary(read, tmp_path / "again", format="llama_scope")
    assert set(stored(tmp_path / "again")["checkpoints/final.safetensors"]) == set(held)


def test_a_scaled_fine_tuning_is_applied_or_refused(tmp_path):
    place = foreign.gemma(tmp_path / "there")
    with np.load(place / "params.npz") as held:
        table = dict(held)
    np.savez(place / "params.npz", **table, scaling_factor=np.ones(F, np.float32))
    read = load_dictionary(place)
    save_dictionary(read, tmp_path / "again", format="gemma_scope")
    assert "scaling_factor" in stored(tmp_path / "again")["params.npz"]
    np.savez(place / "params.npz", **table, scaling_factor=np.full(F, 1.1, np.float32))
    assert "scaling_factor of its codes that is not 1" in refusal(lambda: load_dictionary(place), "DI83")


def test_unknown_contents_are_refused(tmp_path):
    place = foreign.llama(tmp_path / "llama", new_setting=3)
    assert "unknown setting new_setting" in refusal(lambda: load_dictionary(place), "DI82")
    place = foreign.tracer(tmp_path / "tracer")
    save_file(load_file(place / "layer_4.safetensors") | {"W_odd": X}, place / "layer_4.safetensors")
    assert "unknown tensor W_odd" in refusal(lambda: load_dictionary(place), "DI82")
    file = foreign.openai(tmp_path / "openai")
    torch.save(torch.load(file, weights_only=True) | {"odd": 1}, file)
    assert "unknown entry odd" in refusal(lambda: load_dictionary(file), "DI82")
    file = foreign.e2e(tmp_path / "e2e") / "samples_400000.pt"
    torch.save(torch.load(file, weights_only=True) | {"odd": torch.ones(1)}, file)
    assert "unknown tensor odd" in refusal(lambda: load_dictionary(file), "DI82")


def test_other_gates_of_openai_are_refused(tmp_path):
    file = foreign.openai(tmp_path / "there", "Identity")
    assert "the activation Identity followed by nothing" in refusal(lambda: load_dictionary(file), "DI83")


def test_other_classes_in_a_pickle_are_refused_by_name(tmp_path):
    """Only the one configuration class of that program is inert; nothing of it is imported either."""
    file = foreign.dunefsky(tmp_path / "there", name="Hostile")
    said = refusal(lambda: load_dictionary(file, format="dunefsky"), "DI80")
    assert "sae_training.config.Hostile" in said
    read = load_dictionary(foreign.dunefsky(tmp_path / "right"))
    config = read.training_record["origin"]["config"]
    assert config["d_in"] == D
    assert json.dumps(config)
    said = refusal(lambda: save_dictionary(read, tmp_path / "x", format="dunefsky"), "DI20", MissingError)
    assert "are read, not written" in said


def test_damaged_files_are_named(tmp_path):
    place = foreign.gemma(tmp_path / "there")
    (place / "params.npz").write_bytes(b"PK nothing")
    assert "params.npz" in refusal(lambda: load_dictionary(place), "DI22")
    np.savez(place / "params.npz", W_enc=np.array([{}], dtype=object))
    assert "params.npz" in refusal(lambda: load_dictionary(place), "DI22")
    place = foreign.tracer(tmp_path / "tracer")
    (place / "config.yaml").write_text("- a", encoding="utf-8")
    assert "config.yaml is no table" in refusal(lambda: load_dictionary(place), "DI22")
    (place / "config.yaml").write_text("{", encoding="utf-8")
    assert "config.yaml" in refusal(lambda: load_dictionary(place), "DI22")
    place = foreign.e2e(tmp_path / "e2e")
    (place / "final_config.yaml").write_text("3", encoding="utf-8")
    assert "final_config.yaml is no table" in refusal(lambda: load_dictionary(place), "DI22")


def test_a_place_without_the_file_of_a_format(tmp_path):
    for form in ("goodfire", "openai", "e2e_sae", "dunefsky", "kissane", "gemma_scope", "circuit_tracer"):
        said = refusal(lambda form=form: load_dictionary(tmp_path, format=form), "DI21", MissingError)
        assert "No dictionary in" in said
    refusal(lambda: load_dictionary(tmp_path), "DI21", MissingError)


def test_the_wrong_number_of_thresholds(tmp_path):
    place = foreign.tracer(tmp_path / "there")
    held = load_file(place / "layer_4.safetensors") | {"activation_function.threshold": torch.ones(3)}
    save_file(held, place / "layer_4.safetensors")
    assert "3 thresholds for 8 latents" in refusal(lambda: load_dictionary(place), "DI89")


def test_an_embedding_folder_takes_embedding_dictionaries_only(tmp_path):
    said = refusal(
        lambda: save_dictionary(SOURCES["jumprelu"], tmp_path / "embedding", format="gemma_scope"), "DI84"
    )
    assert "in a folder named embedding" in said


def test_what_the_caller_tells_outranks_the_format(tmp_path):
    place = LAYOUTS["goodfire"].write(tmp_path / "there")
    read = load_dictionary(place, told={"subtract": "b_dec"})
    assert read.convention.subtract == "b_dec"
    assert read.training_record["origin"]["sources"]["subtract"] == "told"


def test_reading_warns_of_nothing(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name, layout in LAYOUTS.items():
            load_dictionary(layout.write(tmp_path / name))


def spoil(file, name: str, value: object) -> None:
    """Another value in a pickled table."""
    torch.save(torch.load(file, weights_only=True) | {name: value}, file)


def test_contents_of_the_wrong_kind_are_named(tmp_path):
    file = foreign.openai(tmp_path / "openai")
    spoil(file, "encoder.weight", 3)
    assert "has a int as encoder.weight" in refusal(lambda: load_dictionary(file), "DI83")
    spoil(file, "encoder.weight", torch.ones(F))
    assert "weights of W_enc have 1 axes, not 2" in refusal(lambda: load_dictionary(file), "DI89")
    spoil(file, "activation_state_dict", {})
    assert "lacks the setting k" in refusal(lambda: load_dictionary(foreign_again(file)), "DI82")
    torch.save([1, 2], file)
    assert "has a content that is a list" in refusal(lambda: load_dictionary(file, format="openai"), "DI83")
    torch.save({"state_dict": 3}, file)
    said = refusal(lambda: load_dictionary(file, format="dunefsky"), "DI83")
    assert "has a state_dict that is a int" in said
    for name, place in (("goodfire", "l19.pth"), ("kissane", "gelu-2l_L1.pt"), ("e2e", "samples_400000.pt")):
        getattr(foreign, name)(tmp_path / name)
        first = next(iter(torch.load(tmp_path / name / place, weights_only=True)))
        spoil(tmp_path / name / place, first, torch.ones(F))
        refusal(lambda name=name: load_dictionary(tmp_path / name), "DI89")
    place = foreign.llama(tmp_path / "llama")
    held = load_file(place / "checkpoints" / "final.safetensors")
    save_file(held | {"encoder.weight": torch.ones(F)}, place / "checkpoints" / "final.safetensors")
    refusal(lambda: load_dictionary(place), "DI89")
    foreign.llama(tmp_path / "bare", jump_relu_threshold=None)
    config = json.loads((tmp_path / "bare" / "hyperparams.json").read_text(encoding="utf-8"))
    config.pop("jump_relu_threshold")
    (tmp_path / "bare" / "hyperparams.json").write_text(json.dumps(config), encoding="utf-8")
    said = refusal(lambda: load_dictionary(tmp_path / "bare"), "DI82")
    assert "lacks the setting jump_relu_threshold" in said


def foreign_again(file):
    """The same file with its encoder as it should be."""
    spoil(file, "encoder.weight", drawn()["e"])
    return file
