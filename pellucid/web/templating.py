"""How pages are filled: Jinja with everything escaped, and addresses that know where the site is mounted."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from pellucid import __version__

FOLDER = Path(__file__).parent
TEMPLATES = FOLDER / "templates"
STATIC = FOLDER / "static"

ROOMS = (
    ("/", "Library"),
    ("/models", "Models"),
    ("/dictionaries", "Dictionaries"),
    ("/findings", "Findings"),
    ("/cases", "Cases"),
)


@cache
def environment(base: str = "") -> Environment:
    """The templates for a site mounted at ``base`` (empty, or like ``/pellucid``).

    Autoescape is on for every template, and an unknown name is an error, never an empty place.
    """
    templates = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.globals |= {
        "href": lambda path: base + path,
        "rooms": ROOMS,
        "version": __version__,
        "here": "",
        "pictures": False,
    }
    return templates


def fill(template: str, base: str = "", **values: Any) -> str:
    """The page of a template with its values."""
    return environment(base).get_template(template).render(values)


def plotly_file() -> Path:
    """Plotly's script as its Python package ships it, so that pages work without a network."""
    package = find_spec("plotly")
    assert package is not None
    assert package.origin is not None
    return Path(package.origin).parent / "package_data" / "plotly.min.js"


def day(moment: str) -> str:
    """A moment in ISO format as a day to read; what is no moment stays as it is.

    Example:
        >>> day("2026-11-14T09:30:00+00:00")
        '14 November 2026'
    """
    try:
        found = datetime.fromisoformat(moment)
    except ValueError:
        return moment
    return f"{found.day} {found:%B %Y}"


def plural(count: int, one: str, many: str = "") -> str:
    """A count with its noun.

    Example:
        >>> plural(1, "case"), plural(3, "case")
        ('1 case', '3 cases')
    """
    return f"{count} {one if count == 1 else many or one + 's'}"


def duration(seconds: float) -> str:
    """A time span with its unit.

    Example:
        >>> duration(0.21), duration(92), duration(372)
        ('0.2 s', '92 s', '6 min 12 s')
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds // 60:.0f} min {seconds % 60:.0f} s"


def with_code(text: str) -> Markup:
    """A sentence whose parts between backticks are code.

    Example:
        >>> with_code("`a < 1` holds")
        Markup('<code>a &lt; 1</code> holds')
    """
    parts = text.split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if at % 2 else escape(part) for at, part in enumerate(parts)
    )
