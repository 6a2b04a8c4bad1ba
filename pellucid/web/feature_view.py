"""One latent as a page draws it: a sentence for its title, shaded passages, a histogram, its company."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from pellucid.findings.numbers import THIN, format_number
from pellucid.web.features import Dashboard, Feature, Pairs, Passage, Triples
from pellucid.web.label import NARROW
from pellucid.web.table import Table, table_of
from pellucid.web.tokens import passage, visible

MOST = 0.5
"""Share of its activation from which on a latent is said to fire on a token, or on a few."""
FEW = 3
LEVELS = 255
PLOT = (440, 120)
"""Width and height of the histogram."""
BINS = 32


@dataclass(frozen=True)
class Bar:
    """One bar of a list."""

    name: Markup
    """What it stands for."""
    value: str
    """Its number."""
    width: int
    """Its length in per cent of the longest."""
    negative: bool = False
    """Whether the number is below 0."""


@dataclass(frozen=True)
class Companion:
    """Another latent beside this one."""

    latent: int
    """Its number."""
    described: bool
    """Whether it has a page."""
    on: Markup
    """The token on which most of its activation falls; empty where it is not described."""
    value: str
    """Cosine or correlation."""
    share: str
    """How often it fires with this one."""


@dataclass(frozen=True)
class FeatureView:
    """Everything on the page of a latent, ready to be written."""

    latent: int
    """Its number."""
    title: Markup
    """What it does, in a sentence."""
    lede: Markup
    """How often, on what, and what it writes."""
    facts: tuple[tuple[str, str], ...]
    """Its numbers."""
    examples: tuple[tuple[str, Markup], ...]
    """Activation and text of the strongest places."""
    sample: tuple[tuple[str, Markup], ...]
    """The same of places drawn at random."""
    histogram: Markup
    """How strong its firings are."""
    fullest: str
    """How many firings its fullest bin holds."""
    bins: Table | None
    """The same as a table."""
    carried: tuple[Bar, ...]
    """Tokens on which most of its activation falls."""
    read: tuple[Bar, ...]
    """Tokens it is most active on."""
    raised: tuple[Bar, ...]
    """Tokens it raises."""
    lowered: tuple[Bar, ...]
    """Tokens it lowers."""
    neighbours: tuple[Companion, ...]
    """Latents that point the same way."""
    together: tuple[Companion, ...]
    """Latents that fire at the same tokens."""
    heads: tuple[Bar, ...]
    """Share of each head, where there are heads."""


def view_of(board: Dashboard, row: int) -> FeatureView:
    """The page of the latent in a row of a dashboard."""
    feature = board.feature(row)
    return FeatureView(
        latent=feature.latent,
        title=sentence(title_of(feature), board.words),
        lede=sentence(lede_of(feature), board.words),
        facts=tuple(facts_of(feature)),
        examples=tuple(shown(board, feature, one) for one in feature.examples),
        sample=tuple(shown(board, feature, one) for one in feature.sample),
        histogram=histogram(feature),
        fullest=format_number(max(feature.counts, default=0)),
        bins=bins_of(feature),
        carried=tuple(share_bars((visible(board.words[token]), part) for token, part in feature.carried)),
        read=tuple(read_bars(feature.read, board.words)),
        raised=tuple(bars(feature.raised, board.words)),
        lowered=tuple(bars(feature.lowered, board.words)),
        neighbours=tuple(companions(board, feature.neighbours)),
        together=tuple(companions(board, feature.together)),
        heads=tuple(share_bars((Markup(f"head {at}"), part) for at, part in enumerate(feature.heads))),
    )


def share(part: float) -> str:
    """A part of 1 in per cent.

    Example:
        >>> share(0.25).replace(NARROW, " ")
        '25 %'
    """
    return format_number(100 * part, "%").replace(THIN, NARROW)


def signed(number: float) -> str:
    """A number with its sign.

    Example:
        >>> signed(1.5), signed(-0.5)
        ('+1.50', '−0.500')
    """
    return f"{'+' if number > 0 else ''}{format_number(number)}"


def sentence(parts: Sequence[str | int], words: Sequence[str]) -> Markup:
    """A sentence from its parts: texts, and numbers that stand for tokens."""
    token = Markup('<q class="token">{}</q>')
    return Markup("").join(
        escape(part) if isinstance(part, str) else token.format(visible(words[part])) for part in parts
    )


def title_of(feature: Feature) -> list[str | int]:
    """What the latent does: the tokens that carry most of its activation, where few do."""
    if not feature.fires:
        return [f"Latent {feature.latent} never fires in this text"]
    total = 0.0
    for count, (_, part) in enumerate(feature.carried[:FEW], start=1):
        total += part
        if total >= MOST:
            names = [token for token, _ in feature.carried[:count]]
            return [f"Latent {feature.latent} fires on ", *listing(names)]
    return [f"Latent {feature.latent} fires on many tokens, most on ", feature.carried[0][0]]


def listing(names: Sequence[int]) -> list[str | int]:
    """``a``, ``a and b``, ``a, b and c``."""
    parts: list[str | int] = [names[0]]
    for at, name in enumerate(names[1:], start=2):
        parts += [" and " if at == len(names) else ", ", name]
    return parts


def lede_of(feature: Feature) -> list[str | int]:
    """How often it fires, and what it writes."""
    numbers = f"a mean of {format_number(feature.mean)} and at most {format_number(feature.largest)}"
    often = f"It fires on {share(feature.density)} of tokens, with {numbers}."
    first = (
        often if feature.fires else "Nothing in this text makes it active; its direction can still be read."
    )
    if not feature.raised:
        return [first]
    (raised, up), (lowered, down) = feature.raised[0], feature.lowered[0]
    return [
        f"{first} It raises ",
        raised,
        f" most ({signed(up)} logits) and lowers ",
        lowered,
        f" most ({signed(down)}).",
    ]


def facts_of(feature: Feature) -> Iterable[tuple[str, str]]:
    """Its numbers, by name."""
    yield "Fires", f"{format_number(feature.fires)} times, {share(feature.density)} of tokens"
    yield "Largest", format_number(feature.largest)
    yield "Mean where it fires", format_number(feature.mean)
    yield "Decoder length", format_number(feature.length)


def shown(board: Dashboard, feature: Feature, place: Passage) -> tuple[str, Markup]:
    """Activation and shaded text of a passage; the place itself is the one in bold."""
    text = board.values("text")[place.start : place.start + len(place.levels)].tolist()
    parts = []
    for at, (token, level) in enumerate(zip(text, place.levels, strict=True)):
        word = passage(board.words[token], broken=False)
        if level:
            strength = format_number(feature.largest * level / LEVELS)
            name = "tk max" if at == place.at else "tk"
            span = Markup('<span class="{}" style="--a:{}" title="{}">{}</span>')
            word = span.format(name, round(100 * level / LEVELS), strength, word)
        parts.append(word)
    return format_number(place.value), Markup("").join(parts)


def histogram(feature: Feature) -> Markup:
    """Firings by activation, as a drawing; empty for a latent that never fires."""
    if not feature.counts:
        return Markup("")
    width, height = PLOT
    top, step = max(feature.counts), width / BINS
    bars_ = "".join(
        f'<rect class="d1" x="{at * step + 1:.1f}" y="{height - max(1, height * n / top):.1f}" '
        f'width="{step - 2:.1f}" height="{max(1, height * n / top):.1f}"/>'
        for at, n in enumerate(feature.counts)
        if n
    )
    ticks = "".join(
        f'<text class="tick" x="{part * width / 4:g}" y="{height + 16}" text-anchor="{anchor}">'
        f"{escape(format_number(feature.width * BINS * part / 4))}</text>"
        for part, anchor in zip(range(5), ("start", "middle", "middle", "middle", "end"), strict=True)
    )
    label = f"{format_number(feature.fires)} firings, the most in one bin {format_number(top)}"
    return Markup(
        f'<svg viewBox="0 0 {width} {height + 20}" width="{width}" role="img" aria-label="{label}">'
        f'{bars_}<path class="axis" d="M0 {height}H{width}"/>{ticks}</svg>'
    )


def bins_of(feature: Feature) -> Table | None:
    """The bins that hold firings, as a table."""
    rows = [
        (
            f"{format_number(feature.width * at)} to {format_number(feature.width * (at + 1))}",
            format_number(n),
        )
        for at, n in enumerate(feature.counts)
        if n
    ]
    return table_of(("Activation", "Firings"), rows) if rows else None


def bars(effects: Pairs, words: Sequence[str]) -> Iterable[Bar]:
    """Effects on the logits as bars."""
    longest = max((abs(value) for _, value in effects), default=0) or 1
    for token, value in effects:
        width = round(100 * abs(value) / longest)
        yield Bar(visible(words[token]), signed(value), width, value < 0)


def read_bars(read: Triples, words: Sequence[str]) -> Iterable[Bar]:
    """Mean activations on tokens as bars."""
    longest = max((mean for _, mean, _ in read), default=0) or 1
    for token, mean, _ in read:
        yield Bar(visible(words[token]), format_number(mean), round(100 * mean / longest))


def share_bars(parts: Iterable[tuple[Markup, float]]) -> Iterable[Bar]:
    """Shares as bars, each of the whole."""
    for name, part in parts:
        yield Bar(name, share(part), round(100 * part))


def companions(board: Dashboard, others: Triples) -> Iterable[Companion]:
    """Other latents, each with the token it fires on most, where that is known."""
    for latent, value, part in others:
        described, on = latent in board.rows, board.first_word(latent)
        yield Companion(latent, described, on, format_number(value), share(part))
