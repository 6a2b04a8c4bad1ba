"""The names of a model's sites: listing, matching, and the message when one does not exist."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator, Mapping, Sequence

from pellucid.findings import MissingError, did_you_mean
from pellucid.models.points import Point, Size


def plain_name(site: str) -> str:
    """A site's name without TransformerLens' ``hook_`` prefixes.

    Example:
        >>> plain_name("blocks.0.attn.hook_z")
        'blocks.0.attn.z'
    """
    return site.replace("hook_", "")


class Sites(Sequence[str]):
    """Every site of a model, in the order of the computation.

    A transformer lists the sites that have names; its other modules are found by their path too. Other
    modules list all their paths.
    """

    def __init__(self, points: Mapping[str, Point], modules: Sequence[str]) -> None:
        self._points = dict(points)
        others = [name for name in modules if name and name not in self._points]
        self._listed = list(self._points) or others
        self._places = {name: place for place, name in enumerate([*self._points, *others])}

    def __getitem__(self, index: int) -> str:  # type: ignore[override]
        return self._listed[index]

    def __len__(self) -> int:
        return len(self._listed)

    def __iter__(self) -> Iterator[str]:
        return iter(self._listed)

    def __contains__(self, site: object) -> bool:
        return isinstance(site, str) and plain_name(site) in self._places

    def __repr__(self) -> str:
        return f"Sites({self.some()})"

    def place(self, name: str) -> int:
        """Where a site stands in the order of the computation."""
        return self._places[name]

    def shape(self, site: str) -> tuple[Size, ...]:
        """The site's axes: names where they vary, sizes where they do not; () when unknown."""
        name = self.find(site)
        return self._points[name].shape if name in self._points else ()

    def select(self, pattern: str | Sequence[str]) -> list[str]:
        """The sites that match a name or a pattern with stars; MissingError MD10 when none does."""
        patterns = [pattern] if isinstance(pattern, str) else pattern
        chosen = {name for one in patterns for name in self.match(plain_name(one))}
        return sorted(chosen, key=self._places.__getitem__)

    def match(self, pattern: str) -> list[str]:
        """The names that one pattern matches."""
        if pattern in self._places:
            return [pattern]
        found = fnmatch.filter(self._listed, pattern)
        if not found:
            raise self.missing(pattern)
        return found

    def find(self, site: str) -> str:
        """The site's plain name; MissingError MD10 names what exists."""
        name = plain_name(site)
        if name not in self._places:
            raise self.missing(site)
        return name

    def missing(self, site: str) -> MissingError:
        """The error for a site that does not exist."""
        layers = {int(m[1]) for name in self._points if (m := re.match(r"blocks\.(\d+)\.", name))}
        extent = f"This model has blocks {min(layers)}-{max(layers)}." if layers else f"It has {self.some()}."
        near = did_you_mean(nearest_block(plain_name(site), layers), self._places)
        remedy = " ".join(part for part in (extent, near, "All are listed by model.sites.") if part)
        return MissingError("MD10", f"No site {site!r}.", remedy)

    def some(self) -> str:
        """The first few names."""
        return ", ".join(self._listed[:8]) + (", ..." if len(self._listed) > 8 else "")


def nearest_block(site: str, layers: set[int]) -> str:
    """The name with its block number moved into the model, so that the suggestion is close."""
    match = re.match(r"blocks\.(\d+)\.(.*)", site)
    if not match or not layers or int(match[1]) in layers:
        return site
    return f"blocks.{max(layers)}.{match[2]}"
