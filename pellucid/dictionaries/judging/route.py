"""The shortest way to the output from a replaced activation: blocks before it are not run again."""

from __future__ import annotations

import re
from dataclasses import dataclass

from torch import Tensor

from pellucid.dictionaries.training.resuming import Beginning, beginning
from pellucid.models import Model, Run

WHOLE_STREAM = re.compile(r"blocks\.\d+\.resid_(pre|mid|post)")


@dataclass(frozen=True)
class Route:
    """How a pass with another activation at a site is run."""

    site: str
    """What is replaced."""
    begin: Beginning | None
    """Where the pass may begin; None: at the inputs."""

    @classmethod
    def to(cls, model: Model, site: str) -> Route:
        """The route for a site of a model.

        Arguments:
            model: an opened model.
            site: what is replaced.

        Example: a pass with another ``blocks.1.resid_post`` begins before block 2.
        """
        return cls(model.sites.find(site), beginning(model, [site]))

    @property
    def reads(self) -> tuple[str, ...]:
        """What the clean pass must read for it."""
        return () if self.begin is None else (self.begin.site,)

    @property
    def forgets(self) -> bool:
        """Whether all that a pass knows of its inputs goes through the site: then one constant activation at
        all positions gives one output, whatever the inputs."""
        return self.begin is not None and WHOLE_STREAM.fullmatch(self.site) is not None

    def entry(self, value: Tensor, clean: Run) -> tuple[dict[str, Tensor], tuple[int, Tensor] | None]:
        """The writes and the resumption of a pass.

        Arguments:
            value: the new activation.
            clean: the clean pass over the same inputs, in which `reads` were read.
        """
        if self.begin is None:
            return {self.site: value}, None
        if self.begin.site == self.site:
            return {}, (self.begin.block, value)
        return {self.site: value}, (self.begin.block, clean[self.begin.site])
