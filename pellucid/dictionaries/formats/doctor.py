"""The gate doctor: which way of running a dictionary fits its activations and what its file promises."""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from pellucid.compute import SILENT, Progress
from pellucid.dictionaries.dictionary import Dictionary
from pellucid.dictionaries.formats.hypotheses import Hypothesis, admissible, as_read, gated, repair
from pellucid.dictionaries.judging.sums import batches
from pellucid.dictionaries.splicing import check_fits, flat
from pellucid.findings import InputError
from pellucid.models import Model

WITHIN = 1.1  # an L0 within this factor of the promise matches it
FAR = 1.5  # an L0 beyond this factor contradicts it
BETTER = 0.8  # share of its own error that another hypothesis must not exceed to speak against it
MUCH_BETTER = 1 / 3  # the same, where the other has more latents active and nobody said how many
DENSE = 10  # times the promise
FIRST = 10  # times the error of other positions
SPARSE = 20  # a sparse product is faster with less than one code in so many active
ROWS = 4096
CHUNK = 1024
Source = Model | Tensor | tuple[Tensor, Tensor]
Check = Tensor | tuple[Tensor, Tensor] | tuple[Model, Tensor]


@dataclass(frozen=True)
class Rows:
    """Activations to judge on."""

    x: Float[Tensor, "batch d_in"]
    """What the dictionary reads."""
    y: Float[Tensor, "batch d_out"]
    """What it reconstructs."""
    first: Bool[Tensor, " batch"]
    """Whether a row is the first of its sequence."""
    positions: bool
    """Whether that is known."""

    def scales(self) -> tuple[float, float]:
        """sqrt(d) / mean norm, of input and target, first positions left out where they are known."""
        kept = ~self.first if bool((~self.first).any()) else self.first
        norms = [torch.linalg.vector_norm(rows[kept], dim=1).mean().item() for rows in (self.x, self.y)]
        widths = self.x.shape[1], self.y.shape[1]
        return (
            math.sqrt(widths[0]) / max(norms[0], 1e-12),
            math.sqrt(widths[1]) / max(norms[1], 1e-12),
        )


@dataclass(frozen=True)
class Fit:
    """How well a hypothesis fits."""

    hypothesis: Hypothesis
    """Which."""
    l0: float
    """Mean number of active latents."""
    fvu: float
    """Share of the variance that is missed."""
    cosine: float
    """Cosine of centred output and centred target, all rows as one vector: blind to scale and to offset."""
    rows: int
    """How many rows."""
    error: float
    """Sum of ||y - y_hat||^2."""
    power: float
    """Sum of ||y||^2."""

    def matches(self, promised: float | None, within: float = WITHIN) -> bool:
        """Whether its L0 is within a factor of the promise; without one, yes."""
        return promised is None or abs(math.log(max(self.l0, 1e-9) / promised)) <= math.log(within)


@dataclass(frozen=True)
class Diagnosis:
    """What the doctor found."""

    dictionary: Dictionary
    """The dictionary as it was read."""
    promised: float | None
    """How many latents its file says are active."""
    fits: tuple[Fit, ...]
    """Every hypothesis, the verdict first, then by fit."""
    own: Fit
    """The dictionary's own record."""
    rows: int
    """How many rows it was judged on."""
    mistakes: tuple[str, ...] = field(default=())
    """What contradicts its record, by name and in words; nothing where it stands."""
    warnings: tuple[str, ...] = field(default=())
    """What is odd without another hypothesis being better."""

    @property
    def verdict(self) -> Hypothesis:
        """The hypothesis to run it by: its own record unless another contradicts it."""
        return self.fits[0].hypothesis

    @property
    def contradicted(self) -> bool:
        """Whether its own record is contradicted."""
        return bool(self.mistakes)

    def repaired(self) -> Dictionary:
        """The dictionary run by the verdict; the given one where its record stands. Never done unasked."""
        return repair(self.dictionary, self.verdict) if self.contradicted else self.dictionary


@torch.no_grad()
def diagnose(
    dictionary: Dictionary,
    source: Source,
    tokens: Int[Tensor, "batch pos"] | None = None,
    *,
    promised: float | None = None,
    rows: int = ROWS,
    progress: Progress = SILENT,
) -> Diagnosis:
    """Run a dictionary in every way that its weights admit, and say whether its record is the right one.

    The record is contradicted by a hypothesis that keeps the file's promise of L0 within 10 % where the
    record is off by more than half, or that misses less than 0.8 of what the record misses at no higher L0
    (less than a third, where it has more latents active and nothing was promised). Otherwise it stands.

    Arguments:
        dictionary: as it was read.
        source: the model it was trained on, or activations [batch, d] or [batch, pos, d]; of a transcoder,
            inputs and targets.
        tokens: sequences to run a model on.
        promised: how many latents ought to be active; None: what the file says.
        rows: how many activations to judge on, at most.
        progress: told after each hypothesis.

    Returns:
        A `Diagnosis`; `.repaired()` is the dictionary by the verdict.

    Raises:
        InputError: DI04 another width, DI123 for a model without tokens, or a transcoder without targets.
        MissingError: DI17 for a site that the model does not have.

    Example: ``diagnose(load_dictionary("sae"), activations).mistakes``.

    Source: He et al. 2024, arXiv 2410.20526, section 3.3 (units of theta); Rajamanoharan et al. 2024, arXiv
    2407.14435; Gao et al. 2024, arXiv 2406.04093.
    """
    shown = rows_of(dictionary, source, tokens, rows)
    aim = promise_of(dictionary) if promised is None else promised
    refuse_unfit(dictionary, shown, aim)
    open_first = shown.positions and 0 not in dictionary.convention.excluded_positions
    hypotheses = admissible(dictionary, shown.scales(), aim, open_first)
    found = measured(dictionary, hypotheses, shown, progress)
    own = next(fit for fit in found if fit.hypothesis == hypotheses[0])
    ordered = sorted(found, key=lambda fit: order(fit, own, aim))
    verdict = verdict_of(ordered, own, aim)
    fits = (verdict, *(fit for fit in ordered if fit is not verdict))
    mistakes = named(own, verdict, aim)
    return Diagnosis(dictionary, aim, fits, own, len(shown.x), mistakes, oddities(own, aim))


def promise_of(dictionary: Dictionary) -> float | None:
    """How many latents the file says are active: its l0, else its k; the dictionary's own k; else None."""
    said = dictionary.training_record.get("origin", {}).get("promise", {})
    k = dictionary.settings().get("k")
    found = said.get("l0", said.get("k", k))
    return None if not found else float(found)


def rows_of(dictionary: Dictionary, source: Source, tokens: Tensor | None, limit: int) -> Rows:
    """Activations of the positions that the dictionary is for, at most so many."""
    if isinstance(source, Model):
        return rows_of_model(dictionary, source, tokens, limit)
    x, y = source if isinstance(source, tuple) else (source, source)
    if not isinstance(source, tuple) and dictionary.site_in != dictionary.site_out:
        raise unable(
            "A transcoder is judged on its targets too.", "Give (inputs, targets), or a model and tokens."
        )
    dictionary.check_input(x)
    if x.ndim == 2:
        return Rows(x[:limit], y[:limit], torch.zeros(len(x[:limit]), dtype=torch.bool), False)
    held = torch.zeros(x.shape[:2], dtype=torch.long) if tokens is None else tokens
    return kept(x, y, dictionary.convention.included(held), limit)


def rows_of_model(dictionary: Dictionary, model: Model, tokens: Tensor | None, limit: int) -> Rows:
    """Activations of a model's run, sequence by sequence until there are enough."""
    if tokens is None:
        raise unable("A model was given without tokens.", "Give the sequences to run it on.")
    check_fits(model, dictionary)
    keep = dictionary.convention.included(tokens)
    sites = sorted({dictionary.site_in, dictionary.site_out})
    xs, ys, masks = [], [], []
    for batch, mask in batches(tokens, keep):
        run = model.run(batch, read=sites)
        xs.append(flat(dictionary, run[dictionary.site_in]))
        ys.append(flat(dictionary, run[dictionary.site_out]))
        masks.append(mask)
        if sum(int(part.sum()) for part in masks) >= limit:
            break
    return kept(torch.cat(xs), torch.cat(ys), torch.cat(masks), limit)


def kept(x: Tensor, y: Tensor, mask: Bool[Tensor, "batch pos"], limit: int) -> Rows:
    """The included positions as rows."""
    first = torch.zeros_like(mask)
    first[:, 0] = True
    many = mask.shape[1] > 1
    return Rows(x[mask][:limit], y[mask][:limit], first[mask][:limit] & many, many)


def refuse_unfit(dictionary: Dictionary, rows: Rows, promised: float | None) -> None:
    """DI123 for too few rows, targets that do not fit, or a promise that is no number of latents."""
    if len(rows.x) < 2:
        raise unable(
            f"{len(rows.x)} rows are too few to judge on.", "Give hundreds, of positions that it is for."
        )
    if rows.y.shape != (len(rows.x), dictionary.d_out):
        problem = f"Targets of shape {tuple(rows.y.shape)} for {len(rows.x)} inputs."
        raise unable(problem, f"Give one target of width {dictionary.d_out} for each input.")
    if promised is not None and not 0 < promised < math.inf:
        raise unable(f"{promised} active latents are promised.", "Give a number above 0, or None.")


def unable(problem: str, remedy: str) -> InputError:
    """DI123 for what cannot be judged."""
    return InputError("DI123", problem, remedy)


def measured(
    dictionary: Dictionary, hypotheses: Sequence[Hypothesis], rows: Rows, progress: Progress
) -> list[Fit]:
    """How well each hypothesis fits; those with the same pre-activations share them."""

    def alike(hypothesis: Hypothesis) -> tuple[object, ...]:
        """What the pre-activations depend on."""
        aspects = hypothesis.aspects()
        return (aspects["normalisation"], aspects["subtraction"])

    found: list[Fit] = []
    with progress.task("trying hypotheses", len(hypotheses)) as task:
        for _, group in groupby(sorted(hypotheses, key=alike), key=alike):
            members = list(group)
            found += tried(dictionary, members, rows)
            task.advance(len(members))
    return found


def tried(dictionary: Dictionary, members: Sequence[Hypothesis], rows: Rows) -> list[Fit]:
    """Hypotheses that differ in their gates only."""
    base = repair(dictionary, plain(dictionary, members[0]))
    sums = {member: Sums() for member in members}
    for begin in range(0, len(rows.x), CHUNK):
        x, y = rows.x[begin : begin + CHUNK], rows.y[begin : begin + CHUNK]
        first = rows.first[begin : begin + CHUNK]
        h = base.preactivations(x)
        for gate, alike in by_gate(members):
            z = gated(dictionary, gate, h)
            made = base.completed(decoded(z, base.W_dec) + base.b_dec, x)
            for member in alike:
                kept = ~first if member.without_first else torch.ones_like(first)
                sums[member].add(z[kept], y[kept], made[kept])
    return [sums[member].fit(member) for member in members]


def decoded(z: Float[Tensor, "batch feature"], decoder: Float[Tensor, "feature d_out"]) -> Tensor:
    """z W_dec; from the few codes that are active alone, where they are few."""
    few = int(torch.count_nonzero(z)) * SPARSE < z.numel()
    return torch.sparse.mm(z.to_sparse(), decoder) if few else z @ decoder


def by_gate(members: Sequence[Hypothesis]) -> Iterator[tuple[Hypothesis, list[Hypothesis]]]:
    """Hypotheses by gate: those with and without the first position make the same codes."""

    def gate(hypothesis: Hypothesis) -> tuple[object, ...]:
        """What the codes depend on."""
        return (hypothesis.gate, hypothesis.k, hypothesis.rank_score, hypothesis.units)

    for _, group in groupby(sorted(members, key=gate), key=gate):
        alike = list(group)
        yield alike[0], alike


def plain(dictionary: Dictionary, hypothesis: Hypothesis) -> Hypothesis:
    """The hypothesis with a gate that needs nothing, for its pre-activations."""
    own = as_read(dictionary)
    gate = own if own.gate == "gated" else Hypothesis("relu")
    return Hypothesis(
        gate.gate,
        subtract=hypothesis.subtract,
        input_transform=hypothesis.input_transform,
        scale_in=hypothesis.scale_in,
        scale_out=hypothesis.scale_out,
    )


class Sums:
    """Sums over rows, in float64, from which the numbers of a hypothesis follow."""

    def __init__(self) -> None:
        self.rows, self.active = 0, 0.0
        self.totals: dict[str, Tensor] = {}

    def add(self, z: Tensor, y: Tensor, made: Tensor) -> None:
        """Add some rows."""
        y, made = y.double(), made.double()
        self.rows += len(z)
        self.active += float((z != 0).sum())
        parts = {
            "error": (y - made).square().sum(),
            "y": y.sum(0),
            "made": made.sum(0),
            "yy": y.square().sum(),
            "mm": made.square().sum(),
            "ym": (y * made).sum(),
        }
        self.totals = {name: self.totals.get(name, 0) + part for name, part in parts.items()}

    def fit(self, hypothesis: Hypothesis) -> Fit:
        """L0, the share of the variance that is missed, and the centred cosine."""
        t, n = self.totals, max(self.rows, 1)
        spread = float(t["yy"] - t["y"] @ t["y"] / n)
        made = float(t["mm"] - t["made"] @ t["made"] / n)
        product = float(t["ym"] - t["y"] @ t["made"] / n)
        fvu = float(t["error"]) / spread if spread > 0 else math.nan
        lengths = math.sqrt(max(spread, 0) * max(made, 0))
        cosine = product / lengths if lengths > 0 else 0.0
        return Fit(hypothesis, self.active / n, fvu, cosine, n, float(t["error"]), float(t["yy"]))


def order(fit: Fit, own: Fit, promised: float | None) -> tuple[bool, float, int]:
    """Those that keep the promise first, then by error to three digits, then by likeness to the record."""
    error = fit.fvu if math.isfinite(fit.fvu) else math.inf
    rounded = error if error in (0, math.inf) else float(f"{error:.3g}")
    return (
        not fit.matches(promised),
        rounded,
        len(fit.hypothesis.differences(own.hypothesis)),
    )


def verdict_of(ordered: Sequence[Fit], own: Fit, promised: float | None) -> Fit:
    """The hypothesis to run it by; the first position is left out only where it is not reconstructed at all.

    Errors with and without that position are not compared with each other: one huge activation decides them.
    """
    groups = {
        flag: [fit for fit in ordered if fit.hypothesis.without_first == flag] for flag in (False, True)
    }
    verdict = judged(groups[False], own, promised)
    if not groups[True]:
        return verdict
    twin = next(fit for fit in groups[True] if bare(fit.hypothesis) == own.hypothesis)
    without = judged(groups[True], twin, promised)
    same = next(fit for fit in groups[False] if fit.hypothesis == bare(without.hypothesis))
    return without if missed_at_first(same, without) else verdict


def bare(hypothesis: Hypothesis) -> Hypothesis:
    """The same hypothesis of all positions."""
    return dataclasses.replace(hypothesis, without_first=False)


def missed_at_first(every: Fit, without: Fit) -> bool:
    """Whether first positions lose half of their square or more, and ten times what others lose.

    Arguments:
        every: a hypothesis on all positions.
        without: the same without the first ones.
    """
    count = every.rows - without.rows
    if count == 0 or without.rows == 0:
        return False
    error, power = every.error - without.error, every.power - without.power
    return error > power / 2 and error / count > FIRST * without.error / without.rows


def judged(ordered: Sequence[Fit], own: Fit, promised: float | None) -> Fit:
    """The record, unless another speaks against it: then the likest to it that none speaks against.

    It ends because every step keeps the promise or loses a fifth of the error.
    """
    held = own
    while against := [fit for fit in ordered if contradicts(fit, held, promised)]:
        held = min(against, key=lambda fit: len(fit.hypothesis.differences(own.hypothesis)))
    return held


def contradicts(fit: Fit, own: Fit, promised: float | None) -> bool:
    """Whether a hypothesis speaks against the dictionary's own record."""
    if fit.hypothesis == own.hypothesis or not math.isfinite(fit.fvu) or fit.fvu >= 1:
        return False
    if promised is None:
        share = BETTER if fit.l0 <= WITHIN * own.l0 else MUCH_BETTER
        return fit.fvu < share * own.fvu
    kept = fit.matches(promised)
    return kept and (not own.matches(promised, FAR) or fit.fvu < BETTER * own.fvu)


def named(own: Fit, verdict: Fit, promised: float | None) -> tuple[str, ...]:
    """The mistakes that lead from the verdict to the record, each by its name and in words."""
    a, b = own.hypothesis, verdict.hypothesis
    return tuple(f"{aspect}: {sentence(aspect, a, b)}" for aspect in a.differences(b))


def sentence(aspect: str, own: Hypothesis, right: Hypothesis) -> str:
    """One mistake in words."""
    if aspect == "units":
        if right.units == "average":
            return "the averaged threshold that the file keeps is the one to use"
        return f"the threshold is in other units: multiply it with {right.units} = {right.factor:.4g}"
    if aspect == "ranking":
        by = "h times the length of the decoder row" if right.rank_score == "h_norm" else "h alone"
        what = "ranks" if right.gate == "topk" else "compares its threshold with"
        return f"the gate {what} {'by ' if right.gate == 'topk' else ''}{by}"
    if aspect == "subtraction":
        said = {"none": "nothing is", "b_dec": "b_dec is", "b_pre": "a vector of its own is"}
        return f"{said[right.subtract]} subtracted from the input, not {said[own.subtract].split()[0]}"
    if aspect == "normalisation":
        return normalisation(own, right)
    if aspect == "first_position":
        return "the first position was never trained on: leave it out (excluded_positions)"
    names = [f"{each.gate} {each.k}" if each.k else each.gate for each in (right, own)]
    return f"the gate is {names[0]}, not {names[1]}"


def normalisation(own: Hypothesis, right: Hypothesis) -> str:
    """What is done to the input, in words."""
    if right.input_transform == "scale":
        return f"activations are to be scaled by {right.scale_in:.4g} first, and the output back"
    if right.input_transform == "none":
        folded = "the scale is folded into the weights already" if own.input_transform == "scale" else ""
        return folded or f"activations are read as they are, not by {own.input_transform}"
    return f"activations are normalised by {right.input_transform} first, not {own.input_transform}"


def oddities(own: Fit, promised: float | None) -> tuple[str, ...]:
    """What is odd about the record's own numbers."""
    found = []
    if promised is not None and own.l0 > DENSE * promised:
        found.append(f"{own.l0:.1f} latents are active, more than ten times the {promised:g} promised")
    if own.fvu > 1:
        found.append(f"the error is {own.fvu:.3g} of the variance: the mean alone would do better")
    if own.l0 == 0:
        found.append("no latent is ever active")
    return tuple(found)


def check(dictionary: Dictionary, against: Check) -> None:
    """Refuse a dictionary whose record its own activations contradict; warn of what is merely odd.

    Arguments:
        dictionary: as it was read.
        against: activations, of a transcoder inputs and targets; or a model and tokens.

    Raises:
        InputError: DI125 for a record that is contradicted, with the mistakes and the way that fits.

    Example: ``check(sae, activations)``.
    """
    model = isinstance(against, tuple) and isinstance(against[0], Model)
    found = diagnose(dictionary, *against) if model else diagnose(dictionary, against)  # type: ignore[arg-type]
    for said in found.warnings:
        warnings.warn(f"The dictionary as it is read: {said}.", UserWarning, stacklevel=3)
    if found.contradicted:
        right, own = found.fits[0], found.own
        raise InputError(
            "DI125",
            f"Run as its record says ({own.hypothesis.name}), the dictionary has {own.l0:.1f} latents active "
            f"and misses {own.fvu:.3g} of the variance; as {right.hypothesis.name!r} it has {right.l0:.1f} "
            f"and misses {right.fvu:.3g}. In the record: {'; '.join(found.mistakes)}.",
            "Read it without check, and take diagnose(dictionary, activations).repaired().",
        )
