"""The values that fill a pattern: read from a file, and fitted to what the pattern asks for."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pellucid.cases.formats.yaml_values import line_at, line_of, plain
from pellucid.cases.patterns.marks import allows, spoken
from pellucid.cases.patterns.parameters import CHOOSE, INCLUDE, SWITCHES, Parameter
from pellucid.cases.patterns.value_types import fitted
from pellucid.findings import InputError, MissingError, did_you_mean


@dataclass(frozen=True)
class Given:
    """Values that fit a pattern."""

    values: Mapping[str, Any]
    """Parameter to value, each as its type has it."""
    choose: Mapping[str, tuple[str, ...]]
    """Element to the legs that were chosen."""
    include: Mapping[str, bool]
    """Optional element to whether it is there; others are."""


def fit(
    asked: Sequence[Parameter], values: Mapping[str, Any], copies: Mapping[str, str], *, partial: bool
) -> Given:
    """Fit values to the parameters of a pattern.

    Args:
        asked: what the pattern asks for.
        values: by parameter; ``choose`` maps elements to lists of legs, ``include`` elements to booleans.
        copies: copy of an element that offers a choice or is optional, to that element.
        partial: whether some may be left for later.

    Raises:
        InputError: Y51 when a value is missing, unknown or of another type; the message names every fault.
    """
    faults: list[str] = []
    plain = {parameter.name: parameter for parameter in asked if parameter.type.word not in SWITCHES}
    choices = {parameter.name: parameter for parameter in asked if parameter.type.word == "choice"}
    options = {parameter.name: parameter for parameter in asked if parameter.type.word == "optional"}
    fitting = dict(_values(plain, values, faults, partial))
    choose = dict(_choices(_block(values, CHOOSE, faults), choices, copies, faults))
    include = dict(_options(_block(values, INCLUDE, faults), options, copies, faults))
    faults.extend(_strange(values, plain))
    if not partial:
        faults.extend(_unchosen(choices, choose, copies))
    if faults:
        problem = f"The values do not fit: {'; '.join(faults)}."
        raise InputError("Y51", problem, "Correct these values; the others are right.")
    return Given(fitting, choose, include)


def _values(
    plain: Mapping[str, Parameter], values: Mapping[str, Any], faults: list[str], partial: bool
) -> Iterator[tuple[str, Any]]:
    for name, parameter in plain.items():
        if name in values:
            value = fitted(parameter.type, values[name], name, faults)
            if value == () and not parameter.repeats and isinstance(values[name], Sequence):
                faults.append(f"'{name}' is an empty list; expected at least one")
            yield name, value
        elif not partial:
            faults.append(f"'{name}' is missing; expected {parameter.type}")


def _strange(values: Mapping[str, Any], plain: Collection[str]) -> Iterator[str]:
    for name in values:
        if name not in plain and name not in (CHOOSE, INCLUDE):
            hint = did_you_mean(str(name), plain) or f"It asks for {', '.join(plain) or 'no value'}."
            yield f"'{name}' is not asked for ({hint})"


def _block(values: Mapping[str, Any], name: str, faults: list[str]) -> Mapping[str, Any]:
    block = values.get(name) or {}
    if isinstance(block, Mapping):
        return block
    faults.append(f"'{name}' is no mapping from elements")
    return {}


def _choices(
    block: Mapping[str, Any], choices: Mapping[str, Parameter], copies: Mapping[str, str], faults: list[str]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    for key, given in block.items():
        parameter = choices.get(copies.get(key, key))
        legs = (given,) if isinstance(given, str) else given
        if parameter is None:
            faults.append(f"'{CHOOSE}' names '{key}', which offers no choice ({_instead(str(key), choices)})")
        elif not isinstance(legs, Sequence) or not all(isinstance(leg, str) for leg in legs):
            faults.append(f"'{CHOOSE}.{key}' is no list of legs")
        else:
            yield str(key), tuple(dict.fromkeys(legs))
            faults.extend(_unfit_choice(str(key), tuple(dict.fromkeys(legs)), parameter))


def _unfit_choice(key: str, legs: tuple[str, ...], parameter: Parameter) -> Iterator[str]:
    for leg in legs:
        if leg not in parameter.options:
            yield f"'{CHOOSE}.{key}' names '{leg}' ({_instead(leg, parameter.options)})"
    if parameter.choice is not None and not allows(parameter.choice, len(legs)):
        yield f"'{CHOOSE}.{key}' chooses {len(legs)} legs; expected {spoken(parameter.choice)} (P03)"


def _instead(name: str, names: Collection[str]) -> str:
    return did_you_mean(name, names) or f"There are {', '.join(names) or 'none'}."


def _options(
    block: Mapping[str, Any], options: Mapping[str, Parameter], copies: Mapping[str, str], faults: list[str]
) -> Iterator[tuple[str, bool]]:
    words = {"true": True, "false": False}
    for key, given in block.items():
        switch = given if isinstance(given, bool) else words.get(str(given).lower())
        if copies.get(key, key) not in options:
            faults.append(f"'{INCLUDE}' names '{key}', which is not optional ({_instead(str(key), options)})")
        elif switch is None:
            faults.append(f"'{INCLUDE}.{key}' is '{given}'; expected true or false")
        else:
            yield str(key), switch


def _unchosen(
    choices: Mapping[str, Parameter], choose: Mapping[str, Any], copies: Mapping[str, str]
) -> Iterator[str]:
    for name, parameter in choices.items():
        made = name in choose or all(copy in choose for copy, owner in copies.items() if owner == name)
        if parameter.choice is not None and parameter.required and not made:
            offered = f"{spoken(parameter.choice)} of {', '.join(parameter.options)}"
            yield f"'{CHOOSE}.{name}' is missing; expected {offered}"


# Files -----------------------------------------------------------------------------------------


_EVENTS: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_DEPTH = 12


class _Texts(yaml.BaseLoader):
    """YAML whose values all stay texts, so that the type asked for decides what they mean."""


def _mapping(loader: yaml.BaseLoader, node: yaml.MappingNode) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str) or key in found:
            what = f"'{key}' is stated twice" if isinstance(key, str) else "a name is no text"
            raise yaml.constructor.ConstructorError(None, None, what, key_node.start_mark)
        found[key] = loader.construct_object(value_node, deep=True)
    return found


_Texts.add_constructor("tag:yaml.org,2002:map", _mapping)


def read_values(source: str | Path) -> dict[str, Any]:
    """Read the values for a pattern from a YAML or JSON file, every value as the text that stands there.

    Args:
        source: a path.

    Raises:
        MissingError: Y53 when there is no such file.
        InputError: Y54 when it cannot be read, holds aliases, states a name twice, or is no mapping.
    """
    path, content = Path(source), b""
    try:
        content = path.read_bytes()
        text = content.decode("utf-8-sig")
    except FileNotFoundError:
        near = did_you_mean(
            path.name, [other.name for other in path.parent.glob("*.*")] if path.parent.is_dir() else []
        )
        raise MissingError(
            "Y53", f"No values file {source}.", near or "Give the path of a YAML file."
        ) from None
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        problem = f"{source}:{line} cannot be read: byte {error.start} is not UTF-8."
        raise InputError("Y54", problem, "Give a YAML file in UTF-8.") from None
    except OSError as error:
        problem = f"{source} cannot be read: {error.strerror or error}."
        raise InputError("Y54", problem, "Give a readable YAML file.") from None
    return parse_values(text, str(source))


def parse_values(text: str, file: str = "values") -> dict[str, Any]:
    """Read the values for a pattern from a YAML text; raises InputError Y54 as ``read_values`` does.

    Example:
        >>> parse_values("limit: 1e-6\\nanswer: No")
        {'limit': '1e-6', 'answer': 'No'}
    """
    try:
        _refuse_tricks(text, file)
        found = yaml.load(text, Loader=_Texts)
    except yaml.YAMLError as error:
        problem = f"{file}:{line_of(error, text)} cannot be read: {plain(error)}."
        raise InputError("Y54", problem, "Correct that line.") from None
    if not isinstance(found, dict | None) and found != "":
        raise InputError("Y54", f"{file}:1 holds no values by name.", "Write each as `NAME: VALUE`.")
    return found or {}


def _refuse_tricks(text: str, file: str) -> None:
    """Refuse what could make a small file large, before it is built: aliases and deep nesting."""
    depth = 0
    for event in yaml.parse(text, Loader=_EVENTS):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        place = f"{file}:{line_at(event)}"
        if isinstance(event, yaml.AliasEvent):
            raise InputError("Y54", f"{place} uses an alias.", "Write the value out where it is needed.")
        if depth > _DEPTH:
            problem = f"{place} is nested deeper than {_DEPTH}."
            raise InputError("Y54", problem, "Values need three or four levels.")
