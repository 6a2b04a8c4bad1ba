"""What a Finding says of how it was measured is a command that measures the same Finding again."""

from __future__ import annotations

import shlex

import numpy as np
import pytest

from pellucid.cli.main import run
from pellucid.store import open_store


def measured(arguments, tmp_path, name):
    url = f"sqlite:///{tmp_path / name}"
    assert run([*arguments, "--store", url]) == 0
    with open_store(url) as store:
        return {header.id: header.provenance.command for header in store.find()}


def table(folder):
    """Fifty respondents on six items of growing difficulty."""
    random = np.random.default_rng(1)
    ability = random.normal(size=(50, 1))
    right = (ability + random.normal(size=(50, 6)) > np.linspace(-1, 1, 6)).astype(int)
    path = folder / "re sponses.csv"
    lines = [",".join(["item", *(f"m{i}" for i in range(50))])]
    lines += [",".join([f"q{j}", *map(str, right[:, j])]) for j in range(6)]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "words",
    [
        "safetywashing base-models --draws 20 --seed 4 --threshold 0.5",
        "check base-models --benchmark ifeval --draws 20 --method pearson --isotonic",
        "check base-models --benchmark ifeval --draws 20 --capabilities 'mmlu,  piqa,bbh'",
    ],
)
def test_the_command_of_a_finding_gives_the_same_finding(words, tmp_path):
    first = measured(["metascience", *shlex.split(words)], tmp_path, "a.db")
    (command,) = first.values()
    assert command.startswith("pellucid metascience")
    assert "--json" not in command
    assert "--store" not in command
    assert measured(shlex.split(command)[1:], tmp_path, "b.db") == first


def test_a_file_with_a_space_and_every_setting_that_changes_a_number(tmp_path):
    options = ["--benchmark", "coins", "--model", "1PL", "--seed", "3"]
    first = measured(["metascience", "instruments", str(table(tmp_path)), *options], tmp_path, "a.db")
    (command,) = set(first.values())
    assert measured(shlex.split(command)[1:], tmp_path, "b.db") == first


def test_what_is_as_by_default_is_left_out(tmp_path):
    arguments = [
        "metascience",
        "check",
        "base-models",
        "--benchmark",
        "ifeval",
        "--draws",
        "20",
        "--seed",
        "0",
    ]
    (command,) = measured(arguments, tmp_path, "a.db").values()
    assert command == "pellucid metascience check base-models --benchmark ifeval --draws 20"
