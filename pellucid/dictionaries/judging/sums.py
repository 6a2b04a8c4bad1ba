"""What an evaluation adds up: two passes over a text, one column for each sum, one row for each sequence."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from pellucid.compute import Progress
from pellucid.compute.progress import Task
from pellucid.dictionaries.dictionary import Dictionary
from pellucid.dictionaries.judging.predictions import compared
from pellucid.dictionaries.judging.route import Route
from pellucid.findings import InputError
from pellucid.models import Model

BATCH = 16  # sequences of one pass
SHORTEST = 1e-6  # a shorter activation has no direction, and no ratio of lengths
RUNS = ("clean", "spliced", "mean", "zero")
STREAM = re.compile(r"blocks\.\d+\.resid_post")

Metric = Callable[[Tensor, Tensor], Tensor]
Columns = dict[str, Float[np.ndarray, " sequence"]]


@dataclass(frozen=True)
class Sums:
    """Sums over the included positions of each sequence; `fires` over all."""

    columns: Columns
    """One column for each sum, one row for each sequence."""
    fires: Int[Tensor, " feature"]
    """How often each latent was active."""
    later: tuple[str, ...]
    """The sites whose columns `later.<site>` hold the squared error that arrives there."""


def refuse_nothing(tokens: Tensor, keep: Tensor) -> None:
    """DI18 unless at least one included position predicts a next token; DI130 for what is no tokens."""
    if tokens.dtype.is_floating_point or tokens.dtype.is_complex:
        kind = str(tokens.dtype).removeprefix("torch.")
        raise InputError(
            "DI130",
            f"These are no sequences of tokens, but {kind} of shape {tuple(tokens.shape)}.",
            "Give token ids; of a model without tokens, compare outputs of splice(model, [dictionary]).",
        )
    if tokens.ndim != 2 or tokens.shape[1] < 2 or not bool(keep[:, :-1].any()):
        raise InputError(
            "DI18",
            f"Tokens of shape {tuple(tokens.shape)} leave no included position that predicts a next token.",
            "Give sequences of at least 2 tokens, of which not all are excluded by the dictionary.",
        )


def tokens_sha256(tokens: Tensor) -> str:
    """A hash of token ids and their shape."""
    values = np.ascontiguousarray(tokens.cpu().numpy().astype(np.int64))
    return hashlib.sha256(str(values.shape).encode() + values.tobytes()).hexdigest()


def later_sites(model: Model, site: str) -> tuple[str, ...]:
    """The residual stream after each block that comes after a site, in the order of the computation."""
    here = model.sites.place(model.sites.find(site))
    streams = (name for name in model.sites if STREAM.fullmatch(name))
    return tuple(name for name in streams if model.sites.place(name) > here)


def measured(
    model: Model,
    dictionary: Dictionary,
    tokens: Tensor,
    keep: Tensor,
    metric: Metric | None,
    progress: Progress,
) -> Sums:
    """Two passes over the text: the mean of the target first, then everything that needs it."""
    with progress.task("evaluating the dictionary", 2 * len(tokens)) as task, torch.no_grad():
        mean = mean_of(model, dictionary.site_out, tokens, keep, task)
        later = later_sites(model, dictionary.site_out)
        parts: list[Columns] = []
        constant: dict[str, Tensor] = {}
        missed, fires = [], torch.zeros(dictionary.n_features, dtype=torch.int64)
        for batch, mask in batches(tokens, keep):
            one = Pass(model, dictionary, batch, mask, mean, later, constant)
            parts.append(one.columns(metric))
            missed.append(one.missed())
            fires += one.codes.fires().cpu()
            task.advance(len(batch))
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    columns["centred_error"] = centred(columns, np.concatenate(missed))
    return Sums(columns, fires, later)


def mean_of(model: Model, site: str, tokens: Tensor, keep: Tensor, task: Task) -> Float[Tensor, " d_out"]:
    """The mean activation over all included positions, in float64; a site of several axes is one row."""
    total: Tensor | float = 0.0
    for batch, mask in batches(tokens, keep):
        y = model.run(batch, read=[site], until=site)[site]
        total = total + y[mask].double().flatten(1).sum(0)
        task.advance(len(batch))
    return torch.as_tensor(total) / keep.sum()


def centred(columns: Columns, missed: Float[np.ndarray, "sequence d_out"]) -> Float[np.ndarray, " sequence"]:
    """sum ||e - mean e||^2 of each sequence, the mean over the whole text.

    Arguments:
        columns: with `error`, the sum of ||e||^2, and `rows`.
        missed: the sum of e for each sequence.
    """
    mean = missed.sum(0) / columns["rows"].sum()
    centred: Float[np.ndarray, " sequence"] = (
        columns["error"] - 2 * missed @ mean + columns["rows"] * (mean @ mean)
    )
    return centred


def batches(tokens: Tensor, keep: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Sequences with their included positions."""
    for begin in range(0, len(tokens), BATCH):
        yield tokens[begin : begin + BATCH], keep[begin : begin + BATCH]


def by_sequence(values: Tensor, keep: Tensor) -> Float[np.ndarray, " batch"]:
    """Sums of values at included positions, for each sequence."""
    placed = torch.zeros(keep.shape, dtype=torch.float64, device=keep.device)
    placed[keep] = values.double()
    return placed.sum(1).cpu().numpy()


class Pass:
    """Some sequences, run clean, and what the dictionary makes of the included positions."""

    def __init__(
        self,
        model: Model,
        dictionary: Dictionary,
        tokens: Int[Tensor, "batch pos"],
        keep: Bool[Tensor, "batch pos"],
        mean: Float[Tensor, " d_out"],
        later: tuple[str, ...],
        constant: dict[str, Tensor],
    ) -> None:
        self.model, self.dictionary, self.tokens, self.keep = model, dictionary, tokens, keep
        self.later, self.route = later, Route.to(model, dictionary.site_out)
        self.reached: dict[str, Tensor] = {}
        self.constant = constant  # outputs of runs that no longer depend on their tokens, by name
        needed = {dictionary.site_in, dictionary.site_out, *later, *self.route.reads}
        clean = model.run(tokens, read=sorted(needed))
        self.clean, self.y = clean, clean[dictionary.site_out]
        x = clean[dictionary.site_in][keep].flatten(1).float()
        self.codes, made = dictionary.reconstruct(x)
        self.mean = mean.to(self.y.device)
        self.made = self.placed(made)
        self.target = self.y[keep].double().flatten(1)
        # what the model is given, so that rounding to its dtype counts as error
        self.y_hat = self.made[keep].double().flatten(1)

    def placed(self, values: Tensor) -> Tensor:
        """The site's activation with given rows, or one row, at the included positions."""
        whole = self.y.clone()
        rows = whole[self.keep]
        whole[self.keep] = values.to(whole.dtype).expand(len(rows), -1).reshape(rows.shape)
        return whole

    def missed(self) -> Float[np.ndarray, "batch d_out"]:
        """The sum of the error over each sequence."""
        placed = torch.zeros((*self.keep.shape, self.target.shape[1]), dtype=torch.float64)
        placed[self.keep.cpu()] = (self.target - self.y_hat).cpu()
        return placed.sum(1).numpy()

    def columns(self, metric: Metric | None) -> Columns:
        """Every sum of these sequences."""
        sums = {name: by_sequence(values, self.keep) for name, values in self.rows().items()}
        replaced = {"spliced": self.made, "mean": self.placed(self.mean), "zero": self.placed(self.mean * 0)}
        return {**sums, **self.outputs(replaced, metric)}

    def rows(self) -> dict[str, Float[Tensor, " row"]]:
        """What reconstruction and codes of each included position add to the sums."""
        target, y_hat = self.target, self.y_hat
        error = (target - y_hat).square().sum(1)
        variance = (target - self.mean).square().sum(1)
        length, made = target.norm(dim=1), y_hat.norm(dim=1)
        longer, both = length > SHORTEST, (length > SHORTEST) & (made > SHORTEST)
        product = (target * y_hat).sum(1)
        weights = self.dictionary.lengths().double()[self.codes.indices.long()]
        values = self.codes.values.double()
        return {
            "rows": torch.ones_like(error),
            "error": error,
            "variance": variance,
            "squared": target.square().sum(1),
            "made_squared": y_hat.square().sum(1),
            "product": product,
            "spread": variance > 0,
            "per_token": where(variance > 0, variance - error, variance),
            "l0": (values != 0).sum(1),
            "l1": (values.abs() * weights).sum(1),
            "lengths": longer,
            "length_ratio": where(longer, made, length),
            "directed": both,
            "cosine": where(both, product, length * made),
        }

    def outputs(self, replaced: Mapping[str, Tensor], metric: Metric | None) -> Columns:
        """Losses of all runs, divergences and agreement from the clean one, errors at later sites."""
        keep, runs = self.keep[:, :-1], self.runs(replaced)
        found = compared(runs, self.tokens, keep, "spliced")
        sums = {"predictions": keep.sum(1).double().cpu().numpy()}
        sums |= {name: by_sequence(values, keep) for name, values in found.items()}
        if metric is not None:
            scores = {name: metric(output, self.tokens) for name, output in runs.items()}
            sums |= {f"metric_{name}": score.double().cpu().numpy() for name, score in scores.items()}
        return sums | {f"later.{site}": self.arrived(site, value) for site, value in self.reached.items()}

    def runs(self, replaced: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The outputs of the clean run and of those with another activation at the site."""
        outputs = {"clean": self.clean.output}
        for name, value in replaced.items():
            outputs[name] = self.rerun(value) if name == "spliced" else self.ablated(name, value)
        return outputs

    def rerun(self, value: Tensor) -> Tensor:
        """The output with the reconstruction at the site; what arrives at later sites is kept."""
        writes, resume = self.route.entry(value, self.clean)
        run = self.model.run(self.tokens, read=list(self.later), write=writes, resume=resume)
        self.reached = {site: run[site] for site in self.later}
        return run.output

    def ablated(self, name: str, value: Tensor) -> Tensor:
        """The output with one constant activation at the site, found once where it is that of every batch."""
        alike = self.route.forgets and bool(self.keep.all())
        held = self.constant.get(name) if alike else None
        if held is not None and len(held) >= len(self.tokens):
            return held[: len(self.tokens)]
        writes, resume = self.route.entry(value, self.clean)
        output = self.model.run(self.tokens, write=writes, resume=resume).output
        if alike:
            self.constant[name] = output
        return output

    def arrived(self, site: str, spliced: Tensor) -> Float[np.ndarray, " batch"]:
        """sum ||a_hat - a||^2 / d at a later site."""
        change = (spliced[self.keep].double() - self.clean[site][self.keep].double()).flatten(1)
        return by_sequence(change.square().mean(1), self.keep)


def where(defined: Tensor, top: Tensor, bottom: Tensor) -> Tensor:
    """top / bottom where that is defined, else 0."""
    return torch.where(defined, top / torch.where(defined, bottom, 1.0), 0.0)
