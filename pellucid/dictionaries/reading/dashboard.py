"""Everything that is shown of single latents, for all of them from one pass over a text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy import sparse
from torch import Tensor

from pellucid.compute import SILENT, Progress
from pellucid.dictionaries.dictionary import Dictionary
from pellucid.dictionaries.judging.evaluation import DENSE
from pellucid.dictionaries.judging.sums import batches, tokens_sha256
from pellucid.dictionaries.randomness import stream
from pellucid.dictionaries.reading.company import Company, Meetings, company
from pellucid.dictionaries.reading.examples import check_latents, piece, refuse_no_text
from pellucid.dictionaries.reading.firings import Lottery, Shortlist, firings_of, strongest_of_sequences
from pellucid.dictionaries.reading.passages import Passages, pool
from pellucid.dictionaries.reading.tallies import Tallies, foremost
from pellucid.dictionaries.reading.writing import Effects, effects, head_shares
from pellucid.dictionaries.splicing import check_fits
from pellucid.findings import Array, DataRef, Finding, InputError, Kind, Measure, View, register, start
from pellucid.models import Model

KIND = register(
    Kind(
        name="dictionaries.dashboard",
        title="What every latent does",
        statement="{alive.value} of {latents.value} latents fire in {alive.n} tokens; {dense.value} of them "
        "fire in more than 10 % of the tokens.",
        supports="",
        refutes="",
        views=(
            View(
                form="histogram",
                array="log_frequency",
                title="How often each living latent fires",
                x="log10 of the share of tokens",
                y="latents",
            ),
        ),
        stance="observational",
        evidence="correlational",
        room="dictionaries",
    )
)


@dataclass(frozen=True)
class DashboardConfig:
    """How much is kept of each latent.

    Raises:
        InputError: DI65 for numbers that leave nothing to show.

    Example:
        >>> DashboardConfig(examples=12).examples
        12
    """

    examples: int = 8
    """Strongest examples, at most one of each sequence."""
    sample: int = 6
    """Firings drawn at random."""
    before: int = 20
    """Tokens shown before the place itself."""
    after: int = 10
    """Tokens shown after it."""
    others: int = 8
    """Neighbours by direction, and as many companions by firing."""
    words: int = 8
    """Tokens that are read, raised and lowered most, each."""
    rare: int = 3
    """Tokens that the text holds less often are not ranked among those that are read."""
    meetings: int = 2**18
    """Tokens at which it is looked who fires together: of a longer text a fixed random share, and a smaller
    one where very many latents fire at once."""
    seed: int = 0
    """Of the random examples."""

    def __post_init__(self) -> None:
        free = {"before", "after", "seed"}
        for field in fields(self):
            least = 0 if field.name in free else 1
            if getattr(self, field.name) < least:
                raise InputError(
                    "DI65",
                    f"No dashboard can be made with {field.name} {getattr(self, field.name)}.",
                    f"Give {field.name} of at least {least}.",
                )


class Gathering:
    """What one pass over the text collects.

    Arguments:
        dictionary: whose latents.
        latents: the chosen ones, in rising order.
        config: how much is kept.
        vocabulary: number of tokens there are.
        share: of the tokens, at which it is looked who fires together.
    """

    def __init__(
        self,
        dictionary: Dictionary,
        latents: Int[np.ndarray, " row"],
        config: DashboardConfig,
        vocabulary: int,
        share: float,
    ) -> None:
        window = (config.before, config.after)
        self.rows = np.full(dictionary.n_features, -1)
        self.rows[latents] = np.arange(len(latents))
        self.lottery = Lottery(config.seed, latents)
        self.top = Shortlist(len(latents), config.examples, window)
        self.sample = Shortlist(len(latents), config.sample, window)
        self.tallies = Tallies(len(latents), vocabulary)
        self.meetings = Meetings(dictionary.n_features, share)

    def add(
        self,
        dictionary: Dictionary,
        x: Float[Tensor, "row d_in"],
        tokens: Int[Tensor, "batch pos"],
        keep: Bool[Tensor, "batch pos"],
        begin: int,
        tickets: Float[Tensor, "batch pos"],
    ) -> None:
        """One batch of sequences.

        Arguments:
            dictionary: whose latents.
            x: activations at the included positions.
            tokens: the sequences.
            keep: the included positions.
            begin: number of the first sequence.
            tickets: of the positions, in the draw of those at which it is looked who fires together.
        """
        codes = dictionary.codes(x)
        firings = firings_of(codes, keep.cpu().numpy(), begin, self.rows)
        read = tokens.cpu().numpy()[firings.sequence - begin, firings.position]
        self.tallies.add(firings, read)
        strongest = strongest_of_sequences(firings)
        self.top.offer(strongest, strongest.value.astype(np.float64), firings, tokens.shape[1])
        self.sample.offer(firings, -self.lottery.numbers(firings), firings, tokens.shape[1])
        self.meetings.add(codes.indices, codes.values, tickets[keep.cpu()].double().numpy())


def describe_latents(
    model: Model,
    dictionary: Dictionary,
    tokens: Int[Tensor, "batch pos"],
    latents: Sequence[int] | None = None,
    config: DashboardConfig | None = None,
    *,
    progress: Progress = SILENT,
) -> Finding:
    """Describe latents from one pass over a text: what a dashboard shows of each.

    For every latent: its strongest examples and a uniform sample of its firings, each with the text around
    it; how often and how strongly it fires, as an exact histogram; the tokens it fires on; the tokens that it
    raises and lowers (`logit_effects`); the nearest latents by decoder direction, and those that fire at the
    same tokens; for a dictionary of the heads' outputs, the share of each head in its direction.

    Memory is that of what is kept, not of the text or of (feature, feature).

    Arguments:
        model: the model the dictionary was trained on.
        dictionary: whose latents.
        tokens: sequences to read.
        latents: which latents; None: all.
        config: how much is kept; None: as `DashboardConfig()`.
        progress: told after each batch of sequences.

    Returns:
        A Finding ``dictionaries.dashboard`` with the measures latents, alive, dense, strongest, tokens_met,
        and one row for each latent in the arrays ``fires``, ``mean`` (where it fires), ``largest``,
        ``length`` (of the decoder row), ``histogram`` with ``bin_width``; ``examples`` and ``sample``
        (activations), each with ``_places`` (sequence, position, offset in ``text``, place within the
        passage, number of tokens) and ``_levels`` (activations in 255ths of the largest); ``carried`` (tokens
        on which most of its activation falls), ``carried_share``; ``read`` (tokens it is most active on),
        ``read_mean``, ``read_share``; ``raised``, ``raised_by``, ``lowered``, ``lowered_by``;
        ``neighbours``, ``neighbour_cosine``, ``neighbour_share``; ``together``, ``together_phi``,
        ``together_share``; ``heads``. ``text`` is what the examples cite; it and all tokens are numbers of
        the array ``vocabulary`` (how often each is read, its text as coordinate), whose own ids are
        ``token_ids``. -1 stands where there is nothing.

    Raises:
        InputError: DI04 another width, DI24 latents that do not exist, DI74 no position to read.
        MissingError: DI17 for a site that the model does not have.

    Example: ``describe_latents(model, sae, tokens).save("latents.safetensors")``.

    Source: sections of a dashboard: Bricken et al. 2023, "Towards monosemanticity", feature interface.
    """
    config = config or DashboardConfig()
    check_fits(model, dictionary)
    refuse_no_text(dictionary, tokens)
    keep = dictionary.convention.included(tokens)
    every = latents is None
    named = range(dictionary.n_features) if latents is None else check_latents(dictionary, latents)
    chosen = np.array(sorted(named))
    record = start(
        describe_latents,
        parameters={
            "dictionary": dictionary.sha256,
            "sites": [dictionary.site_in, dictionary.site_out],
            "latents": "all" if every else chosen.tolist(),
            **{name: value for name, value in vars(config).items() if name != "seed"},
        },
        subject=model.subject,
        data=DataRef(id="tokens", sha256=tokens_sha256(tokens)),
        seed=config.seed,
    )
    gathered = gather(model, dictionary, tokens, keep, chosen, config, progress)
    arrays = arrays_of(model, dictionary, tokens, keep, chosen, gathered, config)
    return record.finding(KIND, measures=measures_of(gathered, int(keep.sum())), arrays=arrays)


@torch.no_grad()
def gather(
    model: Model,
    dictionary: Dictionary,
    tokens: Int[Tensor, "batch pos"],
    keep: Bool[Tensor, "batch pos"],
    latents: Int[np.ndarray, " row"],
    config: DashboardConfig,
    progress: Progress,
) -> Gathering:
    """One pass over the text, up to the site and no further."""
    share = min(1.0, config.meetings / int(keep.sum()))
    gathered = Gathering(dictionary, latents, config, int(tokens.max()) + 1, share)
    tickets = torch.rand(keep.shape, generator=stream("meetings", config.seed))
    begin, site = 0, dictionary.site_in
    with progress.task("describing latents", len(tokens)) as task:
        for batch, mask in batches(tokens, keep):
            x = model.run(batch, read=[site], until=site)[site][mask].float()
            here = slice(begin, begin + len(batch))
            gathered.add(dictionary, x.reshape(len(x), -1), batch, mask, begin, tickets[here])
            begin += len(batch)
            task.advance(len(batch))
    return gathered


def measures_of(gathered: Gathering, n: int) -> list[Measure]:
    """How many latents there are, live, and hardly ever rest; the largest activation of all."""
    fires = gathered.tallies.fires
    return [
        Measure.of("latents", len(fires)),
        Measure.of("alive", int((fires > 0).sum()), n=n),
        Measure.of("dense", int((fires > DENSE * n).sum()), n=n),
        Measure.of("strongest", float(gathered.tallies.largest.max()), n=n),
        Measure.of("tokens_met", gathered.meetings.tokens),
    ]


def arrays_of(
    model: Model,
    dictionary: Dictionary,
    tokens: Int[Tensor, "batch pos"],
    keep: Bool[Tensor, "batch pos"],
    latents: Int[np.ndarray, " row"],
    gathered: Gathering,
    config: DashboardConfig,
) -> dict[str, Array]:
    """All that is shown, one row for each latent."""
    tallies, ids = gathered.tallies, tokens.cpu().numpy()
    occurrences = np.bincount(ids[keep.cpu().numpy()])
    text, (top, sample) = pool(ids, [gathered.top, gathered.sample], tallies.largest)
    lengths = torch.linalg.vector_norm(dictionary.W_dec.detach().float(), dim=1).cpu().numpy()[latents]
    frequency = tallies.fires / int(keep.sum())
    alive = np.flatnonzero(tallies.fires)
    numbers = {
        **strengths(tallies, lengths),
        **passage_arrays("examples", top),
        **passage_arrays("sample", sample),
        **company_arrays(company(dictionary.W_dec, gathered.meetings, latents, config.others)),
        **head_arrays(head_shares(model, dictionary, latents)),
    }
    read, written = reading(tallies, occurrences, config), effects(model, dictionary, latents, config.words)
    around = {"token": list(range(-config.before, config.after + 1))}
    arrays = {
        name: Array(values, axes(name, values), around if name.endswith("_levels") else None)
        for name, values in numbers.items()
    }
    arrays |= in_words(model, text, read | effect_arrays(written), occurrences)
    arrays["fires"] = Array(tallies.fires, ("feature",), {"feature": latents.tolist()})
    arrays["log_frequency"] = Array(
        np.log10(frequency[alive]), ("feature",), {"feature": latents[alive].tolist()}
    )
    return arrays


def axes(name: str, values: np.ndarray[Any, Any]) -> tuple[str, ...]:
    """The axes of an array, from its name and its number of axes."""
    named = {"histogram": "bin", "heads": "head", "places": "column", "levels": "token"}
    last = named.get(name.rpartition("_")[2], "rank")
    return {1: ("feature",), 2: ("feature", last), 3: ("feature", "rank", last)}[values.ndim]


def strengths(tallies: Tallies, lengths: Float[np.ndarray, " row"]) -> dict[str, np.ndarray[Any, Any]]:
    """How strongly each latent fires."""
    width = np.where(tallies.fires > 0, np.ldexp(1.0, np.maximum(tallies.exponent, -1000)), 0)
    return {
        "mean": (tallies.total / np.maximum(tallies.fires, 1)).astype(np.float32),
        "largest": tallies.largest,
        "length": lengths,
        "histogram": tallies.histogram.astype(np.uint32),
        "bin_width": width,
    }


def passage_arrays(name: str, passages: Passages) -> dict[str, np.ndarray[Any, Any]]:
    """Examples under their name."""
    return {
        name: passages.values,
        f"{name}_places": passages.places,
        f"{name}_levels": passages.levels,
    }


def company_arrays(found: Company) -> dict[str, np.ndarray[Any, Any]]:
    """Neighbours and companions."""
    return {
        "neighbours": found.neighbours,
        "neighbour_cosine": found.cosine,
        "neighbour_share": found.cofire,
        "together": found.together,
        "together_phi": found.phi,
        "together_share": found.share,
    }


def head_arrays(shares: Float[np.ndarray, "row head"] | None) -> dict[str, np.ndarray[Any, Any]]:
    """The heads' shares, where the dictionary is one of heads' outputs."""
    return {} if shares is None else {"heads": shares}


def effect_arrays(found: Effects | None) -> dict[str, np.ndarray[Any, Any]]:
    """Effects on the logits, where there are any."""
    return {} if found is None else {name: np.asarray(values) for name, values in vars(found).items()}


def reading(
    tallies: Tallies, occurrences: Int[np.ndarray, " vocab"], config: DashboardConfig
) -> dict[str, np.ndarray[Any, Any]]:
    """The tokens on which each latent is most active: by share of its activation, and by mean.

    The share says where its activation is, the mean over all occurrences of a token what it is most specific
    to. In the second ranking tokens that are rare in the text are left out: one occurrence is no mean.
    """
    by_token = tallies.by_token()
    carried, carried_sum = foremost(by_token, config.words)
    sums = by_token.tocoo()
    known = occurrences[sums.col] >= config.rare
    row, col, total = sums.row[known], sums.col[known], sums.data[known]
    mean = sparse.coo_array((total / occurrences[col], (row, col)), shape=sums.shape).tocsr()
    read, read_mean = foremost(mean, config.words)
    part = read_mean * occurrences[np.maximum(read, 0)]
    whole = np.where(tallies.total > 0, tallies.total, 1)[:, None]
    return {
        "carried": carried,
        "carried_share": (carried_sum / whole).astype(np.float32),
        "read": read,
        "read_mean": read_mean,
        "read_share": (part / whole).astype(np.float32),
    }


def in_words(
    model: Model,
    text: Int[np.ndarray, " token"],
    tables: dict[str, np.ndarray[Any, Any]],
    occurrences: Int[np.ndarray, " vocab"],
) -> dict[str, Array]:
    """Token ids as numbers of a vocabulary that holds only those that are shown, with their words."""
    named = [name for name, values in tables.items() if values.dtype.kind == "i"]
    shown = np.concatenate([text, *(tables[name].ravel() for name in named)])
    ids = np.unique(shown[shown >= 0])
    number = np.full(int(ids.max(initial=-1)) + 2, -1, dtype=np.int32)  # the last stands for -1: none
    number[ids] = np.arange(len(ids))
    arrays = {
        name: Array(number[values] if name in named else values.astype(np.float32), ("feature", "rank"))
        for name, values in tables.items()
    }
    seen = np.pad(occurrences, (0, max(0, len(number) - len(occurrences))))[ids]
    words = [piece(model, int(token)) for token in ids]
    arrays["text"] = Array(number[text], ("token",))
    arrays["vocabulary"] = Array(seen, ("token",), {"token": words})
    arrays["token_ids"] = Array(ids, ("token",))
    return arrays
