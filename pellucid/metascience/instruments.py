"""Every instrument of measurement on one table of responses, in one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from pellucid.findings import Finding, InputError
from pellucid.metascience.agreement import AgreementConfig, agreement
from pellucid.metascience.differential import DifferentialConfig, differential_items
from pellucid.metascience.factors import FactorConfig, factor_analysis
from pellucid.metascience.generalisability import GeneralisabilityConfig, generalisability
from pellucid.metascience.intraclass import intraclass
from pellucid.metascience.invariance import measurement_invariance
from pellucid.metascience.item_response import ItemResponseConfig, item_response
from pellucid.metascience.reliability import ReliabilityConfig, item_reliability
from pellucid.metascience.response_checks import Missing, complete, enough, grouping, varied
from pellucid.metascience.responses import (
    Responses,
    Rows,
    Source,
    Values,
    logs_of,
    responses,
    table_of_logs,
)

if TYPE_CHECKING:
    from pellucid.findings.logs.reading import Logs

EPOCH: Final = ", epoch "
"""What parts model and epoch in the names of a table of logs."""


@dataclass(frozen=True)
class InstrumentsConfig:
    """Which table, and how it is read."""

    benchmark: str = ""
    """Name of the benchmark that the items belong to, by which a case finds its reliability; of logs the name
    of their task, each task being measured by itself, unless a name is given for all of them together."""
    rows: Rows | None = None
    """What a row of the table is, items or respondents; None: a file's header says so, arrays have
    respondents in rows."""
    scorer: str | None = None
    """Of logs with several scorers, the one to read."""
    model: Literal["auto", "1PL", "2PL", "3PL"] = "auto"
    """Item response model; auto takes the 1PL below 100 respondents."""
    threshold: float | None = None
    """Score from which an answer counts as right, where scores are not 0 and 1."""
    standardise: bool = False
    """Whether items on different scales are brought to one."""
    missing: Literal["auto", "respondents", "items", "refuse"] = "auto"
    """What to leave out where there are gaps; auto keeps the larger part. Item response keeps all."""
    reference: str | None = None
    """Group that others are compared with; default the first by name."""
    seed: int = 0
    """Seed of every bootstrap and shuffle."""


def instruments(
    table_or_logs: Source,
    groups: Mapping[str, str] | Sequence[Any] | None = None,
    config: InstrumentsConfig = InstrumentsConfig(),
    *,
    rows: Rows | None = None,
    command: str = "",
) -> list[Finding]:
    """Measure reliability, factors, item response, agreement, generalisability and, between groups, fairness.

    Which of them apply follows from the table: item response and differential items need right and wrong
    answers (or a threshold), the intraclass correlation graded scores, factors three items, invariance more
    respondents in each group than items. Items with one score for everybody are left out of reliability and
    factors, and counted.

    Arguments:
        table_or_logs: respondents x items: an array, a table, a CSV file, a folder or files of Inspect logs.
            Logs of several tasks are measured task by task.
        groups: one group a respondent, in their order, or a mapping by name; None compares none.
        config: benchmark, gaps, model, threshold.
        rows: what a row of the table is, ``items`` or ``respondents``, where the settings do not say so.
        command: the command that measures this again.

    Returns:
        The Findings, reliability first. Of a file, reliability and agreement have the parameter ``rows``:
        what its rows were taken for.

    Errors:
        InputErrors MS40 to MS51 for a table that cannot be used: fewer than three respondents or two items,
        nothing that differs, mixed scales. MS66: groups that cannot be compared. MS77: no log that can be
        used. MS78: groups, but nothing to compare them by. MS80: nothing says what the rows of a file are.
        FN79: a log with several scorers and none named.

    Example:
        >>> random = np.random.default_rng(0)
        >>> table = (random.normal(size=(40, 1)) + random.normal(size=(40, 12)) > 0).astype(float)
        >>> [finding.kind.removeprefix("metascience.") for finding in instruments(table)]
        ['reliability', 'factors', 'item_response', 'agreement', 'generalisability']
    """
    logs = logs_of(table_or_logs)
    if logs is None:
        found = of_table(responses(table_or_logs, rows=config.rows or rows), None, groups, config)
    else:
        found = [
            finding
            for benchmark, part in by_benchmark(logs, config.benchmark).items()
            for finding in of_table(*tables_of(part, config), groups, replace(config, benchmark=benchmark))
        ]
    return [with_command(finding, command) for finding in found] if command else found


def of_table(
    table: Responses,
    epochs: Responses | None,
    groups: Mapping[str, str] | Sequence[Any] | None,
    config: InstrumentsConfig,
) -> list[Finding]:
    """Every instrument that applies to one table, and to the one with a row for each epoch."""
    table = enough(table, 3, 2)
    whole = complete(table, missing_of(table, config))
    answers = table if epochs is None or right_or_wrong(table, config) else epochs
    found = [*of_scores(whole, config), *of_answers(answers, config), *of_raters(table, config)]
    design = None if epochs is None else crossed(epochs)
    found.append(
        generalisability(whole if design is None else design, GeneralisabilityConfig(seed=config.seed))
    )
    if groups is not None:
        labels = grouping(table, groups).tolist()
        found += of_groups(whole, dict(zip(table.respondents, labels, strict=True)), config)
    return found


def by_benchmark(logs: Logs, benchmark: str) -> dict[str, Logs]:
    """The logs of each task by its name; all of them together where a benchmark is named."""
    if benchmark:
        return {benchmark: logs}
    tasks = sorted({log.header.task for log in logs.logs})
    return {task: logs.of_task(task) for task in tasks}


def tables_of(logs: Logs, config: InstrumentsConfig) -> tuple[Responses, Responses]:
    """The table to measure and the one with a row for each epoch.

    Where logs are of fewer than three models, their epochs (seeds) are the respondents.
    """
    models, epochs = table_of_logs(logs, config.scorer), table_of_logs(logs, config.scorer, "epoch")
    return (models if len(models.respondents) >= 3 else epochs), epochs


def crossed(epochs: Responses) -> Values | None:
    """Models x prompts x epochs, where every model has the same two epochs or more without gaps, or None."""
    places = [name.rpartition(EPOCH) for name in epochs.respondents]
    models, numbers = sorted({place[0] for place in places}), sorted({place[2] for place in places})
    size = (len(models), len(numbers))
    if min(size) < 2 or len(places) != size[0] * size[1] or np.isnan(epochs.scores).any():
        return None
    order = np.argsort([models.index(place[0]) * size[1] + numbers.index(place[2]) for place in places])
    return epochs.scores[order].reshape(*size, -1).transpose(0, 2, 1)


def missing_of(table: Responses, config: InstrumentsConfig) -> Missing:
    """What to leave out: as asked, or whatever leaves the larger table."""
    if config.missing != "auto":
        return config.missing
    gap = np.isnan(table.scores)
    people, items = gap.shape
    without_people = int((~gap.any(axis=1)).sum()) * items
    without_items = int((~gap.any(axis=0)).sum()) * people
    return "respondents" if without_people >= without_items else "items"


def of_scores(whole: Responses, config: InstrumentsConfig) -> list[Finding]:
    """Reliability, and factors where there are three items that vary."""
    settings = ReliabilityConfig(
        benchmark=config.benchmark, standardise=config.standardise, constant="drop", seed=config.seed
    )
    found = [item_reliability(whole, settings)]
    if len(varied(whole, "drop").items) >= 3:
        found.append(factor_analysis(whole, FactorConfig(constant="drop", seed=config.seed)))
    return found


def right_or_wrong(table: Responses, config: InstrumentsConfig) -> bool:
    """Whether answers are right or wrong, or a threshold makes them so."""
    return table.binary or config.threshold is not None


def of_answers(table: Responses, config: InstrumentsConfig) -> list[Finding]:
    """Item response, where answers are right or wrong."""
    if not right_or_wrong(table, config):
        return []
    return [item_response(table, ItemResponseConfig(model=config.model, threshold=config.threshold))]


def of_raters(table: Responses, config: InstrumentsConfig) -> list[Finding]:
    """Agreement of the respondents on the items; graded scores have intraclass correlations too."""
    settings = AgreementConfig(level="nominal" if table.binary else "interval", seed=config.seed)
    found = [agreement(table, settings)]
    full = complete(table, missing_of(table, config))
    return found if table.binary or min(full.scores.shape) < 2 else [*found, intraclass(full)]


def of_groups(whole: Responses, groups: Mapping[str, str], config: InstrumentsConfig) -> list[Finding]:
    """Differential items of each group against the reference, and invariance where groups are large."""
    names = sorted({groups[name] for name in whole.respondents})
    reference = config.reference or names[0]
    found = []
    if right_or_wrong(whole, config):
        settings = DifferentialConfig(reference=reference, threshold=config.threshold)
        others = [name for name in names if name != reference] or names
        found = [differential_items(whole, groups, replace(settings, focal=name)) for name in others]
    if invariance_applies(whole, groups):
        found.append(measurement_invariance(whole, groups))
    if not found:
        raise InputError(
            "MS78",
            "Groups were given, but scores are not right or wrong, and groups not larger than the items.",
            "Give a threshold from which a score counts as right (threshold=0.5).",
        )
    return found


def invariance_applies(whole: Responses, groups: Mapping[str, str]) -> bool:
    """Whether each of two groups or more has more respondents than items, and every item varies in it."""
    labels = np.array([groups[name] for name in whole.respondents])
    parts = [whole.scores[labels == name] for name in sorted(set(labels.tolist()))]
    few = any(len(part) <= part.shape[1] or (np.ptp(part, axis=0) == 0).any() for part in parts)
    return len(parts) > 1 and not few and len(whole.items) >= 3


def with_command(finding: Finding, command: str) -> Finding:
    """The same Finding with the command that measures it again, which is no part of its identity."""
    provenance = finding.provenance.model_copy(update={"command": command})
    return Finding(finding.header.model_copy(update={"provenance": provenance}), finding.arrays)
