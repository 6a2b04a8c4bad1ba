"""Write plain values as YAML: the same values give the same bytes, and no text loses a character."""

from __future__ import annotations

from typing import Any

import yaml

from pellucid.findings import InputError

_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _Writer(_DUMPER):  # type: ignore[misc]
    """Safe YAML with block texts where they lose nothing."""

    def ignore_aliases(self, data: object) -> bool:
        """Write every value out, never as an anchor and an alias."""
        return True


def _text(dumper: Any, text: str) -> Any:
    plain_lines = "\n" in text and all(
        line == line.rstrip() and line.isprintable() for line in text.split("\n")
    )
    block = plain_lines and not text.startswith((" ", "\n"))
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if block else None)


_Writer.add_representer(str, _text)


def yaml_text(document: dict[str, Any]) -> str:
    """Write a mapping in stated order; an empty one is the empty text.

    Raises:
        InputError: Y14 when a text holds half of a surrogate pair, which no file can hold.
    """
    if not document:
        return ""
    try:
        return str(yaml.dump(document, Dumper=_Writer, sort_keys=False, allow_unicode=True, width=100))
    except UnicodeEncodeError:
        problem = "A text holds a lone surrogate, which is no character."
        raise InputError("Y14", problem, "Take it out of the text.") from None
