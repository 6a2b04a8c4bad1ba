"""The older export of the AssurancePlatform, without a version: goals with everything else inside."""

from __future__ import annotations

from typing import Any

from pellucid.cases.formats.json_text import JsonObject
from pellucid.findings import InputError

_INSIDE = {
    "context": "CONTEXT",
    "property_claims": "PROPERTY_CLAIM",
    "strategies": "STRATEGY",
    "evidence": "EVIDENCE",
}


def nested_from_legacy(goals: list[JsonObject], file: str) -> list[JsonObject]:
    """Turn the older form into trees of the present one.

    Raises:
        InputError: Y31 when a list holds something that is no object.
    """
    trees: list[JsonObject] = []
    waiting: list[tuple[JsonObject, str, list[Any]]] = [(goal, "GOAL", trees) for goal in reversed(goals)]
    number = 0
    while waiting:
        old, kind, place = waiting.pop()
        number += 1
        new = _element(old, kind, number)
        place.append(new)
        for name, inner in reversed(_INSIDE.items()):
            for item in reversed(_list(old, name, file)):
                waiting.append((item, inner, new["children"]))
    return trees


def _element(old: JsonObject, kind: str, number: int) -> JsonObject:
    # evidence of several claims is repeated with one id; each type numbers its elements by itself
    key = old.get("id")
    new = JsonObject(
        id=f"{kind.lower()} {key}" if key is not None else f"element {number}",
        type=kind,
        name=old.get("name"),
        description=_said(old),
        url=old.get("URL"),
        inSandbox=old.get("in_sandbox") is True,
        assumption=old.get("assumption"),
        justification=old.get("justification"),
        comments=old.get("comments"),
        children=[],
    )
    new.line = old.line
    return new


def _said(old: JsonObject) -> Any:
    """The statement: older exports keep it in the short description and write N/A for the long one."""
    said = [old.get("short_description"), old.get("long_description")]
    told = [text for text in said if text not in (None, "", "N/A")]
    wrong = next((text for text in told if not isinstance(text, str)), None)
    return wrong if wrong is not None else "\n".join(dict.fromkeys(told))


def _list(old: JsonObject, name: str, file: str) -> list[JsonObject]:
    value = old.get(name) or []
    if not isinstance(value, list) or not all(isinstance(item, JsonObject) for item in value):
        problem = f"{file}:{old.line}: {name} is no list of objects."
        raise InputError("Y31", problem, "Correct that object.")
    return value
