"""An opened model: its sites, its identity, and one way to run it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor, nn

from pellucid.findings import InputError, MissingError, Subject
from pellucid.models import run as running
from pellucid.models.attention import AttentionFunction, active
from pellucid.models.families import Facts, Family, family_of
from pellucid.models.hashing import weights_sha256
from pellucid.models.points import Point
from pellucid.models.sites import Sites
from pellucid.models.tokens import Tokenizer
from pellucid.models.writes import as_writes


class Model:
    """A module whose insides can be read and written by name.

    Arguments:
        module: the network, in evaluation mode.
        id: how people call it; no part of any measurement's identity but the name shown.
        tokenizer: None when only tokens, not text, will be given.
        card: public facts of its deployment, such as ``observation_marker``.
    """

    def __init__(
        self,
        module: nn.Module,
        *,
        id: str = "module",
        tokenizer: Tokenizer | None = None,
        card: Mapping[str, Any] | None = None,
    ) -> None:
        self.module, self.id, self._tokenizer, self.card = module.eval(), id, tokenizer, dict(card or {})
        self.family_table: Family = family_of(module)
        paths = [name for name, _ in module.named_modules()]
        self.sites = Sites(self.family_table.points, paths)
        outputs = {
            name: Point(name, "out", ()) for name in paths if name and name not in self.family_table.points
        }
        self.family_points: dict[str, Point] = {**self.family_table.points, **outputs}

    @property
    def family(self) -> str:
        """Name of its family."""
        return self.family_table.name

    @property
    def facts(self) -> Facts:
        """Its shape."""
        return self.family_table.facts

    @cached_property
    def sha256(self) -> str:
        """Digest of its weights as they were when first asked for."""
        return weights_sha256(self.module)

    @property
    def subject(self) -> Subject:
        """How a Finding names it."""
        return Subject(id=self.id, sha256=self.sha256)

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        first = next(self.module.parameters(), None)
        return torch.device("cpu") if first is None else first.device

    @property
    def tokenizer(self) -> Tokenizer:
        """Its tokenizer; MissingError MD34 when it has none."""
        if self._tokenizer is None:
            raise MissingError(
                "MD34",
                f"{self.id} has no tokenizer.",
                "Put its tokenizer.json beside the weights, or give tokens.",
            )
        return self._tokenizer

    def tokens(self, text: str) -> Int[Tensor, "1 pos"]:
        """A text as a batch of one."""
        return torch.tensor([self.tokenizer.encode(text)], dtype=torch.long, device=self.device)

    def run(
        self,
        inputs: Any,
        read: str | Sequence[str] = (),
        write: Mapping[str, Any] | None = None,
        until: str | None = None,
        frozen: Sequence[str] = (),
        *,
        positions: Tensor | None = None,
        attention: AttentionFunction | None = None,
    ) -> running.Run:
        """One forward pass.

        Arguments:
            inputs: tokens "batch pos", or whatever the module takes.
            read: sites to keep, by name or pattern with stars; gradients flow where torch would let them.
            write: by site, a value, a function of the old value, a `Write`, or a list of them in order.
            until: stop once this site was reached; later modules are never called.
            frozen: terms held constant for gradients: norm_scale, pattern, gate.
            positions: place of each token, instead of 0, 1, 2, ...
            attention: an attention function with Hugging Face's signature, instead of the model's own.

        Raises:
            MissingError: MD10, a site does not exist.
            InputError: MD24, a write or read that the pass never reaches.
        """
        names = self.sites.select(read) if read else []
        writes = {self.sites.find(site): changes for site, changes in as_writes(write).items()}
        stop = self.sites.find(until) if until else None
        call = self._caller(positions, attention, names, writes, frozen)
        return running.forward(self, inputs, names, writes, stop, frozen, call, attention)

    def _caller(
        self,
        positions: Tensor | None,
        attention: AttentionFunction | None,
        names: Sequence[str],
        writes: Mapping[str, Any],
        frozen: Sequence[str],
    ) -> Callable[[Any], Any]:
        """The call of the module, by what its family understands."""
        if self.family == "pellucid-transformer":
            inside = any(name.endswith((".scores", ".pattern")) for name in [*names, *writes])
            special = attention is not None or inside or "pattern" in frozen
            return lambda x: self.module(x, positions, active if special else None)
        if self.family == "module":
            return self.module
        extra = (
            {}
            if positions is None
            else {"position_ids": positions.expand(1, -1) if positions.ndim == 1 else positions}
        )
        return lambda x: self.module(x, use_cache=False, **extra)

    def check_tokens(self, tokens: Tensor) -> None:
        """InputError MD35 for tokens outside the vocabulary, MD36 for too long an input."""
        size, context = self.facts.d_vocab, self.facts.context
        if size and tokens.numel() and int(tokens.max()) >= size:
            raise InputError(
                "MD35",
                f"Token {int(tokens.max())} is outside the vocabulary of {size}.",
                "Use this model's tokenizer.",
            )
        if context and tokens.shape[-1] > context:
            raise InputError(
                "MD36",
                f"{tokens.shape[-1]} tokens exceed the context of {context}.",
                f"Give at most {context}.",
            )
