"""One finding to a file, by the file's ending."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from pellucid.findings import InputError

if TYPE_CHECKING:
    from pellucid.findings import Finding


def export_finding(finding: Finding, out: Path) -> None:
    """Write ``finding`` as .safetensors, .json, .md or .html; InputError CL05 for another ending."""
    from pellucid.findings import show

    writers = {
        ".json": lambda: json.dumps(show.json(finding), indent=1, ensure_ascii=False),
        ".md": lambda: show.markdown(finding),
        ".html": lambda: show.html(finding),
    }
    if out.suffix == ".safetensors":
        finding.save(out)
    elif out.suffix in writers:
        out.write_text(writers[out.suffix](), encoding="utf-8")
    else:
        known = ", ".join([".safetensors", *writers])
        raise InputError("CL05", f"Cannot export to {out.name!r}.", f"Use one of these endings: {known}.")
