"""Running a plan: commands in order of dependence, each new Finding compared with the one that it repeats."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from pellucid.cases.case import Case
from pellucid.cases.evidence.citations import log_digest
from pellucid.cases.nodes import Node
from pellucid.cases.rerun.comparison import compare
from pellucid.cases.rerun.matching import again
from pellucid.cases.rerun.plan import Known, Plan, Step
from pellucid.cases.rerun.record import append_record, begin_record
from pellucid.compute import SILENT, Progress, Task
from pellucid.compute import executor as make_executor
from pellucid.findings import Finding, Header, PellucidError

Run = Callable[[Step], Iterable[Finding]]
Result = Literal["reproduced", "outside tolerance", "changed", "failed", "not run"]
RESULTS: Mapping[str, Result] = {
    "supports": "reproduced",
    "refutes": "outside tolerance",
    "inconclusive": "changed",
    "failed": "failed",
}


@dataclass(frozen=True)
class Outcome:
    """What became of one piece of evidence."""

    element: str
    """The element that cites it; empty for what evidence was made from."""
    old: str
    """Id of the Finding that was cited."""
    new: Header | None
    """The Finding that replaces it; None when there is none."""
    result: Result
    """``reproduced``; ``outside tolerance``, irreproducible; ``changed``, other inputs gave another number;
    ``failed``, the command; or ``not run``, since what it is made from failed."""
    rerun: Header | None
    """The comparison of both."""
    reason: str
    """The comparison's sentence, or why there is none."""

    @property
    def reproduced(self) -> bool:
        """Whether the re-run lies within tolerance."""
        return self.result == "reproduced"


@dataclass(frozen=True)
class Rerun:
    """What running a plan has given."""

    plan: Plan
    """What was planned."""
    outcomes: tuple[Outcome, ...]
    """One for each leaf and each Finding above one, known replacements first."""
    findings: tuple[Finding, ...]
    """Everything new: what the commands made, and the comparisons."""

    @property
    def case(self) -> Case:
        """The case with its leaves bound to the new Findings."""
        found = {outcome.element: outcome.new for outcome in self.outcomes if outcome.element}
        return rebound(self.plan.case, {name: new for name, new in found.items() if new is not None})

    @property
    def reruns(self) -> tuple[Header, ...]:
        """The comparisons, for ``Case.evaluate(reruns=...)``."""
        return tuple(outcome.rerun for outcome in self.outcomes if outcome.rerun is not None)


def rebound(case: Case, new: Mapping[str, Header]) -> Case:
    """A copy of a case in which elements cite other Findings, a log by its digest; what is unchanged stays.

    Args:
        case: the argument.
        new: the Finding that each element shall cite, by element id.
    """
    modules = (
        replace(module, nodes=tuple(_bound(node, new.get(node.id)) for node in module.nodes))
        for module in case.modules
    )
    return Case(tuple(modules))


def _bound(node: Node, new: Header | None) -> Node:
    if new is None:
        return node
    cited = log_digest(node) if node.finding is None else None
    if cited is not None and new.provenance.data is not None:
        digest = new.provenance.data.sha256
        return node if digest.startswith(cited) else node.having(log=digest)
    same = node.finding is not None and new.id.startswith(node.finding)
    return node if same else node.having(finding=new.id)


def rerun(
    plan: Plan,
    run: Run,
    *,
    executor: Executor | None = None,
    progress: Progress = SILENT,
    keep: Callable[[Finding], object] = lambda finding: None,
    record: str | Path | None = None,
) -> Rerun:
    """Run a plan: each command once, its Findings compared with the old ones, nothing old ever changed.

    What a command makes is kept before the next result is looked at, so an interruption loses only what
    was running; a new plan, told of the comparisons that were kept, goes on from there.

    Args:
        plan: what to run.
        run: runs one step and gives the Findings that its command made.
        executor: threads in which steps that do not need each other run side by side; None: one by one.
        progress: who shows the advance.
        keep: takes each new Finding as soon as it is there, such as ``store.put``.
        record: a file to which each outcome is appended, see ``append_record``.

    Raises:
        InputError: Y82 when a tolerance cannot be read, Y84 when the record cannot be written.

    Example:
        >>> from pellucid.cases.rerun import plan
        >>> rerun(plan(Case.read("G1: {undeveloped: true}"), []), lambda step: []).outcomes
        ()
    """
    if record is not None:
        begin_record(record)
    with progress.task("case rerun", total=len(plan.steps)) as task:
        work = _Running(plan, keep, record, task)
        with make_executor() if executor is None else nullcontext(executor) as pool:
            work.through(run, pool)
    return work.done()


def _replaced(known: Known) -> Outcome:
    result = RESULTS[known.rerun.status]
    return Outcome(known.element, known.old.id, known.new, result, known.rerun, known.rerun.statement)


@dataclass
class _Running:
    """What has been done so far."""

    plan: Plan
    keep: Callable[[Finding], object]
    record: str | Path | None
    task: Task
    outcomes: dict[str, list[Outcome]] = field(default_factory=dict)
    made: dict[str, list[Finding]] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)

    def done(self) -> Rerun:
        """Everything in the order of the plan, whatever was finished first."""
        order = [step.command for step in self.plan.steps]
        outcomes = [outcome for command in order for outcome in self.outcomes.get(command, ())]
        made = [finding for command in order for finding in self.made.get(command, ())]
        return Rerun(self.plan, (*map(_replaced, self.plan.known), *outcomes), tuple(made))

    def through(self, run: Run, pool: Executor) -> None:
        """Run the steps wave by wave: first what needs nothing, then what needs only that, and so on."""
        waiting = list(self.plan.steps)
        while waiting:
            names = {step.command for step in waiting}
            ready = [step for step in waiting if not names.intersection(step.needs)]
            waiting = [step for step in waiting if step not in ready]
            self.wave(ready, run, pool)

    def wave(self, steps: list[Step], run: Run, pool: Executor) -> None:
        """Run steps that do not need each other; each is taken up as soon as it is done."""
        begun: dict[Future[Iterable[Finding]], Step] = {}
        try:
            for step in steps:
                if self.lost.intersection(step.needs):
                    self.spoil(step, "not run", "what it is made from could not be measured again")
                    continue
                begun[pool.submit(run, step)] = step
                self.collect(begun)
            while begun:
                wait(begun, return_when=FIRST_COMPLETED)
                self.collect(begun)
        except KeyboardInterrupt:
            self.collect(begun)
            raise

    def collect(self, begun: dict[Future[Iterable[Finding]], Step]) -> None:
        """Take up the steps that are done."""
        for future in [future for future in begun if future.done()]:
            self.take(begun.pop(future), future)

    def take(self, step: Step, future: Future[Iterable[Finding]]) -> None:
        """Keep what a step made, and compare it; what the user can mend becomes its outcome."""
        try:
            made = list(future.result())
        except PellucidError as error:
            self.spoil(step, "failed", str(error))
            return
        for finding in made:
            self.add(step, finding)
        ids = {header.id for header in step.findings}
        for old in step.findings:
            new = again(old, made, ids - {old.id})
            if new is None:
                self.lost.add(step.command)
            for node in self.citing(step, old):
                self.conclude(step, old, new, node)
        self.task.advance()

    def add(self, step: Step, finding: Finding) -> None:
        """Remember a new Finding, once it is kept."""
        self.keep(finding)
        self.made.setdefault(step.command, []).append(finding)

    def citing(self, step: Step, old: Header) -> list[Node | None]:
        """The leaves that cite a Finding; None alone when it is only what evidence was made from."""
        names = step.citing.get(old.id, ())
        return [self.plan.case.nodes[name] for name in names] or [None]

    def conclude(self, step: Step, old: Header, new: Finding | None, node: Node | None) -> None:
        """Compare one old Finding with the new one."""
        element = node.id if node else ""
        if new is None:
            self.report(
                step, Outcome(element, old.id, None, "failed", None, "the command made no such Finding")
            )
            return
        compared = compare(old, new.header, node)
        self.add(step, compared)
        result = RESULTS[compared.status]
        self.report(step, Outcome(element, old.id, new.header, result, compared.header, compared.statement))

    def spoil(self, step: Step, result: Result, reason: str) -> None:
        """Say of all of a step that it was not measured again."""
        self.lost.add(step.command)
        for old in step.findings:
            for node in self.citing(step, old):
                self.report(step, Outcome(node.id if node else "", old.id, None, result, None, reason))
        self.task.advance()

    def report(self, step: Step, outcome: Outcome) -> None:
        """Add an outcome, to the record too."""
        self.outcomes.setdefault(step.command, []).append(outcome)
        if self.record is not None:
            append_record(self.record, _entry(self.plan.case, step, outcome))


def _entry(case: Case, step: Step, outcome: Outcome) -> dict[str, object]:
    return {
        "case": case.name,
        "case_sha256": case.sha256,
        "element": outcome.element,
        "command": step.command,
        "old": outcome.old,
        "new": outcome.new.id if outcome.new else None,
        "rerun": outcome.rerun.id if outcome.rerun else None,
        "result": outcome.result,
        "ran": outcome.new.provenance.started if outcome.new else "",
    }
