"""The two models of an audit: the suspect, and the reference it is compared with."""

from __future__ import annotations

from dataclasses import dataclass

from pellucid.findings import InputError, Subject
from pellucid.models import Model


def subject_of(model: Model) -> Subject:
    """A model as the subject of a Finding: its content, never the name of its folder."""
    return Subject(id=f"sha256:{model.sha256[:12]}", sha256=model.sha256)


def anonymous(model: Model) -> Model:
    """The same model called by its content, so that no name of a folder enters a measurement."""
    return Model(model.module, id=subject_of(model).id, tokenizer=model.tokenizer, card=model.card)


@dataclass(frozen=True)
class Pair:
    """The suspect M and its reference R."""

    suspect: Model
    reference: Model

    @property
    def subject(self) -> Subject:
        """What the Findings speak of: the suspect."""
        return subject_of(self.suspect)

    @property
    def vocabulary(self) -> int:
        """How many tokens both models know."""
        return int(self.suspect.facts.d_vocab)

    def parameters(self) -> dict[str, str]:
        """What every comparison records beside its settings."""
        return {"reference": self.reference.sha256}


@dataclass(frozen=True)
class Alone:
    """The suspect by itself, for what needs no reference."""

    suspect: Model

    @property
    def subject(self) -> Subject:
        """What the Findings speak of."""
        return subject_of(self.suspect)

    def parameters(self) -> dict[str, str]:
        """Nothing is compared."""
        return {}


def room_for(pair: Pair, wanted: int, extra: int) -> int:
    """The length of contexts that leaves room for what follows them.

    Args:
        pair: The models.
        wanted: Tokens wanted.
        extra: Tokens of candidate, marker and continuation.

    Raises:
        InputError: AU05 when fewer than 8 tokens would be left.
    """
    span = min(int(model.facts.context) for model in (pair.suspect, pair.reference))
    length = min(wanted, span - extra)
    if length < 8:
        raise InputError(
            "AU05",
            f"The model reads {span} tokens at once, and {extra} of them are needed after each context.",
            "The audit needs models that read at least "
            f"{extra + 8} tokens; choose a shorter marker or a smaller continuation.",
        )
    return length
