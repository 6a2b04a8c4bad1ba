"""Foreign layouts written by hand, and a forward pass of each written by hand in float64; and what is refused."""

from __future__ import annotations

import json
import pickle

import pytest
import torch
from safetensors.torch import load_file, save_file

from pellucid.dictionaries import (
    VARIANTS,
    Convention,
    JumpReLU,
    ReLU,
    TopK,
    load_dictionary,
    save_dictionary,
)
from pellucid.dictionaries.formats.conversion import as_jumprelu
from pellucid.dictionaries.formats.names import hook_of_site, site_of_hook, site_of_submodule, sites_of_module
from pellucid.dictionaries.formats.registry import dictionary_formats
from pellucid.dictionaries.suites.conversion import to_jumprelu
from pellucid.dictionaries.variants import build
from pellucid.findings import InputError, MissingError

D = F = 8  # a square dictionary: its orientation can only come from the format
K = 3


def numbers(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def parts(d: int = D, f: int = F, d_out: int | None = None) -> dict[str, torch.Tensor]:
    """Weights as SAELens lays them out."""
    out = d if d_out is None else d_out
    sizes = {"W_enc": (d, f), "b_enc": (f,), "W_dec": (f, out), "b_dec": (out,)}
    return {name: 0.5 * numbers(*size, seed=seed) for seed, (name, size) in enumerate(sizes.items())}


X = numbers(50, D, seed=11)


def config(architecture: str, **more: object) -> dict:
    return {
        "architecture": architecture,
        "d_in": D,
        "d_sae": F,
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": True,
        "normalize_activations": "none",
        "reshape_activations": "none",
        "metadata": {"sae_lens_version": "6.1.0", "hook_name": "blocks.0.hook_mlp_out"},
        **more,
    }


def lens(folder, settings: dict, tensors: dict[str, torch.Tensor] | None = None):
    """A folder of SAELens."""
    folder.mkdir(exist_ok=True)
    (folder / "cfg.json").write_text(json.dumps(settings), encoding="utf-8")
    save_file(tensors or parts(), folder / "sae_weights.safetensors")
    return folder


def learned(folder, name: str | None, tensors: dict[str, torch.Tensor], **more: object):
    """A folder of dictionary_learning; None: without its configuration."""
    folder.mkdir(exist_ok=True)
    torch.save(tensors, folder / "ae.pt")
    if name:
        trainer = {"dict_class": name, "activation_dim": D, "dict_size": F, "layer": 2, **more}
        (folder / "config.json").write_text(json.dumps({"trainer": trainer}), encoding="utf-8")
    return folder


def linear(**more: torch.Tensor) -> dict[str, torch.Tensor]:
    """Weights as dictionary_learning's linear layers have them."""
    held = parts()
    rows = {
        "encoder.weight": held["W_enc"].T,
        "encoder.bias": held["b_enc"],
        "decoder.weight": held["W_dec"].T,
    }
    return {**{name: value.contiguous() for name, value in rows.items()}, "b_dec": held["b_dec"], **more}


def sparse(folder, tensors: dict[str, torch.Tensor] | None = None, **more: object):
    """A folder of sparsify."""
    folder.mkdir(exist_ok=True)
    settings = {"activation": "topk", "num_latents": F, "k": K, "d_in": D, "transcode": False, **more}
    (folder / "cfg.json").write_text(json.dumps(settings), encoding="utf-8")
    held = linear()
    held["W_dec"] = held.pop("decoder.weight").T.contiguous()
    save_file(tensors or held, folder / "sae.safetensors")
    return folder


def topk(h: torch.Tensor, score: torch.Tensor) -> torch.Tensor:
    """ReLU of h at the k largest scores."""
    mask = torch.zeros_like(h).scatter(1, score.topk(K, dim=1).indices, 1.0)
    return h.relu() * mask


def forward(kind: str, w: dict[str, torch.Tensor], x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Codes and reconstruction of each convention, in float64 and without any of our code."""
    w, x = {name: value.double() for name, value in w.items()}, x.double()
    n = w["W_dec"].norm(dim=1)
    if kind == "lens_norm":
        z = topk(
            ((x - w["b_dec"]) @ w["W_enc"] + w["b_enc"]) * n, ((x - w["b_dec"]) @ w["W_enc"] + w["b_enc"]) * n
        )
        return z, (z / n) @ w["W_dec"] + w["b_dec"]
    if kind == "lens_layer_norm":
        mean, std = x.mean(1, keepdim=True), x.std(1, keepdim=True)
        z = (((x - mean) / (std + 1e-5) - w["b_dec"]) @ w["W_enc"] + w["b_enc"]).relu()
        return z, (z @ w["W_dec"] + w["b_dec"]) * std + mean
    if kind == "lens_scaled":
        z = ((2.5 * x - w["b_dec"]) @ w["W_enc"] + w["b_enc"]).relu()
        return z, (z @ w["W_dec"] + w["b_dec"]) / 2.5
    if kind == "subtracting_topk":
        h = (x - w["b_dec"]) @ w["W_enc"] + w["b_enc"]
        z = topk(h, h)
        return z, z @ w["W_dec"] + w["b_dec"]
    h = x @ w["W_enc"] + w["b_enc"]  # learned_jump
    z = h.relu() * (h > 0.3)
    return z, z @ w["W_dec"] + w["b_dec"]


SCALED = {"normalize_activations": "expected_average_only_in"}
WRITERS = {
    "lens_norm": lambda at: lens(at, config("topk", k=K, rescale_acts_by_decoder_norm=True)),
    "lens_layer_norm": lambda at: lens(at, config("standard", normalize_activations="layer_norm")),
    "lens_scaled": lambda at: lens(at, config("standard", **SCALED)),
    "subtracting_topk": sparse,
    "learned_jump": lambda at: learned(
        at, "JumpReluAutoEncoder", parts() | {"threshold": torch.full((F,), 0.3)}, submodule_name=None
    ),
}


@pytest.mark.parametrize("kind", WRITERS)
def test_a_forward_by_hand_agrees(tmp_path, kind):
    """float32 against float64: 1e-6 at outputs of size 1 to 5, and the same latents active."""
    place = WRITERS[kind](tmp_path / "layers.1")
    if kind == "lens_scaled":
        (place / "activation_scaler.json").write_text('{"scaling_factor": 2.5}', encoding="utf-8")
    dictionary = load_dictionary(place)
    codes, made = forward(kind, parts(), X)
    assert (dictionary.double().encode(X.double()) - codes).abs().max() <= 1e-6
    assert (dictionary.double()(X.double()) - made).abs().max() <= 1e-6
    assert torch.equal(dictionary.encode(X.double()) != 0, codes != 0)


def test_a_transposed_file_of_a_square_dictionary_is_another_function(tmp_path):
    """What a reader that guesses by shape cannot see: here F = d."""
    right = load_dictionary(lens(tmp_path / "a", config("standard")))
    wrong = parts() | {"W_enc": parts()["W_enc"].T.contiguous()}
    assert (right(X) - load_dictionary(lens(tmp_path / "b", config("standard"), wrong))(X)).abs().max() > 0.5


def refusal(call, code: str) -> str:
    with pytest.raises((InputError, MissingError)) as caught:
        call()
    assert caught.value.code == code
    return str(caught.value)


def test_a_scale_that_is_not_in_the_file_is_asked_for_and_can_be_told(tmp_path):
    place = lens(tmp_path / "a", config("standard", **SCALED))
    message = refusal(lambda: load_dictionary(place), "DI83")
    assert "the scale is not in its files. Estimate it as s = sqrt(d_in) / mean |x|" in message
    told = load_dictionary(place, told={"scale_in": 2.5})
    assert (told(X) - forward("lens_scaled", parts(), X)[1]).abs().max() <= 1e-5
    assert told.training_record["origin"]["sources"]["scale_in"] == "told"
    save_dictionary(
        told, tmp_path / "b", format="saelens"
    )  # the scale is folded: nothing is missing any more
    assert (load_dictionary(tmp_path / "b")(X) - told(X)).abs().max() <= 1e-5


def test_a_class_that_is_not_said_is_a_guess_and_guesses_are_refused(tmp_path):
    """AutoEncoderTopK and BatchTopKSAE store the same tensors, and encode differently."""
    more = {"k": torch.tensor(K, dtype=torch.int), "threshold": torch.tensor(0.1)}
    place = learned(tmp_path / "a", None, linear(**more))
    message = refusal(lambda: load_dictionary(place), "DI86")
    assert "does not say its convention; the best guess is gate 'topk'" in message
    assert "Confirm it with load_dictionary(..., told={'gate': 'topk'})" in message
    assert load_dictionary(place, told={"gate": "topk"}).settings() == {"variant": "topk", "k": K}
    assert float(load_dictionary(place, told={"gate": "batchtopk"}).threshold) == pytest.approx(0.1)
    assert "not those of the gate 'gated'" in refusal(
        lambda: load_dictionary(place, told={"gate": "gated"}), "DI83"
    )


def test_a_class_that_the_tensors_settle_needs_no_configuration(tmp_path):
    names = {"encoder.weight": (F, D), "encoder.bias": (F,), "decoder.weight": (D, F), "bias": (D,)}
    held = {name: numbers(*size, seed=5) for name, size in names.items()}
    read = load_dictionary(learned(tmp_path / "a", None, held))
    assert read.training_record["origin"]["sources"]["gate"] == "rule"
    assert read.convention.code_units == "h_norm"


def test_a_square_dictionary_is_read_by_the_rule_of_its_class(tmp_path):
    held = parts() | {"threshold": torch.full((F,), 0.3)}
    read = load_dictionary(learned(tmp_path / "a", "JumpReluAutoEncoder", held))
    assert torch.equal(read.W_enc, held["W_enc"].T)
    assert torch.equal(read.W_dec, held["W_dec"])
    assert read.site_in == "blocks.2.resid_post"


LOG = {"log_threshold": torch.full((F,), -1.0)}
REFUSED = {
    "unknown tensor": (
        lambda at: lens(at, config("standard"), parts() | {"ghost": torch.ones(1)}),
        "DI82",
        "A SAELens dictionary of this kind holds the unknown tensor ghost. Nothing is ignored silently",
    ),
    "missing tensor": (
        lambda at: lens(at, config("jumprelu")),
        "DI82",
        "A SAELens dictionary of this kind lacks the tensor threshold.",
    ),
    "unknown setting": (
        lambda at: lens(at, config("standard", centre=True)),
        "DI82",
        "holds the unknown setting centre",
    ),
    "another width": (
        lambda at: lens(at, config("standard", d_sae=9)),
        "DI89",
        "The SAELens weights of W_enc have the shape (8, 8) in our layout, where 8 inputs and 9 latents ask for (9, 8).",
    ),
    "abstopk": (lambda at: lens(at, config("abstopk", k=2)), "DI83", "keeps negative codes"),
    "temporal": (lambda at: lens(at, config("temporal")), "DI83", "reads a sequence"),
    "a training checkpoint": (
        lambda at: lens(at, config("batchtopk", k=2)),
        "DI83",
        "is a training checkpoint",
    ),
    "a new architecture": (
        lambda at: lens(at, config("wavelet")),
        "DI83",
        "'wavelet', which is not known. Read are: standard",
    ),
    "whitened": (
        lambda at: lens(at, config("standard", normalize_activations="covariance_whitening")),
        "DI83",
        "its statistics are not in the weights. Fold them into the weights with SAELens first.",
    ),
    "fine-tuned": (
        lambda at: lens(at, config("standard"), parts() | {"scaling_factor": torch.full((F,), 1.5)}),
        "DI83",
        "was fine-tuned with a scaling_factor of its codes that is not 1",
    ),
    "flat tanh": (
        lambda at: lens(at, {"d_in": D, "d_sae": F, "activation_fn_str": "tanh-relu"}),
        "DI83",
        "has the activation 'tanh-relu'",
    ),
    "no json": (
        lambda at: (lens(at, config("standard")) / "cfg.json").write_text("{"),
        "DI22",
        "cannot be read: cfg.json",
    ),
    "a list": (
        lambda at: (lens(at, config("standard")) / "cfg.json").write_text("[]"),
        "DI22",
        "cfg.json is no table",
    ),
    "no configuration": (lambda at: (lens(at, {}) / "cfg.json").unlink(), "DI21", "it has no cfg.json"),
    "cut weights": (
        lambda at: (lens(at, config("standard")) / "sae_weights.safetensors").write_bytes(b"\x00" * 5),
        "DI22",
        "cannot be read: sae_weights.safetensors",
    ),
    "groupmax": (
        lambda at: sparse(at, activation="groupmax"),
        "DI83",
        "groupmax takes the largest of each group",
    ),
    "signed": (lambda at: sparse(at, signed=True), "DI83", "keeps negative codes (signed)"),
    "sparsify setting": (lambda at: sparse(at, gate="soft"), "DI82", "holds the unknown setting gate"),
    "a skip path that is not there": (
        lambda at: sparse(at, skip_connection=True),
        "DI82",
        "lacks the tensor W_skip",
    ),
    "another class": (
        lambda at: learned(at, "IdentityDict", linear()),
        "DI83",
        "is of the class 'IdentityDict'",
    ),
    "no class": (lambda at: learned(at, None, {"w": torch.ones(2)}), "DI83", "tensors of no known class: w"),
    "a pickle": (
        lambda at: (learned(at, "AutoEncoder", {}) / "ae.pt").write_bytes(pickle.dumps({"a": print})),
        "DI80",
        "ae.pt holds builtins.print",
    ),
    "nothing": (lambda at: at.mkdir(), "DI21", "Files by which one is known: pellucid: dictionary.json"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_taken_as_it_is_is_said(tmp_path, case):
    make, code, words = REFUSED[case]
    make(tmp_path / "a")
    assert words in refusal(lambda: load_dictionary(tmp_path / "a"), code)


def test_what_is_told_must_be_a_field(tmp_path):
    place = lens(tmp_path / "a", config("standard"))
    assert "has no field 'gates'. Its fields are: input_transform" in refusal(
        lambda: load_dictionary(place, told={"gates": "relu"}), "DI85"
    )
    save_dictionary(load_dictionary(place), tmp_path / "b")
    message = refusal(lambda: load_dictionary(tmp_path / "b", told={"gate": "relu"}), "DI85")
    assert "says its whole convention; gate cannot be told" in message


def test_what_is_told_outranks_the_file(tmp_path):
    place = lens(tmp_path / "a", config("standard"))
    told = load_dictionary(place, told={"subtract": "none", "model_processing": "centred"})
    assert (told.convention.subtract, told.convention.model_processing) == ("none", "centred")


def test_older_names_are_read(tmp_path):
    """log_threshold, a flat hook_z configuration, and a boolean that meant a scale."""
    read = load_dictionary(lens(tmp_path / "a", config("jumprelu"), parts() | LOG))
    assert torch.allclose(read.threshold, torch.full((F,), -1.0).exp())
    flat = {"d_in": D, "d_sae": F, "hook_point": "blocks.3.attn.hook_z", "normalize_activations": False}
    read = load_dictionary(lens(tmp_path / "b", flat))
    assert (read.convention.reshape, read.convention.subtract, read.site_in) == (
        "heads",
        "b_dec",
        "blocks.3.attn.z",
    )
    assert read.training_record["origin"]["sources"]["subtract"] == "file"
    flat = {"d_in": D, "d_sae": F, "hook_point": "blocks.3.hook_mlp_out", "normalize_activations": True}
    refusal(lambda: load_dictionary(lens(tmp_path / "c", flat)), "DI83")


def test_metadata_says_what_was_left_out(tmp_path):
    meta = {"exclude_special_tokens": [50256], "seqpos_slice": [2, None], "hook_name": "hook_embed"}
    meta |= {"sae_lens_version": "6.0.0", "model_from_pretrained_kwargs": {"fold_ln": True}}
    place = lens(tmp_path / "a", config("standard", metadata=meta))
    save_file({"sparsity": torch.full((F,), -1.0)}, place / "sparsity.safetensors")
    read = load_dictionary(place)
    assert (read.convention.excluded_tokens, read.convention.excluded_positions) == ((50256,), (0, 1))
    assert (read.convention.model_processing, read.site_in) == ("folded", "embed")
    assert read.training_record["origin"]["promise"]["l0"] == pytest.approx(F / 10)


RECORD = {
    "excluded_positions": (0, 5),
    "excluded_tokens": (7,),
    "model_processing": "folded",
    "reshape": "heads",
}
FITTING = {"saelens": VARIANTS, "dictionary_learning": VARIANTS, "sparsify": ["topk"], "pellucid": VARIANTS}


@pytest.mark.parametrize(("format", "variant"), [(f, v) for f, names in FITTING.items() for v in names])
def test_our_own_travel_through_every_format_that_holds_them(tmp_path, format, variant):
    """Reconstruction to 1e-6, sites and exclusions kept, whatever the convention started as."""
    settings = {"variant": variant} | ({"k": K} if variant in ("topk", "batchtopk", "matryoshka") else {})
    scale = {"input_transform": "scale", "scale_in": 2.0, "scale_out": 2.0, "rank_score": "h_norm"}
    made = build(
        settings, D, 20, convention=Convention(**RECORD, **scale), site_in="blocks.1.attn.z"
    ).double()
    for seed, value in enumerate(made.requires_grad_(False).state_dict().values()):
        value.add_(0.3 * numbers(*value.shape, seed=seed).abs())
    save_dictionary(made, tmp_path / "a", format=format)
    back = load_dictionary(tmp_path / "a")
    assert (back(X.double()) - made(X.double())).abs().max() <= 1e-6
    for name, value in RECORD.items():
        assert getattr(back.convention, name) == value
    assert (back.site_in, back.site_out) == ("blocks.1.attn.z", "blocks.1.attn.z")
    save_dictionary(back, tmp_path / "b", format=format)
    again = load_dictionary(tmp_path / "b")
    assert all(
        torch.equal(a, b)
        for a, b in zip(back.state_dict().values(), again.state_dict().values(), strict=True)
    )
    assert again.convention == back.convention


def small(kind: type, d_out: int | None = None, **record: object):
    """One of our own with decoder rows of unequal length."""
    arguments = (D, 12, K) if kind is TopK else (D, 12)
    sites = {"site_in": "blocks.0.mlp_in", "site_out": "blocks.0.mlp_out"} if d_out else {"site_in": "embed"}
    made = kind(*arguments, d_out=d_out, convention=Convention(**{"subtract": "none"} | record), **sites)
    made.requires_grad_(False).W_dec.mul_(torch.linspace(0.5, 2, 12)[:, None])
    return made


UNHELD = [
    (small(TopK, 5), "saelens", "DI84", "SAELens cannot hold a TopK transcoder or a TopK with a skip path"),
    (small(TopK, skip="linear"), "saelens", "DI84", "Set thresholds on rows of its site first"),
    (small(TopK, code_units="h_norm"), "saelens", "DI28", "would change its choice"),
    (small(ReLU, input_transform="centre"), "saelens", "DI84", "activations less their mean"),
    (small(ReLU, input_transform="layer_norm"), "saelens", "DI84", "is undone 'exact'. It has epsilon 1e-05"),
    (
        small(ReLU, input_transform="token_norm", restore="none"),
        "saelens",
        "DI84",
        "It is undone except in a transcoder",
    ),
    (small(TopK, 5), "sparsify", "DI84", "a transcoder from width 8 to width 5"),
    (small(ReLU), "sparsify", "DI84", "a dictionary of the gate 'relu'. It holds TopK only"),
    (small(TopK, input_transform="token_norm"), "sparsify", "DI84", "transformed by 'token_norm'"),
    (small(JumpReLU, 5), "dictionary_learning", "DI84", "a transcoder or a skip path. Write it as saelens"),
    (small(ReLU, skip="linear"), "dictionary_learning", "DI84", "a transcoder or a skip path"),
    (small(ReLU, input_transform="centre"), "dictionary_learning", "DI84", "transformed by 'centre'"),
    (small(ReLU), "gemma", "DI20", "No dictionary format 'gemma' is built"),
]


@pytest.mark.parametrize(("dictionary", "format", "code", "words"), UNHELD)
def test_what_a_format_cannot_hold_is_refused_before_anything_is_written(
    tmp_path, dictionary, format, code, words
):
    assert words in refusal(lambda: save_dictionary(dictionary, tmp_path / "a", format=format), code)
    assert not (tmp_path / "a").exists()


def test_a_transcoder_with_a_skip_path_goes_through_saelens(tmp_path):
    made = small(JumpReLU, 5, skip="linear")
    made.W_skip.copy_(numbers(5, D, seed=2))
    save_dictionary(made, tmp_path / "a", format="saelens")
    written = json.loads((tmp_path / "a" / "cfg.json").read_text(encoding="utf-8"))
    assert (written["architecture"], written["d_out"]) == ("jumprelu_skip_transcoder", 5)
    assert written["metadata"]["hook_name_out"] == "blocks.0.hook_mlp_out"
    assert (load_dictionary(tmp_path / "a")(X) - made(X)).abs().max() <= 1e-6


def test_settings_of_another_kind_are_left_behind(tmp_path):
    """A TopK of SAELens that became a JumpReLU has no k any more."""
    read = load_dictionary(lens(tmp_path / "a", config("topk", k=K, rescale_acts_by_decoder_norm=False)))
    save_dictionary(to_jumprelu(read, X), tmp_path / "b", format="saelens")
    written = json.loads((tmp_path / "b" / "cfg.json").read_text(encoding="utf-8"))
    assert written["architecture"] == "jumprelu"
    assert not {"k", "rescale_acts_by_decoder_norm", "d_out"} & set(written)
    more = {"k": torch.tensor(K, dtype=torch.int), "threshold": torch.tensor(0.1)}
    read = load_dictionary(learned(tmp_path / "c", "BatchTopKSAE", linear(**more), k=K))
    save_dictionary(as_jumprelu(read), tmp_path / "d", format="dictionary_learning")
    trainer = json.loads((tmp_path / "d" / "config.json").read_text(encoding="utf-8"))["trainer"]
    assert (trainer["dict_class"], "k" in trainer) == ("JumpReluAutoEncoder", False)


def test_the_run_of_sparsify_says_which_tokens_were_left_out(tmp_path):
    place = sparse(tmp_path / "layers.1")
    (tmp_path / "config.json").write_text('{"exclude_tokens": [0, 2], "batch_size": 8}', encoding="utf-8")
    assert load_dictionary(place).convention.excluded_tokens == (0, 2)


def test_a_changed_dictionary_is_not_squeezed_back_into_16_bits(tmp_path):
    """Weights that were stored in bfloat16 are stored so again only while they fit."""
    half = {name: value.bfloat16() for name, value in parts().items()}
    read = load_dictionary(lens(tmp_path / "a", config("standard"), half))
    save_dictionary(read, tmp_path / "b", format="saelens")
    assert load_file(tmp_path / "b" / "sae_weights.safetensors")["W_dec"].dtype == torch.bfloat16
    read.W_dec.mul_(1.001)
    save_dictionary(read, tmp_path / "c", format="saelens")
    assert load_file(tmp_path / "c" / "sae_weights.safetensors")["W_dec"].dtype == torch.float32


def test_the_table_of_formats_is_complete():
    assert [entry.name for entry in dictionary_formats()][:4] == [
        "pellucid",
        "saelens",
        "dictionary_learning",
        "sparsify",
    ]
    assert all(entry.program and entry.files for entry in dictionary_formats())


@pytest.mark.parametrize("site", ["embed", "blocks.3.resid_pre", "blocks.0.attn.z", "blocks.11.mlp.post"])
def test_names_of_hooks_and_sites(site):
    assert site_of_hook(hook_of_site(site)) == site


@pytest.mark.parametrize(
    ("name", "transcode", "sites"),
    [
        ("layers.3", False, ("blocks.3.resid_post", "blocks.3.resid_post")),
        ("layers.3", True, ("blocks.3.resid_pre", "blocks.3.resid_post")),
        ("layers.3.mlp", False, ("blocks.3.mlp_out", "blocks.3.mlp_out")),
        ("h.3.attn", False, ("blocks.3.attn_out", "blocks.3.attn_out")),
        ("embed_tokens", False, ("embed", "embed")),
        ("my-sae", False, ("", "")),
    ],
)
def test_names_of_modules(name, transcode, sites):
    assert sites_of_module(name, transcode) == sites


def test_names_of_submodules():
    assert site_of_submodule("mlp_out_layer_4", 4) == "blocks.4.mlp_out"
    assert site_of_submodule(None, 4) == "blocks.4.resid_post"
    assert site_of_submodule("gpt_neox.layers.3", 3) == ""
    assert site_of_submodule(None, None) == ""
