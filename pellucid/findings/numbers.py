"""How numbers are written, the same on every surface: three digits, unit, interval, true minus."""

from __future__ import annotations

import math

from pellucid.findings.measures import Measure

SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
THIN = "\u2009"


def format_number(x: float | None, unit: str = "") -> str:
    """Three significant digits, thin spaces between thousands, ``10⁻⁹`` for the very small, then the unit."""
    if x is None or math.isnan(x):
        return "unknown"
    text = "∞" if math.isinf(x) else plain(abs(x))
    return f"{'−' if x < 0 else ''}{text}{unit_suffix(unit)}"


def unit_suffix(unit: str) -> str:
    """A thin space and the unit, or nothing."""
    return f"{THIN}{unit}" if unit else ""


def plain(x: float) -> str:
    """The digits of a number that is not negative."""
    if x == 0:
        return "0"
    if x < 1e-4 or x >= 1e9:
        mantissa, exponent = f"{x:.2e}".split("e")
        power = str(int(exponent)).translate(SUPERSCRIPTS)
        return f"{mantissa.rstrip('0').rstrip('.')} × 10{power}"
    if x >= 100 or float(x).is_integer():
        return format_count(round(x))
    digits = 2 - math.floor(math.log10(x))
    rounded = f"{x:.{digits}f}"
    # a rate of 0.9996 is not 1: what would round up to the next power of ten is cut instead
    crossed = math.floor(math.log10(float(rounded))) > math.floor(math.log10(x))
    return f"{math.floor(x * 10**digits) / 10**digits:.{digits}f}" if crossed else rounded


def format_count(n: int) -> str:
    """A whole number with thin spaces between thousands."""
    return f"{n:,}".replace(",", THIN)


def format_interval(measure: Measure) -> str:
    """``0.512, 95 % interval 0.49 to 0.53, n = 4 000``, as much of it as is known."""
    parts = [format_number(measure.value, measure.unit)]
    if measure.low is not None and measure.high is not None:
        level = f"{100 * measure.level:g}{THIN}%"
        parts.append(f"{level} interval {format_number(measure.low)} to {format_number(measure.high)}")
    if measure.n is not None:
        parts.append(f"n = {format_count(measure.n)}")
    return ", ".join(parts)
