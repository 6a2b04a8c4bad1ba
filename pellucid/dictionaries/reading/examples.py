"""Where in a text latents are most active."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from pellucid.compute import SILENT, Progress
from pellucid.dictionaries.dictionary import Dictionary
from pellucid.dictionaries.judging.evaluation import batches, tokens_sha256
from pellucid.dictionaries.splicing import check_fits
from pellucid.findings import Array, DataRef, Finding, InputError, Kind, Measure, View, register, start
from pellucid.models import Model

KIND = register(
    Kind(
        name="dictionaries.examples",
        title="Where latents are most active",
        statement="The largest activation among {latents.value} latents is {largest.value}; "
        "{silent.value} are silent in {largest.n} tokens.",
        supports="",
        refutes="",
        views=(
            View(
                form="text",
                array="examples",
                title="The text around the strongest activations of each latent",
                x="passage",
                unit="activation",
            ),
        ),
        stance="observational",
        evidence="correlational",
        room="dictionaries",
    )
)


@dataclass(frozen=True)
class Example:
    """One strongest activation and its surroundings."""

    latent: int
    sequence: int
    position: int
    start: int
    """First position of the window."""
    tokens: tuple[int, ...]
    activations: tuple[float, ...]

    @property
    def peak(self) -> float:
        """The activation at the position itself."""
        return self.activations[self.position - self.start]


def top_examples(
    model: Model,
    dictionary: Dictionary,
    tokens: Int[Tensor, "batch pos"],
    latents: Sequence[int],
    n: int = 8,
    *,
    before: int = 12,
    after: int = 6,
    progress: Progress = SILENT,
) -> Finding:
    """Find, for each latent, the sequences where it is most active, and show the text around the maximum.

    At most one example of each sequence; equal maxima go to the earlier sequence, then the earlier position.

    Arguments:
        model: the model the dictionary was trained on.
        dictionary: whose latents.
        tokens: sequences to search.
        latents: which latents.
        n: examples of each.
        before: tokens shown before the maximum.
        after: tokens shown after it.
        progress: told after each batch of sequences.

    Returns:
        A Finding ``dictionaries.examples`` with the arrays ``examples`` (largest activation of each passage,
        the passage itself as its coordinate, the maximum between brackets), ``pieces`` (the activation of
        every token shown, the token as coordinate) and ``places`` (latent, sequence, position, first position
        and number of tokens of each example).

    Raises:
        InputError: DI04 another width, DI24 latents that do not exist, DI74 no text, or a number or a window
            that shows nothing.
        MissingError: DI17 for a site that the model does not have.

    Example: ``top_examples(model, sae, tokens, [3, 14], n=4).show()``.
    """
    check_fits(model, dictionary)
    latents = check_latents(dictionary, latents)
    refuse_no_text(dictionary, tokens)
    refuse_no_window(n, before, after)
    record = start(
        top_examples,
        parameters={
            "dictionary": dictionary.sha256,
            "latents": latents,
            "n": n,
            "window": [before, after],
        },
        subject=model.subject,
        data=DataRef(id="tokens", sha256=tokens_sha256(tokens)),
    )
    found = search(model, dictionary, tokens, latents, n, (before, after), progress)
    silent = len(latents) - len({example.latent for example in found})
    largest = max((example.peak for example in found), default=0.0)
    measures = [
        Measure.of("latents", len(latents)),
        Measure.of("largest", largest, n=tokens.numel()),
        Measure.of("silent", silent, unit="latents"),
    ]
    return record.finding(KIND, measures=measures, arrays=arrays_of(model, found))


def check_latents(dictionary: Dictionary, latents: Sequence[int]) -> list[int]:
    """The latents as whole numbers, each once; DI24 unless all exist."""
    wrong = [latent for latent in latents if latent not in range(dictionary.n_features)]
    if wrong or len(latents) == 0:
        raise InputError(
            "DI24",
            f"No latent {wrong[0]}." if wrong else "No latent was named.",
            f"This dictionary has latents 0-{dictionary.n_features - 1}.",
        )
    return list(dict.fromkeys(int(latent) for latent in latents))


def refuse_no_text(dictionary: Dictionary, tokens: Int[Tensor, "batch pos"]) -> None:
    """DI74 unless the dictionary is for some position of the tokens."""
    if not bool(dictionary.convention.included(tokens).any()):
        raise InputError(
            "DI74",
            f"Tokens of shape {tuple(tokens.shape)} hold no position that the dictionary is for.",
            "Give sequences to take examples from.",
        )


def refuse_no_window(n: int, before: int, after: int) -> None:
    """DI74 unless at least one example is shown with its maximum."""
    if n < 1 or before < 0 or after < 0:
        raise InputError(
            "DI74",
            f"{n} examples with {before} tokens before and {after} after the maximum show nothing.",
            "Give n of at least 1, before and after of at least 0.",
        )


@torch.no_grad()
def search(
    model: Model,
    dictionary: Dictionary,
    tokens: Int[Tensor, "batch pos"],
    latents: Sequence[int],
    n: int,
    window: tuple[int, int],
    progress: Progress,
) -> list[Example]:
    """The examples of all latents, strongest first within each."""
    best: dict[int, list[Example]] = {latent: [] for latent in latents}
    keep = dictionary.convention.included(tokens)
    with progress.task("searching examples", len(tokens)) as task:
        begin = 0
        for batch, mask in batches(tokens, keep):
            active = activations(model, dictionary, batch, latents) * mask.unsqueeze(-1)
            for column, latent in enumerate(latents):
                seen = candidates(latent, active[..., column], batch, begin, n, window)
                best[latent] = sorted(best[latent] + seen, key=lambda example: -example.peak)[:n]
            begin += len(batch)
            task.advance(len(batch))
    return [example for latent in latents for example in best[latent]]


def activations(
    model: Model, dictionary: Dictionary, tokens: Int[Tensor, "batch pos"], latents: Sequence[int]
) -> Float[Tensor, "batch pos latent"]:
    """Codes of some latents at all positions, in units of h."""
    x = model.run(tokens, read=[dictionary.site_in], until=dictionary.site_in)[dictionary.site_in]
    codes = dictionary.codes(x.reshape(-1, dictionary.d_in).float())
    return codes.dense()[:, list(latents)].reshape(*tokens.shape, len(latents))


def candidates(
    latent: int,
    active: Float[Tensor, "batch pos"],
    tokens: Int[Tensor, "batch pos"],
    begin: int,
    n: int,
    window: tuple[int, int],
) -> list[Example]:
    """The strongest position of each of the n strongest sequences of a batch where the latent fires."""
    peaks, positions = active.max(1)
    order = torch.sort(peaks, descending=True, stable=True).indices[:n]
    made = []
    for row in (int(row) for row in order if peaks[row] > 0):
        position = int(positions[row])
        first = max(0, position - window[0])
        shown = slice(first, position + window[1] + 1)
        words, values = tokens[row, shown].tolist(), active[row, shown].tolist()
        made.append(Example(latent, begin + row, position, first, tuple(words), tuple(values)))
    return made


def arrays_of(model: Model, found: Sequence[Example]) -> dict[str, Array]:
    """Examples as arrays whose coordinates are the text."""
    words = [piece(model, token) for example in found for token in example.tokens]
    values = np.array([value for example in found for value in example.activations])
    places = [
        [example.latent, example.sequence, example.position, example.start, len(example.tokens)]
        for example in found
    ]
    columns = ["latent", "sequence", "position", "start", "tokens"]
    peaks = np.array([example.peak for example in found])
    return {
        "examples": Array(peaks, ("passage",), {"passage": [passage(model, example) for example in found]}),
        "pieces": Array(values, ("token",), {"token": words}),
        "places": Array(
            np.array(places, dtype=np.int64).reshape(len(found), len(columns)),
            ("example", "column"),
            {"column": columns},
        ),
    }


def passage(model: Model, example: Example) -> str:
    """The latent's number, then the text with the maximum between brackets."""
    at = example.position - example.start
    pieces = [piece(model, token) for token in example.tokens]
    pieces[at] = f"⟦{pieces[at]}⟧"
    return f"{example.latent}: {''.join(pieces)}"


def piece(model: Model, token: int) -> str:
    """A token as text, or as its number where there is no tokenizer."""
    return f"<{token}>" if model._tokenizer is None else model._tokenizer.token(token)
