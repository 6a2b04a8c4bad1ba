"""Pages of a list cover it exactly, and their links lead to one another."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from hypothesis import given
from hypothesis import strategies as st

from pellucid.web.paging import page_of


@given(st.integers(0, 60), st.integers(1, 17))
def test_following_the_links_visits_every_row_once_in_order(total: int, size: int) -> None:
    rows = list(range(total))
    page, seen = page_of(rows, 1, size, "/list", {}), []
    while True:
        seen.extend(page.rows)
        if not page.after:
            break
        number = int(parse_qs(urlsplit(page.after).query)["page"][0])
        assert number == page.number + 1
        page = page_of(rows, number, size, "/list", {})
    assert seen == rows


@given(st.integers(1, 60), st.integers(1, 17))
def test_the_page_before_the_next_is_this_one(total: int, size: int) -> None:
    rows = list(range(total))
    second = page_of(rows, 2, size, "/list", {})
    assert "page=1" in second.before
    assert page_of(rows, 1, size, "/list", {}).before == ""


def test_links_keep_what_was_asked_and_leave_out_what_was_not() -> None:
    page = page_of(list(range(9)), 2, 3, "/findings", {"kind": "a b&c", "status": "", "text": ""})
    assert page.before == "/findings?kind=a+b%26c&page=1"
    assert page.links() == f'<{page.before}>; rel="prev", <{page.after}>; rel="next"'


def test_a_single_page_has_no_links() -> None:
    assert page_of([1], 1, 3, "/x", {}).links() == ""


def test_the_words_count_from_one() -> None:
    assert page_of(list(range(9)), 2, 4, "/x", {}).words == "5 to 8 of 9"
    assert page_of([], 1, 4, "/x", {}).words == "0 of 0"
    assert page_of([1], 7, 4, "/x", {}).words == "0 of 1"
