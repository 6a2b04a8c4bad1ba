"""Text of models is shown so that nothing hides in it and nothing runs."""

from __future__ import annotations

import html
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.web.tokens import HIDDEN, passage, shaded, strengths, visible

ATTACKS = [
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)',
    "' autofocus onfocus='alert(1)",
    "<!--",
    "{{ 7*7 }}",
    "javascript:alert(1)",
]


def plain(markup: str) -> str:
    return html.unescape(re.sub(r"<[^>]*>", "", markup))


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("show", [visible, passage])
def test_no_text_of_a_model_becomes_markup(attack: str, show) -> None:
    shown = str(show(attack))
    tags = set(re.findall(r"<\s*/?\s*([A-Za-z!-]+)", shown))
    assert tags <= {"span", "br", "wbr"}
    assert "onerror=alert" not in re.sub(r"&[a-z#0-9]+;", "", "".join(re.findall(r"<[^>]*>", shown)))


def test_spaces_and_line_ends_are_seen() -> None:
    assert plain(visible(" a\n\tb")) == "·a↵→b"


def test_in_a_passage_spaces_stay_and_line_ends_break() -> None:
    assert str(passage("a b\nc")) == 'a b<span class="ws">↵</span><br>c'


@pytest.mark.parametrize(
    ("hidden", "shown"),
    [
        ("\x00", "\\x00"),
        ("\u202e", "\\u202e"),
        ("\u200b", "\\u200b"),
        ("\xa0", "\\xa0"),
        ("\x1b", "\\x1b"),
        ("\ufeff", "\\ufeff"),
    ],
)
def test_characters_without_a_picture_are_shown_as_escapes(hidden: str, shown: str) -> None:
    assert plain(visible(hidden)) == shown
    assert plain(passage(hidden)) == shown


@given(st.text())
def test_whatever_the_text_no_hidden_character_and_no_markup_of_it_is_left(text: str) -> None:
    for shown in (plain(visible(text)), plain(passage(text))):
        assert all(unicodedata.category(c) not in HIDDEN or c == " " for c in shown)
    tags = re.findall(r"<[^>]*>", str(visible(text)))
    assert set(tags) <= {'<span class="ws">', "</span>", "<wbr>"}


@given(st.text(alphabet=st.characters(whitelist_categories=["L", "N", "P", "S"])))
def test_text_that_hides_nothing_reads_as_it_is(text: str) -> None:
    assert plain(visible(text)) == text


def test_the_largest_activation_is_bold_and_the_rest_are_tinted_by_share() -> None:
    shown = str(shaded(["a", "<b>", "c"], [1.0, 4.0, 0.0]))
    assert 'class="tk" style="--a:25" title="1"' in shown
    assert 'class="tk max" style="--a:100" title="4">&lt;b&gt;' in shown
    assert shown.endswith("c")


@pytest.mark.parametrize(
    ("values", "levels"),
    [([0.0, 0.0], [0, 0]), ([2.0, -1.0], [100, 0]), ([float("nan"), 1.0], [0, 100]), ([], [])],
)
def test_strengths_are_shares_of_the_largest(values: list[float], levels: list[int]) -> None:
    assert strengths(values) == levels


def test_every_token_needs_its_activation() -> None:
    with pytest.raises(ValueError, match="argument"):
        shaded(["a", "b"], [1.0])
