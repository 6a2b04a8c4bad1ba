"""``pellucid case macrosystem``, ``operational`` and ``evidence``: findings made from and for arguments."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pellucid.cli.commands.case_reading import CaseArgument, opened
from pellucid.cli.output import DEFAULT_STORE, JsonOption, StoreOption, print_json

if TYPE_CHECKING:
    from pellucid.cases import EvidenceItem
    from pellucid.findings import Finding
    from pellucid.web.present import World


def macrosystem(
    file: Annotated[Path, typer.Argument(help="YAML: decision, subsystems, outcomes, infractions, ...")],
    out: Annotated[
        Path | None, typer.Option("--out", help="Case file to write: the six steps, citing the finding.")
    ] = None,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Compose the risk of several subsystems: independent, dependence unknown, common cause.

    Status 0 when every outcome stays within what is tolerated whatever the dependence; else 1.

    Python: pellucid.cases.Macrosystem.assess
    """
    from pellucid.cases.macrosystem.reading import read_macrosystem

    system = read_macrosystem(file)
    found = system.assess(command=f"pellucid case macrosystem {shlex.quote(str(file))}")
    if out is not None:
        system.case(found.id).write(out)
    tell(found, store, as_json)


def operational(
    results: Annotated[
        Path, typer.Argument(help="YAML: each challenge with its group and successes, or outcomes.")
    ],
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Judge challenges of stealth and situational awareness by the operational rules, with intervals.

    Status 0 when the system lacks one of the two abilities; else 1.

    Python: pellucid.cases.operational_verdict
    """
    from pellucid.cases import operational_verdict, read_challenge_results

    found = operational_verdict(
        read_challenge_results(results), command=f"pellucid case operational {shlex.quote(str(results))}"
    )
    tell(found, store, as_json)


def tell(found: Finding, store: str, as_json: bool) -> None:
    """Keep a Finding, show it, and leave with its status."""
    from pellucid.findings import show as showing
    from pellucid.store import open_store

    with open_store(store) as kept:
        kept.put(found)
    if as_json:
        print_json(showing.json(found))
    else:
        found.show()
    raise typer.Exit(0 if found.status == "supports" else 1)


def evidence(
    case: CaseArgument,
    out: Annotated[Path, typer.Option("--out", help="JSON file to write.")] = Path("evidence.json"),
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Write what each leaf's finding says as runtime evidence items (format 0.1) for other systems.

    Python: pellucid.cases.write_evidence_items
    """
    from pellucid.cases import write_evidence_items
    from pellucid.cases.formats.files import replace_file

    with opened(case, store) as world:
        items = items_of(world)
    replace_file(out, write_evidence_items(items))
    if as_json:
        print_json({"file": str(out), "items": len(items)})
    else:
        typer.echo(f"Wrote {out}: {len(items)} items.")


def items_of(world: World) -> list[EvidenceItem]:
    """One item for each claim and each Finding that a leaf of it cites."""
    from datetime import datetime

    from pellucid.cases import evidence_item
    from pellucid.cases.evidence.citations import citation

    verdict, found = world.verdict(), []
    words = {"T": "PASS", "U": "DEGRADED", "F": "FAIL"}
    for name, node in world.argument.nodes.items():
        header = world.findings(key) if (key := citation(node)) else None
        if header is None:
            continue
        run = datetime.fromisoformat(header.provenance.started)
        for parent in world.argument.graph.parents.get(name, (name,)):
            word = words[verdict.states[name].now]
            found.append(evidence_item(parent, world.argument.name, header, word, run))  # type: ignore[arg-type]
    return found
