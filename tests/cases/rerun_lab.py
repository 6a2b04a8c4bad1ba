"""A laboratory in memory: models, texts, and measurements made from them and from each other by commands."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from pellucid.cases import Case, Node
from pellucid.cases.evaluation.verdict import Verdict, judge
from pellucid.cases.evidence.evidence import Evidence
from pellucid.cases.rerun import Plan, Step, plan
from pellucid.findings import DataRef, Finding, Header, InputError, Kind, Measure, Subject, start

KIND = Kind(
    name="test.lab",
    title="A measurement of the laboratory",
    statement="the score is {score.value}",
    stance="observational",
    evidence="behavioural",
    room="cases",
)
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Recipe:
    """How one measurement is made."""

    name: str
    model: str
    text: str
    parents: tuple[str, ...] = ()
    command: str = ""


@dataclass
class Lab:
    """What exists now, what has been measured, and which commands were run."""

    recipes: dict[str, Recipe]
    weights: dict[str, bytes] = field(default_factory=dict)
    texts: dict[str, bytes] = field(default_factory=dict)
    held: dict[str, Finding] = field(default_factory=dict)
    current: dict[str, str] = field(default_factory=dict)
    ran: list[str] = field(default_factory=list)
    noise: float = 0.0
    clock: datetime = NOON

    @staticmethod
    def of(recipes: Iterable[Recipe]) -> Lab:
        """A laboratory in which every model is clean, and everything has been measured once."""
        lab = Lab({recipe.name: recipe for recipe in recipes})
        for recipe in lab.recipes.values():
            lab.weights.setdefault(recipe.model, f"clean {recipe.model}".encode())
            lab.texts.setdefault(recipe.text, f"a text called {recipe.text}".encode())
        for name in lab.recipes:
            lab.add(lab.measure(name))
            lab.current[name] = list(lab.held)[-1]
        return lab

    def measure(self, name: str) -> Finding:
        """Measure: 1 for weights that begin with "clean", else 0; noise is added."""
        recipe = self.recipes[name]
        record = start(
            Lab.of,
            parameters={"part": name},
            subject=Subject(id=recipe.model, sha256=sha256(self.weights[recipe.model])),
            data=DataRef(id=recipe.text, sha256=sha256(self.texts[recipe.text])),
            parents=[self.current[parent] for parent in recipe.parents],
            seed=0,
            command=recipe.command,
        )
        score = float(self.weights[recipe.model].startswith(b"clean")) + self.noise
        made = record.finding(KIND, measures=[Measure(name="score", value=score, low=score, high=score)])
        return Finding(at_time(made.header, self.clock), {})

    def add(self, finding: Finding) -> None:
        """Keep a Finding as a store does: what is there already stays as it was."""
        self.held.setdefault(finding.id, finding)

    def run(self, step: Step) -> list[Finding]:
        """Run a command: make again what its recipes say, in order, from what is current."""
        self.ran.append(step.command)
        made = []
        for recipe in self.recipes.values():
            if recipe.command == step.command:
                made.append(self.measure(recipe.name))
                self.current[recipe.name] = made[-1].id
        if not made:
            raise InputError("T00", f"No recipe for {step.command}.", "")
        return made

    @property
    def present(self) -> dict[str, str]:
        """Digests of what exists now."""
        models = {f"model:{name}": sha256(data) for name, data in self.weights.items()}
        return models | {f"data:{name}": sha256(data) for name, data in self.texts.items()}

    @property
    def reruns(self) -> list[Header]:
        """The comparisons kept so far."""
        return [kept.header for kept in self.held.values() if kept.kind == "cases.rerun"]

    def plan(self, case: Case, **options: object) -> Plan:
        """What must be measured again now."""
        return plan(case, self.held, self.present, self.clock, reruns=self.reruns, **options)  # type: ignore[arg-type]

    def verdict(self, case: Case) -> Verdict:
        """The verdict now."""
        evidence = Evidence.of(
            case.graph, self.held, self.present, at=self.clock, reruns=self.reruns, modules=case.modules
        )
        return judge(case.graph, evidence)

    def case(self, cited: Iterable[str] | None = None, **layers: str) -> Case:
        """A case whose leaves cite what is current: one leaf a recipe."""
        names = list(self.recipes if cited is None else cited)
        nodes = [
            Node(f"Sn-{name}").having(finding=self.current[name], predicate="score.low >= 1", **layers)
            for name in names
        ]
        return Case.of([Node("G1", supported_by=tuple(node.id for node in nodes)), *nodes])


def at_time(header: Header, time: datetime) -> Header:
    """The same header, started at another time."""
    provenance = header.provenance.model_copy(update={"started": time.isoformat()})
    return header.model_copy(update={"provenance": provenance})


def sha256(data: bytes) -> str:
    """Digest of some bytes."""
    return hashlib.sha256(data).hexdigest()


def flip(data: bytes, place: int) -> bytes:
    """The same bytes but for one."""
    changed = bytearray(data)
    changed[place] ^= 1
    return bytes(changed)


def later(**span: float) -> datetime:
    """A time after noon."""
    return NOON + timedelta(**span)


def random_lab(seed: int, size: int = 30) -> Lab:
    """Measurements with up to two parents among earlier ones; about three share each command."""
    draw = random.Random(seed)
    recipes = []
    for index in range(size):
        earlier = [f"m{one}" for one in range(index)]
        recipes.append(
            Recipe(
                f"m{index}",
                draw.choice(["organism:a", "organism:b", "organism:c"]),
                draw.choice(["x.txt", "y.txt"]),
                tuple(sorted(draw.sample(earlier, min(len(earlier), draw.choice([0, 0, 1, 2]))))),
                f"pellucid measure {index // 3}",
            )
        )
    return Lab.of(recipes)


def descendants(lab: Lab, names: set[str]) -> set[str]:
    """Measurements made from some, directly or not, those included; by the recipes."""
    found = set(names)
    while more := {r.name for r in lab.recipes.values() if found & set(r.parents)} - found:
        found |= more
    return found
