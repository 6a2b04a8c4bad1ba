"""What a cheaper way to end-to-end quality keeps of the gain, and what it costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.stats import t as student

from pellucid.dictionaries.judging.reseed import LEVEL, mean_interval, refuse_few, value_of
from pellucid.findings import Array, Finding, InputError, Interval, Kind, Measure, View, register, start

EQUAL = 0.02  # relative: numbers of active latents this close are taken as equal
ENOUGH = 0.8  # of the gain
AT_MOST = 1.3  # times the cost of local training
WAYS = ("local", "cheap", "end_to_end")

KIND = register(
    Kind(
        name="dictionaries.objective_cost",
        title="What end-to-end quality costs",
        statement="At {l0.value} the cheaper way costs {cost_ratio.value} times what local training does, "
        "and end-to-end training {end_to_end_cost_ratio.value} times; of the gain of the latter over local "
        "training it keeps {gain_kept.interval}",
        supports="gain_kept.value >= 0.8 and cost_ratio.value <= 1.3 and gain.low > 0",
        refutes="gain_kept.high < 0.8 or cost_ratio.low > 1.3",
        views=(
            View(
                form="bar",
                array="lost",
                title="What the model loses with each dictionary in place",
                x="way of training",
                unit="nats per token",
            ),
        ),
        evidence="causal",
        stance="interventional",
        room="dictionaries",
    )
)


@dataclass(frozen=True)
class Way:
    """One way of training: an evaluation and a cost for each seed, in the same order."""

    evaluations: Sequence[Finding]
    """``dictionaries.evaluation`` on the same text."""
    seconds: Sequence[float]
    """Processor seconds of each training, the making of the activations included."""

    def lost(self) -> Float[np.ndarray, " training"]:
        """Increase of the cross-entropy, nats per token."""
        return np.array([value_of(finding, "ce_increase") for finding in self.evaluations])

    def active(self) -> Float[np.ndarray, " training"]:
        """Active latents per token."""
        return np.array([value_of(finding, "l0") for finding in self.evaluations])


def objective_cost(local: Way, cheap: Way, end_to_end: Way) -> Finding:
    """Share of the local -> end-to-end gain that a cheaper way keeps at equal L0, and its price.

        gain_kept = sum_s (CE_local - CE_cheap) / sum_s (CE_local - CE_e2e)         s: seeds
        cost_ratio = sum_s t_cheap / sum_s t_local

    Both are ratios of means over seeds; their intervals are those of the delta method with Student's t. More
    than 1 is kept where the cheaper way does better than end-to-end training from the start.

    Arguments:
        local: trained by the activation's own error.
        cheap: the way that is judged.
        end_to_end: trained end to end from the first step.

    Returns:
        A Finding ``dictionaries.objective_cost`` with gain_kept, cost_ratio, end_to_end_cost_ratio, gain
        (nats per token), l0, and ``ce_increase_<way>`` of each; arrays ``lost`` (mean of each way) and
        ``each`` [way, training].

    Raises:
        InputError: DI52 fewer than 3 trainings of one way, DI103 ways that cannot be compared.

    Example: ``objective_cost(Way(a, s), Way(b, t), Way(c, u)).measures["gain_kept"].value``.

    Source: the question: Braun et al. 2024, arXiv 2405.12241.
    """
    ways = dict(zip(WAYS, (local, cheap, end_to_end), strict=True))
    for way in ways.values():
        refuse_few(way.evaluations)
    refuse_unlike(ways)
    record = start(
        objective_cost,
        parameters={"seconds": {name: [float(s) for s in way.seconds] for name, way in ways.items()}},
        subject=local.evaluations[0].provenance.subject,
        data=local.evaluations[0].provenance.data,
        parents=[finding.id for way in ways.values() for finding in way.evaluations],
    )
    lost = np.array([way.lost() for way in ways.values()])
    arrays = {
        "lost": Array(lost.mean(1), ("way",), {"way": list(WAYS)}),
        "each": Array(lost, ("way", "training"), {"way": list(WAYS)}),
    }
    return record.finding(KIND, measures=measures_of(ways), arrays=arrays)


def measures_of(ways: Mapping[str, Way]) -> list[Measure]:
    """What is kept, what it costs, and what each way loses."""
    lost = {name: way.lost() for name, way in ways.items()}
    seconds = {name: np.asarray(way.seconds, dtype=float) for name, way in ways.items()}
    gain = lost["local"] - lost["end_to_end"]
    nats = "nats per token"
    return [
        Measure.of("gain_kept", ratio(lost["local"] - lost["cheap"], gain), better="higher"),
        Measure.of("cost_ratio", ratio(seconds["cheap"], seconds["local"]), better="lower"),
        Measure.of("end_to_end_cost_ratio", ratio(seconds["end_to_end"], seconds["local"])),
        Measure.of("gain", mean_interval(gain), unit=nats, better="higher"),
        Measure.of("l0", float(np.mean([way.active() for way in ways.values()])), unit="active latents"),
        *(
            Measure.of(f"ce_increase_{name}", mean_interval(values), unit=nats, better="lower")
            for name, values in lost.items()
        ),
    ]


def ratio(top: Float[np.ndarray, " training"], bottom: Float[np.ndarray, " training"]) -> Interval:
    """mean(top) / mean(bottom) with the delta method's interval over trainings.

    s^2 = var(top_s - r bottom_s) / (n mean(bottom)^2), times Student's t of n - 1 degrees of freedom.

    Arguments:
        top: of each training.
        bottom: of each training, in the same order.
    """
    n, value = len(top), float(top.mean() / bottom.mean())
    error = float(np.std(top - value * bottom, ddof=1) / (n**0.5 * abs(bottom.mean())))
    half = float(student.ppf((1 + LEVEL) / 2, n - 1)) * error
    return Interval(value, value - half, value + half, n, LEVEL, "Student's t over trainings, delta method")


def refuse_unlike(ways: Mapping[str, Way]) -> None:
    """DI103 unless all ways have as many trainings and costs, equal L0, one text, and there is a gain."""
    counts = {len(way.evaluations) for way in ways.values()} | {len(way.seconds) for way in ways.values()}
    if len(counts) > 1:
        refuse(f"there are {sorted(counts)} trainings and costs", "Give one of each for every seed.")
    texts = {finding.provenance.data for way in ways.values() for finding in way.evaluations}
    if len({None if text is None else text.sha256 for text in texts}) > 1:
        refuse("they were judged on different texts", "Evaluate all dictionaries on the same tokens.")
    active = np.concatenate([way.active() for way in ways.values()])
    if active.max() > active.min() * (1 + EQUAL):
        l0 = f"{active.min():.3g} to {active.max():.3g}"
        refuse(f"they have {l0} active latents", "Give dictionaries of equal L0, such as topk of one k.")
    if min(min(way.seconds) for way in ways.values()) <= 0:
        refuse("a training costs nothing", "Give the processor seconds of each training.")
    gain = float((ways["local"].lost() - ways["end_to_end"].lost()).mean())
    if gain <= 0:
        remedy = "Train longer, or at another rate: there is nothing yet that could be kept."
        refuse(f"end-to-end training gains nothing over local training ({gain:.3g} nats)", remedy)


def refuse(problem: str, remedy: str) -> None:
    """DI103."""
    raise InputError("DI103", f"The ways of training cannot be compared: {problem}.", remedy)
