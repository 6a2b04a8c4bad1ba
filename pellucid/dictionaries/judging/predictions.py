"""What runs predict, compared with the clean run: losses, divergences, agreement, a few rows at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

NUMBERS = 2**16  # of float64 at a time on a CPU: tables that stay in its cache
NUMBERS_ELSEWHERE = 2**24


@dataclass(frozen=True)
class Softened:
    """Logits of some rows in float64, and their softmax as powers and their sums."""

    logits: Float[Tensor, "row vocab"]
    """As the model gave them."""
    powers: Float[Tensor, "row vocab"]
    """exp(logits - the row's largest)."""
    totals: Float[Tensor, " row"]
    """Sums of the powers."""
    log_sums: Float[Tensor, " row"]
    """log sum exp of the logits."""

    @classmethod
    def of(cls, given: Float[Tensor, "row vocab"]) -> Softened:
        """One exponential for each number.

        Arguments:
            given: logits of any precision.
        """
        logits = given.double()
        largest = logits.amax(-1)
        powers = (logits - largest[:, None]).exp_()
        totals = powers.sum(-1)
        return cls(logits, powers, totals, largest + totals.log())

    def divergence(self, other: Softened) -> Float[Tensor, " row"]:
        """KL(self || other) in nats: sum p (x - x') - (log sum - log sum'), exactly 0 for equal logits.

        Arguments:
            other: the same rows of another run.
        """
        apart: Tensor = torch.linalg.vecdot(self.powers, self.logits - other.logits) / self.totals
        return apart - (self.log_sums - other.log_sums)

    def loss(self, following: Int[Tensor, " row"]) -> Float[Tensor, " row"]:
        """-log p of the tokens that follow, in nats.

        Arguments:
            following: token ids.
        """
        return self.log_sums - self.logits.gather(1, following[:, None])[:, 0]


def compared(
    outputs: Mapping[str, Float[Tensor, "batch pos vocab"]],
    tokens: Int[Tensor, "batch pos"],
    keep: Bool[Tensor, "batch next"],
    mutual: str,
) -> dict[str, Float[Tensor, " row"]]:
    """The loss of every run, its KL from the run "clean", and how one run agrees with that both ways.

    Arguments:
        outputs: logits of each run; "clean" among them.
        tokens: what was run.
        keep: which of the positions that have a next token become rows.
        mutual: the run for which `kl_reverse` and `agree` (the same likeliest token) are found too.

    Returns:
        By name, for each row: every run's loss, ``kl_<run>``, ``kl_reverse``, ``agree``.
    """
    tables = {name: output.flatten(0, 1) for name, output in outputs.items()}
    batch, position = keep.nonzero(as_tuple=True)
    rows, following = batch * tokens.shape[1] + position, tokens[batch, position + 1]
    size = NUMBERS if tokens.device.type == "cpu" else NUMBERS_ELSEWHERE
    each = max(1, size // tables["clean"].shape[-1])
    parts = []
    for begin in range(0, max(1, len(rows)), each):  # one part, though empty, where there are no rows
        piece = rows[begin : begin + each]
        logits = {name: table.index_select(0, piece) for name, table in tables.items()}
        parts.append(part_of(logits, following[begin : begin + each], mutual))
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def part_of(logits: Mapping[str, Tensor], following: Tensor, mutual: str) -> dict[str, Tensor]:
    """What `compared` finds for some rows."""
    clean = Softened.of(logits["clean"])
    found = {"clean": clean.loss(following)}
    for name in logits:
        if name == "clean":
            continue
        other = Softened.of(logits[name])
        found |= {name: other.loss(following), f"kl_{name}": clean.divergence(other)}
        if name == mutual:
            found["kl_reverse"] = other.divergence(clean)
            found["agree"] = (logits["clean"].argmax(-1) == logits[name].argmax(-1)).double()
    return found
