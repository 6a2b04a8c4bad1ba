"""Whether end-to-end dictionaries are a better basis for one behaviour: the agreement of subject and verb."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from pellucid.dictionaries import Dictionary
from pellucid.dictionaries.judging.resampling import Drawn, interval, share, totals
from pellucid.findings import Array, InputError, Kind, Measure, View, register, wilson
from pellucid.models import Model
from pellucid.models.tokens import Tokenizer

KEPT = (1, 4, 16, 64, 256)
"""Numbers of latents kept, beside all of them."""
RESAMPLES = 1000
RESOLUTION = 0.25
"""Widest half interval of a difference that still tells one basis from another."""

AGREEMENT = register(
    Kind(
        name="library.e2e_agreement",
        title="Dictionaries as a basis for subject-verb agreement",
        statement="On {pairs.value} that the model answers right, the mean faithfulness over numbers of "
        "latents is {local.value} with local latents; end-to-end ones have {e2e_above.interval} more, with "
        "the downstream term {downstream_above.interval}. Across a phrase the model is right in "
        "{right_nounpp.percent}",
        supports=f"e2e_above.low <= 0 and downstream_above.low <= 0 and half_width.value <= {RESOLUTION}",
        refutes="e2e_above.low > 0 or downstream_above.low > 0",
        views=(
            View(
                form="heatmap",
                array="faithfulness",
                title="Faithfulness by number of latents kept",
                x="kept",
                y="objective",
            ),
        ),
        stance="interventional",
        evidence="causal",
        room="library",
    )
)


@dataclass(frozen=True)
class Prompts:
    """Prompt pairs as a tokenizer has them, and where the two answers part."""

    tokens: Int[Tensor, "pair pos"]
    """Each prompt up to the first token at which its answers differ; filled up at the right."""
    last: Int[Tensor, " pair"]
    """Position of its last token."""
    right: Int[Tensor, " pair"]
    """The token that agrees."""
    wrong: Int[Tensor, " pair"]
    """The token that does not."""

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def real(self) -> Bool[Tensor, "pair pos"]:
        """Positions that are not filling."""
        return torch.arange(self.tokens.shape[1]) <= self.last[:, None]

    def chosen(self, which: Bool[Tensor, " pair"]) -> Prompts:
        """Some of the pairs.

        Arguments:
            which: those to keep.
        """
        return Prompts(self.tokens[which], self.last[which], self.right[which], self.wrong[which])


def prompts(tokenizer: Tokenizer, part: Literal["simple", "nounpp"]) -> Prompts:
    """The pairs of one part that a tokenizer can tell apart, each once.

    A pair whose one answer begins with the whole other cannot be asked by one token, and is left out.

    Arguments:
        tokenizer: the model's.
        part: simple, or nounpp with a phrase between subject and verb.

    Raises:
        InputError: DI104 where no pair is left.

    Source: Marks et al. 2024, arXiv 2403.19647; the files are theirs.
    """
    content = (files("pellucid.library") / "data" / "prompts" / f"sva_{part}_train.jsonl").read_text("utf-8")
    return asked(tokenizer, [json.loads(line) for line in content.splitlines()])


def asked(tokenizer: Tokenizer, pairs: Sequence[Mapping[str, str]]) -> Prompts:
    """Prompt pairs as tokens; see `prompts`.

    Arguments:
        tokenizer: the model's.
        pairs: with clean_prefix, clean_answer and patch_answer.
    """
    found: dict[tuple[int, ...], None] = {}
    for pair in pairs:
        ends = [tokenizer.encode(pair[name]) for name in ("clean_answer", "patch_answer")]
        parted = [i for i, (a, b) in enumerate(zip(*ends, strict=False)) if a != b]
        if parted:
            at = parted[0]
            row = [*tokenizer.encode(pair["clean_prefix"]), *ends[0][:at], ends[0][at], ends[1][at]]
            found[tuple(row)] = None
    if not found:
        raise InputError(
            "DI104",
            f"This tokenizer tells the answers of none of the {len(pairs)} prompt pairs apart.",
            "Choose a model whose tokenizer has the verbs in both forms.",
        )
    longest = max(map(len, found)) - 2
    tokens = torch.tensor([[*row[:-2], *[0] * (longest - len(row) + 2)] for row in found])
    last, right, wrong = (torch.tensor([value(row) for row in found]) for value in ROW)
    return Prompts(tokens, last, right, wrong)


ROW: tuple[Callable[[tuple[int, ...]], int], ...] = (
    lambda row: len(row) - 3,
    lambda row: row[-2],
    lambda row: row[-1],
)


def difference(
    model: Model,
    given: Prompts,
    site: str = "",
    change: Callable[[Tensor], Tensor] | None = None,
) -> Float[Tensor, " pair"]:
    """m = logit(agreeing token) - logit(the other), after the last token of each prompt.

    Arguments:
        model: an opened model.
        given: prompt pairs.
        site: where the activation is changed.
        change: what is put in its place; None: nothing is changed.
    """
    run = model.run(given.tokens, write=None if change is None else {site: change})
    logits = run.output[torch.arange(len(given)), given.last]
    ends = logits.gather(1, torch.stack([given.right, given.wrong], 1))
    return ends[:, 0] - ends[:, 1]


def ranked(
    model: Model, dictionary: Dictionary, given: Prompts
) -> tuple[Int[Tensor, " n_features"], Float[Tensor, " n_features"]]:
    """Latents by how much they matter, most first, and the mean code of each.

        |mean over pairs of sum_pos dm/dz_i (z_i - mean z_i)|

    Arguments:
        model: an opened model.
        dictionary: spliced in.
        given: prompt pairs.
    """
    site = dictionary.site_out
    with torch.no_grad():
        x = model.run(given.tokens, read=[site], until=site)[site]
        z = dictionary.encode(x)
    z.requires_grad_()
    with torch.enable_grad():
        m = difference(model, given, site, lambda old: dictionary.decode(z, x).to(old.dtype))
        (slope,) = torch.autograd.grad(m.sum(), z)
    codes, real = z.detach(), given.real
    mean = codes[real].mean(0)
    effect = (slope * (codes - mean))[real].sum(0) / len(given)
    return effect.abs().argsort(descending=True, stable=True), mean


@torch.no_grad()
def curve(model: Model, dictionary: Dictionary, given: Prompts) -> dict[str, Float[np.ndarray, " pair"]]:
    """m of each pair by number of latents kept; the others are held at their mean code.

    Arguments:
        model: an opened model.
        dictionary: spliced in.
        given: prompt pairs.
    """
    order, mean = ranked(model, dictionary, given)
    found = {}
    for count in (*(kept for kept in KEPT if kept < dictionary.n_features), dictionary.n_features):
        out = order[count:]

        def change(x: Tensor, out: Tensor = out) -> Tensor:
            """The reconstruction with the latents that are not kept at their means."""
            z = dictionary.encode(x)
            z[..., out] = mean[out]
            return dictionary.decode(z, x).to(x.dtype)

        name = "all" if count == dictionary.n_features else str(count)
        found[name] = difference(model, given, dictionary.site_out, change).double().numpy()
    return found


@torch.no_grad()
def ablated(model: Model, given: Prompts, site: str) -> Float[np.ndarray, " pair"]:
    """m with the mean activation of all prompts at every position.

    Arguments:
        model: an opened model.
        given: prompt pairs.
        site: which activation.
    """
    mean = model.run(given.tokens, read=[site], until=site)[site][given.real].mean(0)
    return difference(model, given, site, lambda x: mean.expand_as(x)).double().numpy()


def agreement_measures(
    model: Model, dictionaries: Mapping[str, Dictionary], seed: int
) -> tuple[list[Measure], dict[str, Array]]:
    """What dictionaries of equal L0 keep of subject-verb agreement, compared pair by pair.

    Arguments:
        model: an opened model.
        dictionaries: local, e2e and downstream, at one site.
        seed: of the resamples.

    Raises:
        InputError: DI104 for a tokenizer without the verbs, DI105 for a model that is never right.
    """
    parts = {part: prompts(model.tokenizer, part) for part in ("simple", "nounpp")}
    with torch.no_grad():
        clean = {part: difference(model, given) for part, given in parts.items()}
    right = [
        Measure.of(f"right_{part}", wilson(int((m > 0).sum()), len(m)), better="higher")
        for part, m in clean.items()
    ]
    answered = clean["simple"] > 0
    if not bool(answered.any()):
        raise InputError(
            "DI105",
            f"{model.id} answers none of {len(answered)} prompt pairs right: there is nothing to keep.",
            "Choose a model that makes its verbs agree.",
        )
    given = parts["simple"].chosen(answered)
    site = dictionaries["local"].site_out
    curves = {name: curve(model, dictionary, given) for name, dictionary in dictionaries.items()}
    ends = clean["simple"][answered].double().numpy(), ablated(model, given, site)
    measures, arrays = kept_measures(*ends, curves, seed)
    return [*right, *measures], arrays


def kept_measures(
    clean: Float[np.ndarray, " pair"],
    without: Float[np.ndarray, " pair"],
    curves: Mapping[str, Mapping[str, Float[np.ndarray, " pair"]]],
    seed: int,
) -> tuple[list[Measure], dict[str, Array]]:
    """Faithfulness by objective and number of latents, and the paired differences to the local dictionary.

        (m(spliced) - m(ablated)) / (m(clean) - m(ablated)),  each m a mean over pairs

    Arguments:
        clean: m of the model as it is.
        without: m with the activation at its mean.
        curves: m by objective and number of latents kept.
        seed: of the resamples, which are of pairs and the same for all dictionaries.
    """
    columns = {"clean": clean, "without": without}
    columns |= {f"{name} {kept}": m for name, line in curves.items() for kept, m in line.items()}
    sums = totals(columns, RESAMPLES, seed)
    whole = sums["clean"] - sums["without"]
    faith = {
        name: {kept: share(sums[f"{name} {kept}"] - sums["without"], whole) for kept in line}
        for name, line in curves.items()
    }
    n = len(clean)
    areas: dict[str, Drawn] = {name: np.mean(list(line.values()), axis=0) for name, line in faith.items()}
    above = {name: interval(areas[name] - areas["local"], n) for name in areas if name != "local"}
    widths = [(one.high - one.low) / 2 for one in above.values() if one is not None]
    names, counts = list(faith), list(faith["local"])
    table = np.array([[faith[name][kept][0] for kept in counts] for name in names])
    measures = [
        Measure.of("pairs", n, unit="prompt pairs"),
        *(Measure.of(name, interval(area, n), better="higher") for name, area in areas.items()),
        *(
            Measure.of(f"{name}_all", interval(line["all"], n), better="higher")
            for name, line in faith.items()
        ),
        *(Measure.of(f"{name}_above", difference) for name, difference in above.items()),
        Measure.of("half_width", max(widths, default=None)),
    ]
    axes = {"objective": names, "kept": counts}
    return measures, {"faithfulness": Array(table, ("objective", "kept"), axes)}
