"""OpenAI: one pickled table of tensors, the activation's name and its settings.

encoder.weight is [F, d], decoder.weight [d, F]. The rules that the file does not say: pre_bias is subtracted
and added back; TopK dictionaries read layer-normed activations, less their mean and divided by (unbiased
deviation + 1e-5), which is undone without the 1e-5; ReLU ones read raw activations; a ReLU follows the top-k.
"""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pellucid.dictionaries.dictionary import Dictionary
from pellucid.dictionaries.formats.draft import (
    Account,
    Draft,
    as_stored,
    cannot_run,
    cannot_write,
    dictionary_of,
    expect,
    only,
    origin_of,
)
from pellucid.dictionaries.formats.fitting import Holds, fitted
from pellucid.dictionaries.formats.pickles import read_checkpoint
from pellucid.dictionaries.formats.places import (
    file_at,
    file_to_write,
    found_at,
    mentions,
    read_note,
    sizes,
    table,
    tensor,
    write_note,
)
from pellucid.dictionaries.formats.whole import write_whole
from pellucid.dictionaries.variants.topk import TopK

NAME = "openai"
FILE = "autoencoder.pt"
OURS = {"W_enc": "encoder.weight", "b_enc": "latent_bias", "W_dec": "decoder.weight", "b_dec": "pre_bias"}
BESIDE = ("activation", "activation_state_dict", "stats_last_nonzero")
GATES = {"TopK": "topk", "ReLU": "relu"}
NORMED = {"input_transform": "layer_norm", "epsilon": 1e-5, "restore": "without_epsilon"}
HOLDS = Holds(NAME, ("relu", "topk"), "b_dec")


def recognised(path: Path) -> bool:
    """Whether a file, or the only one of a folder, is of this format."""
    return mentions(file_at(path), "pre_bias", "latent_bias")


def read(path: Path, told: Mapping[str, Any]) -> Dictionary:
    """The dictionary in a file.

    Arguments:
        path: the file, or a folder that holds no other.
        told: convention fields that the caller knows.

    Raises:
        InputError: DI80 for a pickle that is not data, DI82 for unknown contents, DI83 for another gate.
    """
    file = found_at(path)
    found = table(read_checkpoint(file), "content", NAME)
    only("entry", NAME, found, OURS.values(), BESIDE)
    activation = str(found.get("activation", "ReLU"))
    state = table(found.get("activation_state_dict", {}), "activation_state_dict", NAME)
    if activation not in GATES or state.get("postact_fn", "ReLU") != "ReLU":
        what = f"has the activation {activation} followed by {state.get('postact_fn', 'nothing')}"
        raise cannot_run(NAME, what, "Read are ReLU, and TopK followed by ReLU.")
    tensors = {ours: tensor(found, theirs, NAME) for ours, theirs in OURS.items()}
    latents, width = sizes(tensors, NAME)
    tensors["W_dec"] = tensors["W_dec"].T
    expect(tensors, width, latents, NAME)
    gate = GATES[activation]
    account = Account(told)
    account.note("file", gate=gate)
    account.note("rule", subtract="b_dec", rank_score="h", code_units="h", skip="none", reshape="none")
    account.note("rule", decoder_unit_norm=True, input_transform="none")
    if gate == "topk":
        account.note("rule", **NORMED)
    site_in, site_out = read_note(file, account, ("", ""))
    if gate == "topk":
        only("setting", f"{NAME} TopK", state, ("k",), ("postact_fn",))
    k = {"k": int(state["k"])} if gate == "topk" else {}
    return dictionary_of(
        Draft(
            format=NAME,
            settings={"variant": gate, **k},
            tensors=tensors,
            account=account,
            site_in=site_in,
            site_out=site_out,
            extra=beside(found),
            promise={name: float(value) for name, value in k.items()},
        )
    )


def beside(found: Mapping[str, Any]) -> dict[str, Any]:
    """What the file holds that is no weight: whether it names its activation, and counts of training."""
    extra: dict[str, Any] = {key: True for key in ("activation", "activation_state_dict") if key in found}
    if "stats_last_nonzero" in found:
        extra["stats_last_nonzero"] = found["stats_last_nonzero"].tolist()
    return extra


def write(dictionary: Dictionary, path: Path) -> None:
    """Write a dictionary as OpenAI keeps it.

    Arguments:
        dictionary: a TopK of layer-normed activations, or a ReLU of raw ones.
        path: the file, or a folder for it.

    Raises:
        InputError: DI84 for what the format cannot hold.
    """
    refuse_transform(dictionary)
    fit, came = fitted(dictionary, HOLDS), origin_of(dictionary, NAME)
    stored = as_stored(fit, came)
    stored["W_dec"] = stored["W_dec"].T.contiguous()
    held: dict[str, Any] = {theirs: stored[ours] for ours, theirs in OURS.items()}
    buffer = BytesIO()
    torch.save(held | settings(fit, came.get("extra", {})), buffer)
    file = file_to_write(path, FILE)
    write_whole(file, buffer.getvalue())
    write_note(file, fit, {})


def refuse_transform(dictionary: Dictionary) -> None:
    """DI84 unless the gate goes with the transform, as the format ties them."""
    record = dictionary.convention
    given = record.input_transform, record.epsilon, record.restore
    if isinstance(dictionary, TopK) and given != tuple(NORMED.values()):
        what = f"a TopK of activations transformed by {record.input_transform!r}"
        remedy = "Its TopK reads layer-normed activations, with epsilon 1e-05, undone without it."
        raise cannot_write(NAME, what, remedy)
    if not isinstance(dictionary, TopK) and record.input_transform not in ("none", "scale"):
        what = f"a {record.gate} dictionary of activations transformed by {record.input_transform!r}"
        raise cannot_write(NAME, what, "Its ReLU reads raw activations.")


def settings(fit: Dictionary, extra: Mapping[str, Any]) -> dict[str, Any]:
    """The activation, and what the file that it came from held beside."""
    chosen = isinstance(fit, TopK)
    said: dict[str, Any] = {}
    if chosen or extra.get("activation", True):
        said["activation"] = "TopK" if chosen else "ReLU"
    if isinstance(fit, TopK):
        said["activation_state_dict"] = {"k": fit.k, "postact_fn": "ReLU"}
    elif extra.get("activation_state_dict"):
        said["activation_state_dict"] = {}
    counts = extra.get("stats_last_nonzero")
    return said | ({"stats_last_nonzero": counted(counts)} if counts is not None else {})


def counted(counts: list[int]) -> Tensor:
    """Counts of training as the file has them."""
    return torch.tensor(counts, dtype=torch.long)
