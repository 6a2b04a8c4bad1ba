"""A dictionary brought into the convention of a format, or refused with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pellucid.dictionaries.dictionary import Dictionary
from pellucid.dictionaries.formats.conversion import (
    as_jumprelu,
    fold_scale,
    fold_subtraction,
    in_units_of_h,
)
from pellucid.dictionaries.formats.draft import cannot_write


@dataclass(frozen=True)
class Holds:
    """What a format can express."""

    format: str
    """Its name."""
    gates: tuple[str, ...]
    """Its gates."""
    subtract: Literal["none", "b_dec"]
    """What it always subtracts from its input."""
    transcoder: bool = False
    """Whether input and output may differ."""
    skip: bool = False
    """Whether it has a linear path from input to output."""


def fitted(dictionary: Dictionary, holds: Holds) -> Dictionary:
    """The same function in weights and a record that a format has.

    Scales are folded, codes come in units of h, and what is subtracted goes into the encoder's biases.

    Arguments:
        dictionary: what is to be written.
        holds: what the format can express.

    Raises:
        InputError: DI84 for what it cannot, DI28 for a choice that other lengths of decoder rows change.
    """
    refuse_paths(dictionary, holds)
    fit = gated_as(fold_scale(dictionary, "scaled"), holds)
    return fold_subtraction(in_units_of_h(fit), holds.subtract)


def refuse_paths(dictionary: Dictionary, holds: Holds) -> None:
    """DI84 for a transcoder, or a skip path, that the format has no place for."""
    transcoder = dictionary.site_in != dictionary.site_out or dictionary.d_in != dictionary.d_out
    if transcoder and not holds.transcoder:
        raise cannot_write(holds.format, "a transcoder", "Write it as circuit_tracer, saelens or pellucid.")
    if dictionary.W_skip is not None and not holds.skip:
        remedy = "Write it as circuit_tracer, saelens or pellucid."
        raise cannot_write(holds.format, "a skip path", remedy)


def refuse_transform(dictionary: Dictionary, format: str) -> None:
    """DI84 for activations that are transformed, in a format that reads them raw."""
    if dictionary.convention.input_transform not in ("none", "scale"):
        what = f"activations transformed by {dictionary.convention.input_transform!r}"
        raise cannot_write(format, what, "It reads raw activations.")


def gated_as(dictionary: Dictionary, holds: Holds) -> Dictionary:
    """The dictionary with a gate that the format has; a threshold for each latent stands for most others."""
    gate = dictionary.convention.gate
    if gate in holds.gates:
        return dictionary
    if gate != "topk" and "jumprelu" in holds.gates:
        return as_jumprelu(dictionary)
    remedy = "Set thresholds on rows of its site first: to_jumprelu(dictionary, rows)."
    if "jumprelu" not in holds.gates:
        remedy = f"It holds {' and '.join(holds.gates)} only; no weights of that gate give the same codes."
    raise cannot_write(holds.format, f"a dictionary of the gate {gate!r}", remedy)
