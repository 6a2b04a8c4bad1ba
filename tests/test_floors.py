"""What importing costs, and what a default install brings."""

from __future__ import annotations

import importlib.metadata as metadata
import json
import re
import subprocess
import sys

LIGHT = [
    "pellucid",
    "pellucid.findings",
    "pellucid.cases",
    "pellucid.compute",
    "pellucid.store",
    "pellucid.library",
]


def modules_after(statement: str) -> set[str]:
    code = f"{statement}\nimport sys, json; print(json.dumps(sorted(sys.modules)))"
    return set(
        json.loads(
            subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        )
    )


def test_light_rooms_never_load_torch():
    loaded = modules_after("\n".join(f"import {name}" for name in LIGHT))
    assert "torch" not in loaded
    assert not loaded & {"rich", "plotly"}


def test_help_and_lists_never_load_torch():
    code = "import pellucid.cli.main as m\ntry:\n    m.run(['--help'])\nexcept SystemExit:\n    pass\nm.run(['library', 'list', '--json'])"
    probe = code + "\nimport sys\nassert 'torch' not in sys.modules, 'torch was loaded'"
    subprocess.run([sys.executable, "-c", probe], capture_output=True, check=True)


def test_public_names_are_lazy_and_right():
    import pellucid
    from pellucid.findings import Finding

    assert pellucid.Finding is Finding
    assert callable(pellucid.open_model)


def closure(name: str, seen: set[str]) -> set[str]:
    """A package and everything that its default install brings, by the installed metadata."""
    from packaging.markers import Marker

    key = re.sub(r"[-_.]+", "-", name).lower()
    if key in seen:
        return seen
    seen.add(key)
    for requirement in metadata.requires(name) or []:
        spec, _, marker = requirement.partition(";")
        if marker and not Marker(marker).evaluate({"extra": ""}):
            continue
        wanted = re.match(r"[A-Za-z0-9._-]+", spec.strip()).group()
        closure(wanted, seen)
    return seen


def test_a_default_install_has_at_most_55_packages():
    packages = closure("pellucid", {"pip", "setuptools"})
    assert len(packages) <= 55, sorted(packages)


def test_nothing_in_a_default_install_is_under_the_gpl():
    for name in closure("pellucid", set()):
        found = metadata.metadata(name)
        words = " ".join(
            [
                found.get("License", "")[:200],
                found.get("License-Expression", "") or "",
                *(found.get_all("Classifier") or []),
            ]
        )
        assert not re.search(r"\bA?GPL|GNU (Affero )?General Public", words), name
