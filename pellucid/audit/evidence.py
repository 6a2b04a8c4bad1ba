"""How a step becomes a Finding: measured once, kept as soon as it exists, and not measured again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from torch import nn

from pellucid.compute import SILENT, InProcess, Progress, run_jobs
from pellucid.findings import Array, DataRef, Finding, Kind, Measure, Subject, code_digest, start
from pellucid.findings.record import plain
from pellucid.models import Model, TextData, Tokenizer

if TYPE_CHECKING:
    from pellucid.store import Store


class Measured(NamedTuple):
    """What a step found out, before it is a Finding."""

    measures: Sequence[Measure]
    arrays: Mapping[str, Array]


class Subjects(Protocol):
    """Whom a step speaks of: `Pair`, or `Alone` for a step that needs no reference."""

    @property
    def subject(self) -> Subject:
        """The suspect."""

    def parameters(self) -> dict[str, str]:
        """The other model, by its content."""


@dataclass(frozen=True)
class Session:
    """Where an audit's work runs, who sees how far it is, and where its Findings are kept.

    Example: ``Session(executor=executor(2), store=open_store())``.
    """

    executor: Executor = field(default_factory=InProcess)
    """Where jobs run; results never depend on it."""
    progress: Progress = SILENT
    """Who sees how far the work is."""
    store: Store | None = None
    """Where Findings are kept and looked up; None keeps nothing."""
    command: str = ""
    """The command that runs the audit again, for the Findings' provenance."""

    def map(self, name: str, function: Callable[..., Any], jobs: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Run a function over many arguments; results in the order given."""
        packed = {f"{name} {at}": (function, *map(pack, job)) for at, job in enumerate(jobs)}
        results = run_jobs(run_packed, packed, executor=self.executor, progress=self.progress, name=name)
        return list(results.values())


@dataclass(frozen=True)
class Packed:
    """What of a model travels to another process; there it is opened again."""

    module: nn.Module
    id: str
    tokenizer: Tokenizer


def pack(argument: Any) -> Any:
    """An argument as it travels."""
    if isinstance(argument, Model):
        return Packed(argument.module, argument.id, argument.tokenizer)
    return argument


def unpack(argument: Any) -> Any:
    """An argument as the function takes it."""
    if isinstance(argument, Packed):
        return Model(argument.module, id=argument.id, tokenizer=argument.tokenizer)
    return argument


def run_packed(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function where its arguments have arrived."""
    return function(*map(unpack, arguments))


ALONE = Session()
"""In this process, silently, keeping nothing."""


def measured(
    kind: Kind,
    method: Callable[..., Any],
    subjects: Subjects,
    *,
    text: TextData | None,
    settings: Mapping[str, Any],
    seed: int | None,
    session: Session,
    compute: Callable[[], Measured],
    parents: Sequence[Finding] = (),
) -> Finding:
    """The Finding of one step: from the store when it was measured before, else measured now and kept.

    Two measurements are the same when method and its code, subject, reference, settings, text and parents
    are.

    Args:
        kind: What is found.
        method: The public function that finds it.
        subjects: The suspect and, if the step compares, its reference.
        text: The text it reads, if any.
        settings: What the step was told.
        seed: Its seed.
        session: Where the work runs and is kept.
        compute: The measurement itself.
        parents: Findings it rests on.
    """
    parameters = dict(plain({**subjects.parameters(), **settings}))
    above = tuple(finding.id for finding in parents)
    data = None if text is None else DataRef(id=f"sha256:{text.sha256[:12]}", sha256=text.sha256)
    code = code_digest(f"{method.__module__}.{method.__qualname__}")
    wanted = Wanted(kind.name, subjects.subject, data, parameters, seed, above, code)
    known = wanted.stored(session.store)
    if known is not None:
        return known
    record = start(
        method,
        given=parameters,
        parameters=parameters,
        subject=subjects.subject,
        data=data,
        seed=seed,
        parents=above,
        command=session.command,
    )
    result = compute()
    finding = record.finding(kind, measures=list(result.measures), arrays=dict(result.arrays))
    if session.store is not None:
        session.store.put(finding)
    return finding


@dataclass(frozen=True)
class Wanted:
    """What a stored Finding must speak of to be taken over."""

    kind: str
    subject: Subject
    data: DataRef | None
    parameters: Mapping[str, Any]
    seed: int | None
    parents: tuple[str, ...]
    code: str

    def stored(self, store: Store | None) -> Finding | None:
        """The newest stored Finding of the same measurement, unless it was retracted."""
        if store is None:
            return None
        headers = store.find(kind=self.kind, subject=self.subject.sha256)
        match = next((header for header in headers if not header.retracted and self.fits(header)), None)
        return None if match is None else store.get(match.id)

    def fits(self, header: Any) -> bool:
        """Whether a header is of the same measurement."""
        made = header.provenance
        data = None if self.data is None else self.data.sha256
        return (
            made.code.digest == self.code
            and made.subject.sha256 == self.subject.sha256
            and (None if made.data is None else made.data.sha256) == data
            and made.parameters == self.parameters
            and made.seed == self.seed
            and tuple(made.parents) == self.parents
        )
