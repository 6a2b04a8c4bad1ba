"""The docs are complete and true: every command, kind, setting and code is in them, and every snippet runs."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
SNIPPET = re.compile(r"```(python|console)\n(.*?)```", re.S)
LINK = re.compile(r"\]\(([^)#]+?)(#[^)]*)?\)")


SHELL = """
def _shell(line):
    import contextlib, os, shlex
    from pellucid.cli.main import run
    words = shlex.split(line, comments=True)
    said = shlex.split(line)[len(words) + 2 :] if "# status " in line else ["0"]
    assert words.pop(0) == "pellucid", line
    with contextlib.ExitStack() as opened:
        if words[-2:-1] == [">"]:
            file = opened.enter_context(open(words.pop(), "w", encoding="utf-8"))
            opened.enter_context(contextlib.redirect_stdout(file))
            words.pop()
        status = run(words)
    assert status == int(said[0]), f"{line}: status {status}"
"""


def script_of(page):
    """The Python of a page and, in their place, its commands: those after `$`, each with the status it states."""
    parts = []
    for language, code in SNIPPET.findall(page.read_text(encoding="utf-8")):
        lines = [line.removeprefix("$ ") for line in code.splitlines() if line.startswith("$ ")]
        parts.append(code if language == "python" else "\n".join(f"_shell({line!r})" for line in lines))
    return "\n".join([SHELL, *parts]) if parts else ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_snippets_run(page, tmp_path):
    code = script_of(page)
    if not code:
        return
    script = tmp_path / "snippets.py"
    script.write_text(code, encoding="utf-8")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


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


# What the source says and the pages must have -----------------------------------------------------


def load_script(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def messages():
    return load_script("messages")


def test_every_code_that_the_source_makes_is_in_the_page(messages):
    page = (ROOT / "docs" / "checks.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `([A-Z]{1,2}[0-9]{2,3})` \|", page, re.M))
    made = {one.code for one in messages.all_messages(ROOT / "pellucid")}
    given = messages.codes_made(ROOT / "pellucid")
    assert made == listed
    assert given <= made, sorted(given - made)


def test_the_page_says_whose_the_codes_are(messages):
    from pellucid.cases import Case

    page = (ROOT / "docs" / "checks.md").read_text(encoding="utf-8")
    theirs = {f"V{n:02}" for n in range(1, 14)} | {f"C{n:02}" for n in range(1, 17)} - {"C05"}
    checks = {one.code for one in messages.all_messages(ROOT / "pellucid") if one.level != "raised"}
    assert theirs <= checks
    assert "V01 to V13 and C01 to\nC16 are gsn2x's" in page
    assert "V from 14 on, and all other letters, are ours" in page
    # what a strict reading of gsn2x reports is named with its numbers only
    broken = Case.read("G1: {supportedBy: [G9, Sn1], away: Nowhere}\nSn1: {finding: zz, need: x}\n")
    assert {found.code for found in broken.check(strict_peer=True)} <= theirs
    assert not {found.code for found in broken.check()} <= theirs


def layers_read(folder):
    """Names of layers that the code asks elements for: as text, by a constant, or by a loop over texts."""
    found = {}
    for path in sorted(folder.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        constants = {
            target.id: node.value
            for node in tree.body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        loops = {
            node.target.id: node.iter
            for node in ast.walk(tree)
            if isinstance(node, ast.For | ast.comprehension) and isinstance(node.target, ast.Name)
        }
        for call in ast.walk(tree):
            named = isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)
            if named and call.func.attr in ("layer", "_says_true") and call.args:
                for name in texts_of(call.args[0], constants | loops):
                    found.setdefault(name, path.name)
    return found


def texts_of(node, names):
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.Name) and node.id in names:
        yield from texts_of(names[node.id], {name: one for name, one in names.items() if name != node.id})
    elif isinstance(node, ast.Tuple | ast.List):
        for item in node.elts:
            yield from texts_of(item, names)
    elif isinstance(node, ast.Starred | ast.IfExp):
        for item in [node.value] if isinstance(node, ast.Starred) else [node.body, node.orelse]:
            yield from texts_of(item, names)


LANGUAGE = ROOT / "docs" / "case-language.md"


def documented():
    """Names in the first cells of the tables of the language page."""
    rows = re.findall(r"^\| (.+?) \|", LANGUAGE.read_text(encoding="utf-8"), re.M)
    return {name for cell in rows for name in re.findall(r"`(\w+)`", cell)}


def test_every_layer_that_the_code_reads_is_in_the_language_page():
    told = set(re.findall(r"`(\w+)`", LANGUAGE.read_text(encoding="utf-8")))
    read = layers_read(ROOT / "pellucid" / "cases")
    assert len(read) > 45
    assert {name: file for name, file in read.items() if name not in told} == {}


def test_every_layer_of_the_language_page_is_in_the_code():
    source = "\n".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "pellucid" / "cases").rglob("*.py")
    )
    templates = (ROOT / "pellucid" / "cases" / "templates").glob("*.yaml")
    patterns = "\n".join(path.read_text(encoding="utf-8") for path in templates)
    section = LANGUAGE.read_text(encoding="utf-8").split("## What is ours")[1].split("## Formats")[0]
    names = re.findall(r"`(\w+)`", "\n".join(re.findall(r"^\| (`.+?) \|", section, re.M)))
    assert len(names) > 45
    assert [name for name in names if not (f'"{name}"' in source or f"{name}:" in patterns)] == []


def test_every_attribute_of_gsn2x_is_in_the_language_page():
    from pellucid.cases.formats.gsn_yaml import KNOWN

    assert documented() >= KNOWN


def test_every_setting_is_in_the_settings_page():
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    configs = set()
    for path in (ROOT / "pellucid").rglob("*.py"):
        configs |= set(re.findall(r"^class (\w+Config)\b", path.read_text(encoding="utf-8"), re.M))
    assert len(configs) > 10
    assert [name for name in sorted(configs) if f"{name}`" not in page] == []


def test_every_template_block_doubt_and_study_is_in_its_page():
    from pellucid.cases import building_blocks, templates
    from pellucid.cases.defeaters import CATALOGUE, MECHANISMS
    from pellucid.library import studies

    pages = {
        "case-templates": [one.name for one in templates()] + [one.id for one in building_blocks()],
        "case-debate": [*CATALOGUE, *MECHANISMS],
        "metascience": [study.key for study in studies()],
    }
    for page, names in pages.items():
        text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
        assert [name for name in names if f"`{name}`" not in text] == [], page


def test_every_template_is_explained():
    from pellucid.cases import templates

    text = (ROOT / "docs" / "case-templates.md").read_text(encoding="utf-8")
    assert [one.name for one in templates() if f"- **{one.name}**: " not in text] == []


def test_every_freshness_state_and_format_is_explained():
    from pellucid.cases.evidence.freshness import ORDER
    from pellucid.cases.formats.registry import FORMATS

    evidence = (ROOT / "docs" / "case-evidence.md").read_text(encoding="utf-8")
    assert [state for state in ORDER if f"| `{state}` |" not in evidence] == []
    language = LANGUAGE.read_text(encoding="utf-8")
    assert [one.name for one in FORMATS if f"| `{one.name}` |" not in language] == []
