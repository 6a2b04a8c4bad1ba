"""Nothing that lands names this or any machine, a package registry's address, or loads a pickle."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def texts() -> list[tuple[Path, str]]:
    found = []
    for path in tracked():
        try:
            found.append((path, path.read_text(encoding="utf-8")))
        except UnicodeDecodeError:
            continue
    return found


def test_no_path_of_a_machine():
    homes = re.compile(r"(^|[^A-Za-z0-9_.])/(wor" + r"k|ro" + r"ot|hom" + r"e)/[a-z.]")
    assert [(str(p), m[0]) for p, text in texts() if (m := homes.search(text))] == []


def test_no_registry_address():
    address = re.compile(r"(index-url|find-links|registry) *[= ] *(https?|file):")
    assert [str(path) for path, text in texts() if address.search(text)] == []


def test_no_pickle_is_loaded_unguarded():
    unguarded = re.compile(
        r"\bpickle\.loads?\(|torch\.load\((?![^)]*weights_only=True)|joblib\.load\(|allow_pickle=True"
    )
    source = [
        (p, text) for p, text in texts() if p.suffix == ".py" and "pellucid" in p.parts[len(ROOT.parts) :][:1]
    ]
    assert [str(path) for path, text in source if unguarded.search(text)] == []


def test_no_large_file():
    assert [str(path) for path in tracked() if path.stat().st_size > 5 * 2**20] == []


def test_organisms_weigh_at_most_30_megabytes():
    weights = [path for path in tracked() if path.suffix == ".safetensors" and "organisms" in path.parts]
    assert sum(path.stat().st_size for path in weights) <= 30 * 10**6


def shipped() -> list[Path]:
    return [path for path in tracked() if path.suffix == ".safetensors" and "findings" in path.parts]


def test_every_shipped_finding_is_whole():
    from pellucid.findings import load

    assert shipped()
    for path in shipped():
        load(path).verify()
