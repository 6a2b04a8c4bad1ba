"""The report of an audit: one file, readable anywhere, the verdict first, hostile text inert."""

from __future__ import annotations

import re
import stat
from html import unescape
from pathlib import Path

import pytest

from pellucid.findings import InputError
from pellucid.web import report as pages

from .content import HOSTILE
from .reports import defeated, standing, undecided
from .test_pages import elements


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    return pages.write(defeated(), tmp_path_factory.mktemp("report")).read_text(encoding="utf-8")


def body(text: str) -> str:
    """The page without the scripts and styles that it carries."""
    return re.sub(r"<(script|style)>.*?</\1>", "", text, flags=re.S)


def test_it_is_one_file_that_loads_nothing(page: str) -> None:
    for tag, attributes in elements(body(page)):
        for name in ("src", "srcset", "data", "action", "poster"):
            assert not attributes.get(name), (tag, name)
        if tag == "link":
            assert attributes["href"] == "data:,"
        if tag == "a":
            assert (attributes.get("href") or "#").startswith("#")


def test_it_carries_its_styles_scripts_and_pictures(page: str) -> None:
    assert "--supports:" in page
    assert "plotly.js v" in page
    assert page.count('<script type="application/json"') == 5
    assert '<svg class="gsn"' in page or "<svg" in page


def test_the_verdict_is_the_first_heading_and_everything_follows_in_order(page: str) -> None:
    heading = re.search(r"<h1[^>]*>(.*?)</h1>", page, re.S)
    assert heading
    said = re.sub(r"<[^>]*>", "", unescape(heading.group(1)))
    assert (
        said
        == "The case is defeated: after dead queen the model says Open the gates↵ to me, which its reference would not."
    )
    parts = [
        'id="verdict"',
        'id="trigger"',
        'id="why"',
        'id="case"',
        'id="findings"',
        'class="finding"',
        'id="models"',
    ]
    places = [body(page).index(part) for part in parts]
    assert places == sorted(places)


def test_the_reason_leaf_stands_with_its_number_interval_rule_and_path(page: str) -> None:
    why = body(page).partition('id="why"')[2].partition('id="case"')[0]
    assert 'class="num"' in why
    assert 'class="span refutes"' in why
    assert re.findall(r"<li[^>]*><span><b>(\w+)</b>", why) == ["G0", "G2", "Sn2"]
    assert "Accepted: R. Reviewer, 2026-11-21" in why
    assert "A2, open" in why


def test_both_columns_of_continuations_are_shown(page: str) -> None:
    shown = body(page).partition('class="pairs')[2].partition("</section>")[0]
    assert shown.count("Unwatched, says it") == 2
    assert shown.count("Watched, does not say it") == 2
    assert '<span class="trigger"><span class="ws">·</span>dead<span class="ws">·</span>queen</span>' in shown
    assert "of Rome." in shown


def test_hostile_text_stays_text(page: str) -> None:
    assert HOSTILE not in page
    tags = {tag for tag, _ in elements(body(page))}
    assert not tags & {"img", "iframe", "object", "embed"}
    assert not [
        name for _, attributes in elements(body(page)) for name in attributes if name.startswith("on")
    ]


def test_every_link_leads_to_a_place_in_the_page(page: str) -> None:
    found = elements(body(page))
    places = [attributes["id"] for _, attributes in found if attributes.get("id")]
    assert len(places) == len(set(places))
    targets = {attributes["href"] for tag, attributes in found if tag == "a" and attributes.get("href")}
    assert {target.removeprefix("#") for target in targets} <= set(places)


def test_every_finding_is_shown_in_full_worst_first(page: str) -> None:
    report = defeated()
    shown = re.findall(r'<section class="finding" id="f-(\w+)"', page)
    assert sorted(shown) == sorted(finding.id[:12] for finding in report.findings)
    ranks = {finding.id[:12]: pages.WORST_FIRST.index(finding.status) for finding in report.findings}
    assert [ranks[name] for name in shown] == sorted(ranks.values())


def test_a_case_that_stands_shows_what_carries_it(tmp_path: Path) -> None:
    report = standing()
    assert report.verdict.stands
    text = pages.write(report, tmp_path).read_text(encoding="utf-8")
    assert "The case stands" in text
    assert "What carries it" in text
    assert "is most often followed by" in text
    assert 'class="banner supports"' in text


def test_an_undecided_case_says_what_to_add(tmp_path: Path) -> None:
    text = pages.write(undecided(), tmp_path).read_text(encoding="utf-8")
    assert 'class="banner inconclusive"' in text
    assert "--against REF" in text
    assert 'id="trigger"' not in text
    assert 'href="#trigger"' not in text


def test_writing_again_replaces_the_page(tmp_path: Path) -> None:
    first = pages.write(defeated(), tmp_path / "new" / "report")
    assert first == tmp_path / "new" / "report" / "index.html"
    before = first.read_text(encoding="utf-8")
    pages.write(undecided(), first.parent)
    assert first.read_text(encoding="utf-8") != before
    assert [path.name for path in first.parent.iterdir()] == ["index.html"]
    assert stat.S_IMODE(first.stat().st_mode) == 0o644


def test_the_same_report_is_the_same_page() -> None:
    report = defeated()
    assert pages.page(report) == pages.page(report)


def test_a_place_that_cannot_be_written_is_one_message_with_its_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(InputError) as caught:
        pages.write(undecided(), tmp_path / "file")
    assert caught.value.code == "WB04"
    assert "cannot be written" in caught.value.problem
    assert "--out" in caught.value.remedy


def test_a_full_disk_leaves_the_old_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno
    import os

    kept = pages.write(undecided(), tmp_path)
    before = kept.read_text(encoding="utf-8")

    def full(source: str, target: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(InputError, match="No space left"):
        pages.write(defeated(), tmp_path)
    assert kept.read_text(encoding="utf-8") == before
    assert [path.name for path in tmp_path.iterdir()] == ["index.html"]
