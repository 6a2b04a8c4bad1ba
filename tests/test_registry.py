"""Every registered kind of Finding has a law test and a truth test, and the tests name kinds that exist."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import pkgutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def marks(name: str) -> set[str]:
    """The kinds named by ``@pytest.mark.<name>(...)`` anywhere in the tests."""
    found = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == f"pytest.mark.{name}":
                found |= {argument.value for argument in node.args if isinstance(argument, ast.Constant)}
    return found


@pytest.fixture(scope="module")
def kinds() -> set[str]:
    import pellucid
    from pellucid.findings import kinds as registered

    for module in pkgutil.walk_packages(pellucid.__path__, "pellucid."):
        if "triton" in module.name and importlib.util.find_spec("triton") is None:
            continue  # kernels for a GPU: they register no kind
        importlib.import_module(module.name)
    return {kind.name for kind in registered() if not kind.name.startswith(("test.", "example."))}


@pytest.mark.parametrize("mark", ["law", "truth"])
def test_every_kind_has_one(kinds, mark):
    assert kinds - marks(mark) == set()


@pytest.mark.parametrize("mark", ["law", "truth"])
def test_marks_name_kinds_that_exist(kinds, mark):
    assert {name for name in marks(mark) if not name.startswith(("test.", "example."))} - kinds == set()


def test_every_kind_is_tagged(kinds):
    from pellucid.findings import kinds as registered

    for kind in registered():
        assert kind.stance in {"observational", "interventional"}, kind.name
        assert kind.evidence, kind.name
