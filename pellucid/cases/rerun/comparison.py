"""A measurement made again, compared with what it repeats."""

from __future__ import annotations

import math
from dataclasses import asdict

from pellucid.cases.evidence.repetition import RERUN
from pellucid.cases.evidence.tolerance import Tolerance, distance, measures_read
from pellucid.cases.nodes import Node
from pellucid.findings import Finding, Header, Kind, Measure, register, start

RERUN_KIND = register(
    Kind(
        name=RERUN,
        title="A measurement made again",
        statement="Measured again, {within.value} of {within.n} measures agree; the largest distance is "
        "{distance.value}",
        supports="agrees.value >= 1",
        # with other inputs another number is a change of the object, not a failure to repeat
        refutes="agrees.value < 1 and same_inputs.value >= 1",
        stance="observational",
        evidence="behavioural",
        room="cases",
    )
)


def compare(old: Header, new: Header, node: Node | None = None, *, ran: str | None = None) -> Finding:
    """A Finding that says whether a measurement was reproduced.

    It agrees when both are the same Finding, or else when every measure that the leaf's predicates read lies
    within the leaf's ``tolerance``: by default, when the intervals share a point. It supports when it agrees,
    refutes when it does not although model, data, code, settings, seed and parents are the same, and is
    inconclusive when they are not: then the object has changed.

    Args:
        old: what was measured before.
        new: what was measured now.
        node: the leaf that cites it, for its tolerance and predicates; None reads every measure.
        ran: when the new one was measured; None: as it says itself.

    Raises:
        InputError: Y82 when the tolerance cannot be read.
    """
    tolerance = Tolerance.of(node)
    parameters = {
        "element": node.id if node else "",
        "tolerance": asdict(tolerance),
        "ran": new.provenance.started if ran is None else ran,
    }
    record = start(
        compare,
        parameters=parameters,
        subject=new.provenance.subject,
        data=new.provenance.data,
        parents=(old.id, new.id),
    )
    return record.finding(RERUN_KIND, measures=_measures(old, new, node, tolerance))


def _measures(old: Header, new: Header, node: Node | None, tolerance: Tolerance) -> list[Measure]:
    before, after = old.measures, new.measures
    names = measures_read(node, before)
    pairs = [(before[name], after[name]) for name in names if name in before and name in after]
    same = old.id == new.id
    within = len(names) if same else sum(tolerance.within(*pair) for pair in pairs)
    allowed = tolerance.kind != "exact" and new.status != "failed" and within == len(names)
    farthest = max((distance(*pair) for pair in pairs), default=0.0)
    unknown = not same and (len(pairs) < len(names) or not math.isfinite(farthest))
    return [
        Measure.of("agrees", float(same or allowed), n=1),
        Measure.of("within", float(within), n=len(names)),
        Measure.of("distance", 0.0 if same else None if unknown else farthest, better="lower"),
        Measure.of("same_id", float(same), n=1),
        Measure.of("same_inputs", float(same or _inputs(old) == _inputs(new)), n=1),
    ]


def _inputs(header: Header) -> tuple[object, ...]:
    made = header.provenance
    return (
        made.subject,
        made.data,
        made.code,
        made.parameters,
        made.seed,
        made.parents,
        made.device,
        made.dtype,
    )
