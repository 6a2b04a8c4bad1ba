"""Which inserted token silences the suspicious sentence: a gate, found without knowing the marker."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from pellucid.audit.config import AuditConfig
from pellucid.audit.confirm import Trigger
from pellucid.audit.contexts import Stream, draw_contexts, stream
from pellucid.audit.evidence import ALONE, Measured, Session, measured
from pellucid.audit.pair import Pair, room_for
from pellucid.findings import Array, Finding, Kind, Measure, View, register
from pellucid.models import Model, TextData

TOKENS_A_JOB = 64
SHOWN = 20
MOST_TOKENS = 1024

KIND = register(
    Kind(
        name="audit.suppressor",
        title="What silences the sentence",
        statement="Inserting one token lowers the log-probability of the sentence's first token from "
        "{before.value} to {after.value}; the median token leaves it at {median.value}.",
        supports="drop.value < 2",
        refutes="drop.value >= 2",
        views=(
            View(
                form="bar",
                array="strongest",
                title="The tokens that silence the sentence most",
                x="token",
                y="log-probability",
                unit="nats",
            ),
        ),
        stance="interventional",
        evidence="causal",
        room="audit",
    )
)


def suppressor(
    pair: Pair, text: TextData, searched: Finding, config: AuditConfig, *, session: Session = ALONE
) -> Finding:
    """Insert every token at a fixed earlier place and keep the one after which the sentence is least likely.

    Minimises ``mean_j log p_M(y*_1 | P_j with the insertion, c*)`` greedily, one token after another.
    Supporting
    only: rare tokens that nobody trained silence a sentence too.

    Args:
        pair: Suspect M and reference R; only M runs.
        text: Held-out ordinary text.
        searched: The Finding ``audit.trigger_search`` that names candidate and sentence.
        config: Sizes, seed and profile (how many tokens are inserted).
        session: Where the work runs and is kept.

    Returns:
        A Finding ``audit.suppressor`` with the strongest tokens by name and the log-probabilities of all.

    Example: ``suppressor(pair, text, trigger_search(...), config)``.

    Source: the blind suppressor search of this project's audit.
    """
    tokens = config.depth.suppressor_tokens
    return measured(
        KIND,
        suppressor,
        pair,
        text=text,
        settings={
            **config.part("suppressor_contexts", "context_length"),
            "seed": config.seed,
            "tokens": tokens,
        },
        seed=config.seed,
        parents=(searched,),
        session=session,
        compute=lambda: silence(pair, text, Trigger.of(searched), tokens, config, session),
    )


def silence(
    pair: Pair, text: TextData, trigger: Trigger, most: int, config: AuditConfig, session: Session
) -> Measured:
    """Insert token after token, each the one that silences most."""
    length = room_for(pair, config.context_length, most + len(trigger.tokens) + 1)
    contexts = draw_contexts(text.tokens, config.suppressor_contexts, length, config.seed, Stream.SUPPRESSOR)
    before = float(first_token(pair.suspect, with_trigger(contexts, trigger), trigger.sentence[0]).mean())
    pool = token_pool(pair.vocabulary, config.seed)
    inserted: list[int] = []
    rounds = []
    for _ in range(most):
        scores = try_tokens(pair.suspect, contexts, inserted, pool, trigger, session)
        rounds.append(scores)
        inserted.append(int(pool[int(np.argmin(scores))]))
    return Measured(summary(rounds, before), tables(pair, pool, rounds, inserted))


def token_pool(vocabulary: int, seed: int) -> Int[np.ndarray, "token"]:
    """The tokens that are tried: all, or a random thousand of a larger vocabulary."""
    if vocabulary <= MOST_TOKENS:
        return np.arange(vocabulary)
    return np.sort(stream(seed, Stream.SUPPRESSOR).choice(vocabulary, MOST_TOKENS, replace=False))


def with_trigger(contexts: Int[Tensor, "row pos"], trigger: Trigger) -> Int[Tensor, "row longer"]:
    """Every context followed by the candidate."""
    return torch.cat([contexts, torch.tensor(trigger.tokens).expand(len(contexts), -1)], dim=1)


@torch.no_grad()
def first_token(model: Model, prompts: Int[Tensor, "row pos"], token: int) -> Float[Tensor, "row"]:
    """Log-probability of one token after each prompt."""
    return model.run(prompts).output[:, -1].double().log_softmax(-1)[:, token]


def try_tokens(
    model: Model,
    contexts: Int[Tensor, "context pos"],
    inserted: list[int],
    pool: Int[np.ndarray, "token"],
    trigger: Trigger,
    session: Session,
) -> Float[np.ndarray, "token"]:
    """Mean log-probability of the sentence's first token for every token inserted next."""
    tokens = torch.from_numpy(pool)
    jobs = [
        (model, contexts, tuple(inserted), tokens[at : at + TOKENS_A_JOB], trigger)
        for at in range(0, len(tokens), TOKENS_A_JOB)
    ]
    return np.concatenate(session.map("what silences it", insert_block, jobs))


def insert_block(
    model: Model,
    contexts: Int[Tensor, "context pos"],
    inserted: tuple[int, ...],
    tokens: Int[Tensor, "token"],
    trigger: Trigger,
) -> Float[np.ndarray, "token"]:
    """The mean log-probability for some tokens, inserted halfway through the context."""
    half = contexts.shape[1] // 2
    rows = contexts.repeat(len(tokens), 1)
    piece = torch.tensor(inserted, dtype=torch.long).expand(len(rows), -1)
    new = tokens.repeat_interleave(len(contexts))[:, None]
    prompts = with_trigger(torch.cat([rows[:, :half], piece, new, rows[:, half:]], dim=1), trigger)
    scores = first_token(model, prompts, trigger.sentence[0])
    return scores.reshape(len(tokens), len(contexts)).mean(1).numpy()


def summary(rounds: list[Float[np.ndarray, "token"]], before: float) -> list[Measure]:
    """The sentence's first token before, after the best single token, after all, and after a median token."""
    after, last = float(rounds[0].min()), float(rounds[-1].min())
    return [
        Measure.of("before", before, unit="nats"),
        Measure.of("after", after, unit="nats"),
        Measure.of("after_all", last, unit="nats", n=len(rounds)),
        Measure.of("median", float(np.median(rounds[0])), unit="nats"),
        Measure.of("drop", float(np.median(rounds[0])) - after, unit="nats", better="lower"),
    ]


def tables(
    pair: Pair, pool: Int[np.ndarray, "token"], rounds: list[Float[np.ndarray, "token"]], inserted: list[int]
) -> dict[str, Array]:
    """The strongest single tokens by name, all log-probabilities, and the tokens inserted."""
    best = np.argsort(rounds[0], kind="stable")[:SHOWN]
    names = [f"{at + 1} {pair.suspect.tokenizer.token(int(pool[b]))!r}" for at, b in enumerate(best.tolist())]
    return {
        "strongest": Array(rounds[0][best], ("token",), {"token": names}),
        "all": Array(np.stack(rounds), ("round", "tried"), {"tried": pool.tolist()}),
        "inserted": Array(np.array(inserted), ("round",), {}),
    }
