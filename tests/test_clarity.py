"""The clarity bars of the design, measured on the whole tree."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def clarity():
    spec = importlib.util.spec_from_file_location("clarity", ROOT / "scripts" / "clarity.py")
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules["clarity"] = module
    spec.loader.exec_module(module)
    return module.measure(ROOT)


def test_functions_are_short(clarity):
    assert clarity.function_median <= 8
    assert clarity.function_p90 <= 35
    assert clarity.longest_function[0] <= 100, clarity.longest_function


def test_files_fit_one_sitting(clarity):
    assert clarity.longest_file[0] <= 600, clarity.longest_file


def test_every_argument_is_annotated(clarity):
    assert clarity.unannotated == []


def test_every_public_name_is_documented(clarity):
    assert clarity.undocumented == []


def test_no_marker_is_left_behind(clarity):
    assert clarity.markers == []
