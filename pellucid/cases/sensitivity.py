"""Which evidence the verdict hangs on: take each leaf out, flip it, and read the top."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pellucid.cases.evaluation import TOP, background, settle
from pellucid.cases.graph import Graph
from pellucid.cases.kleene import Reading, Value, constant

_TRIALS: tuple[Value, ...] = ("U", "T", "F")


@dataclass(frozen=True)
class Sensitivity:
    """The verdict now, with one leaf as it is, taken out, true, and false."""

    leaf: str
    """Id of the leaf."""
    finding: str | None
    """The Finding that it cites."""
    value: Value
    """Its value now."""
    top: Value
    """The verdict as things are."""
    without: Value
    """The verdict with this evidence removed."""
    if_true: Value
    """The verdict if the leaf were true."""
    if_false: Value
    """The verdict if the leaf were false."""

    @property
    def decides(self) -> bool:
        """Whether the verdict depends on this leaf while all others stay as they are."""
        return len({self.without, self.if_true, self.if_false}) > 1


def knock_outs(graph: Graph, values: Mapping[str, Value]) -> list[Sensitivity]:
    """Take out and flip every leaf, all in one pass with three scenarios for each.

    Rows come with deciding leaves first, then in the order of the file.
    """
    every = (1 << 3 * len(values)) - 1
    base = {name: _tried(value, 3 * index, every) for index, (name, value) in enumerate(values.items())}
    top = settle(graph, base | background(graph, every), every)[TOP]
    rows = [_row(graph, name, values[name], top, 3 * index) for index, name in enumerate(values)]
    return sorted(rows, key=lambda row: not row.decides)


def _tried(value: Value, first: int, every: int) -> Reading:
    usual = constant(value, every & ~(0b111 << first))
    true, false = (1 << first + _TRIALS.index(trial) for trial in ("T", "F"))
    return Reading(usual.true | true, usual.false | false)


def _row(graph: Graph, name: str, value: Value, top: Reading, first: int) -> Sensitivity:
    without, if_true, if_false = (top.at(first + trial) for trial in range(3))
    as_is = {"U": without, "T": if_true, "F": if_false}[value]
    node = graph.nodes[name]
    return Sensitivity(name, node.finding, value, as_is, without, if_true, if_false)
