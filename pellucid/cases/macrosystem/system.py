"""The objects of the six steps: a decision, subsystems, outcomes, threats, infractions, interactions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

from pellucid.cases.macrosystem.composition import any_of_instances
from pellucid.findings import InputError, MissingError, did_you_mean

if TYPE_CHECKING:
    from pellucid.cases.case import Case
    from pellucid.findings import Finding

Probability = float | Fraction
Mode = Literal["independent", "correlated", "colluding"]


@dataclass(frozen=True)
class Subsystem:
    """A part that can be judged alone: a model with its scaffold, a monitor, a team of humans."""

    id: str
    """Its name."""
    text: str = ""
    """What it is and does."""
    instances: int = 1
    """How many of it run in the window."""


@dataclass(frozen=True)
class Outcome:
    """Damage that must not happen."""

    id: str
    """Its name."""
    text: str
    """What would have happened."""
    tolerated_probability: Probability
    """How probable it may be within the window."""


@dataclass(frozen=True)
class Infraction:
    """A subsystem does what its own safety case excludes; not yet damage."""

    id: str
    """Its name."""
    subsystem: str
    """Who commits it."""
    text: str
    """What it does."""
    probability: Probability
    """How probable it is for one instance within the window."""
    posterior: tuple[float, float] | None = None
    """Beta posterior of that probability, which its instances then share; it replaces ``probability``."""
    finding: str | None = None
    """The Finding that measured it."""
    predicate: str | None = None
    """What the Finding must show."""


@dataclass(frozen=True)
class ThreatModel:
    """How infractions lead to an outcome."""

    text: str
    """The way it goes."""
    outcome: str
    """Where it leads."""
    infractions: tuple[str, ...]
    """What it needs."""
    need: str = "any"
    """How many of them: ``any``, ``all`` (a layered defence of which every layer fails) or a number."""

    @property
    def needed(self) -> int:
        """How many of the infractions must happen."""
        words = {"any": 1, "all": len(self.infractions)}
        return words.get(self.need, int(self.need) if self.need.isascii() and self.need.isdigit() else 0)


@dataclass(frozen=True)
class Interaction:
    """How infractions of several subsystems depend on each other."""

    subsystems: tuple[str, ...]
    """Who interacts."""
    mode: Mode
    """Independent; correlated by a common cause (same data, same weights); or colluding: together or not."""
    beta: Probability = 0.1
    """When correlated, the share of each failure that has the common cause."""


@dataclass(frozen=True)
class Macrosystem:
    """All that is deployed, with the decision to be argued for.

    Example:
        >>> guard = Subsystem("guard", "reads what the agent writes")
        >>> system = Macrosystem(
        ...     "deploy the agent", "one year", (Subsystem("agent"), guard),
        ...     outcomes=(Outcome("leak", "the weights leave", 0.01),),
        ...     infractions=(Infraction("steals", "agent", "copies its weights", 0.02),
        ...                  Infraction("misses", "guard", "overlooks it", 0.1)),
        ...     threat_models=(ThreatModel("unseen theft", "leak", ("steals", "misses"), "all"),),
        ... )
        >>> round(system.assess().measures["independent"].value, 4)
        0.002

    Source: Clymer et al. 2024, arXiv 2403.10462, the six steps of section 3.
    """

    decision: str
    """What is to be decided."""
    window: str
    """For which time."""
    subsystems: tuple[Subsystem, ...]
    """What it consists of."""
    infrastructure: str = ""
    """What it runs on, and who has access."""
    oversight: str = ""
    """Who watches it, and what they may do."""
    outcomes: tuple[Outcome, ...] = ()
    """What must not happen."""
    assumptions: tuple[str, ...] = ()
    """What is assumed of users, security and infrastructure."""
    infractions: tuple[Infraction, ...] = ()
    """What subsystems might do."""
    threat_models: tuple[ThreatModel, ...] = ()
    """How that leads to outcomes."""
    interactions: tuple[Interaction, ...] = ()
    """How their failures depend on each other."""

    def __post_init__(self) -> None:
        for what, items in (
            ("subsystem", self.subsystems),
            ("outcome", self.outcomes),
            ("threat model", self.threat_models),
        ):
            if not items:
                problem = f"The macrosystem names no {what}, so its case would hold of nothing."
                raise InputError("Y76", problem, f"Name each {what} that matters for the decision.")
        for what, ids in (
            ("subsystems", self.subsystems),
            ("outcomes", self.outcomes),
            ("infractions", self.infractions),
        ):
            _once(what, [each.id for each in ids])
        self._known("subsystem", [each.subsystem for each in self.infractions], self.subsystems)
        self._known("outcome", [each.outcome for each in self.threat_models], self.outcomes)
        self._known(
            "infraction", [name for each in self.threat_models for name in each.infractions], self.infractions
        )
        self._known(
            "subsystem", [name for each in self.interactions for name in each.subsystems], self.subsystems
        )
        self._check_numbers()

    def _known(
        self, what: str, names: Iterable[str], known: Iterable[Subsystem | Outcome | Infraction]
    ) -> None:
        ids = [each.id for each in known]
        for name in names:
            if name not in ids:
                hint = did_you_mean(name, ids) or f"It has {', '.join(ids) or 'none'}."
                raise MissingError("Y76", f"The macrosystem has no {what} '{name}'.", hint)

    def _check_numbers(self) -> None:
        shares = [
            *(each.tolerated_probability for each in self.outcomes),
            *(each.beta for each in self.interactions),
        ]
        for share in [*shares, *(each.probability for each in self.infractions)]:
            if not 0 <= share <= 1:
                raise InputError("Y70", f"{share} is not a probability.", "Give a number from 0 to 1.")
        for each in self.threat_models:
            if not 1 <= each.needed <= len(each.infractions):
                problem = f"The threat model '{each.text}' needs {each.need} of {len(each.infractions)}."
                raise InputError("Y76", problem, "Write any, all, or how many of them must happen.")
        named = {each.outcome for each in self.threat_models}
        for outcome in self.outcomes:
            if outcome.id not in named:
                problem = f"No threat model leads to the outcome '{outcome.id}'."
                raise InputError(
                    "Y76", problem, "Say how it could happen; a way nobody thought of has no probability 0."
                )

    def infraction(self, name: str) -> Infraction:
        """One infraction by its id."""
        return next(each for each in self.infractions if each.id == name)

    def probability(self, infraction: Infraction) -> Probability:
        """That at least one instance of its subsystem commits an infraction within the window."""
        subsystem = next(each for each in self.subsystems if each.id == infraction.subsystem)
        found: Probability = any_of_instances(
            infraction.probability, subsystem.instances, posterior=infraction.posterior
        )
        return found

    def assess(self, *, command: str = "") -> Finding:
        """The probability of every outcome under each composition, against what is tolerated."""
        from pellucid.cases.macrosystem.assessment import assess

        return assess(self, command=command)

    def case(self, risk: str | None = None) -> Case:
        """The six steps as an argument, ready for evidence.

        Args:
            risk: id of the Finding of ``assess`` that step six cites.
        """
        from pellucid.cases.macrosystem.argument import six_steps

        return six_steps(self, risk)


def _once(what: str, ids: list[str]) -> None:
    for name in ids:
        if ids.count(name) > 1:
            raise InputError("Y76", f"Two {what} are named '{name}'.", "Give each a name of its own.")
