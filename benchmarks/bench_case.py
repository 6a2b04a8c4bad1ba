"""A case of 1,000 citations re-evaluated, from a store and from memory; and a re-run with nothing to do."""

from __future__ import annotations

import contextlib
import io
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from pellucid.cases import Case, Node
from pellucid.cases.evaluation.verdict import Verdict
from pellucid.cli.commands.case_rerun import plan_of
from pellucid.findings import Finding, Kind, Measure, Subject, start
from pellucid.store import Store, open_store
from pellucid.store.evidence import evidence_in
from pellucid.web.present import World, world_of

CITATIONS = 1000
KIND = Kind(
    name="example.citation",
    title="A citation",
    statement="The score is {score.interval}",
    stance="observational",
    evidence="behavioural",
    room="cases",
)


def measured(number: int) -> Finding:
    """One Finding of many, on one of ten models, made from an earlier one."""
    model = f"model {number % 10}"
    record = start(
        measured,
        parameters={"number": number},
        subject=Subject(id=model, sha256=f"{number % 10:064x}"),
        command=f"pellucid measure {number}",
    )
    return record.finding(KIND, measures=[Measure(name="score", value=2.0, low=1.5, high=2.5, n=100)])


def argument(ids: list[str]) -> Case:
    """A goal over forty goals over the leaves, which challenge nothing and expire in a month."""
    leaves = [
        Node(f"Sn{number}").having(finding=cited, predicate="score.low >= 1", refutedBy="score.high < 1")
        for number, cited in enumerate(ids)
    ]
    groups = [leaves[place::40] for place in range(40)]
    goals = [
        Node(f"G{place}", supported_by=tuple(node.id for node in group))
        for place, group in enumerate(groups, 1)
    ]
    top = Node("G0", supported_by=tuple(goal.id for goal in goals)).having(validFor="30 days")
    return Case.of([top, *goals, *leaves])


def seconds(work: Callable[[], object], runs: int = 5) -> float:
    """Median time of some work."""
    taken = []
    for _ in range(runs):
        begun = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken)


def evaluated(case: Case, store: Store, present: dict[str, str]) -> Verdict:
    """The verdict with every Finding looked up in the store."""
    return case.evaluate(evidence_in(store), present)


def derived(case: Case, store: Store) -> Verdict:
    """The verdict as the command line derives it, with digests of what exists."""
    return world_of(case, store).verdict()


def shared(leaves: int = 200, goals: int = 100) -> Case:
    """Every leaf supports several goals; each goal needs all, any or two of four leaves near each other."""
    draw = random.Random(0)
    made = []
    for index in range(goals):
        near = [f"Sn{(index * leaves // goals + step) % leaves}" for step in range(7)]
        need = (("need", draw.choice(["any", "all", "2"])),)
        made.append(Node(f"G{index + 1}", supported_by=tuple(draw.sample(near, 4)), layers=need))
    used = {name for node in made for name in node.supported_by}
    ends = [Node(name, layers=(("confidence", f"{draw.uniform(0.9, 0.999):.4f}"),)) for name in sorted(used)]
    return Case.of([Node("G0", supported_by=tuple(node.id for node in made)), *made, *ends])


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'p.db'}"
        with contextlib.redirect_stdout(io.StringIO()), open_store(url) as store:
            ids = [store.put(measured(number)) for number in range(CITATIONS)]
        case = argument(ids)
        text = case.text
        with open_store(url) as store:
            report(case, text, store)


def report(case: Case, text: str, store: Store) -> None:
    """Print the times."""
    held = {header.id: header for header in store.find()}
    changed = {"model:model 3": "f" * 64}
    stale = sum(state.stale for state in evaluated(case, store, changed).states.values())
    rows = {
        "read the case from YAML": lambda: Case.read(text),
        "evaluate, Findings at hand": lambda: case.evaluate(held, changed),
        "evaluate, Findings from the store": lambda: evaluated(case, store, changed),
        "the same with digests of what exists": lambda: derived(case, store),
        "plan what must run again": lambda: plan_of(
            World(case, case, evidence_in(store), changed, []), only_stale=True
        ),
        "check, Findings at hand": lambda: case.check(held, changed),
    }
    many = shared()
    rows[f"rank {len(many.nodes) - 101} shared leaves exactly"] = many.sensitivity
    rows[f"draw {len(case.nodes)} elements"] = case.render
    print(f"{len(case.citations)} citations, {len(case.nodes)} elements, {stale} stale after one change")
    for name, work in rows.items():
        print(f"{name:40s} {seconds(work):7.3f} s")


if __name__ == "__main__":
    main()
