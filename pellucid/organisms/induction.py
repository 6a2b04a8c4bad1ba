"""Compiled induction heads: a network whose every attention weight is a formula.

Our Transformer ties the width of the stream to heads x head width, so the stream is padded with zeros; and
where every subspace is one-hot, a projection only moves and scales coordinates, so it is kept as that, not as
a matrix.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from pellucid.findings import InputError, did_you_mean
from pellucid.models import Model
from pellucid.models.transformer import Transformer, TransformerConfig

BEGIN = 0  # the token that every sequence starts with, and the heads' sink
HARD = 40.0  # by how much the place that a shifting head wants outscores its neighbours
MOST = 8
Role = Literal["short", "long", "duplicate", "previous", "begin", "uniform"]


@dataclass(frozen=True)
class HeadPlan:
    """One planted head of the second layer.

    ``m0 = [t_s = t_q]``, ``m1 = [t_{s-1} = t_q]``, ``m2 = [t_{s-2} = t_{q-1}]`` for query q and source s.
    Scores: short ``beta m1``, long ``beta (m1 + m2)``, duplicate ``beta m0``, previous: the place before,
    begin: the first token at beta, uniform: 0.

    Example:
        >>> HeadPlan("long").sinks_at
        18.0
    """

    role: Role
    """What it looks for."""
    beta: float = 12.0
    """Score of one match, in nats."""
    sink: float | None = None
    """Score of the first token; None: beta times 1/2 (short, duplicate), 3/2 (long), 1 (begin) or 0."""

    @property
    def sinks_at(self) -> float:
        """Score of the first token, the default resolved."""
        share = {"short": 0.5, "duplicate": 0.5, "long": 1.5, "begin": 1.0}.get(self.role, 0.0)
        return share * self.beta if self.sink is None else self.sink


@dataclass(frozen=True)
class InductionPlan:
    """The heads to plant, and how much the network can read.

    Example:
        >>> InductionPlan((HeadPlan("short"), HeadPlan("long"))).n_heads
        2
    """

    heads: tuple[HeadPlan, ...]
    """Heads of the second layer, in order; the first layer has a previous-token and a two-back head."""
    n_tokens: int = 130
    """Tokens, the beginning included."""
    context: int = 129
    """Longest sequence."""

    def __post_init__(self) -> None:
        if not 1 <= len(self.heads) <= MOST:
            problem = f"{len(self.heads)} heads were planned."
            raise InputError("OR20", problem, f"Give 1 to {MOST} of them.")
        if self.n_tokens < 2 or self.context < 2:
            problem = f"A plan of {self.n_tokens} tokens and a context of {self.context}."
            raise InputError("OR21", problem, "Give at least 2 of both.")
        for head in self.heads:
            if head.role not in Role.__args__:  # type: ignore[attr-defined]
                known: tuple[str, ...] = Role.__args__  # type: ignore[attr-defined]
                remedy = f"Roles: {', '.join(known)}. {did_you_mean(head.role, known)}".strip()
                raise InputError("OR22", f"No head has the role {head.role!r}.", remedy)

    @property
    def n_heads(self) -> int:
        """Heads of each layer: those planned, and at least the two that the first layer needs."""
        return max(2, len(self.heads))


class Selection(nn.Module):
    """A linear map with at most one entry a row: y_i = scale_i x_{source_i}.

    Arguments:
        entries: (row, column, scale) of each entry; other rows are 0.
        width: rows and columns.
    """

    def __init__(self, entries: Mapping[int, tuple[int, float]], width: int) -> None:
        super().__init__()
        source, scale = torch.zeros(width, dtype=torch.long), torch.zeros(width)
        for row, (column, factor) in entries.items():
            source[row], scale[row] = column, factor
        self.register_buffer("source", source)
        self.scale = nn.Parameter(scale)

    @property
    def weight(self) -> Float[Tensor, "row column"]:
        """The map as a matrix."""
        source = self.get_buffer("source")
        made = self.scale.new_zeros(len(source), len(source))
        return made.scatter(1, source[:, None], self.scale[:, None])

    def forward(self, x: Float[Tensor, "*batch column"]) -> Float[Tensor, "*batch row"]:
        """Move and scale the coordinates."""
        return x.index_select(-1, self.get_buffer("source")) * self.scale


@dataclass(frozen=True)
class _Stream:
    """Where the subspaces lie in the residual stream."""

    n: int
    """Tokens."""

    @property
    def before(self) -> tuple[int, int, int]:
        """First coordinates of the token here, one back, two back."""
        return 0, self.n, 2 * self.n

    @property
    def copied(self) -> int:
        """First coordinate of what the second layer's heads attended to."""
        return 3 * self.n

    @property
    def place(self) -> int:
        """First of six coordinates: (cos, sin) of the place, of the one before, of the one two before."""
        return 4 * self.n

    @property
    def one(self) -> int:
        """The coordinate that is always 1."""
        return 4 * self.n + 6


def compiled_induction(plan: InductionPlan) -> Model:
    """Build a two-layer attention-only network that has exactly the planned heads.

    Layer 0: head 0 copies the token one back, head 1 the token two back, each into a subspace of its own.
    Layer 1: the plan's heads; each adds the token that it attends to, so that its logit for a token is its
    attention to it.

    Arguments:
        plan: heads, tokens, context.

    Returns:
        A model with the sites of our Transformer; token 0 is the beginning of every sequence.

    Raises:
        InputError: OR20 to OR22, a plan that cannot be built.

    Example:
        >>> model = compiled_induction(InductionPlan((HeadPlan("short"), HeadPlan("long")), 16, 12))
        >>> model.sites.shape("blocks.1.attn.pattern")
        ('batch', 2, 'query', 'key')

    Source: the construction of Elhage et al. 2021, "A Mathematical Framework for Transformer Circuits",
    section "Induction heads", with a second match for long prefixes.
    """
    d_head = 2 * plan.n_tokens + 4
    config = TransformerConfig(
        d_vocab=plan.n_tokens,
        context=plan.context,
        n_layers=2,
        d_model=plan.n_heads * d_head,
        n_heads=plan.n_heads,
        d_mlp=1,
        norm="none",
        mlp_layers=(False, False),
        biases=False,
        tied=False,
    )
    module = Transformer(config)
    stream = _Stream(plan.n_tokens)
    _write_embeddings(module, stream)
    _write_shifting_heads(module.get_submodule("blocks.0.attn"), stream, config)
    _write_planned_heads(module.get_submodule("blocks.1.attn"), stream, config, plan)
    return Model(module, id="compiled induction")


def _write_embeddings(module: Transformer, stream: _Stream) -> None:
    n, context = stream.n, module.config.context
    assert module.pos_embed is not None
    places = torch.arange(context, dtype=torch.float64)
    with torch.no_grad():
        for parameter in (module.embed.weight, module.pos_embed.weight, module.unembed.weight):
            parameter.zero_()
        module.embed.weight[:, :n] = torch.eye(n)
        for back in range(3):
            angle = _step(context) * (places - back)
            at = stream.place + 2 * back
            module.pos_embed.weight[:, at] = angle.cos().float()
            module.pos_embed.weight[:, at + 1] = angle.sin().float()
        module.pos_embed.weight[:, stream.one] = 1.0
        module.unembed.weight[:, stream.copied : stream.copied + n] = torch.eye(n)


def _step(context: int) -> float:
    """Angle between neighbouring places; the circle is longer than the context, so no two places meet."""
    return 2 * math.pi / (context + 4)


Entries = dict[int, tuple[int, float]]


def _shift(entries_q: Entries, entries_k: Entries, at: int, stream: _Stream, back: int, context: int) -> None:
    """Score the place ``back`` before the query highest: a score of strength cos(angle to it)."""
    strength = HARD / (1 - math.cos(_step(context)))
    for i in range(2):
        entries_q[at + i] = (stream.place + 2 * back + i, strength)
        entries_k[at + i] = (stream.place + i, 1.0)


def _match(
    entries_q: Entries, entries_k: Entries, at: int, pair: tuple[int, int], n: int, beta: float
) -> None:
    """Add beta where the query's block and the key's block hold the same token."""
    for i in range(n):
        entries_q[at + i] = (pair[0] + i, beta)
        entries_k[at + i] = (pair[1] + i, 1.0)


def _write_shifting_heads(attention: nn.Module, stream: _Stream, config: TransformerConfig) -> None:
    q, k, v, o = ({} for _ in range(4))  # type: tuple[Entries, Entries, Entries, Entries]
    for head, back in enumerate((1, 2)):
        at = head * config.d_head
        _shift(q, k, at, stream, back, config.context)
        for i in range(stream.n):
            v[at + i] = (i, 1.0)
            o[stream.before[back] + i] = (at + i, 1.0)
    _install(attention, q, k, v, {row: (entry,) for row, entry in o.items()}, config)


def _write_planned_heads(
    attention: nn.Module, stream: _Stream, config: TransformerConfig, plan: InductionPlan
) -> None:
    q, k, v = {}, {}, {}  # type: tuple[Entries, Entries, Entries]
    n = stream.n
    here, one_back, two_back = stream.before
    matches = {"short": [(here, one_back)], "duplicate": [(here, here)]}
    matches["long"] = [(here, one_back), (one_back, two_back)]
    for index, head in enumerate(plan.heads):
        at = index * config.d_head
        for number, pair in enumerate(matches.get(head.role, [])):
            _match(q, k, at + number * n, pair, n, head.beta)
        if head.role == "previous":
            _shift(q, k, at, stream, 1, config.context)
        q[at + 2 * n] = (stream.one, head.sinks_at)
        k[at + 2 * n] = (here + BEGIN, 1.0)
        v |= {at + i: (here + i, 1.0) for i in range(n)}
    sources = range(0, len(plan.heads) * config.d_head, config.d_head)
    o = {stream.copied + i: tuple((at + i, 1.0) for at in sources) for i in range(n)}
    _install(attention, q, k, v, o, config)


class Sum(nn.Module):
    """A linear map as a sum of selections."""

    def __init__(self, parts: Sequence[Selection]) -> None:
        super().__init__()
        self.terms = tuple(parts)
        self.parts = nn.ModuleList(parts)  # so that they are moved, cast and hashed with the rest

    @property
    def weight(self) -> Float[Tensor, "row column"]:
        """The map as a matrix."""
        return torch.stack([part.weight for part in self.terms]).sum(0)

    def forward(self, x: Float[Tensor, "*batch column"]) -> Float[Tensor, "*batch row"]:
        """The sum of what the parts select."""
        return torch.stack([part(x) for part in self.terms]).sum(0)


def _install(
    attention: nn.Module,
    q: Entries,
    k: Entries,
    v: Entries,
    o: Mapping[int, tuple[tuple[int, float], ...]],
    config: TransformerConfig,
) -> None:
    scaled = {row: (column, factor * math.sqrt(config.d_head)) for row, (column, factor) in q.items()}
    for name, entries in (("q", scaled), ("k", k), ("v", v)):
        setattr(attention, name, Selection(entries, config.d_model))
    most = max(len(entries) for entries in o.values())
    parts = [
        {row: entries[part] for row, entries in o.items() if part < len(entries)} for part in range(most)
    ]
    attention.o = Sum([Selection(part, config.d_model) for part in parts])


def closed_form(
    plan: InductionPlan, head: int, prefix: int, visible: Int[np.ndarray, "*batch"] | int
) -> Float[np.ndarray, "*batch"]:
    """Attention of a planted head to the token that followed the first copy.

    ``e^{beta m} / (e^{sink} + sum_j n_j e^{beta j})`` over the places that the query sees, where the target
    matches m times (short: 1; long: 1, from prefix 2 on 2) and n_j places match j times.

    Arguments:
        plan: what was planted.
        head: which head of the second layer.
        prefix: repeated tokens, at least 1; all other tokens of the sequence are distinct.
        visible: places that the query sees, itself and the beginning included.

    Raises:
        InputError: OR23, no such head or prefix.

    Example:
        >>> plan = InductionPlan((HeadPlan("short"), HeadPlan("long")))
        >>> [round(float(closed_form(plan, 1, p, 129)), 4) for p in (1, 2)]
        [0.0025, 0.9975]
    """
    if not 0 <= head < len(plan.heads) or prefix < 1:
        problem = f"Head {head} and a prefix of {prefix}."
        raise InputError("OR23", problem, f"Give a head from 0 to {len(plan.heads) - 1} and a prefix from 1.")
    planned, others = plan.heads[head], np.asarray(visible, dtype=np.float64) - 2
    sink, match = math.exp(planned.sinks_at), math.exp(planned.beta)
    if planned.role == "previous":
        return np.zeros_like(others)
    if planned.role == "duplicate":  # the query itself and its first copy match, the target does not
        return 1 / (sink + 2 * match + (others - 1))
    matched = {"short": 1, "long": min(prefix, 2)}.get(planned.role, 0)
    return match**matched / (sink + match**matched + others)
