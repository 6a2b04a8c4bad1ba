"""A Finding's sentence: a template filled from the measures, so text cannot disagree with numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pellucid.findings.errors import InputError
from pellucid.findings.measures import Measure
from pellucid.findings.numbers import format_count, format_interval, format_number

BLANK = re.compile(r"\{([A-Za-z_][\w@\-]*)(?:\.(value|low|high|n|interval|percent))?\}")


def check_template(template: str) -> None:
    """InputError FN15 when a brace is left that is no blank, as in a misspelt ``{rate.vlaue}``."""
    rest = BLANK.sub("", template)
    if "{" in rest or "}" in rest:
        raise InputError(
            "FN15",
            f"The statement {template!r} has a blank that cannot be filled.",
            "Write {name.value}, {name.low}, {name.high}, {name.n}, {name.interval} or {name.percent}.",
        )


def fill(template: str, measures: Mapping[str, Measure]) -> str:
    """The template with every blank written out: value, low, high, n, interval or percent."""
    return BLANK.sub(lambda blank: written(blank[1], blank[2] or "value", measures), template)


def written(name: str, end: str, measures: Mapping[str, Measure]) -> str:
    """One blank; InputError FN11 when the measure does not exist."""
    measure = measures.get(name)
    if measure is None:
        raise InputError(
            "FN11",
            f"The statement names the measure {name!r}, which was not given.",
            f"Give it, or use one of: {', '.join(measures) or 'none given'}.",
        )
    if end == "interval":
        return format_interval(measure)
    if end == "n":
        return "unknown" if measure.n is None else format_count(measure.n)
    if end == "percent":
        return format_number(None if measure.value is None else 100 * measure.value, "%")
    return format_number(getattr(measure, end), measure.unit)
