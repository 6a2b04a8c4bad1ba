"""An opened model: its sites, its identity, and one way to run it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor, nn

from pellucid.findings import InputError, MissingError, Subject
from pellucid.models import run as running
from pellucid.models.attention import AttentionFunction, active, readopt
from pellucid.models.families import Facts, Family, family_of
from pellucid.models.hashing import weights_sha256, weights_version
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
        readopt(module)
        self.module, self.id, self._tokenizer, self.card = module.eval(), id, tokenizer, dict(card or {})
        self._sha256: tuple[Any, str] | None = None
        self._look()

    def _look(self) -> None:
        self.family_table: Family = family_of(self.module)
        paths = [name for name, part in self.module.named_modules() if runs(part)]
        self.sites = Sites(self.family_table.points, paths)
        outputs = {
            name: Point(name, "out", ()) for name in paths if name and name not in self.family_table.points
        }
        self.family_points: dict[str, Point] = {**self.family_table.points, **outputs}

    def __getstate__(self) -> dict[str, Any]:
        seen = ("family_table", "sites", "family_points", "_sha256")  # functions, or true here only
        return {name: value for name, value in vars(self).items() if name not in seen}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _sha256=None)
        readopt(self.module)
        self._look()

    def __repr__(self) -> str:
        return f"Model({self.id!r}, {self.family}, {self.facts.parameters:,} parameters)"

    @property
    def family(self) -> str:
        """Name of its family."""
        return self.family_table.name

    @property
    def facts(self) -> Facts:
        """Its shape."""
        return self.family_table.facts

    @property
    def sha256(self) -> str:
        """Digest of its weights, computed again when they were changed in place or replaced."""
        state = weights_version(self.module)
        if self._sha256 is None or self._sha256[0] != state:
            self._sha256 = state, weights_sha256(self.module)
        return self._sha256[1]

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
        """A text as a batch of one, after the tokens that the tokenizer itself puts first.

        Nothing is ever padded: rows of one batch have one length.

        Raises:
            MissingError: MD34, there is no tokenizer.
        """
        ids = [*self.tokenizer.first, *self.tokenizer.encode(text)]
        return torch.tensor([ids], dtype=torch.long, device=self.device)

    def submodule(self, path: str) -> nn.Module:
        """The module at a path, as `torch.nn.Module.get_submodule` finds it, ten times faster."""
        found: Any = self.module
        for name in path.split(".") if path else ():
            found = found._modules[name]
        module: nn.Module = found
        return module

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
        resume: tuple[int, Tensor] | None = None,
    ) -> running.Run:
        """One forward pass.

        Arguments:
            inputs: tokens "batch pos" or a text; for other modules what they take, a tuple or mapping for
                several arguments.
            read: sites to keep, by name or pattern with stars, as they go on after the writes; gradients flow
                where torch would let them. q, k, v are as projected (before rotary positions and head norms),
                grouped keys and values have their own number of heads, scores are scaled, capped and masked.
            write: by site, a value, a function of the old value, a `Write`, or a list of them in order.
            until: stop once this site was reached; later modules are never called.
            frozen: terms held constant for gradients: norm_scale, pattern, gate.
            positions: place of each token, instead of 0, 1, 2, ...
            attention: an attention function with Hugging Face's signature, instead of the model's own.
            resume: (L, stream "batch pos d_model"): go on before block L from this residual stream; what
                comes earlier is not run and has no sites. Only where `resumable`.

        Raises:
            MissingError: MD10, a site does not exist; MD25, a term cannot be frozen.
            InputError: MD20 and MD28, a write does not fit; MD24, a write or read that the pass never
                reaches; MD27, scores beside an attention function; MD35 to MD37, tokens that it cannot read;
                MD44, a family that cannot resume, or a block that there is not.

        Example:
            >>> model = Model(nn.Sequential(nn.Identity()))
            >>> model.run(torch.ones(1), write={"0": lambda x: 2 * x}).output
            tensor([2.])
        """
        names = self.sites.select(read) if read else []
        writes = {self.sites.find(site): changes for site, changes in as_writes(write).items()}
        stop = self.sites.find(until) if until else None
        given = self._checked(inputs, positions)
        call = self._caller(positions, attention, names, writes, frozen, self._checked_resume(resume))
        return running.forward(self, given, names, writes, stop, frozen, call, attention)

    def _checked(self, inputs: Any, positions: Tensor | None) -> Any:
        """Inputs on the model's device; tokens are checked."""
        if isinstance(inputs, str):
            inputs = self.tokens(inputs)
        if self.facts.d_vocab:
            self.check_tokens(inputs, positions)
        return inputs.to(self.device) if isinstance(inputs, Tensor) else inputs

    @property
    def resumable(self) -> bool:
        """Whether a run can begin in the middle, from a given residual stream."""
        return self.family == "pellucid-transformer"

    def _checked_resume(self, resume: tuple[int, Tensor] | None) -> tuple[int, Tensor] | None:
        """Where to begin; MD44 for a family that cannot, or a block that there is not."""
        if resume is not None and not (self.resumable and 0 <= resume[0] <= self.facts.n_layers):
            raise InputError(
                "MD44",
                f"{self.id} cannot resume before block {resume[0]}.",
                f"Give a block from 0 to {self.facts.n_layers}."
                if self.resumable
                else "Run it from its inputs: only a plain model of the family 'pellucid-transformer' can.",
            )
        return resume

    def _caller(
        self,
        positions: Tensor | None,
        attention: AttentionFunction | None,
        names: Sequence[str],
        writes: Mapping[str, Any],
        frozen: Sequence[str],
        resume: tuple[int, Tensor] | None = None,
    ) -> Callable[[Any], Any]:
        """The call of the module, by what its family understands."""
        if self.family == "pellucid-transformer":
            inside = any(name.endswith((".scores", ".pattern")) for name in [*names, *writes])
            special = attention is not None or inside or "pattern" in frozen
            return lambda x: self.module(x, positions, active if special else None, resume)
        if self.family == "module":
            return self._spread
        own = attention is not None
        return lambda x: self.module(x, use_cache=False, **hub_arguments(x, positions, own))

    def _spread(self, inputs: Any) -> Any:
        if isinstance(inputs, Mapping):
            return self.module(**inputs)
        return self.module(*inputs) if isinstance(inputs, tuple) else self.module(inputs)

    def check_tokens(self, tokens: Any, positions: Tensor | None = None) -> None:
        """InputError MD35 for tokens outside the vocabulary, MD36 for too many, MD37 for no tokens."""
        if (
            not isinstance(tokens, Tensor)
            or tokens.ndim != 2
            or tokens.is_floating_point()
            or not tokens.numel()
        ):
            form = (
                f"{tokens.dtype} {tuple(tokens.shape)}"
                if isinstance(tokens, Tensor)
                else type(tokens).__name__
            )
            remedy = "Give whole numbers of shape (batch, pos), at least one, as model.tokens(text) does."
            raise InputError("MD37", f"{self.id} reads tokens; {form} was given.", remedy)
        lowest, highest = (int(end) for end in torch.aminmax(tokens))
        if lowest < 0 or highest >= self.facts.d_vocab:
            token = lowest if lowest < 0 else highest
            problem = f"Token {token} is outside the vocabulary of {self.facts.d_vocab}."
            raise InputError("MD35", problem, "Use this model's tokenizer.")
        length = tokens.shape[1] if positions is None else int(positions.max()) + 1
        if length > self.facts.context:
            problem = f"{length} tokens exceed the context of {self.facts.context}."
            raise InputError(
                "MD36", problem, f"Give at most {self.facts.context}, for instance by windows(...)."
            )


def runs(module: nn.Module) -> bool:
    """Whether a module computes something, rather than only hold others as a list does."""
    return type(module).forward is not nn.Module.forward


def hub_arguments(tokens: Tensor, positions: Tensor | None, own_attention: bool) -> dict[str, Tensor]:
    """What transformers' models must be told beside the tokens.

    A mask of four axes is handed on as it is: an attention function of our own needs none, so none is made.
    One of ones keeps transformers from guessing packed sequences from the positions.
    """
    given: dict[str, Tensor] = {}
    if own_attention:
        given["attention_mask"] = torch.ones(1, 1, 1, 1, dtype=torch.bool, device=tokens.device)
    if positions is not None:
        given["position_ids"] = positions.to(tokens.device).expand(len(tokens), -1)
        given.setdefault("attention_mask", torch.ones_like(tokens))
    return given
