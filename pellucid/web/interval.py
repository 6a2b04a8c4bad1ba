"""The interval rule: one number on its scale, with its interval and the limit that decides."""

from __future__ import annotations

import math
from dataclasses import dataclass

from markupsafe import Markup, escape

from pellucid.findings.numbers import THIN, format_number

MARGIN = 6.0
LONGEST_UNIT = 3  # a longer unit stands beside the number and would crowd the ends of the scale
STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True)
class Scale:
    """A straight scale between two round numbers, drawn ``width`` units wide."""

    low: float
    """The number at the left end."""
    high: float
    """The number at the right end."""
    width: int
    """Width of the drawing in its own units."""

    def at(self, number: float) -> float:
        """Where a number stands, in units of the drawing."""
        share = (number - self.low) / (self.high - self.low)
        return MARGIN + share * (self.width - 2 * MARGIN)


def round_step(length: float) -> float:
    """The smallest of 1, 2, 2.5, 5 times a power of ten that is at least ``length``.

    Example:
        >>> round_step(0.13)
        0.2
    """
    power = 10.0 ** math.floor(math.log10(length))
    return next(float(f"{step * power:.12g}") for step in STEPS if step * power >= length * (1 - 1e-12))


def fit_scale(numbers: list[float], width: int) -> Scale:
    """A scale with round ends around all numbers; it begins at 0 when 0 is near.

    Arguments:
        numbers: finite numbers that must be on the scale, at least one.
        width: width of the drawing in its own units.
    """
    low, high = min(numbers), max(numbers)
    if low > 0 and (low < 0.6 * high or low == high):
        low = 0.0
    if high < 0 and (high > 0.6 * low or low == high):
        high = 0.0
    step = round_step(max(high - low, abs(high) * 0.05, 1e-12) / 4)
    low, high = step * math.floor(low / step), step * math.ceil(high / step)
    return Scale(low, high if high > low else low + step, width)


def interval_rule(
    value: float | None,
    low: float | None = None,
    high: float | None = None,
    limit: float | None = None,
    *,
    state: str = "",
    unit: str = "",
    width: int = 300,
    ends: tuple[float, float] | None = None,
) -> Markup:
    """The drawing ``svg.span``: base line with two ends, bar = interval, ring = value, dashed = limit.

    Arguments:
        value: the number, in ``unit``; nothing is drawn for None or NaN.
        low: lower end of the interval, None when there is none.
        high: upper end of the interval.
        limit: the number that decides, None when there is none.
        state: class that colours the bar (``supports``, ``refutes``, ``inconclusive``).
        unit: written behind the ends of the scale.
        width: width of the drawing in pixels.
        ends: numbers at both ends of the scale; None: round numbers around what is shown.

    Example:
        >>> interval_rule(0.5, 0.4, 0.6, 0.7, state="supports")[:30]
        Markup('<svg class="span supports" vie')
    """
    shown = [x for x in (value, low, high, limit) if x is not None and math.isfinite(x)]
    if value is None or not math.isfinite(value):
        return Markup("")
    scale = Scale(*ends, width) if ends else fit_scale(shown, width)
    parts = [base_line(scale), interval_bar(scale, low, high), limit_tick(scale, limit)]
    parts.append(f'<circle class="pt" cx="{scale.at(value):.1f}" cy="12" r="4.5"/>')
    parts.append(end_labels(scale, limit, unit))
    return framed(parts, describe(value, low, high, limit, unit), state, width)


def range_rule(low: float, high: float, *, width: int = 300, ends: tuple[float, float]) -> Markup:
    """An interval that holds no one number more than another: base line and bar, without a ring.

    Arguments:
        low: lower end of the interval.
        high: upper end of the interval.
        width: width of the drawing in pixels.
        ends: numbers at both ends of the scale.
    """
    scale = Scale(*ends, width)
    parts = [base_line(scale), interval_bar(scale, low, high), end_labels(scale, None, "")]
    return framed(parts, f"between {format_number(low)} and {format_number(high)}", "", width)


def framed(parts: list[str], label: str, state: str, width: int) -> Markup:
    """The drawing around its parts, with what it says in words."""
    head = (
        f'<svg class="span {escape(state)}" viewBox="0 0 {width} 36" width="{width}" height="36" role="img"'
    )
    return Markup(f'{head} aria-label="{escape(label)}">{"".join(parts)}</svg>')


def base_line(scale: Scale) -> str:
    """The line with its two ends."""
    left, right = MARGIN, scale.width - MARGIN
    return f'<path class="base" d="M{left:g} 12H{right:g}M{left:g} 8v8M{right:g} 8v8"/>'


def interval_bar(scale: Scale, low: float | None, high: float | None) -> str:
    """The thick bar from the lower to the upper end; cut at the scale where an end is infinite."""
    if low is None or high is None or math.isnan(low) or math.isnan(high):
        return ""
    left, right = scale.at(max(low, scale.low)), scale.at(min(high, scale.high))
    return f'<path class="bar" d="M{left:.1f} 12H{right:.1f}"/>'


def limit_tick(scale: Scale, limit: float | None) -> str:
    """The dashed tick at the limit."""
    if limit is None or not math.isfinite(limit):
        return ""
    return f'<path class="lim" d="M{scale.at(limit):.1f} 1V23"/>'


def end_labels(scale: Scale, limit: float | None, unit: str) -> str:
    """The numbers under the two ends and under the limit; an end too near the limit gives way."""
    limit_at = scale.at(limit) if limit is not None and math.isfinite(limit) else None
    room = 11.0 * (4 + min(len(unit), LONGEST_UNIT)) / 2
    parts = []
    if limit_at is None or limit_at > 2 + room:
        parts.append(tick_text(2, scale.low, unit, "start"))
    if limit_at is None or limit_at < scale.width - 2 - room:
        parts.append(tick_text(scale.width - 2, scale.high, unit, "end"))
    if limit_at is not None and limit is not None:
        anchor = "start" if limit_at < room else "end" if limit_at > scale.width - room else "middle"
        parts.append(tick_text(limit_at, limit, unit, anchor, strong=True))
    return "".join(parts)


def tick_text(x: float, number: float, unit: str, anchor: str, *, strong: bool = False) -> str:
    """One number under the scale."""
    name = "tick strong" if strong else "tick"
    text = escape(round_number(number, unit if len(unit) <= LONGEST_UNIT else ""))
    return f'<text class="{name}" x="{x:.1f}" y="34" text-anchor="{anchor}">{text}</text>'


def describe(value: float, low: float | None, high: float | None, limit: float | None, unit: str) -> str:
    """The drawing in words, for those who do not see it."""
    words = [format_number(value, unit)]
    if low is not None and high is not None:
        words.append(f"interval {format_number(low, unit)} to {format_number(high, unit)}")
    if limit is not None:
        words.append(f"limit {round_number(limit, unit)}")
    return ", ".join(words)


def round_number(number: float, unit: str = "") -> str:
    """A number that was chosen, not measured, without digits that say nothing: ends of a scale, limits.

    Example:
        >>> round_number(-0.5, "%").replace(THIN, " ")
        '−0.5 %'
    """
    digits = f"{abs(number):,.10g}".replace(",", THIN)
    return f"{'−' if number < 0 else ''}{digits}{THIN + unit if unit else ''}"
