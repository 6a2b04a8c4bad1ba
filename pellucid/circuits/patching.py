"""Activation patching: overwrite one site at one position with another run's activation, each in turn."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from pellucid.circuits.answer import Answer
from pellucid.circuits.metrics import Reading, measure
from pellucid.circuits.recovery import Recovery, recover
from pellucid.compute import SILENT, Progress
from pellucid.findings import (
    Array,
    DataRef,
    Finding,
    InputError,
    Kind,
    Measure,
    MissingError,
    View,
    register,
    start,
)

if TYPE_CHECKING:
    from pellucid.models import Model, Tokenizer

Direction = Literal["denoise", "noise", "both"]
DIRECTIONS: Mapping[str, tuple[str, ...]] = {
    "denoise": ("denoise",),
    "noise": ("noise",),
    "both": ("denoise", "noise"),
}
ROWS_AT_ONCE = 512

KIND = register(
    Kind(
        name="circuits.patch_sweep",
        title="Activation patching",
        statement="The most effective single patch moves {share.value} of the way between the two runs; "
        "{small_denominators.value} metrics had no distance to divide by.",
        supports="small_denominators.value == 0",
        refutes="",
        views=(
            View(
                form="heatmap",
                array="effect",
                title="Where a patch carries the answer over",
                x="pos",
                y="site",
                unit="share of the distance",
            ),
        ),
        stance="interventional",
        evidence="causal",
        room="circuits",
    )
)


@dataclass(frozen=True)
class Source:
    """One run whose activations are at hand."""

    tokens: Tensor
    logits: Float[Tensor, "batch vocab"]
    activations: Mapping[str, Tensor]


@dataclass(frozen=True)
class Cells:
    """Rows of one batch: which prompt each row runs, and which positions it overwrites."""

    prompt: Int[Tensor, "row"]
    mask: Bool[Tensor, "row pos"]


def patch_sweep(
    model: Model,
    clean: Tensor,
    corrupt: Tensor,
    metric: Answer,
    sites: Sequence[str | tuple[str, ...]],
    direction: Direction = "denoise",
    *,
    labels: Sequence[str] = (),
    progress: Progress = SILENT,
) -> Finding:
    """Measure, for every site and position, how far one overwritten activation carries the answer over.

    Denoising overwrites the corrupt run with clean activations, ``R = (m_patched - m_corrupt) / (m_clean -
    m_corrupt)`` (is it sufficient?); noising the clean run with corrupt ones, ``R = (m_clean - m_patched) /
    (m_clean - m_corrupt)`` (is it necessary?). Ratios are ratios of means over prompts and are never clipped.

    Args:
        model: An opened model.
        clean: Token ids (batch pos), or whatever the model takes with a position axis second.
        corrupt: The contrast, of the same shape.
        metric: The answer and the metrics it is judged by; all are computed in one sweep.
        sites: Site names, patterns with stars, or tuples of names that are overwritten together.
        direction: ``denoise``, ``noise`` or ``both``.
        labels: Names of the positions; default: the tokens of the first clean prompt where there is a
            tokenizer.
        progress: Where to tell how far the sweep is.

    Returns:
        A Finding ``circuits.patch_sweep`` with ``effect[direction, metric, site, pos]`` (share; NaN where the
        two runs are too close to divide), ``difference`` (the raw change, always there), ``joint`` and
        ``joint_difference`` (all positions of the site at once), ``baseline[run, metric]``.

    Raises:
        InputError: CI04 for prompts of different shapes, CI05 for an unknown direction, CI06 for no sites,
            CI07 for a site without a position axis, CI08 for an answer of another number of prompts.
        MissingError: for a site that the model does not have.

    Example: ``patch_sweep(model, model.tokens("the red"), model.tokens("the old"), Answer((5,)),
        ["blocks.*.resid_pre"])``.

    Source: Heimersheim and Nanda (2024), arXiv 2404.15255, sections 2 and 4.
    """
    check_prompts(model, clean, corrupt, metric, direction)
    groups = site_groups(model, sites)
    record = start(
        patch_sweep,
        given={
            "sites": [list(group) for group in groups],
            "direction": direction,
            "metrics": list(metric.names),
        },
        parameters={
            "sites": [list(group) for group in groups],
            "direction": direction,
            "metrics": list(metric.names),
            "correct": list(metric.correct),
            "wrong": list(metric.wrong or ()),
            "position": metric.position,
        },
        subject=model.subject,
        data=DataRef(id="prompts", sha256=digest(clean, corrupt)),
        seed=None,
    )
    runs = both_runs(model, clean, corrupt, groups, metric)
    recoveries = {
        name: recover(sweep(model, runs, groups, metric, name, progress), baselines(runs, metric), name)
        for name in DIRECTIONS[direction]
    }
    axes = {
        "direction": list(DIRECTIONS[direction]),
        "metric": list(metric.names),
        "site": ["+".join(group) for group in groups],
        "pos": position_labels(model, clean, labels),
    }
    return record.finding(KIND, measures=summary(recoveries), arrays=tables(recoveries, axes, runs, metric))


def check_prompts(model: Model, clean: Tensor, corrupt: Tensor, metric: Answer, direction: str) -> None:
    """Refuse prompts that cannot be compared position by position."""
    if clean.shape != corrupt.shape:
        raise InputError(
            "CI04",
            f"The clean prompt has shape {tuple(clean.shape)}, the corrupt one {tuple(corrupt.shape)}"
            f"{alignment(model, clean, corrupt)}.",
            "Patching compares position with position: choose prompts of equal token count.",
        )
    if direction not in DIRECTIONS:
        raise InputError("CI05", f"No direction {direction!r}.", "There are: denoise, noise, both.")
    counts = {len(metric.correct), len(metric.wrong or metric.correct)}
    if not counts <= {1, clean.shape[0]}:
        raise InputError(
            "CI08",
            f"The answer names {max(counts)} tokens for {clean.shape[0]} prompts.",
            "Give one token for all prompts, or one for each.",
        )


def alignment(model: Model, clean: Tensor, corrupt: Tensor) -> str:
    """Both prompts' pieces side by side, for the message."""
    tokenizer = tokenizer_of(model)
    if tokenizer is None or clean.is_floating_point():
        return ""
    rows = [[tokenizer.token(int(token)) for token in prompt[0]] for prompt in (clean, corrupt)]
    return f": {rows[0]} against {rows[1]}"


def tokenizer_of(model: Model) -> Tokenizer | None:
    """The model's tokenizer, or None: labels can do without."""
    try:
        return model.tokenizer
    except MissingError:
        return None


def site_groups(model: Model, sites: Sequence[str | tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The sites to overwrite: each pattern becomes its sites, each tuple stays together."""
    groups: list[tuple[str, ...]] = []
    for site in sites:
        groups += [site] if isinstance(site, tuple) else [(name,) for name in model.sites.select(site)]
    if not groups:
        raise InputError("CI06", "No site was named.", "Name at least one, such as blocks.*.resid_pre.")
    return groups


def both_runs(
    model: Model, clean: Tensor, corrupt: Tensor, groups: Sequence[tuple[str, ...]], metric: Answer
) -> dict[str, Source]:
    """The clean and the corrupt run, with the activations of all sites."""
    names = sorted({name for group in groups for name in group})
    return {
        "clean": source(model, clean, names, metric.position),
        "corrupt": source(model, corrupt, names, metric.position),
    }


def source(model: Model, tokens: Tensor, names: Sequence[str], position: int) -> Source:
    """One run with the activations of the named sites."""
    with torch.no_grad():
        run = model.run(tokens, read=names)
    activations = {name: run[name].detach() for name in names}
    for name, value in activations.items():
        if value.dim() < 2 or value.shape[:2] != tokens.shape[:2]:
            raise InputError(
                "CI07",
                f"Site {name!r} has shape {tuple(value.shape)}: no axes batch and pos to sweep.",
                "Choose residual, attention-output, MLP or head-output sites (z, q, k, v).",
            )
    return Source(tokens, run.output[:, position].detach(), activations)


def tokens_of(metric: Answer, rows: Int[Tensor, "row"]) -> tuple[Tensor, Tensor | None]:
    """Each row's right and wrong token."""
    correct = torch.tensor(metric.correct)
    wrong = None if metric.wrong is None else torch.tensor(metric.wrong)
    return spread(correct, rows), None if wrong is None else spread(wrong, rows)


def spread(tokens: Int[Tensor, "token"], rows: Int[Tensor, "row"]) -> Int[Tensor, "row"]:
    """One token for all prompts, or one for each."""
    return tokens.expand(len(rows)) if len(tokens) == 1 else tokens[rows]


def baselines(runs: Mapping[str, Source], metric: Answer) -> dict[str, Float[Tensor, "metric batch"]]:
    """Every metric of the two unpatched runs, per prompt."""
    rows = torch.arange(len(runs["clean"].tokens))
    correct, wrong = tokens_of(metric, rows)
    clean = runs["clean"].logits
    return {
        name: measure(Reading(run.logits, correct, wrong, clean), metric.names) for name, run in runs.items()
    }


def sweep(
    model: Model,
    runs: Mapping[str, Source],
    groups: Sequence[tuple[str, ...]],
    metric: Answer,
    direction: str,
    progress: Progress,
) -> Float[Tensor, "site cell metric batch"]:
    """Every metric of every patch; the last cell overwrites all positions of the site at once."""
    base, other = (
        (runs["corrupt"], runs["clean"]) if direction == "denoise" else (runs["clean"], runs["corrupt"])
    )
    batches = list(cells(*base.tokens.shape[:2]))
    results = []
    with progress.task(f"patching ({direction})", total=len(groups) * len(batches)) as task:
        for group in groups:
            parts = []
            for batch in batches:
                parts.append(patched(model, base, other, group, batch, metric, runs["clean"].logits))
                task.advance()
            results.append(torch.cat(parts, dim=1))
    prompts, positions = base.tokens.shape[:2]
    stacked = torch.stack(results).reshape(len(groups), len(metric.names), positions + 1, prompts)
    return stacked.transpose(1, 2)


def cells(prompts: int, positions: int) -> list[Cells]:
    """All (position, prompt) rows and one whole-site row a prompt, in batches."""
    one = torch.cat([torch.eye(positions, dtype=torch.bool), torch.ones(1, positions, dtype=torch.bool)])
    masks = one.repeat_interleave(prompts, dim=0)
    rows = torch.arange(prompts).repeat(positions + 1)
    return [
        Cells(rows[at : at + ROWS_AT_ONCE], masks[at : at + ROWS_AT_ONCE])
        for at in range(0, len(rows), ROWS_AT_ONCE)
    ]


@torch.no_grad()
def patched(
    model: Model,
    base: Source,
    other: Source,
    group: tuple[str, ...],
    batch: Cells,
    metric: Answer,
    clean: Float[Tensor, "batch vocab"],
) -> Float[Tensor, "metric row"]:
    """The metrics of one batch of patched runs."""
    write = {name: overwrite(other.activations[name][batch.prompt], batch.mask) for name in group}
    logits = model.run(base.tokens[batch.prompt], write=write).output[:, metric.position]
    correct, wrong = tokens_of(metric, batch.prompt)
    return measure(Reading(logits, correct, wrong, clean[batch.prompt]), metric.names)


class overwrite:  # noqa: N801 - used as a function
    """Replace the masked positions of an activation, out of place so that no base run is touched."""

    def __init__(self, values: Tensor, mask: Bool[Tensor, "row pos"]) -> None:
        self.values, self.mask = values, mask

    def __call__(self, activation: Tensor) -> Tensor:
        """The activation with the masked positions replaced."""
        mask = self.mask.reshape(*self.mask.shape, *[1] * (activation.dim() - 2))
        return torch.where(mask, self.values.to(activation.dtype), activation)


def summary(recoveries: Mapping[str, Recovery]) -> list[Measure]:
    """The largest share, how many metrics could not be divided, how well metrics and averages agree."""
    shares = np.concatenate([recovery.share[0].ravel() for recovery in recoveries.values()])
    usable = shares[np.isfinite(shares)]
    first = next(iter(recoveries.values()))
    return [
        Measure.of("share", float(usable[np.abs(usable).argmax()]) if usable.size else None),
        Measure.of("small_denominators", float((~first.divided).sum())),
        Measure.of("metric_agreement", min_or_none([r.metric_agreement for r in recoveries.values()])),
        Measure.of("averaging_gap", max(r.averaging_gap for r in recoveries.values())),
    ]


def min_or_none(values: Sequence[float | None]) -> float | None:
    """The smallest value there is."""
    present = [value for value in values if value is not None]
    return min(present) if present else None


def tables(
    recoveries: Mapping[str, Recovery], axes: dict[str, list[str]], runs: Mapping[str, Source], metric: Answer
) -> dict[str, Array]:
    """The arrays of the Finding, with named axes."""
    values = baselines(runs, metric)
    four, three = ("direction", "metric", "site", "pos"), ("direction", "metric", "site")
    stack = {
        "effect": ("share", four),
        "difference": ("difference", four),
        "joint": ("joint_share", three),
        "joint_difference": ("joint_difference", three),
    }
    arrays = {
        name: Array(
            np.stack([getattr(recovery, field) for recovery in recoveries.values()]),
            names,
            {axis: axes[axis] for axis in names},
        )
        for name, (field, names) in stack.items()
    }
    runs_table = np.stack([values[name].mean(1).numpy() for name in ("clean", "corrupt")])
    coords = {"run": ["clean", "corrupt"], "metric": axes["metric"]}
    return {**arrays, "baseline": Array(runs_table, ("run", "metric"), coords)}


def position_labels(model: Model, clean: Tensor, labels: Sequence[str]) -> list[str]:
    """A name for every position, each different from the others."""
    count = clean.shape[1]
    if labels:
        return list(labels)
    tokenizer = tokenizer_of(model)
    if tokenizer is None or clean.is_floating_point():
        return [str(at) for at in range(count)]
    return [f"{at} {tokenizer.token(int(clean[0, at]))!r}" for at in range(count)]


def digest(clean: Tensor, corrupt: Tensor) -> str:
    """A hash of the two prompts' contents."""
    both = hashlib.sha256()
    for tokens in (clean, corrupt):
        both.update(str((tuple(tokens.shape), str(tokens.dtype))).encode())
        both.update(np.ascontiguousarray(tokens.cpu().numpy()).tobytes())
    return both.hexdigest()
