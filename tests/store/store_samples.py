"""Small findings for the store's tests, made the same way in every process."""

from __future__ import annotations

import numpy as np

from pellucid.findings import Array, Finding, Kind, Measure, Subject, start
from pellucid.findings.statistics import wilson

SHA = {"a": "a1" * 32, "b": "b2" * 32}


def kind(name: str = "tests.sample", statement: str = "Sample {number.value} reached {score.value}") -> Kind:
    return Kind(
        name=name, title="A sample", statement=statement, supports="score > 0.5", refutes="score < 0.1"
    )


def sample(
    number: int, *, score: float = 0.7, model: str = "a", of: Kind | None = None, size: int = 4
) -> Finding:
    """A finding told apart by its number."""
    record = start(
        wilson, parameters={"number": number}, subject=Subject(id=f"model-{model}", sha256=SHA[model]), seed=0
    )
    return record.finding(
        of or kind(),
        measures=[Measure.of("number", number), Measure.of("score", score)],
        arrays={"values": Array(np.arange(size, dtype=float) + number, ("pos",))},
    )


READY = sample(0)  # what is looked up once a process is known to every process forked from here


def write_until_killed(url: str, first: int, count: int, channel) -> None:
    """Put findings one after the other and say each id once ``put`` has returned."""
    from pellucid.store import open_store

    channel.send("begin")
    with open_store(url) as store:
        for number in range(first, first + count):
            channel.send(store.put(sample(number)))
    channel.close()
