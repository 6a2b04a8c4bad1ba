"""The studies that are built. A new one is a file beside this and a line here."""

from __future__ import annotations

from pellucid.library.studies.protocol import Study

STUDIES: tuple[Study, ...] = ()
