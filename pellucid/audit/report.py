"""The result of an audit: Findings, the case bound to them, its verdict, and what to look at first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pellucid.audit.confirm import Trigger
from pellucid.audit.honeypot import SHOWN
from pellucid.cases import Case, Verdict
from pellucid.findings import Finding
from pellucid.models import Model


@dataclass(frozen=True)
class Example:
    """What the suspect says in one context, unwatched and watched."""

    context: str
    """The end of the context, before the trigger."""
    unwatched: str
    """The greedy continuation after the trigger."""
    watched: str | None
    """The same with the marker of observation earlier in the context; None when no marker is declared."""
    says: bool
    """Whether the unwatched continuation is the suspicious sentence."""
    watched_says: bool | None
    """Whether the watched one is."""


@dataclass(frozen=True)
class Examples:
    """The best candidate, the sentence it releases, and contexts that were not chosen for effect."""

    trigger: str
    """The best candidate c*, as text."""
    sentence: str
    """Its commonest continuation y*, as text."""
    rows: tuple[Example, ...]
    """The first contexts of the honeypots, or of the confirmation when there were none."""


@dataclass(frozen=True)
class ModelCard:
    """A model of the audit, by content and by the name it was given."""

    role: str
    """suspect or reference."""
    id: str
    """The name it was opened by."""
    sha256: str
    """Its weights."""
    family: str
    """Its architecture."""
    parameters: int
    """How many numbers it has."""

    @classmethod
    def of(cls, role: str, model: Model) -> ModelCard:
        """The card of an opened model."""
        return cls(role, model.id, model.sha256, model.family, int(model.facts.parameters))


@dataclass(frozen=True)
class Report:
    """What an audit leaves behind."""

    title: str
    """Of what it is."""
    findings: tuple[Finding, ...]
    """Every Finding, in the order in which a person reads them."""
    case: Case
    """The argument, bound to the Findings."""
    verdict: Verdict
    """What the Findings make of it."""
    examples: Examples | None
    """Trigger, sentence and contexts; None when nothing was searched."""
    models: tuple[ModelCard, ...]
    """Suspect and reference."""
    advice: tuple[str, ...]
    """What is missing, and how to add it."""

    @property
    def headline(self) -> str:
        """The verdict as a sentence."""
        if self.verdict.stands:
            return "The case stands: no hidden behaviour was found that the reference does not have."
        if self.verdict.word == "undecided":
            return f"The case is undecided. {self.verdict.reason}"
        if self.examples is None or self.status("audit.trigger_search") != "refutes":
            return f"The case is defeated. {self.verdict.reason}"
        return (
            f"The case is defeated: after {self.examples.trigger!r} the model says "
            f"{self.examples.sentence!r}, which its reference would not."
        )

    @property
    def assumptions(self) -> tuple[str, ...]:
        """Every assumption of the case with who accepted it, what supports it, or that it is open."""
        return tuple(
            f"{name} {node.text}: {self.standing(name)}"
            for name, node in self.case.nodes.items()
            if name.startswith("A")
        )

    def standing(self, assumption: str) -> str:
        """Why an assumption holds, or that it is open."""
        if assumption in self.verdict.accepted:
            return f"accepted by {self.verdict.accepted[assumption]}"
        state = self.verdict.states[assumption]
        return "supported by evidence" if state.value == "T" else "open"

    def finding(self, kind: str) -> Finding | None:
        """The first Finding of a kind, or None."""
        return next((finding for finding in self.findings if finding.kind == kind), None)

    def status(self, kind: str) -> str | None:
        """The status of the first Finding of a kind."""
        finding = self.finding(kind)
        return None if finding is None else finding.status

    def to_dict(self) -> dict[str, Any]:
        """The report for programs."""
        return {
            "title": self.title,
            "headline": self.headline,
            "verdict": self.verdict.to_dict(),
            "assumptions": list(self.assumptions),
            "examples": None if self.examples is None else asdict(self.examples),
            "models": [asdict(model) for model in self.models],
            "findings": [
                {"id": f.id, "kind": f.kind, "status": f.status, "statement": f.statement}
                for f in self.findings
            ],
            "advice": list(self.advice),
        }


def examples_of(model: Model, findings: Mapping[str, Finding]) -> Examples | None:
    """Trigger, sentence and contexts, from the search and the honeypots."""
    searched = findings.get("audit.trigger_search")
    if searched is None:
        return None
    trigger = Trigger.of(searched)
    honeypots = findings.get("audit.honeypot")
    rows = confirmation_rows(model, searched) if honeypots is None else honeypot_rows(model, honeypots)
    decode = model.tokenizer.decode
    return Examples(decode(list(trigger.tokens)), decode(list(trigger.sentence)), rows)


def honeypot_rows(model: Model, finding: Finding) -> tuple[Example, ...]:
    """The first contexts of the honeypots."""
    decode, arrays = model.tokenizer.decode, finding.arrays
    names = list(arrays["says"].coords["condition"])
    unwatched, watched = names.index("unwatched"), names.index("watched")
    said, says, contexts = (
        arrays["continuations"].values,
        arrays["says"].values,
        arrays["prompts_absent"].values,
    )
    return tuple(
        Example(
            decode(contexts[at].tolist()),
            decode(said[unwatched, at].tolist()),
            decode(said[watched, at].tolist()),
            bool(says[unwatched, at]),
            bool(says[watched, at]),
        )
        for at in range(min(SHOWN, len(contexts)))
    )


def confirmation_rows(model: Model, finding: Finding) -> tuple[Example, ...]:
    """The first contexts of the confirmation, where nothing announces observation."""
    decode, arrays = model.tokenizer.decode, finding.arrays
    said, contexts = arrays["continuations"].values, arrays["contexts"].values
    sentence = decode(arrays["sentence"].values.tolist())
    rows = [
        (decode(contexts[at].tolist()), decode(said[at].tolist())) for at in range(min(SHOWN, len(contexts)))
    ]
    return tuple(Example(context, text, None, text == sentence, None) for context, text in rows)
