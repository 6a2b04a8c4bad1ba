"""Claims C1 to C3 of the scheming paper: what its example, its structure and its rare defector amount to.

They are properties of the argument, not of any model: the arithmetic of the worked example, what becomes of
the top claim when a core argument is taken away, how often a rare defector passes a row of honeypots.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from pellucid.cases import Case, template
from pellucid.cases.confidence.control import WORKED_EXAMPLE, honeypot_stress
from pellucid.cases.evaluation.kleene import Value, constant
from pellucid.cases.evaluation.operator import TOP, background, carries_own_value, settle
from pellucid.findings import Array, Finding, Kind, Measure, Reference, View, clopper_pearson, register, start

CORE = ("G1", "G2", "G3")
SYSTEMS, HONEYPOTS, RATE = 1000, 1000, 1e-4
COMMAND = "pellucid study run scheming"

EXAMPLE = register(
    Kind(
        name="library.worked_example",
        title="The worked example of a control case",
        statement="After the monitor and the human, {percent.value} of the attacks of the invented example "
        "succeed: exactly {numerator.value}/{denominator.value}",
        supports="numerator.value == 299 and denominator.value == 40000",
        refutes="numerator.value != 299 or denominator.value != 40000",
        stance="observational",
        evidence="formal",
        room="library",
    )
)
STRUCTURE = register(
    Kind(
        name="library.core_arguments",
        title="What the top claim of a scheming case hangs on",
        statement="{alone.value} of {alone.n} core arguments carry the top alone; with the one that carried "
        "taken away, and with alignment alone, the top is open in {opened.value} of {opened.n} cases",
        supports="alone.value >= 3 and opened.value >= 3",
        refutes="opened.value < 3",
        views=(
            View(
                form="table",
                array="top",
                title="The top claim by the core argument that is supported: 1 stands, 0 is open",
                x="supported",
                y="value",
            ),
        ),
        stance="interventional",
        evidence="formal",
        room="library",
    )
)
RARE = register(
    Kind(
        name="library.rare_defector",
        title="A rare defector passes a long row of honeypots",
        statement="Of {passed.n} simulated systems that defect once in 10 000 uses, {passed.percent} pass "
        "{honeypots.value} honeypots clean; the formula says {formula.percent}",
        supports="passed.low <= 0.9048329 and passed.high >= 0.9048328",
        refutes="passed.low > 0.9048329 or passed.high < 0.9048328",
        stance="interventional",
        evidence="formal",
        room="library",
    )
)


def argued(seeds: tuple[int, ...]) -> Iterator[Finding]:
    """The example and the structure, and the rare defector for each seed."""
    yield worked_example()
    yield core_arguments()
    for seed in seeds:
        yield rare_defector(seed)


def worked_example() -> Finding:
    """The arithmetic of the paper's invented example, in fractions."""
    record = start(worked_example, parameters={"claim": "scheming.C1"}, command=COMMAND)
    left = WORKED_EXAMPLE.residual
    published = Reference(value=0.7475, source="Balesni et al. 2024, worked example")
    return record.finding(
        EXAMPLE,
        measures=[
            Measure.of("percent", float(100 * left), unit="%", reference=published),
            Measure.of("numerator", left.numerator),
            Measure.of("denominator", left.denominator),
        ],
    )


def core_arguments() -> Finding:
    """The scheming case with evidence for one core argument at a time, and with that one taken away."""
    record = start(core_arguments, parameters={"claim": "scheming.C2"}, command=COMMAND)
    chosen = template("scheming")
    case = chosen.instantiate(chosen.example)
    own = {core: evidence_of(case, core) for core in CORE}
    every = frozenset().union(*own.values())
    alone = {core: top_without(case, every - own[core]) for core in CORE}
    removed = [top_without(case, (every - own[core]) | own[core]) for core in CORE]
    values = [float(alone[core] == "T") for core in CORE] + [float(removed[0] == "T")]
    return record.finding(
        STRUCTURE,
        measures=[
            Measure.of("alone", float(sum(value == "T" for value in alone.values())), n=len(CORE)),
            Measure.of("opened", float(sum(value == "U" for value in removed)), n=len(CORE)),
        ],
        arrays={"top": Array(np.array(values), ("supported",), {"supported": [*CORE, "alignment only"]})},
    )


def evidence_of(case: Case, core: str) -> frozenset[str]:
    """The leaves that belong to one core argument and to no other part of the case."""
    others = (reached(case, other) for other in (*CORE, "G4") if other != core)
    own = reached(case, core).difference(*others)
    return frozenset(name for name in own if case.nodes[name].layer("slot"))


def reached(case: Case, part: str) -> frozenset[str]:
    """Everything under the copies of one goal of the template."""
    starts = [name for name in case.nodes if name.split("_")[0] == part]
    return case.graph.reach(starts, case.graph.depends)


def top_without(case: Case, absent: frozenset[str]) -> Value:
    """The value of the top when the leaves named have no evidence, and all others are true."""
    values = {
        name: leaf_value(case, name, absent) for name in case.nodes if carries_own_value(case.graph, name)
    }
    base = {name: constant(value, 1) for name, value in values.items()} | background(case.graph, 1)
    return settle(case.graph, base, 1)[TOP].at(0)


def leaf_value(case: Case, name: str, absent: frozenset[str]) -> Value:
    """True for evidence at hand and for what a reviewer accepts; a doubt without evidence is open."""
    node = case.nodes[name]
    given = node.layer("slot") is not None or (node.kind is not None and node.kind.spoken == "assumption")
    return "T" if given and name not in absent else "U"


def rare_defector(seed: int) -> Finding:
    """Let simulated systems that defect rarely go through honeypots, and count who passes."""
    settings: Mapping[str, object] = {"systems": SYSTEMS, "honeypots": HONEYPOTS, "rate": RATE}
    record = start(rare_defector, parameters={"claim": "scheming.C3", **settings}, seed=seed, command=COMMAND)
    failures = np.random.default_rng(seed).binomial(HONEYPOTS, RATE, SYSTEMS)
    clean = int((failures == 0).sum())
    stress = honeypot_stress(HONEYPOTS, rate=RATE)
    return record.finding(
        RARE,
        measures=[
            Measure.of("passed", clopper_pearson(clean, SYSTEMS, level=0.9999), unit="share of systems"),
            Measure.of("formula", stress.passes),
            Measure.of("honeypots", float(HONEYPOTS)),
            Measure.of("upper_if_clean", stress.upper_if_clean, unit="defections per use"),
        ],
    )
