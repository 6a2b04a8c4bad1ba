"""The claim about two induction heads, asked of heads that were compiled and of networks that were trained.

The compiled part says that the protocol tells such heads apart when they are there, the trained part whether
training makes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from pellucid.compute import run_jobs
from pellucid.dictionaries.attention.adjudicator import (
    COLUMNS,
    Cuts,
    adjudicate_induction,
    classes_of,
    verdict_of,
)
from pellucid.dictionaries.attention.corruption import CorruptionConfig, corruption_test
from pellucid.dictionaries.attention.prefix import PrefixConfig, draw_repeats, measure_curves
from pellucid.findings import (
    Array,
    Finding,
    Kind,
    Measure,
    Reference,
    View,
    from_bytes,
    register,
    start,
    wilson,
)
from pellucid.library.studies.attention_setting import COMMAND, SOURCE
from pellucid.library.studies.protocol import Conditions
from pellucid.models import open_model
from pellucid.organisms import HeadPlan, InductionPlan, closed_form, compiled_induction, names

ROLES = ("short", "long", "duplicate", "previous", "begin", "uniform")
BETAS = (6.0, 9.0, 12.0)
MOST_HEADS = 8
PAIR = InductionPlan((HeadPlan("short"), HeadPlan("long")))
"""At full size: 130 tokens, scores of 12 nats for each match."""
TOKENS, CONTEXT = 40, 36
"""Of the other plans."""
DRAWN = 200
"""Sequences in which the second token is replaced."""

COMPILED = register(
    Kind(
        name="library.attention_compiled",
        title="Compiled induction heads, told apart by what they attend to",
        statement="{right.value} of {right.n} heads of {plans.value} compiled networks are classed as "
        "planted, and their attention is at most {distance.value} from the closed form. After one repeated "
        "token the short head attends with {short_one.value}, the long one with {long_one.value} and after "
        "two with {long_two.value}; replacing the second takes {short_drop.percent} from the short head and "
        "{long_drop.percent} from the long one",
        supports="wrong.value == 0 and undecided.value == 0 and distance.value <= 1e-6 and "
        "short_one.value >= 0.9 and long_one.value <= 0.1 and long_two.value >= 0.9 and "
        "long_drop.low >= 0.9 and short_drop.high <= 0.05",
        refutes="wrong.value > 0 or distance.value > 1e-6",
        stance="interventional",
        evidence="causal",
        room="library",
    )
)
TRAINED = register(
    Kind(
        name="library.attention_induction",
        title="Whether trained networks grow a long- and a short-prefix induction head",
        statement="Of {specialised.n} trained networks {specialised.value} have a short- and a long-prefix "
        "induction head, {not_specialised.value} do not and {undecided.value} cannot be told: of "
        "{heads.value} heads {short.value} are short and {long.value} long. Replacing the second "
        "token takes at least half of the attention from {dependent.value} of the {following.value} heads "
        "that follow a prefix of two, at most a tenth from {independent.value}",
        supports="specialised.value >= 4",
        refutes="not_specialised.value >= 2",
        views=(
            View(
                form="table",
                array="scores",
                title="Attention to the token that followed the first copy",
                x="score",
                y="head",
                unit="attention",
            ),
            View(
                form="interval", array="drop", title="Share lost when the second token is replaced", x="head"
            ),
        ),
        stance="interventional",
        evidence="causal",
        room="library",
    )
)


def run(conditions: Conditions) -> Iterator[Finding]:
    """For each seed of the protocol the compiled heads, then the trained ones, whose reports come first."""
    examples = 400 if conditions.profile == "quick" else 4000
    yield from compiled_claims(conditions)
    jobs = {
        f"{name} {seed}": (name, seed, examples) for seed in conditions.seeds for name in names("induction")
    }
    results = run_jobs(
        asked, jobs, executor=conditions.executor, progress=conditions.progress, name="asking trained heads"
    )
    for seed in conditions.seeds:
        reports = {
            name: [from_bytes(data) for data in results[f"{name} {seed}"]] for name in names("induction")
        }
        for pair in reports.values():
            yield from pair
        yield trained_finding(seed, examples, reports)


def compiled_claims(conditions: Conditions) -> Iterator[Finding]:
    """For each seed plans of two to eight heads, every head judged."""
    results = run_jobs(
        compiled,
        {str(seed): (seed, MOST_HEADS) for seed in conditions.seeds},
        executor=conditions.executor,
        progress=conditions.progress,
        name="compiling heads",
    )
    for seed in conditions.seeds:
        record = start(
            compiled_claims,
            parameters={
                "claim": "attention-sae.C4",
                "part": "compiled",
                "pair": PAIR,
                "heads": MOST_HEADS,
                "betas": BETAS,
                "tokens": TOKENS,
                "context": CONTEXT,
            },
            seed=seed,
            command=COMMAND,
        )
        yield record.finding(COMPILED, measures=compiled_measures(results[str(seed)]))


def compiled(seed: int, most: int) -> dict[str, Any]:
    """Classes, distances, curves and drops of compiled heads.

    Arguments:
        seed: of plans and examples.
        most: heads of the largest plan.
    """
    plans = [drawn_plan(seed, n) for n in range(2, most + 1)]
    counts = [classed(plan, seed) for plan in plans]
    everything = [distances(plan, seed) for plan in (PAIR, *plans)]
    pair = everything[0][1]
    return {
        "plans": len(plans),
        "distance": max(largest for largest, _ in everything),
        **{name: sum(one[name] for one in counts) for name in counts[0]},
        "short_one": float(pair[0, 0]),
        "long_one": float(pair[0, 1]),
        "long_two": float(pair[1, 1]),
        "drops": drops_of(PAIR, seed),
    }


def drawn_plan(seed: int, n: int) -> InductionPlan:
    """A short and a long head and others of any role, with scores of any strength, in any order.

    Arguments:
        seed: of the draw.
        n: heads, at least two.
    """
    random = np.random.default_rng((seed, n))
    roles = ["short", "long", *random.choice(ROLES, n - 2)]
    heads = [HeadPlan(role, float(random.choice(BETAS))) for role in random.permutation(roles).tolist()]
    return InductionPlan(tuple(heads), TOKENS, CONTEXT)


def classed(plan: InductionPlan, seed: int) -> dict[str, int]:
    """How many heads, those of the first layer included, get the class that the closed form gives them."""
    model, config = compiled_induction(plan), PrefixConfig(prefixes=(1, 3), seed=seed, batch=100)
    found = classes_of(adjudicate_induction(model, config))
    repeats, cuts = draw_repeats(model, config), Cuts()
    truth = dict.fromkeys(found, "other")
    for head in range(len(plan.heads)):
        one, three = (
            float(closed_form(plan, head, prefix, repeats.query(prefix).numpy() + 1).mean())
            for prefix in (1, 3)
        )
        truth[1, head] = cuts.classes(one, three)
    open_ = sum(verdict == "undecided" for verdict in found.values())
    right = sum(verdict == truth[place] for place, verdict in found.items())
    return {"right": right, "undecided": open_, "wrong": len(found) - right - open_}


def distances(plan: InductionPlan, seed: int) -> tuple[float, Float[np.ndarray, "prefix head"]]:
    """The largest distance of any example's attention to its closed form, and the mean curves.

    Arguments:
        plan: what was planted.
        seed: of the examples.
    """
    model, config = compiled_induction(plan), PrefixConfig(examples=100, seed=seed)
    repeats = draw_repeats(model, config)
    curves = measure_curves(model, repeats, config)
    second = [place for place, head in enumerate(curves.heads) if head[0] == 1][: len(plan.heads)]
    expected = np.stack(
        [
            [closed_form(plan, head, p, repeats.query(p).numpy() + 1) for head in range(len(plan.heads))]
            for p in config.prefixes
        ]
    )
    attention = curves.attention[:, :, second]
    return float(np.abs(attention - expected.transpose(2, 0, 1)).max()), attention.mean(0)


def drops_of(plan: InductionPlan, seed: int) -> dict[str, list[float]]:
    """Value, low and high of the share that a random second token takes from each planted head, by role."""
    found = corruption_test(compiled_induction(plan), config=CorruptionConfig(seed=seed, examples=DRAWN))
    drop = found.arrays["drop_random"]
    rows = dict(zip(drop.coords["head"], np.asarray(drop.values).tolist(), strict=True))
    return {head.role: rows[f"1.{place}"] for place, head in enumerate(plan.heads)}


def compiled_measures(found: Mapping[str, Any]) -> list[Measure]:
    """C4, compiled: how the heads are classed, how exact they are, and what they do at full size."""
    heads = sum(found[name] for name in ("right", "wrong", "undecided"))
    counts = [Measure.of(name, float(found[name]), n=heads) for name in ("right", "wrong", "undecided")]
    at_one = {"short_one": (0.7, "5.5"), "long_one": (0.3, "5.1, below")}
    scores = [
        Measure.of(name, found[name], reference=Reference(value=value, source=f"{SOURCE}, head {head}"))
        for name, (value, head) in at_one.items()
    ]
    scores.append(Measure.of("long_two", found["long_two"]))
    drops = [drop(role, found["drops"][role]) for role in ("long", "short")]
    exact = Measure.of("distance", found["distance"], better="lower")
    return [*counts, Measure.of("plans", float(found["plans"])), exact, *scores, *drops]


def drop(role: str, ends: Sequence[float]) -> Measure:
    """The share of its attention that one planted head loses; the paper prints .55 and .05 for a long one."""
    printed = Reference(value=0.909, source=f"{SOURCE}, head 5.1")
    reference = printed if role == "long" else None
    value, low, high = ends
    return Measure(name=f"{role}_drop", value=value, low=low, high=high, n=DRAWN, reference=reference)


def asked(name: str, seed: int, examples: int) -> tuple[bytes, bytes]:
    """The classes of one trained network's heads, and what they lose, as bytes of two Findings.

    Arguments:
        name: of the organism.
        seed: of examples and replacements.
        examples: sequences of both tests.
    """
    model = open_model(f"organism:{name}", device="cpu")
    verdict = adjudicate_induction(model, PrefixConfig(examples=examples, batch=100, seed=seed))
    config = CorruptionConfig(examples=examples, batch=100, seed=seed)
    return verdict.to_bytes(), corruption_test(model, config=config).to_bytes()


def trained_finding(seed: int, examples: int, reports: Mapping[str, Sequence[Finding]]) -> Finding:
    """C4, trained: one Finding over all networks, whose parents are the reports of each.

    Arguments:
        seed: of the protocol; the networks' own seeds are in their names.
        examples: of each network.
        reports: the classes and the corruption of each network.
    """
    record = start(
        run,
        parameters={
            "claim": "attention-sae.C4",
            "part": "trained",
            "networks": list(reports),
            "examples": examples,
        },
        seed=seed,
        parents=[one.id for pair in reports.values() for one in pair],
        command=COMMAND,
    )
    return record.finding(TRAINED, measures=trained_measures(reports), arrays=trained_arrays(reports))


def trained_measures(reports: Mapping[str, Sequence[Finding]]) -> list[Measure]:
    """How many networks specialised, and sums over their heads."""
    verdicts = [verdict_of(classes) for classes, _ in reports.values()]
    n = len(verdicts)

    def total(place: int, name: str) -> float:
        """Sum of one count over the networks."""
        return sum(pair[place].measures[name].value or 0.0 for pair in reports.values())

    return [
        Measure.of("specialised", float(verdicts.count("specialised")), n=n),
        Measure.of("share", wilson(verdicts.count("specialised"), n)),
        Measure.of("not_specialised", float(verdicts.count("did not specialise")), n=n),
        Measure.of("undecided", float(verdicts.count("undecided")), n=n),
        *(Measure.of(name, total(0, name)) for name in ("heads", "short", "long", "other")),
        Measure.of("following", total(1, "heads")),
        *(Measure.of(name, total(1, name)) for name in ("dependent", "independent")),
    ]


def trained_arrays(reports: Mapping[str, Sequence[Finding]]) -> dict[str, Array]:
    """Scores of all heads of all networks, and what those lose that follow a prefix of two."""
    scores = {name: pair[0].arrays["scores"] for name, pair in reports.items()}
    drops = {
        name: pair[1].arrays["drop_random"]
        for name, pair in reports.items()
        if "drop_random" in pair[1].arrays
    }
    made = {"scores": stacked(scores, "score", COLUMNS)}
    return made | ({"drop": stacked(drops, "end", ("value", "low", "high"))} if drops else {})


def stacked(arrays: Mapping[str, Array], axis: str, columns: Sequence[str]) -> Array:
    """The rows of several networks under one another, each head with its network's name."""
    heads = [f"{name} {head}" for name, array in arrays.items() for head in array.coords["head"]]
    values = np.concatenate([np.asarray(array.values) for array in arrays.values()])
    return Array(values, ("head", axis), {"head": heads, axis: list(columns)})
