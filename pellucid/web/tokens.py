"""Text of models as it may be shown: nothing invisible, nothing that steers the page or the eye."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

from markupsafe import Markup, escape

# Marks for white space; everything else that has no picture of its own is shown as an escape.
WHITE = {" ": "·", "\n": "↵", "\t": "→"}
HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"}


def visible(text: str) -> Markup:
    """``text`` with spaces, line ends and hidden characters made visible, safe inside a page.

    Direction marks and zero-width characters can make a text read otherwise than it is; they appear
    as escapes. White space is marked with ``<span class="ws">``.

    Example:
        >>> visible(" a<b")
        Markup('<span class="ws">·</span>a&lt;b')
    """
    return Markup("").join(visible_character(character) for character in text)


def visible_character(character: str) -> Markup:
    """One character as ``visible`` shows it."""
    if character in WHITE:
        newline = Markup("<wbr>") if character == "\n" else Markup("")
        return Markup('<span class="ws">{}</span>').format(WHITE[character]) + newline
    if unicodedata.category(character) in HIDDEN:
        return Markup('<span class="ws">{}</span>').format(ascii(character)[1:-1])
    return escape(character)


def passage(text: str, *, broken: bool = True) -> Markup:
    """Running text of a model: spaces stay, line ends are marked, hidden characters are escaped.

    Arguments:
        text: what the model wrote.
        broken: whether a line end also breaks the line.

    Example:
        >>> passage("To be" + chr(10))
        Markup('To be<span class="ws">↵</span><br>')
    """
    ends = Markup('<span class="ws">↵</span>') + Markup("<br>" if broken else " ")
    return Markup("").join(
        ends if character == "\n" else Markup(" ") if character == " " else visible_character(character)
        for character in text
    )


def strengths(values: Sequence[float]) -> list[int]:
    """Activations as percentages of the largest one, from 0 to 100."""
    top = max((value for value in values if value == value), default=0.0)
    return [round(100 * max(value, 0.0) / top) if top > 0 and value == value else 0 for value in values]


def shaded(tokens: Iterable[str], activations: Sequence[float]) -> Markup:
    """Tokens with their activation as tint and underline, the value on hover; the largest in bold.

    Arguments:
        tokens: strings of the tokens, in order.
        activations: one activation per token.
    """
    levels = strengths(activations)
    parts = []
    for token, value, level in zip(tokens, activations, levels, strict=True):
        name = "tk max" if level == 100 else "tk"
        text = passage(token)
        parts.append(
            Markup('<span class="{}" style="--a:{}" title="{}">{}</span>').format(
                name, level, f"{value:.3g}", text
            )
            if level
            else text
        )
    return Markup("").join(parts)
