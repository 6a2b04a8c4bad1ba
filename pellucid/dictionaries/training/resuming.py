"""Where a spliced pass may begin: what comes before the first dictionary is as in the clean pass."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pellucid.models import Model

STREAM = re.compile(r"blocks\.(\d+)\.(.+)")


@dataclass(frozen=True)
class Beginning:
    """The last residual stream that no dictionary has touched, or that the first one replaces."""

    block: int
    """The first block that is run."""
    site: str
    """Where the clean pass reads the stream before that block."""


def beginning(model: Model, sites: Sequence[str]) -> Beginning | None:
    """Where a pass that changes some sites may begin; None where it must run from the inputs.

    Arguments:
        model: an opened model.
        sites: what is read or replaced.

    Example: a dictionary at ``blocks.1.resid_post`` lets the pass begin before block 2.
    """
    first = min((model.sites.find(site) for site in sites), key=model.sites.place)
    match = STREAM.fullmatch(first)
    if match is None or not model.resumable:
        return None
    block = int(match[1])
    if match[2] == "resid_post":
        return Beginning(block + 1, first)
    return Beginning(block, f"blocks.{block}.resid_pre")


def full_name(site: str) -> str:
    """Under which name a source holds a site's activations of whole sequences.

    Arguments:
        site: its name.
    """
    return f"full {site}"
