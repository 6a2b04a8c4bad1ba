"""``pellucid case templates``, ``new``, ``blocks``, ``risk`` and ``convert``: how a case comes to be."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pellucid.cli.output import (
    DEFAULT_STORE,
    JsonOption,
    StoreOption,
    print_diagnostics,
    print_json,
    print_table,
)

if TYPE_CHECKING:
    from pellucid.findings import Diagnostic

OutOption = Annotated[Path, typer.Option("--out", help="File to write.")]


def templates(
    name: Annotated[str | None, typer.Argument(help="One template: prints an example of its values.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List the templates of safety cases, or show what one of them asks for.

    Python: pellucid.cases.templates
    """
    from pellucid.cases import template
    from pellucid.cases import templates as all_templates

    if name is None:
        found = all_templates()
        if as_json:
            print_json([{"name": t.name, "title": t.title, "source": t.source} for t in found])
            return
        rows = [(t.name, t.title, str(len(t.case.nodes)), t.source) for t in found]
        print_table("Templates", ("name", "argues", "elements", "after"), rows, "No template.")
        return
    chosen = template(name)
    if as_json:
        print_json({"name": chosen.name, "asks": [str(one) for one in chosen.parameters]})
        return
    typer.echo(chosen.example_text.rstrip())


def new(
    name: Annotated[str, typer.Argument(help="Template, as `case templates` lists it.")],
    values: Annotated[Path, typer.Option("--values", help="YAML file of values; see `case templates NAME`.")],
    out: OutOption = Path("case.yaml"),
    as_json: JsonOption = False,
) -> None:
    """Write a case from a template and your values; its leaves wait for evidence.

    Python: pellucid.cases.Template.instantiate
    """
    from pellucid.cases import read_values, slots, template

    case = template(name).instantiate(read_values(values))
    case.write(out)
    waiting = slots(case)
    if as_json:
        print_json({"file": str(out), "elements": len(case.nodes), "slots": dict(waiting)})
        return
    typer.echo(f"Wrote {out}: {len(case.nodes)} elements.")
    rows = [(slot, ", ".join(leaves)) for slot, leaves in waiting.items()]
    print_table("Evidence that it waits for", ("measurement", "leaves"), rows, "It waits for nothing.")
    typer.echo(f"Next: give each leaf its `finding:`, then pellucid case evaluate {out}")


def keep(
    file: Annotated[Path, typer.Argument(help="A case file in any format.")],
    name: Annotated[
        str | None, typer.Option("--name", help="Name in the store; default: that of its module.")
    ] = None,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Keep a case in the store, where the pages show it and `case rerun` gives it new versions.

    Status 0 when it stands on the evidence of the store; else 1.

    Python: pellucid.store.Store.put_case
    """
    from pellucid.cases import Case
    from pellucid.store import open_store
    from pellucid.web.present import world_of

    case = Case.read(file)
    subjects = sorted({subject.sha256 for named in case.subjects.values() for subject in named})
    with open_store(store) as kept:
        verdict = world_of(case, kept).verdict()
        known = name or case.name
        version = kept.put_case(known, case.text, subjects[0] if subjects else "", verdict.to_dict())
    if as_json:
        print_json({"name": known, "version": version, "verdict": verdict.to_dict()})
    else:
        word = verdict.word if verdict.stands else f"is {verdict.word}"
        typer.echo(f"Kept {known}, version {version}: the case {word}.")
    raise typer.Exit(0 if verdict.stands else 1)


def bind(
    file: Annotated[Path, typer.Argument(help="A case file.")],
    leaves: Annotated[
        list[str],
        typer.Argument(help="LEAF=ID of a finding, or LEAF=log:SHA256; or a slot instead of a leaf."),
    ],
    predicate: Annotated[
        list[str] | None,
        typer.Option("--predicate", help="LEAF=PREDICATE, as 'Sn1=score.high <= 0.01'; repeatable."),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="File to write; default: the same file.")] = None,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Let leaves cite evidence, and write the case. Status 0 when it stands on the store's evidence, else 1.

    Python: pellucid.cases.bound
    """
    from pellucid.cases import Case
    from pellucid.cases.patterns.slots import bound
    from pellucid.store import open_store
    from pellucid.web.present import world_of

    case = bound(Case.read(file), pairs(leaves, "LEAF=ID"), pairs(predicate or [], "LEAF=PREDICATE"))
    written = case.write(out or file)
    with open_store(store) as kept:
        world = world_of(case, kept)
        verdict, found = world.verdict(), world.argument.check(world.findings, world.present)
    if as_json:
        print_json(
            {"file": str(written), "verdict": verdict.to_dict(), "checks": [vars(one) for one in found]}
        )
    else:
        print_diagnostics(one for one in found if one.code.startswith("E"))
        typer.echo(f"Wrote {written}: the case {verdict.word if verdict.stands else f'is {verdict.word}'}.")
    raise typer.Exit(0 if verdict.stands else 1)


def pairs(given: list[str], form: str) -> dict[str, str]:
    """Names and what they are given, from ``NAME=VALUE``.

    Errors:
        InputError CL11: an argument is not of that form.
    """
    from pellucid.findings import InputError

    found = {}
    for argument in given:
        name, equals, value = argument.partition("=")
        if not (name.strip() and equals and value.strip()):
            raise InputError("CL11", f"{argument!r} is not of the form {form}.", f"Write {form}.")
        found[name.strip()] = value.strip()
    return found


def blocks(
    category: Annotated[
        str | None,
        typer.Argument(help="inability, control, trustworthiness or deference."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List the building blocks of arguments with their ratings, and who rated them.

    Python: pellucid.cases.building_blocks
    """
    from dataclasses import asdict

    from pellucid.cases import building_blocks

    found = building_blocks(category)
    if as_json:
        print_json([asdict(block) for block in found])
        return
    rows = [
        (
            block.id,
            block.category,
            block.rating.practicality,
            block.rating.maximum_strength,
            block.rating.scalability,
            str(block.rating.rated_by or ""),
        )
        for block in found
    ]
    columns = ("block", "category", "practicality", "maximum strength", "scalability", "rated by")
    print_table("Building blocks", columns, rows, "No block.")


def risk(
    case: Annotated[Path, typer.Argument(help="The safety case.")],
    out: OutOption = Path("risk.yaml"),
    as_json: JsonOption = False,
) -> None:
    """Write the adversary's document: the negated top claim, with a place against every leaf.

    Python: pellucid.cases.risk_case
    """
    from pellucid.cases import Case, risk_case

    made = risk_case(Case.read(case))
    made.write(out)
    if as_json:
        print_json({"file": str(out), "elements": len(made.nodes)})
    else:
        typer.echo(f"Wrote {out}. Fill it in, then: pellucid case debate {case} --risk {out}")


def backfire(
    case: Annotated[Path, typer.Argument(help="The safety case.")],
    goal: Annotated[str, typer.Option("--goal", help="The goal that claims a mitigation.")],
    out: OutOption = Path("case.yaml"),
    as_json: JsonOption = False,
) -> None:
    """Raise the six ways in which a mitigation may backfire against a goal, each to be answered or waived.

    Python: pellucid.cases.with_backfire
    """
    from pellucid.cases import Case, with_backfire

    before = Case.read(case)
    made = with_backfire(before, goal)
    made.write(out)
    added = [name for name in made.nodes if name not in before.nodes]
    if as_json:
        print_json({"file": str(out), "raised": added})
    else:
        typer.echo(f"Wrote {out} with {len(added)} doubts: {', '.join(added) or 'none was missing'}.")


def convert(
    source: Annotated[Path, typer.Argument(help="A case in any format that is read.")],
    target: Annotated[Path, typer.Argument(help="File to write; its ending names the format.")],
    to: Annotated[
        str | None,
        typer.Option("--to", help="gsn, cae, sacm, ltac, tea, tea-flat, mermaid or markdown."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write a case in another format, and say what that format cannot carry. Status 1 when it loses any.

    Python: pellucid.cases.Case.write
    """
    from pellucid.cases import Case
    from pellucid.cases.formats.registry import format_for

    case = Case.read(source)
    losses = case.losses(to or format_for(str(target)).name)
    case.write(target, format=to)
    report(target, losses, as_json)
    raise typer.Exit(1 if losses else 0)


def report(target: Path, losses: list[Diagnostic], as_json: bool) -> None:
    """Say what was written and what was lost."""
    if as_json:
        print_json({"file": str(target), "losses": [vars(loss) for loss in losses]})
        return
    for loss in losses:
        typer.echo(str(loss), err=True)
    typer.echo(f"Wrote {target}" + (f" with {len(losses)} losses." if losses else " without a loss."))
