"""What is written to a site: a value or a function, everywhere or at an index."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pellucid.findings import InputError

Change = Tensor | float | Callable[[Tensor], Tensor]
Index = tuple[Any, ...] | None


@dataclass(frozen=True)
class Write:
    """Overwrite a site with ``value``, or with ``value(old)``, at an index of its axes.

    Example:
        >>> Write(0.0, at=(slice(None), 3))   # position 3 of every row becomes zero
        Write(value=0.0, at=(slice(None, None, None), 3))
    """

    value: Change
    """A tensor or number, or a function from the old value to the new one."""
    at: Index = None
    """Index (batch, pos, head, ...) of what is overwritten, None in it for a whole axis; None: all of it."""

    def apply(self, site: str, old: Tensor) -> Tensor:
        """The site's new value; InputError MD20 when the shapes do not fit, MD28 for no value at all."""
        if self.at is None:
            return self._fit(site, old, self._new(site, old))
        index = self._index(site, old)
        part = old[index]
        made = old.clone()
        made[index] = self._fit(site, part, self._new(site, part))
        return made

    def _index(self, site: str, old: Tensor) -> tuple[Any, ...]:
        index = tuple(slice(None) if place is None else place for place in self.at or ())
        try:
            old[index]
        except IndexError as error:
            problem = f"A write to {site!r} at {self.at} lies outside its shape {tuple(old.shape)} ({error})."
            raise InputError("MD20", problem, "Index its axes in their order; None means all.") from None
        return index

    def _new(self, site: str, old: Tensor) -> Tensor:
        # Functions get a copy: one that changes its argument would change what other sites have read.
        value = self.value(old.clone()) if callable(self.value) else self.value
        if value is None:
            problem = f"The function written to {site!r} returned nothing."
            raise InputError("MD28", problem, "Return the new value.")
        return torch.as_tensor(value, dtype=old.dtype, device=old.device)

    def _fit(self, site: str, old: Tensor, new: Tensor) -> Tensor:
        if new.shape == old.shape:
            return new
        try:
            return new.expand(old.shape)
        except RuntimeError:
            raise InputError(
                "MD20",
                f"A write to {site!r} has shape {tuple(new.shape)}, the place has {tuple(old.shape)}.",
                "Give a value that broadcasts to the place, or narrow the place with at=(batch, pos, head).",
            ) from None


WriteLike = Change | Write | Sequence["Change | Write"]


def as_writes(write: Mapping[str, Any] | None) -> dict[str, list[Write]]:
    """Writes by site, each a list in the order given."""
    return {site: [as_write(item) for item in listed(value)] for site, value in (write or {}).items()}


def listed(value: Any) -> Sequence[Any]:
    """A list stays one, anything else becomes one."""
    return value if isinstance(value, list | tuple) else [value]


def as_write(value: Change | Write) -> Write:
    """A bare value or function is a write to the whole site."""
    return value if isinstance(value, Write) else Write(value)
