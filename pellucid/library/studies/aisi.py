"""Claims of "The Role of AI Safety Institutes": what tracks of review trade, and what a coordinator is for.

Both are illustrated by simulated reviews that run through the real rules of a review; the people, how many
they are and their effort are made up.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pellucid.cases.review import Track, bilateral, core, inclusive, simulate_coordination, simulate_tracks
from pellucid.findings import Array, Finding, Kind, Measure, View, bootstrap, register, start
from pellucid.library.studies.protocol import Conditions

REVIEWS = 200
CLAIMS, CONTRADICTED = 40, 8
COMMAND = "pellucid study run aisi"

TRADE = register(
    Kind(
        name="library.track_tradeoff",
        title="Tracks of review trade speed against voices",
        statement="The inclusive track takes longer than the core track by {delay.interval}, and hears more "
        "people by {voices.interval}; {core_handled.percent} and {inclusive_handled.percent} of the comments "
        "are answered",
        supports="delay.low > 0 and voices.low > 0",
        refutes="delay.high <= 0 or voices.high <= 0",
        views=(
            View(
                form="table",
                array="reviews",
                title="What each track came to, averaged over simulated reviews",
                x="track",
                y="average",
            ),
        ),
        stance="interventional",
        evidence="behavioural",
        room="library",
    )
)
COHERENCE = register(
    Kind(
        name="library.track_coherence",
        title="Contradictions between tracks come to light through a coordinator",
        statement="A coordinator finds {with_coordinator.percent} of planted contradictions between tracks, "
        "people who sit in several find {without.percent}; the difference is {gain.interval}",
        supports="gain.low > 0",
        refutes="gain.high <= 0",
        stance="interventional",
        evidence="behavioural",
        room="library",
    )
)


def run(conditions: Conditions) -> Iterator[Finding]:
    """Both claims for each seed."""
    for seed in conditions.seeds:
        yield trade(seed)
        yield coherence(seed)


def tracks() -> tuple[Track, Track, Track]:
    """A core track of five, a bilateral one of two, an inclusive one of twelve; one member sits in all."""
    return (
        core("core", ["institute 1", "institute 2", "institute 3", "institute 4", "institute 5"]),
        bilateral("bilateral", "institute 1", "institute 6"),
        inclusive("inclusive", [f"body {number}" for number in range(1, 12)] + ["institute 1"]),
    )


def trade(seed: int) -> Finding:
    """Review one claim in three tracks, many times."""
    record = start(trade, parameters={"claim": "aisi.C1", "reviews": REVIEWS}, seed=seed, command=COMMAND)
    runs = [simulate_tracks(tracks(), seed * REVIEWS + number) for number in range(REVIEWS)]
    table = np.array([[(one.days, one.handled, one.commenters) for one in group] for group in runs])
    days, handled, voices = table[:, :, 0], table[:, :, 1], table[:, :, 2]
    names = [track.name for track in tracks()]
    columns = ["days", "comments answered", "people heard"]
    return record.finding(
        TRADE,
        measures=[
            Measure.of("delay", bootstrap(days[:, 2] - days[:, 0], seed=seed), unit="days"),
            Measure.of("voices", bootstrap(voices[:, 2] - voices[:, 0], seed=seed), unit="people"),
            *(Measure.of(f"{name}_days", bootstrap(days[:, at], seed=seed)) for at, name in enumerate(names)),
            *(Measure.of(f"{name}_handled", float(handled[:, at].mean())) for at, name in enumerate(names)),
        ],
        arrays={
            "reviews": Array(table.mean(axis=0), ("track", "measure"), {"track": names, "measure": columns})
        },
    )


def coherence(seed: int) -> Finding:
    """Plant contradictory decisions, and count who finds them."""
    planted = {"claims": CLAIMS, "contradicted": CONTRADICTED}
    record = start(coherence, parameters={"claim": "aisi.C2", **planted}, seed=seed, command=COMMAND)
    shares = np.array(
        [
            simulate_coordination(tracks(), CLAIMS, CONTRADICTED, seed * REVIEWS + number).shares
            for number in range(REVIEWS)
        ]
    )
    return record.finding(
        COHERENCE,
        measures=[
            Measure.of("with_coordinator", bootstrap(shares[:, 0], seed=seed)),
            Measure.of("without", bootstrap(shares[:, 1], seed=seed)),
            Measure.of("gain", bootstrap(shares[:, 0] - shares[:, 1], seed=seed)),
        ],
    )
