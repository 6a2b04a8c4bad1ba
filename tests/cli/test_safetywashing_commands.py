"""``pellucid metascience safetywashing`` and ``check``: tables for people, JSON for programs, one message."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from pellucid.cli.commands.metascience import app
from pellucid.findings import PellucidError
from pellucid.store import open_store


@pytest.fixture
def call(tmp_path):
    store = f"sqlite:///{tmp_path / 'store.db'}"

    def run(*arguments):
        return CliRunner().invoke(app, [*arguments, "--store", store])

    run.store = store
    return run


def test_safetywashing_prints_and_stores(call):
    done = call("safetywashing", "base-models", "--draws", "50", "--seed", "4")
    assert done.exit_code == 0, done.output
    assert "164 benchmarks outside the score" in " ".join(done.output.split())
    with open_store(call.store) as store:
        (header,) = store.find()
    assert header.kind == "metascience.safetywashing"
    assert header.provenance.seed == 4


def test_check_as_json(call):
    done = call(
        "check", "base-models", "--benchmark", "ifeval", "--draws", "50", "--json", "--threshold", "0.99"
    )
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout[done.stdout.index("{") :])
    assert found["kind"] == "metascience.capability_correlation"
    assert found["status"] == "refutes"
    assert found["provenance"]["parameters"]["benchmark"] == "ifeval"


def test_columns_can_be_named(call, tmp_path):
    path = tmp_path / "t.csv"
    rows = [f"m{row},F{row // 2},{row},{(row * 7) % 10},{row * row},{row % 3}" for row in range(10)]
    path.write_text("id,lab,one,two,three,safe\n" + "\n".join(rows))
    options = ["--capabilities", "one, three", "--names", "id", "--family", "lab", "--exclude", "two"]
    done = call("check", str(path), "--benchmark", "safe", *options, "--draws", "50", "--json", "--isotonic")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout[done.stdout.index("{") :])
    assert found["provenance"]["parameters"]["capabilities"] == ["one", "three"]
    assert found["provenance"]["parameters"]["curve"] == "isotonic"
    assert len(found["provenance"]["parameters"]["families"]) == 5


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["safetywashing", "none.csv"], "MS01"),
        (["check", "base-models", "--benchmark", "ifevil"], "MS13"),
        (["check", "base-models", "--benchmark", "ifeval", "--method", "kendall"], "MS20"),
        (["safetywashing", "base-models", "--draws", "-1"], "MS20"),
        (["safetywashing", "base-models", "--type", "chat"], "MS16"),
        (["safetywashing", "base-models", "--exclude", "nothing"], "MS08"),
    ],
)
def test_a_mistake_is_one_message(call, arguments, code):
    done = call(*arguments)
    assert isinstance(done.exception, PellucidError)
    assert done.exception.code == code
