"""The ways in which a dictionary's weights may be meant: gate, units, what is subtracted, normalisation."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.dictionaries.dictionary import Dictionary
from pellucid.dictionaries.engines.selection import top_indices
from pellucid.dictionaries.formats.conversion import remade
from pellucid.dictionaries.variants.gated import Gated
from pellucid.dictionaries.variants.thresholds import above_threshold
from pellucid.findings import InputError

Rank = Literal["h", "h_norm"]
SAME_SCALE = 0.05  # a scale this close to 1, in logarithms, changes nothing that could be told
TRANSFORMS = ("none", "centre", "token_norm", "layer_norm")
WORDS = {"h": "h", "h_norm": "h n"}


@dataclass(frozen=True)
class Hypothesis:
    """One way to run the weights."""

    gate: str
    """relu, topk, jumprelu or gated."""
    rank_score: Rank = "h"
    """What top-k ranks by and a threshold is compared with: h, or h times the decoder row's length."""
    k: int = 0
    """How many latents may be active, for topk."""
    factor: float = 1.0
    """What the stored threshold is multiplied with."""
    units: str = ""
    """What that factor is, as 1/S_in; average: another threshold that the file holds."""
    subtract: Literal["none", "b_dec", "b_pre"] = "none"
    """What is subtracted from the input."""
    input_transform: str = "none"
    """What is done to the input first."""
    scale_in: float = 1.0
    """S_in, for the transform scale."""
    scale_out: float = 1.0
    """S_out, for the transform scale."""
    without_first: bool = False
    """Whether the first position of every sequence is left out."""

    @property
    def name(self) -> str:
        """In words, as ``topk 8 by h n, less b_dec, input scaled by 0.5``."""
        ranked = self.gate in ("topk", "jumprelu")
        parts = [
            self.gate + (f" {self.k}" if self.k else "") + (f" by {WORDS[self.rank_score]}" if ranked else "")
        ]
        if self.units:
            parts[0] += f", threshold {'the average' if self.units == 'average' else 'x ' + self.units}"
        if self.subtract != "none":
            parts.append(f"less {self.subtract}")
        if self.input_transform != "none":
            scaled = self.input_transform == "scale"
            parts.append(
                f"input scaled by {self.scale_in:.4g}" if scaled else f"input {self.input_transform}"
            )
        return ", ".join([*parts, *(["without position 0"] if self.without_first else [])])

    def aspects(self) -> dict[str, Any]:
        """What it says of each question, by the question."""
        ranked = self.gate in ("topk", "jumprelu")
        return {
            "gate": (self.gate, self.k),
            "ranking": self.rank_score if ranked else None,
            "units": (self.units, self.factor),
            "subtraction": self.subtract,
            "normalisation": (self.input_transform, self.scale_in, self.scale_out),
            "first_position": self.without_first,
        }

    def differences(self, other: Hypothesis) -> tuple[str, ...]:
        """The questions that two hypotheses answer differently."""
        ours, theirs = self.aspects(), other.aspects()
        changed = [name for name in ours if ours[name] != theirs[name]]
        if "gate" in changed and "ranking" in changed and None in (ours["ranking"], theirs["ranking"]):
            changed.remove("ranking")  # a ReLU ranks by nothing: that is no other ranking
        return tuple(changed)


def as_read(dictionary: Dictionary) -> Hypothesis:
    """The hypothesis that a dictionary's own record is.

    Arguments:
        dictionary: any.

    Example: ``as_read(sae).name``.
    """
    record = dictionary.convention
    settings = dictionary.settings()
    gate = "jumprelu" if record.gate == "batchtopk" else record.gate
    return Hypothesis(
        gate=gate,
        rank_score=record.rank_score,
        k=int(settings["k"]) if gate == "topk" else 0,
        subtract=record.subtract,
        input_transform=record.input_transform,
        scale_in=record.scale_in if record.input_transform == "scale" else 1.0,
        scale_out=record.scale_out if record.input_transform == "scale" else 1.0,
    )


def admissible(
    dictionary: Dictionary, estimated: tuple[float, float], promised: float | None, positions: bool
) -> list[Hypothesis]:
    """Every hypothesis that the weights admit, the dictionary's own first.

    Raw ReLU; TopK by h and by h n where a k is known; JumpReLU with the threshold as it is, times or divided
    by either scale, or with the averaged one that the file keeps beside; each with nothing or b_dec
    subtracted, with and without each normalisation, with and without the first position.

    Arguments:
        dictionary: what was read.
        estimated: S_in and S_out by the activations, sqrt(d) / mean norm; the record's own are tried too.
        promised: how many latents ought to be active; None: nobody said.
        positions: whether the rows' positions are known and the record keeps the first.
    """
    own = as_read(dictionary)
    scaled = own.input_transform == "scale"
    scales = [(own.scale_in, own.scale_out)] if scaled else []
    scales += [estimated] if different(estimated[0], own.scale_in) else []
    factors = units(scales)
    ways = product(gates(dictionary, factors, promised), inputs(scales), subtractions(dictionary))
    found = [
        dataclasses.replace(gate, subtract=subtract, **given, without_first=skipped)
        for gate, given, subtract in ways
        for skipped in ((False, True) if positions else (False,))
    ]
    return [own, *(hypothesis for hypothesis in dict.fromkeys(found) if hypothesis != own)]


def gates(
    dictionary: Dictionary, factors: Mapping[str, float], promised: float | None
) -> Iterator[Hypothesis]:
    """The gates that the weights admit, thresholds in each unit."""
    if isinstance(dictionary, Gated):
        yield Hypothesis("gated")
        return
    yield Hypothesis("relu")
    k = int(dictionary.settings().get("k", 0)) or round(promised or 0)
    ranks: tuple[Rank, ...] = ("h", "h_norm")
    for rank in ranks:
        if 1 <= k <= dictionary.n_features:
            yield Hypothesis("topk", rank, k)
        if "threshold" in dictionary.state_dict():
            yield Hypothesis("jumprelu", rank)
            for name, factor in factors.items():
                yield Hypothesis("jumprelu", rank, factor=factor, units=name)
    if average(dictionary) is not None:
        yield Hypothesis("jumprelu", "h", units="average")


def units(scales: Sequence[tuple[float, float]]) -> dict[str, float]:
    """What a threshold in other units would be multiplied with, by name; a factor is named once.

    Arguments:
        scales: S_in and S_out, those of the record first; where there are two, the second are measured.
    """
    if not scales:
        return {}
    s_in, s_out = scales[0]
    asked = {"S_in": s_in, "1/S_in": 1 / s_in, "S_out": s_out, "1/S_out": 1 / s_out}
    if len(scales) > 1:
        asked["measured S_in / S_in"] = scales[1][0] / s_in
    found: dict[str, float] = {}
    for name, factor in asked.items():
        if different(factor, 1.0) and all(different(factor, other) for other in found.values()):
            found[name] = factor
    return found


def different(a: float, b: float) -> bool:
    """Whether two scales could be told apart."""
    return bool(abs(torch.log(torch.tensor(a / b))) > SAME_SCALE)


def average(dictionary: Dictionary) -> float | None:
    """The averaged threshold that the file of a TopK keeps beside; None without one."""
    held = dictionary.training_record.get("origin", {}).get("extra", {}).get("threshold")
    return float(held) if isinstance(held, (int, float)) and held > 0 else None


def inputs(scales: Sequence[tuple[float, float]]) -> Iterator[dict[str, Any]]:
    """The normalisations of the input, each scale by its numbers."""
    for kind in TRANSFORMS:
        yield {"input_transform": kind}
    for scale_in, scale_out in scales:
        yield {"input_transform": "scale", "scale_in": scale_in, "scale_out": scale_out}


def subtractions(dictionary: Dictionary) -> Iterator[Literal["none", "b_dec", "b_pre"]]:
    """What may be subtracted, by the widths and vectors that there are."""
    yield "none"
    if dictionary.d_in == dictionary.d_out and bool(dictionary.b_dec.any()):
        yield "b_dec"
    if dictionary.b_pre is not None:
        yield "b_pre"


def limits_of(dictionary: Dictionary, hypothesis: Hypothesis) -> Tensor:
    """Thresholds under a hypothesis."""
    if hypothesis.units == "average":
        return dictionary.W_enc.new_tensor(average(dictionary))
    held: Tensor = dictionary.state_dict()["threshold"]
    return held * hypothesis.factor if hypothesis.units else held


def gated(
    dictionary: Dictionary, hypothesis: Hypothesis, h: Float[Tensor, "batch feature"]
) -> Float[Tensor, "batch feature"]:
    """Codes, in units of h, that a hypothesis makes of pre-activations.

    Arguments:
        dictionary: whose weights.
        hypothesis: one that they admit.
        h: pre-activations.
    """
    if hypothesis.gate == "gated":
        return dictionary.gate(h)
    if hypothesis.gate == "relu":
        return h.relu()
    ranking = dictionary.lengths().detach() if hypothesis.rank_score == "h_norm" else None
    if hypothesis.gate == "jumprelu":
        return above_threshold(h, limits_of(dictionary, hypothesis), ranking)
    scores = h if ranking is None else h * ranking
    mask = torch.zeros_like(h).scatter_(1, top_indices(scores, hypothesis.k), 1.0)
    return h.relu() * mask


def repair(dictionary: Dictionary, hypothesis: Hypothesis) -> Dictionary:
    """The dictionary run as a hypothesis says; the given one stays as it is.

    Arguments:
        dictionary: what was read.
        hypothesis: as `diagnose` found it.

    Raises:
        InputError: DI122 for a hypothesis that these weights do not admit.

    Example: ``repair(sae, diagnose(sae, activations).verdict)``.
    """
    refuse_inadmissible(dictionary, hypothesis)
    tensors = dict(dictionary.state_dict())
    if hypothesis.subtract != "b_pre":
        tensors.pop("b_pre", None)
    own, record = as_read(dictionary), dictionary.convention
    same = hypothesis.aspects()
    settings = None
    if any(own.aspects()[name] != same[name] for name in ("gate", "units")):
        settings = {"variant": hypothesis.gate} | ({"k": hypothesis.k} if hypothesis.gate == "topk" else {})
        tensors.pop("threshold", None)
        if hypothesis.gate == "jumprelu":
            limits = limits_of(dictionary, hypothesis).to(dictionary.W_enc.dtype)
            tensors["threshold"] = limits.expand(dictionary.n_features)
    first = {0} if hypothesis.without_first else set()
    transcoder = dictionary.site_in != dictionary.site_out or dictionary.d_in != dictionary.d_out
    undone = "none" if transcoder else "exact"  # a token's own numbers say nothing of another site
    return remade(
        dictionary,
        tensors,
        settings=settings,
        rank_score=hypothesis.rank_score,
        subtract=hypothesis.subtract,
        input_transform=hypothesis.input_transform,
        restore=record.restore if hypothesis.input_transform == record.input_transform else undone,
        scale_in=hypothesis.scale_in,
        scale_out=hypothesis.scale_out,
        excluded_positions=tuple(sorted({*record.excluded_positions, *first})),
    )


def refuse_inadmissible(dictionary: Dictionary, hypothesis: Hypothesis) -> None:
    """DI122 for what these weights cannot be run as."""
    lacking = ""
    if hypothesis.gate == "jumprelu" and "threshold" not in dictionary.state_dict():
        lacking = "" if average(dictionary) is not None else "no threshold"
    if (hypothesis.gate == "gated") != isinstance(dictionary, Gated):
        lacking = f"the gate {dictionary.convention.gate!r}"
    if hypothesis.subtract == "b_pre" and dictionary.b_pre is None:
        lacking = "no b_pre"
    if lacking:
        raise InputError(
            "DI122",
            f"This dictionary has {lacking}, so that it cannot be run as {hypothesis.name!r}.",
            "Give a hypothesis that diagnose found for the same dictionary.",
        )
