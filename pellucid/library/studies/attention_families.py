"""The claim that nearly every head takes part in more than one task, by the families of its latents."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Int
from torch import Tensor

from pellucid.dictionaries.attention.heads import decoder_shares, head_attribution
from pellucid.dictionaries.attention.relations import RELATIONS, SourceRelations, source_relations
from pellucid.dictionaries.dictionary import Dictionary
from pellucid.findings import Array, Kind, Measure, Reference, View, register, wilson
from pellucid.library.studies.attention_setting import SOURCE
from pellucid.models import Model

FAMILY = 10
"""Latents of a head that are looked at, as in the paper."""

FAMILIES = register(
    Kind(
        name="library.attention_families",
        title="Heads whose latents show more than one behaviour",
        statement="Of {polysemantic.n} heads {polysemantic.percent} have latents of two or more named "
        "behaviours, {monosemantic.value} of one, and {open.value} stay open: a behaviour is known for "
        "{named.percent} of the latents that fire. By the foremost source alone {foremost.percent} of the "
        "heads show two or more, and {chance.percent} of families drawn by chance would",
        supports="polysemantic.value >= 0.9",
        refutes="possible.value < 0.9",
        views=(
            View(
                form="heatmap",
                array="verdict",
                title="1: one behaviour, 0: several, -1: open",
                x="head",
                y="layer",
            ),
            View(
                form="heatmap",
                array="sources",
                title="Share of the attribution by how the source stands to the token, mean over latents",
                x="relation",
                y="layer",
            ),
        ),
        stance="observational",
        evidence="correlational",
        room="library",
    )
)


def family(
    model: Model, dictionary: Dictionary, tokens: Int[Tensor, "batch pos"], seed: int
) -> dict[str, Any]:
    """C3: what one layer's heads' families look at, by the rule of `head_attribution` and by a looser one.

    The rule names a latent by the relation that has more than half of its attribution, and leaves a head open
    where a member has no name. The looser one takes the foremost relation, whatever its share, and families
    of latents that fire.

    Arguments:
        model: whose heads.
        dictionary: of one layer's attn.z.
        tokens: the text on which latents fire.
        seed: of the rows that decoder weights are held against.
    """
    heads, seen = model.facts.n_heads, source_relations(model, dictionary, tokens)
    by_rule = head_attribution(dictionary, heads, top=FAMILY, behaviours=seen.behaviours, seed=seed)
    living = seen.tokens > 0
    named = [name != "" for name in np.array(seen.behaviours)[living]]
    return {
        "verdict": by_rule.arrays["verdict"].values.tolist(),
        "foremost": foremost_families(dictionary, heads, seen),
        "chance": chance_of_several(seen.shares.argmax(1)[living]),
        "sources": seen.shares[living].mean(0).tolist(),
        "named": sum(named),
        "living": len(named),
    }


def foremost_families(dictionary: Dictionary, heads: int, seen: SourceRelations) -> list[bool]:
    """Whether each head's family of living latents has two or more foremost relations."""
    share = decoder_shares(dictionary, heads).cpu().numpy()
    share[seen.tokens == 0] = -1
    order = np.argsort(-share, axis=0, kind="stable")[:FAMILY]
    relations = seen.shares.argmax(1)
    return [len(set(relations[order[:, head]])) > 1 for head in range(heads)]


def chance_of_several(relations: Int[np.ndarray, " latent"]) -> float:
    """How often a family drawn from these latents has more than one relation."""
    size = min(FAMILY, len(relations))
    alike = sum(math.comb(int(count), size) for count in np.bincount(relations))
    return 1 - alike / math.comb(len(relations), size)


def family_measures(found: Sequence[Mapping[str, Any]]) -> tuple[list[Measure], dict[str, Array]]:
    """C3: heads of one, of several and of unknown behaviours.

    The heads are all that the model has, so the estimate is judged, not the interval, which is for a reader
    who takes them as drawn from many. What the rule cannot see: latents outside the family, relations other
    than its five, texts other than this one, and a single wrong name, which is enough to make a head
    polysemantic.

    Arguments:
        found: what `family` gives for each layer.
    """
    verdict = np.array([one["verdict"] for one in found])
    several, unknown, n = int((verdict == 0).sum()), int((verdict == -1).sum()), verdict.size
    foremost = sum(sum(one["foremost"]) for one in found)
    named, living = (sum(one[name] for one in found) for name in ("named", "living"))
    paper = Reference(value=0.9, source=f"{SOURCE}, at least, of 144 heads of GPT-2 small")
    single = Reference(value=14, source=f"{SOURCE}, of 144 heads")
    along = {"relation": list(RELATIONS)}
    chance = float(np.mean([one["chance"] for one in found]))
    return [
        Measure.of("polysemantic", wilson(several, n), reference=paper),
        Measure.of("possible", (several + unknown) / n, n=n),
        Measure.of("monosemantic", float(n - several - unknown), n=n, reference=single),
        Measure.of("open", float(unknown), n=n),
        Measure.of("named", named / living if living else None, n=living),
        Measure.of("foremost", wilson(foremost, n)),
        Measure.of("chance", chance),
    ], {
        "verdict": Array(verdict, ("layer", "head")),
        "sources": Array(np.array([one["sources"] for one in found]), ("layer", "relation"), along),
    }
