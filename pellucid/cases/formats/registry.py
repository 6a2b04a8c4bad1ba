"""Every format by name: its file endings, how its documents are told apart, how it is read and written."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePath

from pellucid.cases.formats.cae import dump_cae, parse_cae
from pellucid.cases.formats.exchange import Modules, Written, measured
from pellucid.cases.formats.gsn_yaml import dump_module, parse_module
from pellucid.cases.formats.ltac import dump_ltac, parse_ltac
from pellucid.cases.formats.ltac_line import TYPES
from pellucid.cases.formats.markdown import dump_markdown
from pellucid.cases.formats.mermaid import dump_mermaid
from pellucid.cases.formats.sacm import dump_sacm, parse_sacm
from pellucid.cases.formats.tea import dump_tea, dump_tea_flat, parse_tea
from pellucid.cases.nodes import Module
from pellucid.findings import InputError, MissingError, did_you_mean

Parse = Callable[[str, str], Modules]
_BEGIN = 4_000
_SHARED = (".json", ".xml", ".yaml", ".yml")
"""Endings that other documents have too."""
_TEA_NAMES = "version|exportedAt|case|tree|elements|evidenceLinks|id|type|name|description|goals"
_TEA = re.compile(rf'\s*\{{\s*"(?:{_TEA_NAMES})"\s*:')
_ITEMS = re.compile(r'\s*[\[{].{0,400}?"formatVersion"\s*:', re.DOTALL)
# possessive: of each line there is one reading, so that a long head of comments and blank lines costs nothing
_CAE = re.compile(r"(?:---[^\n]*\n)?(?:[ \t\r]*(?:#[^\n]*)?\n)*+[\"']?cae[\"']?\s*:")
_LTAC = re.compile(rf"(?:[ \t\r]*(?:(?:#|```)[^\n]*)?\n)*+[ \t]*[-*][ \t]+(?:{'|'.join(TYPES)})\b")


@dataclass(frozen=True)
class Format:
    """One language of safety cases."""

    name: str
    """Its short name, as in ``Case.write(path, format="ltac")``."""
    title: str
    """What people call it."""
    endings: tuple[str, ...]
    """Endings of its files; of several that fit, the longest counts."""
    dump: Callable[[Modules], Written]
    """Writes modules and says what was lost."""
    parse: Parse | None = None
    """Reads a document, given its text and what messages call it; None when the format is only written."""
    recognise: Callable[[str], object] = lambda text: False
    """Whether a document is in this format, by its beginning."""


def _parse_gsn(text: str, file: str) -> Modules:
    return (parse_module(text, file=file),)


def dump_gsn(modules: Modules) -> Written:
    """Write modules as documents of gsn2x YAML after each other; one file holds one of them.

    Example:
        >>> from pellucid.cases.nodes import Module, Node
        >>> dump_gsn((Module(None, (Node("module"),)),)).losses[0].message
        "gsn2x YAML does not carry the element itself of 'module'."
    """
    losses = tuple(loss for module in modules for loss in _measured_gsn(module).losses)
    return Written("---\n".join(dump_module(module) for module in modules), losses)


_GSN = "gsn2x YAML"


def _measured_gsn(module: Module) -> Written:
    return measured((module,), _write_gsn, lambda text: _parse_gsn(text, "gsn"), _GSN)


def _write_gsn(modules: Modules, extras: object) -> str:
    return dump_module(modules[0])


FORMATS = (
    Format(
        "cae",
        "Claims, Arguments, Evidence",
        (".cae.yaml", ".cae.yml", ".cae"),
        dump_cae,
        parse_cae,
        _CAE.match,
    ),
    Format(
        "sacm",
        "SACM 2.x XMI",
        (".sacm", ".sacm.xml", ".xmi", ".xml"),
        dump_sacm,
        parse_sacm,
        lambda text: text.lstrip().startswith("<"),
    ),
    Format("ltac", "LTAC", (".ltac",), dump_ltac, parse_ltac, _LTAC.match),
    Format(
        "tea",
        "AssurancePlatform JSON, nested 1.0",
        (".tea.json", ".tea", ".json"),
        dump_tea,
        parse_tea,
        _TEA.match,
    ),
    Format("tea-flat", "AssurancePlatform JSON, flat 2.0", (".flat.json",), dump_tea_flat, parse_tea),
    Format("mermaid", "Mermaid", (".mmd", ".mermaid"), dump_mermaid),
    Format("markdown", "Markdown", (".md", ".markdown"), dump_markdown),
    Format("gsn", _GSN, (".yaml", ".yml", ".gsn"), dump_gsn, _parse_gsn),
)


def format_named(name: str) -> Format:
    """The format of that name.

    Raises:
        MissingError: Y10 when there is none.

    Example:
        >>> format_named("ltac").endings
        ('.ltac',)
    """
    for known in FORMATS:
        if known.name == name.lower():
            return known
    names = [known.name for known in FORMATS]
    hint = did_you_mean(name, names)
    raise MissingError("Y10", f"No format '{name}'. Formats are {', '.join(names)}.", hint or "Name one.")


def format_for(path: str) -> Format:
    """The format that the ending of a path asks for; without an ending, gsn2x YAML.

    Raises:
        InputError: Y11 when no format has that ending.

    Example:
        >>> format_for("case.tea.json").name, format_for("case.gsn.yaml").name
        ('tea', 'gsn')
    """
    last = PurePath(path).name.lower()
    fitting = [(len(ending), known) for known in FORMATS for ending in known.endings if last.endswith(ending)]
    if fitting:
        return max(fitting, key=lambda pair: pair[0])[1]
    if not PurePath(path).suffix:
        return format_named("gsn")
    endings = ", ".join(ending for known in FORMATS for ending in known.endings)
    problem = f"No format of cases has the ending of '{PurePath(path).name}'."
    raise InputError("Y11", problem, f"Name the format, or use one of {endings}.")


def recognised(text: str, file: str, ending: str = "") -> Format:
    """The format of a document, by its content, else by the ending of its name; else gsn2x YAML.

    Args:
        text: the document.
        file: what messages call it.
        ending: a file name. One that several languages have (``.json``, ``.xml``) says nothing by itself.

    Raises:
        InputError: Y12 for evidence items, which are no case.

    Example:
        >>> recognised("- Claim G1: Safe", "text").name
        'ltac'
    """
    begin = text[:_BEGIN].removeprefix("\ufeff")
    if _ITEMS.match(begin):
        remedy = "Read them with pellucid.cases.formats.evidence_items.read_evidence_items."
        raise InputError("Y12", f"{file}:1 begins a list of evidence items, not a case.", remedy)
    told = (known for known in FORMATS if known.recognise(begin) or _ends_as(known, ending.lower()))
    return next(told, format_named("gsn"))


def _ends_as(known: Format, name: str) -> bool:
    own = tuple(ending for ending in known.endings if ending not in _SHARED)
    return known.parse is not None and name.endswith(own)
