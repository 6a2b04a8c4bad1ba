"""dictionary_learning: ae.pt, a pickled table of tensors, beside config.json; the class decides everything.

encoder.weight is [F, d] and decoder.weight [d, F], but W_enc [d, F] and W_dec [F, d]. The rules that no file
says: JumpReLU and AutoEncoderNew subtract nothing, the others b_dec; TopK ranks each row though it stores a
threshold; BatchTopK and Matryoshka use theirs, which is -1 (plain ReLU) when a run was short; AutoEncoder is
read with decoder rows of length 1, so that its codes are in units of h n. Scales of training are folded.
"""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pellucid.dictionaries.dictionary import Dictionary
from pellucid.dictionaries.formats.conversion import fold_scale, fold_subtraction, in_units_of_h
from pellucid.dictionaries.formats.draft import (
    ASIDE,
    Account,
    Draft,
    as_json,
    as_stored,
    aside,
    cannot_run,
    cannot_write,
    dictionary_of,
    expect,
    only,
    origin_of,
    read_aside,
    read_json,
)
from pellucid.dictionaries.formats.names import site_of_submodule, submodule_of_site
from pellucid.dictionaries.formats.pickles import read_tensors
from pellucid.dictionaries.formats.whole import write_whole

NAME = "dictionary_learning"
CONFIG, WEIGHTS = "config.json", "ae.pt"
LINEAR = {"W_enc": "encoder.weight", "b_enc": "encoder.bias", "W_dec": "decoder.weight"}
DIRECT = {"W_enc": "W_enc", "b_enc": "b_enc", "W_dec": "W_dec", "b_dec": "b_dec"}
CHOSEN = LINEAR | {"b_dec": "b_dec"}
# class: our variant, what is subtracted, our tensors by theirs, and what else it stores
CLASSES: Mapping[str, tuple[str, str, Mapping[str, str], tuple[str, ...]]] = {
    "AutoEncoder": ("relu", "b_dec", LINEAR | {"b_dec": "bias"}, ()),
    "AutoEncoderNew": ("relu", "none", LINEAR | {"b_dec": "decoder.bias"}, ()),
    "AutoEncoderTopK": ("topk", "b_dec", CHOSEN, ("k", "threshold")),
    "BatchTopKSAE": ("batchtopk", "b_dec", CHOSEN | {"threshold": "threshold"}, ("k",)),
    "MatryoshkaBatchTopKSAE": (
        "matryoshka",
        "b_dec",
        DIRECT | {"threshold": "threshold"},
        ("k", "group_sizes"),
    ),
    "JumpReluAutoEncoder": ("jumprelu", "none", DIRECT | {"threshold": "threshold"}, ()),
    "GatedAutoEncoder": (
        "gated",
        "b_dec",
        {
            "W_enc": "encoder.weight",
            "W_dec": "decoder.weight",
            "b_dec": "decoder_bias",
            "b_gate": "gate_bias",
            "b_mag": "mag_bias",
            "r_mag": "r_mag",
        },
        (),
    ),
}
ACROSS = ("W_enc", "decoder.weight")  # theirs that are the transpose of ours
TRAINED_UNIT = ("AutoEncoderTopK", "BatchTopKSAE", "MatryoshkaBatchTopKSAE", "JumpReluAutoEncoder")


def recognised(path: Path) -> bool:
    """Whether a folder, or a file of its own, is of this format."""
    alone = path.is_file() and path.name.startswith("ae") and path.suffix == ".pt"
    return alone or (path / WEIGHTS).is_file()


def read(path: Path, told: Mapping[str, Any]) -> Dictionary:
    """The dictionary in a folder, or in a file as checkpoints/ae_1000.pt with its configuration above it.

    Arguments:
        path: the folder or the file.
        told: convention fields that the caller knows.

    Raises:
        InputError: DI80 for a pickle that is not data, DI82 for unknown contents, DI86 for an unsaid class.
    """
    file = path if path.is_file() else path / WEIGHTS
    found = read_tensors(file)
    config = configuration_near(file)
    trainer = config.get("trainer", {})
    account = Account(told)
    name = class_of(trainer, found, account)
    variant, subtract, names, stored = CLASSES[name]
    only("tensor", f"{NAME} {name}", found, (*names.values(), *stored))
    tensors = {ours: found[theirs].T if theirs in ACROSS else found[theirs] for ours, theirs in names.items()}
    latents, width = tensors["W_enc"].shape
    expect(tensors, trainer.get("activation_dim", width), trainer.get("dict_size", latents), NAME)
    account.note("rule", subtract=subtract, input_transform="none", skip="none", reshape="none")
    account.note("rule", rank_score="h", code_units="h_norm" if name == "AutoEncoder" else "h")
    account.note("rule", decoder_unit_norm=name in TRAINED_UNIT)
    site = site_of_submodule(trainer.get("submodule_name"), trainer.get("layer"))
    site, _ = read_aside(config, account, (site, site))
    return dictionary_of(
        Draft(
            format=NAME,
            settings={"variant": variant, **settings(found)},
            tensors=tensors,
            account=account,
            site_in=site,
            config=config,
            extra=beside(name, found),
            promise={"k": float(found["k"])} if "k" in found else {},
        )
    )


def configuration_near(file: Path) -> dict[str, Any]:
    """config.json beside the weights, or above a folder of checkpoints; nothing where there is none."""
    for folder in (file.parent, file.parent.parent):
        if (folder / CONFIG).is_file():
            return read_json(folder / CONFIG)
    return {}


def class_of(trainer: Mapping[str, Any], found: Mapping[str, Tensor], account: Account) -> str:
    """The class, by the configuration or by the names of the tensors; TopK and BatchTopK have the same."""
    said = trainer.get("dict_class")
    if said is not None:
        if said not in CLASSES:
            raise cannot_run(NAME, f"is of the class {said!r}", f"Read are: {', '.join(CLASSES)}.")
        account.note("file", gate=gate_of(said))
        return str(said)
    fitting = [name for name, kind in CLASSES.items() if set(found) == {*kind[2].values(), *kind[3]}]
    if not fitting:
        what = f"has no configuration and tensors of no known class: {', '.join(sorted(found))}"
        raise cannot_run(NAME, what, f"Read are: {', '.join(CLASSES)}.")
    account.note("rule" if len(fitting) == 1 else "guess", gate=gate_of(fitting[0]))
    meant = [name for name in fitting if gate_of(name) == account.values["gate"]]
    if not meant:
        what = f"has the tensors of {' or '.join(fitting)}, not those of the gate {account.values['gate']!r}"
        raise cannot_run(NAME, what, "Tell one of their gates, or none.")
    return meant[0]


def gate_of(name: str) -> str:
    """The record's gate of a class."""
    variant = CLASSES[name][0]
    return "batchtopk" if variant == "matryoshka" else variant


def settings(found: Mapping[str, Tensor]) -> dict[str, Any]:
    """What the variant's class is made with, from scalars among the tensors."""
    made: dict[str, Any] = {"k": int(found["k"])} if "k" in found else {}
    if "group_sizes" in found:
        made["widths"] = found["group_sizes"].cumsum(0).tolist()
    return made


def beside(name: str, found: Mapping[str, Tensor]) -> dict[str, Any]:
    """What the file stores that is no weight of ours: the threshold that a TopK does not use."""
    kept = {"threshold": float(found["threshold"])} if name == "AutoEncoderTopK" else {}
    return {"dict_class": name, **kept}


def write(dictionary: Dictionary, path: Path) -> None:
    """Write a dictionary as dictionary_learning reads it.

    Arguments:
        dictionary: what to write; other weights of the same function where the format asks for them.
        path: the folder.

    Raises:
        InputError: DI84 for what the format cannot hold.
    """
    name, fit = fitted(dictionary)
    came = origin_of(dictionary, NAME)
    held = as_stored(fit, came)
    table = {
        theirs: (held[ours].T if theirs in ACROSS else held[ours]).contiguous()
        for ours, theirs in CLASSES[name][2].items()
    }
    buffer = BytesIO()
    torch.save(table | scalars(fit, came), buffer)
    path.mkdir(parents=True, exist_ok=True)
    write_whole(path / WEIGHTS, buffer.getvalue())
    write_whole(path / CONFIG, as_json(configuration(name, fit, came.get("config", {}))))


def fitted(dictionary: Dictionary) -> tuple[str, Dictionary]:
    """The class, and the same function in weights and a record that it has."""
    fit = fold_scale(dictionary, "scaled")
    refuse(fit)
    fit = fit if class_for(fit) == "AutoEncoder" else in_units_of_h(fit)
    name = class_for(fit)
    return name, fold_subtraction(fit, "b_dec" if CLASSES[name][1] == "b_dec" else "none")


def class_for(fit: Dictionary) -> str:
    """The class of a dictionary; a ReLU is an AutoEncoder where that class gives the same codes."""
    fitting = [name for name, kind in CLASSES.items() if kind[0] == fit.settings()["variant"]]
    lengths = fit.lengths().detach()
    same = fit.convention.code_units == "h_norm" or torch.allclose(lengths, torch.ones_like(lengths))
    return fitting[0] if fit.convention.subtract == "b_dec" and same else fitting[-1]


def refuse(fit: Dictionary) -> None:
    """DI84 for a transcoder, a skip path, or a transformed input."""
    if fit.site_in != fit.site_out or fit.d_in != fit.d_out or fit.W_skip is not None:
        raise cannot_write(NAME, "a transcoder or a skip path", "Write it as saelens, sparsify or pellucid.")
    if fit.convention.input_transform != "none":
        what = f"activations transformed by {fit.convention.input_transform!r}"
        raise cannot_write(NAME, what, "It reads raw activations.")


def scalars(fit: Dictionary, came: Mapping[str, Any]) -> dict[str, Tensor]:
    """k, group sizes, and the threshold that a TopK carries along, as the peer's buffers have them."""
    made, given = {}, fit.settings()
    if "k" in given:
        made["k"] = torch.tensor(given["k"], dtype=torch.int)
    if given["variant"] == "topk":
        made["threshold"] = torch.tensor(came.get("extra", {}).get("threshold", -1.0))
    if "widths" in given:
        made["group_sizes"] = torch.diff(torch.tensor([0, *given["widths"]]))
    return made


def configuration(name: str, fit: Dictionary, before: Mapping[str, Any]) -> dict[str, Any]:
    """config.json: what the file that it came from said, with what is ours to say."""
    trainer = {"layer": 0, "lm_name": "", "submodule_name": None, **before.get("trainer", {})}
    trainer |= {"dict_class": name, "activation_dim": fit.d_in, "dict_size": fit.n_features}
    trainer.pop("k", None)
    if "k" in fit.settings():
        trainer["k"] = fit.settings()["k"]
    named = submodule_of_site(fit.site_in)
    if named and site_of_submodule(trainer["submodule_name"], trainer["layer"]) != fit.site_in:
        trainer |= {"submodule_name": named[0], "layer": named[1]}
    site = site_of_submodule(trainer["submodule_name"], trainer["layer"])
    config = {key: value for key, value in before.items() if key != ASIDE}
    return {**config, "trainer": trainer, **aside(fit, {"site_in": site, "site_out": site})}
