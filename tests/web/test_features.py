"""Pages of latents and the one file that holds them all: the same numbers, nothing that runs, nothing outside."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zlib
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from pellucid.findings import InputError, MissingError
from pellucid.store import open_store
from pellucid.web import create_app, feature_export
from pellucid.web.feature_index import line_of, listed, matching, ordered
from pellucid.web.feature_view import listing, title_of, view_of
from pellucid.web.features import Dashboard

from .conftest import served
from .content import HOSTILE, filled
from .latents import WORDS, dashboard, some_of_heads
from .test_browser import CONTRAST, SIDEWAYS, watched
from .test_light import SERVE, run


@pytest.fixture(scope="module")
def board() -> Dashboard:
    return Dashboard(dashboard())


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> str:
    """URL of a store with a dashboard and everything else."""
    url, _ = filled(tmp_path_factory.mktemp("latents"))
    with open_store(url) as store:
        store.put(dashboard())
        store.put(some_of_heads())
    return url


@pytest.fixture(scope="module")
def pages(place: str) -> Iterator[TestClient]:
    with TestClient(create_app(place), base_url="http://localhost") as client:
        yield client


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return feature_export.write(dashboard(), tmp_path_factory.mktemp("page") / "latents.html")


def at(rest: object = "") -> str:
    return f"/dictionaries/{dashboard().id[:12]}{rest}"


# what is read from the Finding


def test_a_latent_is_read_as_the_arrays_say(board: Dashboard) -> None:
    arrays = dashboard().arrays
    for row in (0, 7, 120, 249):
        feature = board.feature(row)
        assert feature.fires == arrays["fires"].values[row] == sum(feature.counts)
        assert [one.value for one in feature.examples] == pytest.approx(
            [value for value in arrays["examples"].values[row].tolist() if value > 0],
            rel=5e-6,  # six digits are kept
        )
        text = arrays["text"].values
        for one in feature.examples + feature.sample:
            assert one.levels[one.at] > 0
            assert len(text[one.start : one.start + len(one.levels)]) == len(one.levels)
        assert list(feature.sample) == sorted(feature.sample, key=lambda one: -one.value)


def test_a_latent_that_was_not_described(board: Dashboard) -> None:
    with pytest.raises(MissingError, match="Latent 250 is not on this dashboard") as caught:
        board.row_of(250)
    assert (caught.value.code, caught.value.remedy) == ("WB06", "It shows 250 latents, from 0 to 249.")


def test_titles_name_the_tokens_that_carry_half_of_the_activation(board: Dashboard) -> None:
    for row in range(250):
        feature, title = board.feature(row), title_of(board.feature(row))
        named = [part for part in title if isinstance(part, int)]
        parts = [share for _, share in feature.carried]
        if not feature.fires:
            assert title == [f"Latent {row} never fires in this text"]
        elif "many" in str(title[0]):
            assert sum(parts[:3]) < 0.5
        else:
            assert sum(parts[: len(named)]) >= 0.5 > sum(parts[: len(named) - 1])
    assert listing([1, 2, 3]) == [1, ", ", 2, " and ", 3]


# the list


@pytest.mark.parametrize(("order", "name"), [("density", "fires"), ("largest", "largest")])
def test_the_list_falls_by_what_it_is_sorted_by(board: Dashboard, order: str, name: str) -> None:
    rows = ordered(board, order)
    assert sorted(rows.tolist()) == list(range(250))
    assert (np.diff(board.values(name)[rows].astype(float)) <= 0).all()
    assert ordered(board, "latent").tolist() == list(range(250))


def test_an_order_that_is_none(board: Dashboard) -> None:
    with pytest.raises(MissingError, match="The list cannot be sorted by 'densty'") as caught:
        ordered(board, "densty")
    assert caught.value.code == "WB07"
    assert "density" in caught.value.remedy


@pytest.mark.parametrize(
    ("asked", "word"), [("·KING", " king"), ("king", "king"), ("ß", "ß"), ("the", "the")]
)
def test_the_search_finds_tokens_read_or_raised(board: Dashboard, asked: str, word: str) -> None:
    wanted = [number for number, name in enumerate(board.words) if word.lower() in name.lower()]
    rows = matching(board, asked).tolist()
    assert rows
    for row in range(250):
        feature = board.feature(row)
        tokens = [token for token, _ in (*feature.carried[:3], *feature.raised[:3])]
        assert (row in rows) == bool(set(tokens) & set(wanted))


def test_the_search_finds_numbers(board: Dashboard) -> None:
    assert listed(board, " #17 ", "density") == [17]
    assert listed(board, "999", "density") == []
    assert line_of(board, 249).density == "never"


# pages of the server


def test_the_dashboards_of_a_store_are_listed(pages: TestClient, empty: TestClient) -> None:
    body = pages.get("/dictionaries").text
    assert at() in body
    assert "organism:small" in body
    assert "pellucid dictionaries describe" in empty.get("/dictionaries").text


def test_the_list_is_paged_sorted_and_searched(pages: TestClient) -> None:
    first = pages.get(at("?order=latent")).text
    assert re.findall(r'<th scope="row"><a href="[^"]*/(\d+)"', first) == [str(n) for n in range(100)]
    assert "1 to 100 of 250" in first
    assert f'href="{at()}?order=latent&amp;page=2"' in first
    found = pages.get(at("?q=%23200&order=latent")).text
    assert re.findall(r'<th scope="row"><a href="[^"]*/(\d+)"', found) == ["200"]
    assert "No latent matches" in pages.get(at("?q=zebra")).text
    assert HOSTILE not in first


def test_a_latent_has_its_page(pages: TestClient, board: Dashboard) -> None:
    body = pages.get(at("/0")).text
    view = view_of(board, 0)
    assert str(view.title) in body
    assert f'<a class="button" rel="next" href="{at("/1")}"' in body
    assert 'rel="prev"' not in body
    assert 'rel="next"' not in pages.get(at("/249")).text
    for value, text in (*view.examples, *view.sample):
        assert f'<li><span class="act">{value}</span><q>{text}</q></li>' in body
        assert text.count('class="tk max"') == 1
    assert 'role="img"' in body
    assert "never fires in this text" in pages.get(at("/249")).text


def test_heads_and_companions_without_a_page(pages: TestClient) -> None:
    """Of a few latents of a dictionary of heads' outputs: shares of heads, and no link that leads nowhere."""
    place = f"/dictionaries/{some_of_heads().id[:12]}"
    body = pages.get(f"{place}/3").text
    assert "Heads it lies in" in body
    heads = Dashboard(some_of_heads()).feature(0).heads
    assert sum(heads) == pytest.approx(1, abs=1e-5)
    assert len(heads) == 2
    linked = {int(number) for number in re.findall(f'href="{place}/(\\d+)"', body)}
    assert linked <= {3, 14}
    neighbours = Dashboard(some_of_heads()).feature(0).neighbours
    assert {latent for latent, _, _ in neighbours} - {3, 14}
    assert f'rel="next" href="{place}/14"' in body
    assert 'rel="prev"' not in body


def test_text_of_the_model_is_never_markup(pages: TestClient, file: Path) -> None:
    for latent in range(12):
        body = pages.get(at(f"/{latent}")).text
        assert "<script>document" not in body
        assert "<img" not in body
        assert "\u202e" not in body
    assert "<img src=x" not in file.read_text(encoding="utf-8")
    assert "\u202e" not in file.read_text(encoding="utf-8")


def test_what_is_not_there_is_said(pages: TestClient, ids: dict[str, str]) -> None:
    for path, code in ((at("/250"), "WB06"), (at("?order=x"), "WB07")):
        answer = pages.get(path)
        assert answer.status_code == 404
        assert code in answer.text
    other = pages.get(f"/dictionaries/{ids['search']}")
    assert other.status_code == 404
    assert "WB08" in other.text
    assert "is of kind test.web_search, not dictionaries.dashboard" in unescape(other.text)
    assert pages.get(at("/no")).status_code == 400


def test_no_page_of_latents_loads_torch(place: str) -> None:
    more = f"'/dictionaries', {at()!r}, {at('/3')!r}"
    run(SERVE.format(url=place, more=more))


# the file


def block(body: str, name: str) -> Any:
    found = re.search(f'<script type="text/plain" id="b-{name}">([^<]*)</script>', body)
    assert found is not None
    return zlib.decompress(base64.b64decode(found[1]))


def test_the_file_holds_every_latent(file: Path, board: Dashboard) -> None:
    body = file.read_text(encoding="utf-8")
    records = [one for number in range(3) for one in json.loads(block(body, f"c{number}"))]
    assert [one["latent"] for one in records] == list(range(250))
    assert records == json.loads(
        json.dumps([feature_export.record(board.feature(row)) for row in range(250)])
    )
    assert np.frombuffer(block(body, "text-16"), "<u2").tolist() == board.values("text").tolist()
    index = json.loads(block(body, "index"))
    assert index["words"][WORDS.index(" king")] == "·king"
    assert json.loads(block(body, "words"))[WORDS.index(" king")] == " king"
    assert index["density"] == pytest.approx((board.values("fires") / 600).tolist(), rel=1e-4)


def test_the_file_may_run_its_own_scripts_alone(file: Path) -> None:
    body = file.read_text(encoding="utf-8")
    policy = unescape(re.search('http-equiv="Content-Security-Policy" content="([^"]*)"', body)[1])
    scripts = re.findall(r"<script>(.*?)</script>", body, re.DOTALL)
    hashes = {base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts}
    assert len(scripts) == 3
    assert set(re.findall("sha256-([^']*)", policy)) == hashes
    assert "default-src 'none'" in policy
    assert not re.search(r'(src|href)="(https?:)?//', body)


def test_the_same_finding_gives_the_same_file(file: Path, tmp_path: Path) -> None:
    assert feature_export.write(dashboard(), tmp_path / "again.html").read_bytes() == file.read_bytes()


def test_only_dashboards_become_such_a_file(place: str, ids: dict[str, str], tmp_path: Path) -> None:
    with open_store(place) as store:
        other = store.get(ids["search"])
    with pytest.raises(
        InputError, match=r"is of kind test\.web_search, not dictionaries\.dashboard"
    ) as caught:
        feature_export.write(other, tmp_path / "x.html")
    assert caught.value.code == "WB09"


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file, no folder")
    with pytest.raises(InputError, match="The page cannot be written to") as caught:
        feature_export.write(dashboard(), tmp_path / "taken" / "latents.html")
    assert caught.value.code == "WB10"
    assert "the Finding is in the store already" in caught.value.remedy


def test_pieces_of_a_page_as_letters_keep_their_spaces() -> None:
    from pellucid.web.tokens import passage, visible

    for word in WORDS:
        assert feature_export.letters(visible(word)).count("<") == word.count("<")
    assert feature_export.letters(passage("  a \n", broken=False)) == "  a ↵ "


# in a browser


@pytest.fixture(scope="module")
def site(place: str) -> Iterator[str]:
    """Address of a real server over the store with the dashboard."""
    with served(place) as place_:
        yield place_


@pytest.mark.browser
@pytest.mark.parametrize("path", ["/dictionaries", "", "/5", "/249"])
def test_pages_of_latents_have_contrast_and_fit_a_phone(browser: Any, site: str, path: str) -> None:
    with watched(browser, site, color_scheme="light") as page:
        page.goto(path if path == "/dictionaries" else at(path), wait_until="load")
        assert page.locator("h1").count() == 1
        assert page.evaluate(CONTRAST) == []
        page.emulate_media(color_scheme="dark")
        assert page.evaluate(CONTRAST) == []
        page.set_viewport_size({"width": 375, "height": 700})
        assert page.evaluate(SIDEWAYS) <= 0


@pytest.mark.browser
def test_the_file_opens_from_a_disk_by_mouse_and_keyboard(browser: Any, file: Path) -> None:
    with watched(browser, file.as_uri(), color_scheme="light") as page:
        page.goto(file.as_uri(), wait_until="load")
        page.wait_for_selector("#latent[data-latent]")
        assert page.locator("h1").count() == 1
        drawn = page.locator(".line").count()
        assert 0 < drawn < 60  # of 250: only what is in view
        assert page.evaluate(CONTRAST) == []
        page.locator(".line").nth(3).click()
        third = page.locator(".line").nth(3).locator("b").inner_text()
        page.wait_for_selector(f'#latent[data-latent="{third}"]')
        page.locator("#list").focus()
        page.keyboard.press("End")
        page.wait_for_selector('#latent[data-latent="249"]')
        assert "never fires in this text" in page.locator("#latent h2").first.inner_text()
        page.keyboard.press("Home")
        first = listed(Dashboard(dashboard()), "", "density")[0]
        page.wait_for_selector(f'#latent[data-latent="{first}"]')
        page.keyboard.press("/")
        page.keyboard.type("#17")
        page.wait_for_selector('#count:has-text("1 of 250 latents")')
        page.keyboard.press("Enter")
        page.wait_for_selector('#latent[data-latent="17"]')
        page.locator("#latent .panel a").first.click()
        page.wait_for_selector('#latent:not([data-latent="17"])')
        page.go_back()
        page.wait_for_selector('#latent[data-latent="17"]')
        page.emulate_media(color_scheme="dark")
        assert page.evaluate(CONTRAST) == []
        page.set_viewport_size({"width": 375, "height": 700})
        assert page.evaluate(SIDEWAYS) <= 0
        assert page.title() not in {"owned", "1"}


READ = """
() => {
  const text = selector => [...document.querySelectorAll(selector)].map(node => node.textContent.replace(/\\s+/g, ' ').trim());
  return {facts: text('.panel dl.facts dd'), bars: text('.bars'), examples: text('.ex li'),
    tints: [...document.querySelectorAll('.tk')].map(node => [node.className, node.getAttribute('style'), node.title]),
    rows: text('.panel tbody tr'), ticks: text('svg .tick, figcaption'), lede: text('.lede'),
    rects: [...document.querySelectorAll('svg rect.d1')].map(node => ['x', 'y', 'height'].map(name => Number(node.getAttribute(name)))).flat(),
  };
}
"""


def assert_alike(alone: dict[str, Any], online: dict[str, Any]) -> None:
    """Every word is the same; lengths in the drawing are written with one decimal on the server."""
    assert alone.pop("rects") == pytest.approx(online.pop("rects"), abs=0.051)
    assert alone == online


@pytest.mark.browser
def test_the_file_shows_what_the_server_shows(browser: Any, site: str, file: Path) -> None:
    """Two renderers, one picture: every number, word and tint of a latent is the same in both."""
    with watched(browser, site) as online, watched(browser, file.as_uri()) as alone:
        for latent in (0, 5, 8, 60, 137, 249):
            online.goto(at(f"/{latent}"), wait_until="load")
            alone.goto(f"{file.as_uri()}#{latent}", wait_until="load")
            alone.wait_for_selector(f'#latent[data-latent="{latent}"]')
            assert_alike(alone.evaluate(READ), online.evaluate(READ))
            title = online.locator("h1").inner_text()
            assert alone.locator("#latent h2").first.inner_text() == title


@pytest.mark.browser
def test_the_file_of_a_few_latents_shows_the_same(browser: Any, site: str, tmp_path: Path) -> None:
    file = feature_export.write(some_of_heads(), tmp_path / "few.html")
    with watched(browser, site) as online, watched(browser, file.as_uri()) as alone:
        online.goto(f"/dictionaries/{some_of_heads().id[:12]}/14", wait_until="load")
        alone.goto(f"{file.as_uri()}#14", wait_until="load")
        alone.wait_for_selector('#latent[data-latent="14"]')
        assert_alike(alone.evaluate(READ), online.evaluate(READ))
        assert alone.locator(".panel tbody a").count() == online.locator(".panel tbody a").count()


@pytest.mark.browser
def test_the_file_can_be_read_without_scripts(browser: Any, file: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(file.as_uri())
    assert page.locator("table.latents tbody tr").count() == 100
    assert not page.locator(".browse").is_visible()
    alive = int((dashboard().arrays["fires"].values > 0).sum())
    assert page.locator("table.latents .tk.max").count() == min(100, alive) > 50
    context.close()
