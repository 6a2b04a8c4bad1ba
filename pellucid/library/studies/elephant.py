"""The study of the diverse-teams paper: its two conceptual claims, illustrated on made-up data.

The paper has no experiment. C1: thirty made-up models answer sixty made-up items that measure two traits,
some of which leak a cue to half of the models; the instruments of the social sciences find both. C2:
simulated panels look for planted flaws; a panel without a discipline misses the flaws that show to it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from pellucid.cases.review import Flaw, Reviewer, ReviewPanel, simulate_detection
from pellucid.findings import (
    Array,
    Finding,
    Interval,
    Kind,
    Measure,
    View,
    bootstrap,
    clopper_pearson,
    register,
    start,
)
from pellucid.library.studies.protocol import Conditions
from pellucid.metascience.differential import DifferentialConfig, differential_items
from pellucid.metascience.factors import FactorConfig, factor_analysis
from pellucid.metascience.reliability import item_reliability
from pellucid.metascience.response_curves import Values, logistic
from pellucid.metascience.responses import Responses
from pellucid.metascience.validity import multitrait_multimethod

MODELS: Final = 30
MANY: Final = 400
"""Models with which leaks are sought; thirty are too few for it, which is measured too."""
ITEMS: Final = 60
LEAKING: Final = (3, 18, 33, 48)
"""Items whose wording gives the answer away to models that saw the cue."""
CUE: Final = 3.0
"""How much easier a leaking item is then, in logits."""
DISCIPLINES: Final = ("engineering", "statistics", "psychology", "law", "security")
MISSING: Final = "psychology"
FLAWS_EACH: Final = 12
PANELS: Final = 80
COMMAND: Final = "pellucid study run elephant"

INSTRUMENTS = register(
    Kind(
        name="library.hidden_trait",
        title="A reliable test that measures two traits",
        statement="A made-up test has alpha {alpha.interval}, yet parallel analysis finds {factors.value} "
        "factors, which sort {sorted.percent} of its items rightly; two traits by two wordings have "
        "{violations.value} discriminant violations; {leaks_found.value} of {leaks_found.n} leaking items "
        "are found with 400 models, {leaks_found_by_30.value} with 30",
        supports="alpha.low >= 0.8 and factors.value >= 2 and sorted.low > 0.5 and violations.value < 1 "
        "and leaks_found.value >= 3 and false_leaks.value <= 1",
        refutes="alpha.high < 0.8 or factors.value < 2",
        views=(
            View(form="heatmap", array="loadings", title="Rotated loadings", x="factor", y="item"),
            View(form="line", array="eigenvalues", title="Eigenvalues beside chance", x="factor"),
        ),
        stance="observational",
        evidence="correlational",
        room="library",
    )
)
PANEL = register(
    Kind(
        name="library.panel_coverage",
        title="What a panel without a discipline misses",
        statement="A simulated panel of all disciplines finds {full.interval} of the planted flaws, one of "
        "as many people without psychology {lacking.interval}, and {missed_class.interval} of those that "
        "show to psychology",
        supports="gain.low > 0 and missed_class.high < full.low and slope.low > 0",
        refutes="gain.high <= 0 or slope.high <= 0",
        views=(View(form="interval", array="by_coverage", title="Share of flaws found", x="covered"),),
        stance="observational",
        evidence="correlational",
        room="library",
    )
)


def run(conditions: Conditions) -> Iterator[Finding]:
    """One Finding a claim and seed."""
    for seed in conditions.seeds:
        yield hidden_trait(seed)
        yield panel_coverage(seed)


def hidden_trait(seed: int) -> Finding:
    """Claim C1: alpha is high, and the analysis of validity finds what it hides."""
    table, traits, wordings, cued = made_up_test(seed)
    parameters = {"claim": "elephant.C1", "items": ITEMS, "leaking": LEAKING, "cue": CUE, "many": MANY}
    record = start(run, parameters=parameters, data=table.data, seed=seed, command=COMMAND)
    reliability = item_reliability(table)
    factors = factor_analysis(table, FactorConfig(seed=seed))
    rotated = factor_analysis(table, FactorConfig(factors=2, seed=seed)).arrays["loadings"]
    parcels = by_trait_and_wording(table, traits, wordings)
    validity = multitrait_multimethod(parcels, ["one", "one", "two", "two"], ["plain", "odd"] * 2)
    many, _, _, many_cued = made_up_test(seed, MANY)
    found, wrong = leaks(many, many_cued)
    measures = [
        reliability.measures["alpha"],
        factors.measures["factors"],
        Measure.of("sorted", sorted_rightly(rotated.values, traits), better="higher"),
        *(validity.measures[name] for name in ("convergent", "violations", "htmt")),
        Measure.of("leaks_found", float(found), n=len(LEAKING), better="higher"),
        Measure.of("leaks_found_by_30", float(leaks(table, cued)[0]), n=len(LEAKING), better="higher"),
        Measure.of("false_leaks", float(wrong), n=ITEMS - len(LEAKING), better="lower"),
    ]
    arrays = {"loadings": rotated, "eigenvalues": factors.arrays["eigenvalues"]}
    return record.finding(INSTRUMENTS, measures=measures, arrays=arrays)


def made_up_test(seed: int, models: int = MODELS) -> tuple[Responses, Values, Values, Values]:
    """Answers of models to items, the trait and the wording of each item, and which models saw the cue.

    The two traits correlate 0.3; an item is answered rightly with the chance ``1 / (1 + exp(-a (theta -
    b)))``.
    """
    difficulties = np.random.default_rng(seed).uniform(-1, 1, ITEMS)
    difficulties[list(LEAKING)] = 0.5  # hard enough that a cue can show
    random = np.random.default_rng([seed, models])
    traits, wordings = np.arange(ITEMS) % 2, np.arange(ITEMS) // 2 % 2
    ability = random.multivariate_normal([0, 0], [[1, 0.3], [0.3, 1]], size=models)
    cued = np.arange(models) % 2 == 1
    z = (2.5 - 0.5 * wordings) * (ability[:, traits] - difficulties)
    z[np.ix_(cued, LEAKING)] += CUE
    answers = (random.random((models, ITEMS)) < logistic(z)).astype(float)
    people = tuple(f"model {at + 1}" for at in range(models))
    items = tuple(f"item {at + 1}" for at in range(ITEMS))
    return Responses(answers, people, items, f"made-up test {seed}"), traits, wordings, cued


def sorted_rightly(loadings: Values, traits: Values) -> Interval:
    """Share of items whose larger loading is on the factor of their own trait, the factors named at best."""
    right = int((np.abs(loadings).argmax(axis=1) == traits).sum())
    return clopper_pearson(max(right, ITEMS - right), ITEMS)


def by_trait_and_wording(table: Responses, traits: Values, wordings: Values) -> Values:
    """Four measures a model: the mean over the items of each trait in each wording, without leaking items."""
    sound = ~np.isin(np.arange(ITEMS), LEAKING)
    return np.stack(
        [
            table.scores[:, sound & (traits == t) & (wordings == w)].mean(axis=1)
            for t in (0, 1)
            for w in (0, 1)
        ],
        axis=1,
    )


def leaks(table: Responses, cued: Values) -> tuple[int, int]:
    """How many leaking items a comparison of groups finds, corrected for many tests, and how many more."""
    groups = ["cued" if one else "plain" for one in cued]
    found = differential_items(table, groups, DifferentialConfig(reference="plain")).arrays["items"]
    numbers = found.coords["number"]
    flagged = set(np.flatnonzero(found.values[:, numbers.index("q")] < 0.05).tolist())
    return len(flagged & set(LEAKING)), len(flagged - set(LEAKING))


def panel_coverage(seed: int) -> Finding:
    """Claim C2: the more disciplines a panel of five covers, the more flaws it finds."""
    parameters = {"claim": "elephant.C2", "panels": PANELS, "flaws": FLAWS_EACH, "missing": MISSING}
    record = start(run, parameters=parameters, seed=seed, command=COMMAND)
    draws = range(PANELS * seed, PANELS * (seed + 1))
    full = np.array([found_by(panel(DISCIPLINES), at) for at in draws])
    rest = tuple(word for word in DISCIPLINES if word != MISSING)
    lacking = np.array([found_by(panel(rest), at) for at in draws])
    missed = DISCIPLINES.index(MISSING)
    shares = [covering(count, draws) for count in range(1, len(DISCIPLINES) + 1)]
    steps = np.stack(shares, axis=1)
    measures = [
        Measure.of("full", bootstrap(full.mean(axis=1), seed=seed), better="higher"),
        Measure.of("lacking", bootstrap(lacking.mean(axis=1), seed=seed), better="higher"),
        Measure.of("gain", bootstrap(full.mean(axis=1) - lacking.mean(axis=1), seed=seed), better="higher"),
        Measure.of("missed_class", bootstrap(lacking[:, missed], seed=seed), better="higher"),
        Measure.of("slope", slope_of(steps, seed), unit="per discipline", better="higher"),
    ]
    rows = np.array(
        [[one.value, one.low, one.high] for one in (bootstrap(share, seed=seed) for share in shares)]
    )
    coords: dict[str, list[Any]] = {
        "covered": list(range(1, len(DISCIPLINES) + 1)),
        "end": ["value", "low", "high"],
    }
    return record.finding(
        PANEL, measures=measures, arrays={"by_coverage": Array(rows, ("covered", "end"), coords)}
    )


def panel(disciplines: tuple[str, ...]) -> ReviewPanel:
    """Five reviewers who share out the disciplines."""
    words = itertools.islice(itertools.cycle(disciplines), len(DISCIPLINES))
    return ReviewPanel(tuple(Reviewer(f"reviewer {at + 1}", (word,)) for at, word in enumerate(words)))


def found_by(reviewers: ReviewPanel, seed: int) -> list[float]:
    """Share of the flaws of each discipline that a panel finds."""
    flaws = [Flaw(f"{word} {at}", word) for word in DISCIPLINES for at in range(FLAWS_EACH)]
    by_discipline = simulate_detection(reviewers, flaws, seed).by_discipline
    return [by_discipline[word] for word in DISCIPLINES]


def covering(count: int, draws: range) -> Values:
    """Share of all flaws found by panels that cover so many disciplines, other ones in each draw."""
    turns = [tuple(DISCIPLINES[(at + k) % len(DISCIPLINES)] for k in range(count)) for at in draws]
    return np.array([np.mean(found_by(panel(words), at)) for words, at in zip(turns, draws, strict=True)])


def slope_of(shares: Values, seed: int) -> Interval:
    """Gain of the share found with each discipline more, by least squares, over panels."""
    x = np.arange(shares.shape[1]) - (shares.shape[1] - 1) / 2
    return bootstrap(shares @ x / (x @ x), seed=seed)
