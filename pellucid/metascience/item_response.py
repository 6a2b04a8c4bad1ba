"""Item response theory on a table of answers: difficulties, abilities, information, fit."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

import numpy as np

from pellucid.findings import Array, Finding, InputError, Kind, Measure, View, register, start
from pellucid.metascience.adaptive import adaptive_test
from pellucid.metascience.calibration import Calibration, Model, calibrate
from pellucid.metascience.item_fit import dependent_pairs, item_fit, residual_correlations
from pellucid.metascience.resampling import resampled
from pellucid.metascience.response_checks import enough, thresholded, varied, zeros_and_ones
from pellucid.metascience.response_curves import expected_ability, total_information
from pellucid.metascience.responses import Responses, Source, Values, responses

FEW_RESPONDENTS: Final = 100
MODELS: Final = ("1PL", "2PL", "3PL")
ABILITIES: Final = np.linspace(-4, 4, 81)
MOST_ITEMS: Final = 300
"""Beyond which the residual correlations of all pairs are not kept."""
FIT_RANGE: Final = (0.7, 1.3)
COLUMNS: Final = ("a", "b", "c", "error of a", "error of b", "error of c", "infit", "outfit")

KIND = register(
    Kind(
        name="metascience.item_response",
        title="What each item tells about ability",
        statement="A {parameters_per_item.value}PL fit of {items.value} items and {reliability.n} "
        "respondents measures ability with reliability {reliability.value}; {misfits.value} items do not "
        "fit, {extreme_items.value} have no finite difficulty",
        supports="reliability.low >= 0.7",
        refutes="reliability.high < 0.7",
        views=(
            View(form="line", array="information", title="Information of the test", x="ability"),
            View(form="table", array="items", title="Items"),
            View(form="table", array="respondents", title="Respondents"),
        ),
        stance="observational",
        evidence="correlational",
        room="metascience",
    )
)


@dataclass(frozen=True)
class ItemResponseConfig:
    """How the items are calibrated."""

    model: Literal["auto", "1PL", "2PL", "3PL"] = "auto"
    """1PL, 2PL or 3PL; auto takes the 2PL from 100 respondents on, below that the 1PL."""
    priors: bool = False
    """Whether log a ~ N(0, 0.5^2) and b ~ N(0, 2^2) are prior to the data; the 3PL always has one on c."""
    points: int = 41
    """Nodes of the Gauss-Hermite quadrature."""
    iterations: int = 2000
    """Most rounds of expectation and maximisation."""
    tolerance: float = 1e-6
    """Largest move of a parameter in the last round."""
    threshold: float | None = None
    """Score from which an answer counts as right; None when scores are 0 and 1 already."""
    adaptive_error: float | None = 0.4
    """Error of ability, in its standard deviations, at which an adaptive test stops; None asks for none."""
    resamples: int = 500
    """Bootstrap draws over respondents, for the interval of the reliability; the items stay as calibrated."""
    seed: int = 0
    """Seed of the draws."""


def item_response(table: Source, config: ItemResponseConfig = ItemResponseConfig()) -> Finding:
    """Calibrate items and score respondents by an item response model; gaps are welcome.

    ``P = c + (1 - c) / (1 + exp(-a (theta - b)))`` with a = 1 and c = 0 in the 1PL, c = 0 in the 2PL;
    marginal maximum likelihood, expected abilities a posteriori. An item (or respondent) with all answers
    right or all wrong has no finite estimate: such items have no difficulty (NaN), such respondents an
    expected ability.

    Arguments:
        table: respondents x items of 0, 1 and gaps, as an array, table, CSV file or logs.
        config: model, priors, quadrature, threshold.

    Returns:
        A Finding ``metascience.item_response``. Its note says why the model was chosen when nobody chose it.

    Errors:
        InputErrors MS40 to MS51 for a table that cannot be used, MS65 (no such model or quadrature).

    Example:
        >>> table = [[1, 1, 1], [1, 1, 0], [1, 0, 0], [0, 1, 0], [0, 0, 0]]
        >>> item_response(table).arrays["respondents"].values[:, 0].argmax().item()
        0

    Source: Bock and Aitkin (1981); Louis (1982); Yen (1984).
    """
    check_settings(config)
    kept = zeros_and_ones(thresholded(enough(responses(table), 3, 2), config.threshold))
    varied(kept, "drop")  # refuses a table on which nothing differs
    model, why = chosen_model(config, len(kept.respondents))
    parameters = {**asdict(config), "fitted": model, "why": why}
    record = start(item_response, parameters=parameters, data=kept.data, seed=config.seed)
    fitted = calibrate(
        kept.scores,
        model,
        priors=config.priors,
        points=config.points,
        iterations=config.iterations,
        tolerance=config.tolerance,
    )
    q3 = residual_correlations(kept.scores, fitted.items, config.points)
    arrays = arrays_of(kept, fitted, q3, config)
    measures = measures_of(
        kept, fitted, arrays["respondents"].values, arrays["items"].values[:, -1], q3, config
    )
    finding = record.finding(KIND, measures=measures, arrays=arrays)
    return finding.with_note(why, "pellucid") if config.model == "auto" else finding


def check_settings(config: ItemResponseConfig) -> None:
    """InputError MS65 for a model or quadrature that does not exist."""
    if config.model not in ("auto", *MODELS):
        raise InputError("MS65", f"No model {config.model!r}.", f"Use auto, {', '.join(MODELS)}.")
    if not 5 <= config.points <= 201:
        raise InputError("MS65", f"{config.points} nodes were asked for.", "Use 5 to 201; 41 is enough.")


def chosen_model(config: ItemResponseConfig, respondents: int) -> tuple[Model, str]:
    """The model to fit, and why."""
    if config.model != "auto":
        return config.model, f"{config.model}: as asked."
    if respondents < FEW_RESPONDENTS:
        return "1PL", (
            f"1PL: with {respondents} respondents (fewer than {FEW_RESPONDENTS}) discriminations are not "
            "identified well, so all items share one."
        )
    return "2PL", f"2PL: {respondents} respondents identify a discrimination for each item."


def measures_of(
    table: Responses,
    fitted: Calibration,
    people: Values,
    outfit: Values,
    q3: Values,
    config: ItemResponseConfig,
) -> list[Measure]:
    """What the fit amounts to."""
    with np.errstate(invalid="ignore"):
        misfits = int(((outfit < FIT_RANGE[0]) | (outfit > FIT_RANGE[1])).sum())
    pairs, real = dependent_pairs(q3, len(people))
    n = len(people)
    reliability = resampled(reliability_of, people[:, :2], resamples=config.resamples, seed=config.seed)
    return [
        Measure.of("reliability", reliability, better="higher"),
        Measure.of("parameters_per_item", float(fitted.model[0])),
        Measure.of("items", float(len(table.items))),
        Measure.of("extreme_items", float((~fitted.items.usable).sum())),
        Measure.of("extreme_respondents", float(extreme(table.scores).sum())),
        Measure.of("ability_deviation", fitted.items.deviation),
        Measure.of("misfits", float(misfits), better="lower"),
        Measure.of("dependent_pairs", float(pairs), better="lower"),
        Measure.of("dependent_pairs_beyond_chance", float(real), better="lower"),
        Measure.of("log_likelihood", fitted.log_likelihood, better="higher"),
        Measure.of("aic", fitted.aic, better="lower"),
        Measure.of("bic", fitted.parameters * float(np.log(n)) - 2 * fitted.log_likelihood, better="lower"),
        Measure.of("converged", float(fitted.converged), better="higher"),
        *adaptive_measures(table.scores, fitted, config),
    ]


def adaptive_measures(scores: Values, fitted: Calibration, config: ItemResponseConfig) -> list[Measure]:
    """How many items an adaptive test would have asked, on the record, and how often that sufficed."""
    if config.adaptive_error is None:
        return []
    target = config.adaptive_error * fitted.items.deviation
    tests = [adaptive_test(fitted.items, row, target=target, points=config.points) for row in scores[:200]]
    return [
        Measure.of("adaptive_items", float(np.mean([len(test.asked) for test in tests])), n=len(tests)),
        Measure.of("adaptive_reached", float(np.mean([test.reached for test in tests])), n=len(tests)),
    ]


def arrays_of(
    table: Responses, fitted: Calibration, q3: Values, config: ItemResponseConfig
) -> dict[str, Array]:
    """Parameters and fit of the items, abilities of the respondents, information, residual correlations."""
    names = list(table.items)
    ability, error = expected_ability(table.scores, fitted.items, config.points)
    people = np.stack([ability, error, np.nansum(table.scores, axis=1)], axis=1)
    axes = {"respondent": list(table.respondents), "estimate": ["ability", "error", "right"]}
    grid = ABILITIES * fitted.items.deviation
    information = total_information(grid, fitted.items.only(fitted.items.usable))
    arrays = {
        "items": Array(
            item_rows(table, fitted, config), ("item", "parameter"), {"item": names, "parameter": COLUMNS}
        ),
        "respondents": Array(people, ("respondent", "estimate"), axes),
        "information": Array(information, ("ability",), {"ability": [round(float(x), 4) for x in grid]}),
    }
    if len(names) <= MOST_ITEMS:
        arrays["q3"] = Array(q3, ("item", "item_2"), {"item": names, "item_2": names})
    return arrays


def item_rows(table: Responses, fitted: Calibration, config: ItemResponseConfig) -> Values:
    """Parameters, their errors and the fit, a row an item; NaN where there is none."""
    p = fitted.items
    columns = np.stack([p.a, p.b, p.c], axis=1)
    columns[~p.usable] = np.nan
    return np.concatenate([columns, fitted.errors, item_fit(table.scores, p, config.points)], axis=1)


def extreme(scores: Values) -> Values:
    """Mask of the respondents with all answers right, all wrong, or none."""
    there = (~np.isnan(scores)).sum(axis=1)
    right = np.nansum(scores, axis=1)
    return np.asarray((right == 0) | (right == there))


def reliability_of(people: Values) -> float:
    """Known share of the variance of (ability, error), ``var(theta) / (var(theta) + mean error^2)``."""
    spread = float(np.var(people[:, 0], ddof=1))
    return spread / (spread + float((people[:, 1] ** 2).mean()))


def scale_scores(table: Any, fitted: Calibration, points: int = 41) -> tuple[Values, Values]:
    """Expected ability and its error of new respondents on calibrated items."""
    return expected_ability(responses(table).scores, fitted.items, points)
