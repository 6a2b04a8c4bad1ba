"""A measurement under way: its provenance is taken when it starts, its Finding is made when it ends."""

from __future__ import annotations

import dataclasses
import inspect
import math
import platform
import re
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.findings import payload
from pellucid.findings.arrays import Array
from pellucid.findings.digest import digest_of
from pellucid.findings.errors import InputError
from pellucid.findings.finding import Finding, now
from pellucid.findings.header import Code, DataRef, Header, Provenance, Status, Subject
from pellucid.findings.kinds import Kind
from pellucid.findings.measures import Measure
from pellucid.findings.statement import fill

PACKAGES = ("pellucid", "torch", "numpy", "scipy", "transformers", "numba")
ADDRESS = re.compile(r"\bat 0x[0-9a-fA-F]+")


@dataclasses.dataclass(frozen=True)
class Record:
    """What is known before the numbers are."""

    provenance: Provenance
    clock: float

    def finding(
        self,
        kind: Kind,
        *,
        measures: Sequence[Measure],
        arrays: Mapping[str, Array] | None = None,
        status: Status | None = None,
    ) -> Finding:
        """The Finding of this measurement; ``status`` is computed by the kind unless it failed outright.

        Only the views whose array was measured are kept, so that a failed measurement can be shown too.
        """
        arrays = dict(arrays or {})
        by_name = named(measures)
        seconds = round(time.perf_counter() - self.clock, 3)
        header = Header.model_validate(
            {
                "kind": kind.name,
                "title": kind.title,
                "room": kind.room or kind.name.split(".")[0],
                "template": kind.statement,
                "statement": fill(kind.statement, by_name),
                "stance": kind.stance,
                "evidence": kind.evidence,
                "supports": kind.supports,
                "refutes": kind.refutes,
                "measures": tuple(measures),
                "views": tuple(view for view in kind.views if view.array in arrays),
                "arrays": {name: array.axes for name, array in sorted(arrays.items())},
                "payload": payload.digest(payload.flatten(arrays)),
                "status": status or kind.status(by_name),
                "provenance": self.provenance.model_copy(update={"seconds": seconds}),
            }
        )
        return Finding(header.model_copy(update={"id": header.identity()}), arrays)


def start(
    method: Callable[..., Any],
    *,
    given: Mapping[str, Any] | None = None,
    parameters: Any = None,
    subject: Subject | None = None,
    data: DataRef | None = None,
    seed: int | None = None,
    device: str = "cpu",
    dtype: str = "float32",
    parents: Sequence[str] = (),
    command: str = "",
    started: str = "",
) -> Record:
    """Begin a measurement: take the clock, the code digest, the commit and the package versions.

    ``started`` is given for what ran earlier and elsewhere, as an evaluation whose log is read: its evidence
    is as old as the run, not as the reading.
    """
    path = f"{method.__module__}.{method.__qualname__}"
    provenance = Provenance(
        method=path,
        given=plain(given or {}),
        parameters=plain(parameters or {}),
        subject=subject,
        data=data,
        code=Code(method=path, digest=digest_of(method)),
        seed=seed,
        device=device,
        dtype=dtype,
        parents=tuple(parents),
        packages=versions(),
        commit=commit(),
        host=platform.node(),
        started=started or now(),
        command=command,
    )
    return Record(provenance, time.perf_counter())


def named(measures: Sequence[Measure]) -> dict[str, Measure]:
    """Measures by name; InputError FN14 when two share one."""
    by_name = {measure.name: measure for measure in measures}
    if len(by_name) < len(measures):
        names = [measure.name for measure in measures]
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError("FN14", f"Two measures are named {twice!r}.", "Give each measure its own name.")
    return by_name


def plain(value: Any) -> Any:
    """Settings as plain data: dataclasses become mappings, paths and functions names, the rest text."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        items = [plain(item) for item in value]
        return sorted(items, key=str) if isinstance(value, set | frozenset) else items
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic | np.ndarray):
        return plain(value.tolist())
    if isinstance(value, Path):
        return value.name
    if inspect.isroutine(value) or inspect.isclass(value):
        return f"{value.__module__}.{value.__qualname__}"
    return described(value)


def described(value: object) -> str:
    """A setting as text; InputError FN16 when its text is a memory address, which no second run repeats."""
    text = str(value)
    if ADDRESS.search(text):
        raise InputError(
            "FN16",
            f"A setting of type {type(value).__name__} has no text that a second run would repeat.",
            "Record a name, a number or a frozen dataclass in its place.",
        )
    return text


@cache
def versions() -> dict[str, str]:
    """Versions of the packages that numbers may depend on."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


@cache
def commit() -> str:
    """The commit of the source tree, or nothing without git or outside a checkout."""
    source = Path(__file__)
    # naming this file as well refuses a checkout that merely surrounds the environment we are installed in
    ask = ["git", "rev-parse", "HEAD", f"HEAD:./{source.name}"]
    try:
        done = subprocess.run(ask, cwd=source.parent, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.split()[0] if done.returncode == 0 else ""
