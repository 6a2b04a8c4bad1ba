"""What a suite is made of: sites, widths, sparsities and seeds, each combination a training with a name."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pellucid.dictionaries.config import WITH_K, TrainConfig
from pellucid.dictionaries.splicing import width_at
from pellucid.dictionaries.training.sources import axes_of
from pellucid.findings import InputError
from pellucid.models import Model

Place = str | tuple[str, str]
Pair = tuple[str, str]

SCOPE: tuple[Place, ...] = (
    "blocks.*.resid_post",
    "blocks.*.attn_out",
    "blocks.*.mlp_out",
    ("blocks.*.mlp_in", "blocks.*.mlp_out"),
)
"""The sites of Llama Scope: stream, attention output, MLP output, and the MLP as a transcoder."""
LETTERS: dict[Pair, str] = {
    ("resid_post", "resid_post"): "R",
    ("attn_out", "attn_out"): "A",
    ("mlp_out", "mlp_out"): "M",
    ("mlp_in", "mlp_out"): "TC",
}
IN_BLOCK = re.compile(r"blocks\.(\d+)\.(.+)")


@dataclass(frozen=True)
class SuiteConfig:
    """Many dictionaries of one model: every site with every width, k, price and seed.

    Raises:
        InputError: DI111 for settings that make no suite.

    Example:
        >>> SuiteConfig(TrainConfig(n_features=64, k=4), expansions=(8, 32)).dictionaries_a_site
        2
    """

    base: TrainConfig
    """What all trainings share; its site, n_features, k, sparsity and seed are replaced."""
    sites: tuple[Place, ...] = SCOPE
    """A site or a pattern with stars; or a pair, read and reconstructed, whose patterns match as many."""
    expansions: tuple[int, ...] = ()
    """Numbers of latents, in widths of the site that is read."""
    widths: tuple[int, ...] = ()
    """Numbers of latents as they are."""
    ks: tuple[int, ...] = ()
    """Active latents; (): the base's."""
    prices: tuple[float, ...] = ()
    """Weights of the sparsity price; (): the base's."""
    seeds: tuple[int, ...] = ()
    """Of the initial weights; (): the base's."""
    scaled_rows: bool = False
    """First decoder rows of length sqrt(2 d_out / n_features), as in Llama Scope; without unit_norm."""

    def __post_init__(self) -> None:
        for name in ("sites", "expansions", "widths", "ks", "prices", "seeds"):
            given = getattr(self, name)
            if len(set(given)) < len(given):
                refuse(f"{name} names something twice", "Give everything once.")
        if not self.sites or not (self.expansions or self.widths):
            refuse("it has no site or no width", "Give sites, and expansions=(8, 32) or widths=(1024,).")
        has_k = self.base.variant in WITH_K
        if (self.ks and not has_k) or (self.prices and has_k):
            unused = "ks" if self.ks else "prices"
            remedy = f"Leave {unused} empty, or choose another variant in base."
            refuse(f"{unused} have no effect on {self.base.variant}", remedy)
        if self.scaled_rows and self.base.unit_norm:
            refuse("decoder rows are kept at length 1", "Leave scaled_rows out, or give unit_norm=False.")

    @property
    def dictionaries_a_site(self) -> int:
        """How many dictionaries each site gets."""
        counts = (len(self.ks), len(self.prices), len(self.seeds))
        several: int = (len(self.expansions) + len(self.widths)) * max(1, counts[0])
        return several * max(1, counts[1]) * max(1, counts[2])

    def plan(self, model: Model) -> dict[str, TrainConfig]:
        """The trainings by name, such as L2R-8x: layer, site, width.

        Where there are several, k, price and seed follow, as in L2R-8x-k16-s1. A site without a letter is
        named in full.

        Arguments:
            model: the model whose sites and widths count.

        Raises:
            MissingError: MD10 for a site that the model does not have.
            InputError: DI111 for a pair whose patterns match unequal numbers of sites.
        """
        planned: dict[str, TrainConfig] = {}
        for pair in pairs_of(model, self.sites):
            for label, settings in self.variations(model, pair):
                name = f"{short_name(pair)}-{label}"
                if name in planned:
                    refuse(f"two dictionaries are named {name!r}", "Name each site and width once.")
                site_out = None if pair[0] == pair[1] else pair[1]
                planned[name] = dataclasses.replace(self.base, site=pair[0], site_out=site_out, **settings)
        return planned

    def variations(self, model: Model, pair: Pair) -> Iterator[tuple[str, dict[str, Any]]]:
        """The end of the name and the settings of every dictionary at one site."""
        d_in, d_out = (width_at(model, site, axes_of(site)) for site in pair)
        if (self.expansions and not d_in) or (self.scaled_rows and not d_out):
            unknown = f"{model.id} does not know the width of {(pair[1] if d_in else pair[0])!r}"
            refuse(unknown, "Give widths=(1024,) in place of expansions, and no scaled_rows.")
        widths = [(f"{times}x", times * d_in) for times in self.expansions]
        widths += [(str(width), width) for width in self.widths]
        others = [
            axis("k", "k", self.ks),
            axis("p", "sparsity", self.prices),
            axis("s", "seed", self.seeds),
        ]
        for (label, width), *chosen in itertools.product(widths, *others):
            settings: dict[str, Any] = {"n_features": width}
            for _, setting in chosen:
                settings |= setting
            if self.scaled_rows:
                settings["initial_length"] = (2 * d_out / width) ** 0.5
            yield "-".join([label, *(mark for mark, _ in chosen if mark)]), settings


def axis(letter: str, name: str, values: Sequence[float]) -> list[tuple[str, dict[str, Any]]]:
    """The values of one setting, with what they add to a name when there are several."""
    if not values:
        return [("", {})]
    return [(f"{letter}{value:g}" if len(values) > 1 else "", {name: value}) for value in values]


def pairs_of(model: Model, sites: Sequence[Place]) -> list[Pair]:
    """Where each dictionary of one width reads and what it reconstructs, in the order given."""
    found: list[Pair] = []
    for place in sites:
        if isinstance(place, str):
            found += [(site, site) for site in model.sites.select(place)]
            continue
        read, made = (model.sites.select(pattern) for pattern in place)
        if len(read) != len(made):
            counts = f"{len(read)} and {len(made)} sites"
            refuse(f"the pair {' -> '.join(place)} matches {counts}", "Give patterns that match as many.")
        found += zip(read, made, strict=True)
    return found


def short_name(pair: Pair) -> str:
    """L2R for the stream after block 2, L0TC for its MLP as a transcoder; other sites in full.

    Arguments:
        pair: where a dictionary reads and what it reconstructs.

    Example:
        >>> short_name(("blocks.2.mlp_in", "blocks.2.mlp_out")), short_name(("blocks.1.attn.z",) * 2)
        ('L2TC', 'L1attn.z')
    """
    matches = [IN_BLOCK.fullmatch(site) for site in pair]
    layers = {match[1] for match in matches if match}
    if None in matches or len(layers) > 1:
        return "_to_".join(dict.fromkeys(pair))
    ends = tuple(match[2] for match in matches if match)
    letters = LETTERS.get((ends[0], ends[1]), "_to_".join(dict.fromkeys(ends)))
    return f"L{layers.pop()}{letters}"


def llama_scope_training(d_model: int, *, k: int = 50, steps: int, batch: int = 2048) -> TrainConfig:
    """The training of Llama Scope: ranking by h times the row's length, k falling from the model's width.

    No auxiliary loss, no unit rows, nothing subtracted; lr 8e-4 with linear warm-up and decay. The warm-up of
    10,000 steps is a share of the run here: 5 %. Give the suite `scaled_rows=True`.

    Arguments:
        d_model: width of the stream, from which k falls over the first 10 % of the steps.
        k: active latents at the end.
        steps: optimiser steps.
        batch: rows of a step.

    Example:
        >>> llama_scope_training(128, k=16, steps=1000).k_at(0)
        128

    Source: He et al. 2024, arXiv 2410.20526, sections 3.2 and 4.1.
    """
    return TrainConfig(
        n_features=8 * d_model,
        k=k,
        k_start=max(k, d_model),
        steps=steps,
        batch=batch,
        lr=8e-4,
        warmup=0.05,
        rank_score="h_norm",
        unit_norm=False,
        subtract="none",
        auxiliary=0.0,
    )


def refuse(problem: str, remedy: str) -> None:
    """DI111 with what is wrong."""
    raise InputError("DI111", f"Suite configuration: {problem}.", remedy)
