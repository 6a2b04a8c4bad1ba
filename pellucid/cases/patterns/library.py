"""The templates that come with the package: patterns of safety cases, each with values as an example."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

from pellucid.cases.case import Case
from pellucid.cases.patterns.instantiate import instantiate
from pellucid.cases.patterns.parameters import Parameter, parameters
from pellucid.cases.patterns.values import parse_values
from pellucid.findings import MissingError, did_you_mean

_ENDING, _EXAMPLE = ".yaml", ".example.yaml"


@dataclass(frozen=True)
class Template:
    """A pattern of a whole safety case, with slots for its evidence."""

    name: str
    """The name under which it is asked for."""
    title: str
    """What a case made from it argues."""
    source: str
    """The publication it follows."""
    case: Case
    """The pattern."""
    example_text: str
    """Values that fill it, as a YAML text to start from; invented, no measurements."""

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """What it asks for."""
        return parameters(self.case)

    @property
    def example(self) -> dict[str, Any]:
        """The values of the example."""
        return parse_values(self.example_text, f"{self.name}{_EXAMPLE}")

    def instantiate(self, values: Mapping[str, Any], *, partial: bool = False) -> Case:
        """A case made from it; see ``instantiate``.

        Raises:
            InputError: Y51 when values do not fit; the message names every fault.
        """
        return instantiate(self.case, values, partial=partial)


def templates() -> tuple[Template, ...]:
    """Every template, by name.

    Example:
        >>> [template.name for template in templates()][:3]
        ['control', 'cyber-inability', 'four-categories']
    """
    names = (file.name for file in _folder().iterdir())
    stems = (
        name.removesuffix(_ENDING) for name in names if name.endswith(_ENDING) and not name.endswith(_EXAMPLE)
    )
    return tuple(_read(name) for name in sorted(stems))


def template(name: str) -> Template:
    """The template of a name.

    Raises:
        MissingError: Y55 when there is none; the message names those that exist.

    Example:
        >>> template("honeypot").instantiate(template("honeypot").example).evaluate([]).word
        'undecided'
    """
    found = {one.name: one for one in templates()}
    if name not in found:
        hint = f"{did_you_mean(name, found)} There are {', '.join(found)}.".strip()
        raise MissingError("Y55", f"No template '{name}'.", hint)
    return found[name]


def _folder() -> Traversable:
    return resources.files("pellucid.cases").joinpath("templates")


@cache
def _read(name: str) -> Template:
    case = Case.read(_folder().joinpath(f"{name}{_ENDING}").read_text(encoding="utf-8"))
    (module,) = case.modules
    example = _folder().joinpath(f"{name}{_EXAMPLE}").read_text(encoding="utf-8")
    source = dict(module.layers).get("source", "")
    return Template(name, module.brief or name, source, case, example)
