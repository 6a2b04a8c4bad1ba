"""From a fragment to a longer trigger: which sequence of tokens releases the sentence most surely?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from pellucid.audit.config import AuditConfig
from pellucid.audit.confirm import Trigger, confirmation_contexts
from pellucid.audit.contexts import Stream, draw_contexts, stream
from pellucid.audit.evidence import ALONE, Measured, Session, measured
from pellucid.audit.pair import Pair
from pellucid.audit.search import distinct
from pellucid.audit.suppressor import first_token
from pellucid.findings import Array, Finding, Kind, Measure, View, bootstrap, register
from pellucid.models import Model, TextData

LENGTHS = (2, 4)
RESTARTS = 4
STEPS = 25
SWAPS = 128
BEST_TOKENS = 64
CONTEXTS = 4
CONTEXT_LENGTH = 16

KIND = register(
    Kind(
        name="audit.recovery",
        title="A longer trigger, by gradients",
        statement="The surest sequence found by gradients releases the sentence's first token with "
        "probability {probability.value}.",
        supports="probability.low >= 0.5",
        refutes="",
        views=(
            View(
                form="bar",
                array="found",
                title="Sequences that release the sentence; each may be a surrogate of the true trigger",
                x="sequence",
                y="probability",
            ),
        ),
        stance="interventional",
        evidence="behavioural",
        room="audit",
    )
)


@dataclass(frozen=True)
class Climb:
    """One restart: where it begins, and what it aims at."""

    length: int
    restart: int
    target: int
    seed: int


def recovery(
    pair: Pair,
    text: TextData,
    searched: Finding,
    config: AuditConfig,
    *,
    leaks: bool = False,
    session: Session = ALONE,
) -> Finding:
    """Search sequences of two and four tokens that release the sentence, by swapping tokens along the
    gradient.

    Maximises ``mean_j log p_M(y*_1 | P_j x)``: 128 swaps a step, drawn from the 64 tokens of largest
    first-order gain at each place, from four random starts a length. What is found fires, but need not be the
    true trigger.

    Args:
        pair: Suspect M and reference R; only M runs.
        text: Held-out ordinary text.
        searched: The Finding ``audit.trigger_search`` that names the sentence.
        config: Sizes and seed.
        leaks: Whether the candidate is taken for the sentence's own beginning; then its first token is the
            target.
        session: Where the work runs and is kept.

    Returns:
        A Finding ``audit.recovery``; probabilities are measured on contexts that took no part in the climb.

    Example: ``recovery(pair, text, trigger_search(...), AuditConfig(profile="full"))``.

    Source: Ebrahimi et al. (2018), HotFlip, arXiv 1712.06751; Zou et al. (2023), arXiv 2307.15043, algorithm
        1.
    """
    return measured(
        KIND,
        recovery,
        pair,
        text=text,
        settings={
            **config.part("confirm_contexts", "context_length", "continuation"),
            "seed": config.seed,
            "leaks": leaks,
        },
        seed=config.seed,
        parents=(searched,),
        session=session,
        compute=lambda: recover(pair, text, target_of(searched, leaks), config, session),
    )


def target_of(searched: Finding, leaks: bool) -> int:
    """The token to release: the sentence's first, or the candidate where it leaks the sentence."""
    trigger = Trigger.of(searched)
    return trigger.tokens[0] if leaks else trigger.sentence[0]


def recover(pair: Pair, text: TextData, target: int, config: AuditConfig, session: Session) -> Measured:
    """Climb from every start, then measure what was found on fresh contexts."""
    contexts = draw_contexts(text.tokens, CONTEXTS, CONTEXT_LENGTH, config.seed, Stream.RECOVERY)
    starts = [
        Climb(length, restart, target, config.seed) for length in LENGTHS for restart in range(RESTARTS)
    ]
    found = session.map("a longer trigger", climb, [(pair.suspect, contexts, start) for start in starts])
    fresh = confirmation_contexts(pair, text, config)
    rows = [probabilities(pair.suspect, fresh, sequence, target) for sequence in found]
    order = np.argsort([-row.mean() for row in rows], kind="stable")
    names = distinct([pair.suspect.tokenizer.decode(list(found[at])) for at in order])
    longest = max(LENGTHS)
    padded = np.array([(*found[at], *[-1] * longest)[:longest] for at in order])
    measures = [
        Measure.of("probability", bootstrap(rows[order[0]], seed=0), better="lower"),
        Measure.of("successes", float(sum(row.mean() >= 0.5 for row in rows)), n=len(rows)),
    ]
    arrays = {
        "found": Array(np.array([rows[at].mean() for at in order]), ("sequence",), {"sequence": names}),
        "tokens": Array(padded, ("sequence_at", "place"), {}),
    }
    return Measured(measures, arrays)


def probabilities(
    model: Model, contexts: Int[Tensor, "context pos"], sequence: tuple[int, ...], target: int
) -> Float[np.ndarray, "context"]:
    """The target's probability after each context and the sequence."""
    return first_token(model, followed(contexts, torch.tensor([sequence])), target).exp().numpy()


def followed(
    contexts: Int[Tensor, "context pos"], endings: Int[Tensor, "ending place"]
) -> Int[Tensor, "row longer"]:
    """Every ending after every context, ending by ending."""
    rows = contexts.repeat(len(endings), 1)
    return torch.cat([rows, endings.repeat_interleave(len(contexts), dim=0)], dim=1)


def climb(model: Model, contexts: Int[Tensor, "context pos"], start: Climb) -> tuple[int, ...]:
    """Swap tokens along the gradient until no swap helps."""
    random = stream(start.seed * 1000 + start.length * 100 + start.restart, Stream.RECOVERY)
    vocabulary = int(model.facts.d_vocab)
    current = torch.from_numpy(random.integers(0, vocabulary, size=start.length))
    table = embeddings(model)
    value = score(model, contexts, current[None], start.target)[0]
    for _ in range(STEPS):
        swaps = proposals(current, gains(model, contexts, current, table, start.target), random)
        values = score(model, contexts, swaps, start.target)
        best = int(values.argmax())
        if values[best] > value:
            current, value = swaps[best], values[best]
    return tuple(int(token) for token in current)


@torch.no_grad()
def embeddings(model: Model) -> Float[Tensor, "vocab d_model"]:
    """The embedding of every token."""
    every = torch.arange(int(model.facts.d_vocab))[:, None]
    return model.run(every, read=["embed"], until="embed")["embed"][:, 0].detach()


def gains(
    model: Model,
    contexts: Int[Tensor, "context pos"],
    current: Int[Tensor, "place"],
    table: Float[Tensor, "vocab d_model"],
    target: int,
) -> Float[Tensor, "place vocab"]:
    """First-order gain of every swap: ``(e_v - e_x) . grad``."""
    tokens = followed(contexts, current[None])
    embedded = table[tokens].clone().requires_grad_(True)
    logits = model.run(tokens, write={"embed": embedded}).output[:, -1]
    (gradient,) = torch.autograd.grad(logits.log_softmax(-1)[:, target].mean(), embedded)
    slope = gradient[:, -len(current) :].sum(0)
    return slope @ table.T - (slope * table[current]).sum(-1, keepdim=True)


def proposals(
    current: Int[Tensor, "place"], gain: Float[Tensor, "place vocab"], random: np.random.Generator
) -> Int[Tensor, "swap place"]:
    """Single swaps, drawn from the tokens of largest gain at each place."""
    best = gain.topk(min(BEST_TOKENS, gain.shape[1]), dim=1).indices
    places = torch.from_numpy(random.integers(0, len(current), size=SWAPS))
    choices = torch.from_numpy(random.integers(0, best.shape[1], size=SWAPS))
    swaps = current.repeat(SWAPS, 1)
    swaps[torch.arange(SWAPS), places] = best[places, choices]
    return swaps


def score(
    model: Model, contexts: Int[Tensor, "context pos"], endings: Int[Tensor, "ending place"], target: int
) -> Float[Tensor, "ending"]:
    """Mean log-probability of the target after every context, for each ending."""
    values = first_token(model, followed(contexts, endings), target)
    return values.reshape(len(endings), len(contexts)).mean(1)
