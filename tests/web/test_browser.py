"""The pages in a real browser: no errors, no outside requests, keyboard, themes, a narrow screen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urldefrag, urljoin, urlsplit

import pytest

from pellucid.audit.report import Report
from pellucid.web import report

from .content import SUSPECT
from .reports import defeated, standing, undecided

pytestmark = pytest.mark.browser

SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
CONTRAST = """
() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgb = colour => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data]; };
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, at) => sum + v * [.2126, .7152, .0722][at], 0);
  const behind = node => { for (let at = node; at; at = at.parentElement) {
    const found = rgb(getComputedStyle(at).backgroundColor); if (found[3] === 255) return found; } return [255, 255, 255, 255]; };
  const own = node => [...node.childNodes].some(child => child.nodeType === 3 && child.textContent.trim());
  return [...document.querySelectorAll('main *, header *, footer *')]
    .filter(node => own(node) && node.getClientRects().length && !node.closest('svg, script, style'))
    .map(node => { const [a, b] = [light(rgb(getComputedStyle(node).color)), light(behind(node))];
      return {text: node.textContent.trim().slice(0, 40), class: node.className, ratio: (Math.max(a, b) + .05) / (Math.min(a, b) + .05)}; })
    .filter(found => found.ratio < 4.5);
}
"""


PAGES = {
    "shelf": "/",
    "paper": "/papers/scheming",
    "models": "/models",
    "model": f"/models/{SUSPECT.sha256}",
    "findings": "/findings",
    "search": "/findings/{search}",
    "honeypot": "/findings/{honeypot}",
    "text": "/findings/{text}",
    "cases": "/cases",
    "case": "/cases/hidden-behaviour",
    "weighed case": "/cases/weighed",
    "chosen leaf": "/cases/weighed#about-Sn1",
    "api": "/api",
    "empty search": "/?q=zebra",
}


def path_of(name: str, ids: dict[str, str]) -> str:
    return PAGES[name].format(**ids)


@contextmanager
def watched(browser: Any, address: str, **options: Any) -> Iterator[Any]:
    """A page that fails the test at its end when anything went wrong in it."""
    context = browser.new_context(base_url=address, **options)
    page = context.new_page()
    wrong: list[str] = []
    page.on(
        "console",
        lambda message: (
            wrong.append(f"{message.type}: {message.text}") if message.type in {"error", "warning"} else None
        ),
    )
    page.on("pageerror", lambda error: wrong.append(f"script: {error}"))
    page.on("requestfailed", lambda request: wrong.append(f"failed: {request.url}"))
    page.on(
        "response",
        lambda response: (
            wrong.append(f"{response.status}: {response.url}") if response.status >= 400 else None
        ),
    )
    page.on(
        "request",
        lambda request: wrong.append(f"outside: {request.url}") if outside(request.url, address) else None,
    )
    try:
        yield page
        assert wrong == []
    finally:
        context.close()


def outside(url: str, address: str) -> bool:
    return urlsplit(url).scheme not in {"data", "blob"} and not url.startswith(address)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_no_errors_has_contrast_in_both_themes_and_fits_a_phone(
    browser: Any, address: str, ids: dict[str, str], name: str
) -> None:
    with watched(browser, address, color_scheme="light") as page:
        page.goto(path_of(name, ids), wait_until="load")
        assert page.locator("h1").count() == 1
        assert page.title().endswith("· Pellucid")
        assert page.evaluate(CONTRAST) == []
        page.emulate_media(color_scheme="dark")
        assert page.evaluate(CONTRAST) == []
        page.set_viewport_size({"width": 375, "height": 700})
        assert page.evaluate(SIDEWAYS) <= 0


@pytest.mark.parametrize("verdict", [defeated, standing, undecided])
def test_a_report_opens_from_a_disk_without_a_network(
    browser: Any, tmp_path: Path, verdict: Callable[[], Report]
) -> None:
    path = report.write(verdict(), tmp_path).as_uri()
    with watched(browser, path, color_scheme="light") as page:
        page.goto(path, wait_until="load")
        assert page.locator("h1").count() == 1
        assert page.locator(".picture .main-svg").count() >= page.locator("[data-figure]").count()
        assert page.title() not in {"owned", "1"}
        assert page.evaluate(CONTRAST) == []
        page.emulate_media(color_scheme="dark")
        assert page.evaluate(CONTRAST) == []
        page.set_viewport_size({"width": 375, "height": 700})
        assert page.evaluate(SIDEWAYS) <= 0


def test_a_click_on_an_element_opens_its_panel_with_mouse_keyboard_and_without_scripts(
    browser: Any, address: str
) -> None:
    for scripts in (True, False):
        with watched(browser, address, java_script_enabled=scripts) as page:
            page.goto("/cases/hidden-behaviour", wait_until="load")
            verdict, leaf = page.locator("#why"), page.locator("#about-Sn2")
            assert verdict.is_visible()
            assert not leaf.is_visible()
            page.locator("svg #node-Sn2").click()
            assert leaf.is_visible()
            assert not verdict.is_visible()
            assert "What hangs on it" in leaf.inner_text()
            page.locator("svg #node-G0").press("Enter")
            assert page.locator("#about-G0").is_visible()
            assert not leaf.is_visible()
            page.locator("#about-G0 a", has_text="Back to the verdict").click()
            assert verdict.is_visible()


def test_sections_of_a_case_lead_by_keyboard_to_the_panel_of_a_leaf(browser: Any, address: str) -> None:
    with watched(browser, address, java_script_enabled=False) as page:
        page.goto("/cases/weighed", wait_until="load")
        link = page.locator("section.case-part a", has_text="Sn1").first
        link.focus()
        link.press("Enter")
        assert page.locator("#about-Sn1").is_visible()
        assert "How sure" in page.locator("#about-Sn1").inner_text()
        summary = page.locator("summary", has_text="Every element in numbers")
        summary.focus()
        summary.press("Enter")
        assert page.locator("th a", has_text="G0").first.is_visible()


def test_bars_and_rules_of_a_case_fit_a_phone(browser: Any, address: str) -> None:
    with watched(browser, address, viewport={"width": 375, "height": 700}) as page:
        page.goto("/cases/weighed", wait_until="load")
        assert page.evaluate(SIDEWAYS) <= 0
        for place in page.locator(".weigh, .calculi .span, .measured .span").all():
            box = place.bounding_box()
            assert box["width"] > 60
            assert box["x"] + box["width"] <= 375


def test_many_intervals_stand_below_each_other_and_scroll_in_their_box(
    browser: Any, address: str, ids: dict[str, str]
) -> None:
    for width in (1280, 375):
        with watched(browser, address, viewport={"width": width, "height": 900}) as page:
            page.goto(f"/findings/{ids['many']}", wait_until="load")
            assert page.evaluate(SIDEWAYS) <= 0
            assert page.locator(".picture .ytick").count() == 164
            tops = [box.bounding_box()["y"] for box in page.locator(".picture .ytick text").all()[:20]]
            assert min(abs(a - b) for a, b in pairwise(tops)) > 14
            assert page.locator(".plot").first.bounding_box()["height"] <= 780
            assert page.locator(".picture .plot .xy, .picture .xy").first.bounding_box()["width"] > 120


def test_every_internal_link_resolves(browser: Any, address: str) -> None:
    waiting, seen, pages = ["/"], {"/"}, 0
    context = browser.new_context(base_url=address)
    while waiting:
        path = waiting.pop()
        answer = context.request.get(path)
        assert answer.status == 200, path
        pages += 1
        if "html" not in answer.headers["content-type"]:
            continue
        for link in hrefs(answer.text()):
            target = urldefrag(urljoin(address + path, link)).url
            if not outside(target, address) and target not in seen:
                seen.add(target)
                waiting.append(target.removeprefix(address) or "/")
    context.close()
    assert pages > 40


def hrefs(text: str) -> list[str]:
    import html
    import re

    return [html.unescape(found) for found in re.findall(r'<a\s[^>]*?href="([^"]*)"', text)]


def test_pictures_are_drawn_by_plotly_from_this_server(
    browser: Any, address: str, ids: dict[str, str]
) -> None:
    with watched(browser, address) as page:
        page.goto(f"/findings/{ids['honeypot']}", wait_until="load")
        assert page.locator(".picture .main-svg").count() >= 4
        assert page.locator(".picture").first.bounding_box()["height"] > 100


def test_hostile_text_stays_text(browser: Any, address: str, ids: dict[str, str]) -> None:
    for path in (
        f"/findings/{ids['search']}",
        f"/findings/{ids['honeypot']}",
        f"/findings/{ids['text']}",
        f"/models/{SUSPECT.sha256}",
    ):
        with watched(browser, address) as page:
            page.goto(path, wait_until="load")
            assert page.title() not in {"owned", "1"}
            assert page.locator("main img").count() == 0
            assert 'document.title="owned"' in page.content().replace("&quot;", '"').replace(
                "\\u003c", "<"
            ).replace('\\"', '"')


def test_the_theme_button_switches_and_is_remembered(browser: Any, address: str) -> None:
    with watched(browser, address, color_scheme="light") as page:
        page.goto("/findings", wait_until="load")
        colour = "getComputedStyle(document.documentElement).backgroundColor"
        before = page.evaluate(colour)
        page.click("#theme")
        assert page.evaluate("document.documentElement.dataset.theme") == "dark"
        after = page.evaluate(colour)
        assert after != before
        page.goto("/models", wait_until="load")
        assert page.evaluate(colour) == after
        assert page.get_attribute("#theme", "aria-label") == "Switch to light theme"


def test_pictures_follow_the_theme(browser: Any, address: str, ids: dict[str, str]) -> None:
    with watched(browser, address, color_scheme="light") as page:
        page.goto(f"/findings/{ids['search']}", wait_until="load")
        fill = "getComputedStyle(document.querySelector('.picture .point path')).fill"
        before = page.evaluate(fill)
        page.click("#theme")
        page.wait_for_function(f"{fill} !== {before!r}")


def test_by_keyboard_skip_link_search_and_focus_ring(browser: Any, address: str) -> None:
    with watched(browser, address) as page:
        page.goto("/", wait_until="load")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        assert page.locator(".skip").bounding_box()["x"] >= 0
        page.keyboard.press("Enter")
        assert page.evaluate("location.hash") == "#main"
        page.keyboard.press("/")
        assert page.evaluate("document.activeElement.id") == "q"
        ring = page.evaluate(
            "getComputedStyle(document.activeElement).outlineStyle + getComputedStyle(document.activeElement).outlineWidth"
        )
        assert ring == "solid2px"
        page.keyboard.type("superposition/")
        assert page.input_value("#q") == "superposition/"
        page.keyboard.press("Enter")
        page.wait_for_url("**/?q=superposition*")


def test_tab_reaches_every_link_in_order_without_a_trap(
    browser: Any, address: str, ids: dict[str, str]
) -> None:
    with watched(browser, address) as page:
        page.goto(f"/findings/{ids['search']}", wait_until="load")
        page.keyboard.press("Tab")
        seen = []
        for _ in range(60):
            seen.append(page.evaluate("[...document.querySelectorAll('*')].indexOf(document.activeElement)"))
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement === document.body"):
                break
        assert page.evaluate("document.activeElement === document.body")
        assert seen == sorted(set(seen))


def test_a_facet_narrows_the_shelf_at_once(browser: Any, address: str) -> None:
    with watched(browser, address) as page:
        page.goto("/", wait_until="load")
        page.check('input[value="metascience"]')
        page.wait_for_url("**room=metascience*")
        assert 0 < page.locator(".shelf > li").count() < 25


def test_pages_can_be_read_without_scripts(browser: Any, address: str, ids: dict[str, str]) -> None:
    context = browser.new_context(base_url=address, java_script_enabled=False)
    page = context.new_page()
    page.goto(f"/findings/{ids['honeypot']}")
    assert page.locator("h1").inner_text().startswith("The sentence follows")
    assert page.locator("noscript").count() or "The picture is drawn by a script" in page.content()
    page.locator("details.as-table summary").first.click()
    assert page.locator("details.as-table table").first.is_visible()
    assert not page.locator("#theme").is_visible()
    context.close()
