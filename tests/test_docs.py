"""The docs are complete and true: every command, kind, setting and code is in them, and every snippet runs."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
SNIPPET = re.compile(r"```python\n(.*?)```", re.S)
LINK = re.compile(r"\]\(([^)#]+?)(#[^)]*)?\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_snippets_run(page, tmp_path):
    code = "\n".join(SNIPPET.findall(page.read_text(encoding="utf-8")))
    if not code:
        return
    script = tmp_path / "snippets.py"
    script.write_text(code, encoding="utf-8")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_resolve(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.S)
    for target, _ in LINK.findall(text):
        if not re.match(r"[a-z]+:", target):
            assert (page.parent / target).exists(), target


def test_generated_parts_are_up_to_date():
    script = ROOT / "scripts" / "generate_docs.py"
    done = subprocess.run([sys.executable, str(script), "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:]


def commands(command, path):
    if hasattr(command, "commands"):
        for name, child in command.commands.items():
            yield from commands(child, f"{path} {name}")
    else:
        yield path, command


def all_commands():
    import typer

    from pellucid.cli.main import app

    return list(commands(typer.main.get_command(app), "pellucid"))


@pytest.mark.parametrize(
    ("path", "command"), all_commands(), ids=lambda value: value if isinstance(value, str) else ""
)
def test_every_command_names_a_python_function_that_exists_and_takes_json(path, command):
    assert "--json" in [option for parameter in command.params for option in parameter.opts]
    named = re.search(r"Python: ([\w.]+)", command.help or "")
    assert named, f"{path} names no Python function"
    owner, _, attribute = named[1].rpartition(".")
    try:
        home = importlib.import_module(owner)
    except ModuleNotFoundError:
        module, _, cls = owner.rpartition(".")
        home = getattr(importlib.import_module(module), cls)
    assert callable(getattr(home, attribute))


def test_every_option_has_help():
    for path, command in all_commands():
        for parameter in command.params:
            assert getattr(parameter, "help", None) or parameter.name == "help", (path, parameter.name)


def test_every_page_is_reachable_from_the_index():
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    for page in (ROOT / "docs").glob("*.md"):
        assert page.name == "index.md" or f"({page.name})" in index, page.name
