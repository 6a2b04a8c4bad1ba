"""Passages show every token once, in order, the strongest in bold."""

from __future__ import annotations

import html
import re

import numpy as np
import pytest

from pellucid.findings import Array, Finding, Kind, View, start
from pellucid.web.passages import MOST_PASSAGES, passages_of
from pellucid.web.picture import pictures_of

from .content import HOSTILE

KIND = Kind(
    name="test.web_examples",
    title="Examples",
    statement="Where it fires.",
    views=(View(form="text", array="examples", title="The strongest passages"),),
    room="dictionaries",
)


def finding(passages: list[tuple[int, list[str], list[float]]]) -> Finding:
    words = [word for _, tokens, _ in passages for word in tokens]
    values = np.array([value for _, _, activations in passages for value in activations])
    places = np.array([[latent, 0, 0, 0, len(tokens)] for latent, tokens, _ in passages])
    names = [f"{latent}: {''.join(tokens)}" for latent, tokens, _ in passages]
    peaks = np.array([max(activations) for _, _, activations in passages])
    columns = ["latent", "sequence", "position", "start", "tokens"]
    arrays = {
        "examples": Array(peaks, ("passage",), {"passage": names}),
        "pieces": Array(values, ("token",), {"token": words}),
        "places": Array(places, ("example", "column"), {"column": columns}),
    }
    return start(finding).finding(KIND, measures=[], arrays=arrays)


def texts(markup: str) -> list[str]:
    quotes = re.findall(r"<q>(.*?)</q>", markup, re.S)
    return [html.unescape(re.sub(r"<[^>]*>", "", quote)) for quote in quotes]


def test_every_token_is_shown_once_in_order_under_its_latent() -> None:
    made = finding(
        [(7, [" the", " king"], [0.5, 2.0]), (7, ["a", "b", "c"], [0.0, 1.0, 0.0]), (9, ["x"], [3.0])]
    )
    shown = str(passages_of(made, "examples"))
    assert texts(shown) == [" the king", "abc", "x"]
    assert re.findall(r"Latent (\d+)", shown) == ["7", "9"]
    assert shown.count('class="tk max"') == 3


def test_tokens_of_a_model_are_escaped() -> None:
    shown = str(passages_of(finding([(0, [HOSTILE], [1.0])]), "examples"))
    assert "<script" not in shown
    assert "<img" not in shown


def test_a_page_bears_only_so_many_passages() -> None:
    made = finding([(at, ["a"], [1.0]) for at in range(MOST_PASSAGES + 5)])
    assert len(texts(str(passages_of(made, "examples")))) == MOST_PASSAGES


def test_without_tokens_the_coordinates_are_the_passages() -> None:
    array = Array(np.array([2.0, 1.0]), ("passage",), {"passage": ["To be\nor", HOSTILE]})
    made = start(finding).finding(KIND, measures=[], arrays={"examples": array})
    shown = str(passages_of(made, "examples"))
    assert texts(shown)[0] == "To be↵or"
    assert re.findall(r'<span class="act">(.*?)</span>', shown) == ["2", "1"]
    assert "<script" not in shown


@pytest.mark.parametrize("form", ["text"])
def test_a_view_of_text_has_no_figure_and_no_table(form: str) -> None:
    picture = pictures_of(finding([(0, ["a"], [1.0])]), "/x")[0]
    assert (picture.json, picture.table) == ("", None)
    assert picture.text
