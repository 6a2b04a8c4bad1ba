"""A kind and Findings of it for the tests."""

from __future__ import annotations

import numpy as np

from pellucid import findings

KIND = findings.register(
    findings.Kind(
        name="test.coin",
        title="How often the coin lands heads",
        statement="Heads in {heads.value} of {heads.n} tosses ({heads.interval})",
        supports="heads.low > 0.5",
        refutes="heads.high < 0.5",
        views=(
            findings.View(form="heatmap", array="map", title="Heads by hand and hour"),
            findings.View(form="line", array="map", title="Heads over the day"),
            findings.View(form="bar", array="map", title="Heads as bars"),
            findings.View(form="histogram", array="map", title="How heads spread"),
            findings.View(form="interval", array="rates", title="Rates with their ends"),
            findings.View(form="table", array="rates", title="Rates"),
        ),
        stance="observational",
        evidence="behavioural",
        room="test",
    )
)


def toss(heads: int = 80, n: int = 100, scale: float = 1.0, **provenance) -> findings.Finding:
    """A Finding with words and numbers as coordinates, of any content that a test asks for."""
    record = findings.start(
        toss,
        given=provenance.pop("given", {"n": n}),
        parameters=provenance.pop("parameters", {"n": n}),
        subject=findings.Subject(id="coin", sha256="c" * 64),
        data=findings.DataRef(id="tosses", sha256="d" * 64),
        seed=provenance.pop("seed", 0),
        **provenance,
    )
    grid = np.arange(6, dtype=np.float32).reshape(2, 3) * scale
    rates = np.array([[0.5, 0.4, 0.6], [0.8, 0.7, 0.9]])
    return record.finding(
        KIND,
        measures=[
            findings.Measure.of("heads", findings.wilson(heads, n), better="higher"),
            findings.Measure.of("weight", 7.5, unit="g"),
        ],
        arrays={
            "map": findings.Array(
                grid, ("hand", "hour"), {"hand": ["left", "<b>rechts</b> é\n"], "hour": [8, 12, 16]}
            ),
            "rates": findings.Array(rates, ("coin", "end"), {"end": ["value", "low", "high"]}),
        },
    )
