"""How a probability is written: never rounded up, never with more digits than its interval supports."""

from __future__ import annotations

import math

MOST_DIGITS = 3


def digits(low: float, high: float) -> int:
    """Digits after the point that an interval supports: the last stands for no less than its width."""
    width = high - low
    if width <= 10.0**-MOST_DIGITS:
        return MOST_DIGITS
    return max(1, math.floor(-math.log10(width) + 1e-9))


def shown(probability: float, low: float, high: float) -> str:
    """A probability cut to the digits that its interval supports.

    Args:
        probability: the number.
        low: least probability.
        high: greatest probability.

    Example:
        >>> shown(0.9876, 0.4, 0.99), shown(0.9876, 0.98, 0.99)
        ('0.9', '0.98')

    One more digit is written where the cut would fall below the interval itself.
    """
    places = digits(low, high)
    text = cut(probability, places)
    return cut(probability, places + 1) if float(text) < low <= probability else text


def cut(probability: float, places: int) -> str:
    """A probability with so many digits after the point, the rest cut off."""
    scale = 10**places
    # 0.29 is 28.999... hundredths in floating point; less than a rounding error is no loss
    return f"{math.floor(probability * scale * (1 + 1e-12) + 1e-12) / scale:.{places}f}"


def shown_bounds(low: float, high: float) -> str:
    """Both ends with one digit more, the lower cut down and the upper not understated: ``0.41 and 1.00``."""
    places = min(MOST_DIGITS, digits(low, high) + 1)
    scale = 10**places
    upper = math.ceil(high * scale * (1 - 1e-12) - 1e-12) / scale
    return f"{cut(low, places)} and {upper:.{places}f}"
