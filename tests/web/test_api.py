"""JSON for programs: the same as the pages, described by OpenAPI, with ETags and links."""

from __future__ import annotations

import json

import pytest
from fastapi.testclient import TestClient
from pydantic import BaseModel

from pellucid.findings import from_bytes
from pellucid.web.api.cases import CaseEntry, CaseList
from pellucid.web.api.findings import FindingList
from pellucid.web.api.library import PaperEntry, PaperList
from pellucid.web.api.models import ModelEntry, ModelList

from .content import SUSPECT

SHAPES: list[tuple[str, type[BaseModel]]] = [
    ("/api/findings", FindingList),
    ("/api/models", ModelList),
    (f"/api/models/{SUSPECT.sha256}", ModelEntry),
    ("/api/cases", CaseList),
    ("/api/cases/hidden-behaviour", CaseEntry),
    ("/api/papers", PaperList),
    ("/api/papers/scheming", PaperEntry),
]


@pytest.mark.parametrize(("path", "shape"), SHAPES)
def test_answers_have_the_shape_that_openapi_promises(
    client: TestClient, path: str, shape: type[BaseModel]
) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    shape.model_validate(answer.json())
    paths = client.get("/api/openapi.json").json()["paths"]
    known = {name for name in paths if name.split("{")[0].rstrip("/") == "/".join(path.split("/")[:3])}
    assert known, path


def test_openapi_describes_every_address_and_loads_no_page_from_elsewhere(client: TestClient) -> None:
    description = client.get("/api/openapi.json").json()
    assert description["openapi"].startswith("3.")
    assert set(description["paths"]) >= {
        "/api/findings",
        "/api/findings/{identity}",
        "/api/papers",
        "/api/papers/{key}",
        "/api/models",
        "/api/cases",
        "/api/cases/{name}",
    }
    assert all(get["get"]["description"] for get in description["paths"].values())
    assert client.get("/docs").status_code == client.get("/redoc").status_code == 404


def test_a_finding_is_the_header_that_the_store_has(client: TestClient, ids: dict[str, str]) -> None:
    data = client.get(f"/api/findings/{ids['search']}").json()
    assert data["id"] == ids["search"]
    assert data["status"] == "refutes"
    assert {m["name"]: m["value"] for m in data["measures"]}["score"] > 2


def test_the_file_of_a_finding_loads_as_that_finding(client: TestClient, ids: dict[str, str]) -> None:
    answer = client.get(f"/api/findings/{ids['honeypot']}.safetensors")
    assert answer.headers["content-disposition"].endswith('.safetensors"')
    finding = from_bytes(answer.content)
    assert finding.id == ids["honeypot"]
    assert finding.arrays["grid"].values.shape == (3, 4)


@pytest.mark.parametrize("path", ["/api/findings", "/", "/cases/hidden-behaviour", "/static/pellucid.css"])
def test_an_unchanged_answer_is_not_sent_twice(client: TestClient, path: str) -> None:
    first = client.get(path)
    again = client.get(path, headers={"if-none-match": first.headers["etag"]})
    assert (first.status_code, again.status_code) == (200, 304)
    assert again.content == b""
    assert client.get(path, headers={"if-none-match": '"other"'}).status_code == 200


def test_links_lead_through_every_finding_once(client: TestClient, ids: dict[str, str]) -> None:
    address, seen = "/api/findings?size=1", []
    while address:
        answer = client.get(address)
        data = answer.json()
        seen += [item["id"] for item in data["items"]]
        address = data["next"]
        assert (f'<{address}>; rel="next"' in answer.headers.get("link", "")) == bool(address)
    assert sorted(seen) == sorted(ids.values())


def test_findings_are_found_by_kind_status_subject_and_words(client: TestClient, ids: dict[str, str]) -> None:
    def found(**asked: str) -> set[str]:
        return {item["id"] for item in client.get("/api/findings", params=asked).json()["items"]}

    assert found(kind="test.web_search") == {ids["search"], ids["quiet"]}
    assert found(kind="test.web_search", status="refutes") == {ids["search"]}
    assert found(subject=SUSPECT.sha256) == {ids["search"], ids["honeypot"], ids["text"], ids["claimed"]}
    assert found(text="worst inputs") == {ids["search"], ids["quiet"]}


def test_a_claim_names_the_findings_that_measured_it(client: TestClient, ids: dict[str, str]) -> None:
    claims = {claim["id"]: claim for claim in client.get("/api/papers/scheming").json()["claims"]}
    assert claims["C4"]["findings"] == [ids["claimed"]]
    assert claims["C4"]["state"] not in {"not attempted", "contradicted"}
    assert claims["C2"]["findings"] == []


def test_a_case_comes_with_its_verdict_and_as_file_and_drawing(client: TestClient) -> None:
    case = client.get("/api/cases/hidden-behaviour").json()
    assert case["verdict"]["word"] == "defeated"
    assert case["verdict"]["reason_path"][-1] == "Sn2"
    assert client.get("/api/cases/hidden-behaviour.yaml").text == case["yaml"]
    drawing = client.get("/api/cases/hidden-behaviour.svg")
    assert drawing.headers["content-type"].startswith("image/svg+xml")
    assert drawing.text.lstrip().startswith(("<svg", "<?xml"))


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/findings/ffffffff", 404),
        ("/api/papers/none", 404),
        ("/api/models/ffffffff", 404),
        ("/api/cases/none", 404),
        ("/api/nothing", 404),
        ("/api/findings?page=0", 400),
        ("/api/findings?size=9999", 400),
        ("/api/findings?status=fine", 400),
    ],
)
def test_mistakes_are_json_with_code_problem_and_remedy(client: TestClient, path: str, status: int) -> None:
    answer = client.get(path)
    assert answer.status_code == status
    error = answer.json()["error"]
    assert error["code"]
    assert error["problem"]
    assert error["remedy"]


def test_json_is_strict(client: TestClient) -> None:
    def refuse(name: str) -> float:
        raise AssertionError(name)

    for path, _ in SHAPES:
        json.loads(client.get(path).text, parse_constant=refuse)
