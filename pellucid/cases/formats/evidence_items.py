"""Runtime evidence items, version 0.1 (frozen): one check that bears on one claim of a TEA case.

The verdict of an item is authoritative and never derived again. Items carry a point only: the interval and
the count of a Finding of ours stand under ``provenance``, where extra keys are kept.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pellucid.cases.evaluation.kleene import Value
from pellucid.cases.formats.attributes import compact
from pellucid.cases.formats.json_text import JsonObject, json_text, read_json
from pellucid.cases.formats.tea_writer import element_uuid
from pellucid.findings import (
    DataRef,
    Finding,
    Header,
    InputError,
    Kind,
    Measure,
    MissingError,
    Subject,
    did_you_mean,
    register,
    start,
)

VERSION = "0.1"
Word = Literal["PASS", "DEGRADED", "FAIL"]
VALUES: Mapping[str, Value] = {"PASS": "T", "DEGRADED": "U", "FAIL": "F"}
_STATUS = {"PASS": "supports", "DEGRADED": "inconclusive", "FAIL": "refutes"}
_REQUIRED = (
    "formatVersion",
    "claimId",
    "metricName",
    "verdict",
    "sourceSystem",
    "provenance",
    "evaluatedAt",
)
_ALLOWED = (*_REQUIRED, "value", "threshold", "oddDimensions")
_LENGTHS = {"metricName": 200, "sourceSystem": 100}
_ENDS = ("low", "high", "n", "level")

KIND = register(
    Kind(
        name="cases.evidence_item",
        title="A runtime check of another system",
        statement="A check of another system measured {metric.value}; its verdict is its own.",
        room="cases",
    )
)


@dataclass(frozen=True)
class EvidenceItem:
    """One check of one claim, as its source reported it."""

    claim_id: str
    """uuid of the property claim that it bears on."""
    metric_name: str
    """What was measured, 1 to 200 characters."""
    verdict: Word
    """What the source says of the claim; never derived again."""
    source_system: str
    """Who measured, 1 to 100 characters."""
    provenance: Mapping[str, Any]
    """``check`` and ``runId``, and whatever else the source tells."""
    evaluated_at: datetime
    """When the check ran, in UTC."""
    value: float | None = None
    """The measured point."""
    threshold: float | None = None
    """What it was held against."""
    odd_dimensions: tuple[str, ...] = ()
    """Dimensions of the operational design domain that the check covers."""
    place: str = field(default="", compare=False)
    """Where it was read: ``file:line``."""

    @property
    def truth(self) -> Value:
        """The verdict as a value of the argument: PASS is T, DEGRADED is U, FAIL is F."""
        return VALUES[self.verdict]

    def finding(self) -> Finding:
        """The item as a Finding ``cases.evidence_item``, so that a leaf can cite it.

        Its status is that of the verdict; its measure ``metric`` has the interval and the count that stand
        under ``provenance`` (``low``, ``high``, ``n``, ``level``), its measure ``verdict`` is 1, 0.5 or 0.

        Raises:
            InputError: Y41 when the interval or the count under ``provenance`` is no number.
        """
        given = {
            "claimId": self.claim_id,
            "metricName": self.metric_name,
            "verdict": self.verdict,
            "threshold": self.threshold,
            "sourceSystem": self.source_system,
            "oddDimensions": list(self.odd_dimensions),
            "evaluatedAt": _time_text(self.evaluated_at),
            "provenance": {str(name): value for name, value in self.provenance.items()},
        }
        subject, data = _refs(self.provenance)
        record = start(EvidenceItem.finding, given=given, subject=subject, data=data)
        words = {"PASS": 1.0, "DEGRADED": 0.5, "FAIL": 0.0}
        measures = [_metric(self), Measure.of("verdict", words[self.verdict], better="higher")]
        status: Any = _STATUS[self.verdict]
        return record.finding(KIND, measures=measures, status=status)


def _metric(item: EvidenceItem) -> Measure:
    ends = {name: item.provenance.get(name) for name in _ENDS}
    for name, end in ends.items():
        if end is not None and (isinstance(end, bool) or not isinstance(end, int | float)):
            problem = f"{item.place or 'an item'}: provenance.{name} is {compact(end)[:40]}."
            raise InputError("Y41", problem, "Give a number.")
    stated = {name: end for name, end in ends.items() if end is not None}
    if "n" in stated:
        stated["n"] = int(stated["n"] or 0)
    return Measure.model_validate({"name": "metric", "value": item.value, **stated})


def _refs(provenance: Mapping[str, Any]) -> tuple[Subject | None, DataRef | None]:
    """The model and the data that an item of ours was measured on."""
    found: list[Any] = []
    for name, made in (("subject", Subject), ("data", DataRef)):
        said = provenance.get(name)
        whole = isinstance(said, Mapping) and all(isinstance(said.get(key), str) for key in ("id", "sha256"))
        found.append(made(id=said["id"], sha256=said["sha256"]) if whole and said is not None else None)
    return found[0], found[1]


# Reading ---------------------------------------------------------------------------------------


def read_evidence_items(text: str | Path, file: str = "") -> tuple[EvidenceItem, ...]:
    """Read one item or a list of items, strictly.

    Args:
        text: a file, or JSON: an object, or a list of objects.
        file: what messages call it.

    Raises:
        InputError: Y40 not JSON, or a name stated twice, Y41 an item with an unknown or missing field, a
            wrong verdict word, a text of wrong length, no ``provenance.check`` or ``runId``, or a bad time.

    Example:
        >>> items = read_evidence_items("[]", "items.json")
        >>> items
        ()

    Source: AssurancePlatform, runtime evidence item, formatVersion 0.1.
    """
    text, file = _json_and_name(text, file)
    document = read_json(text, file=file, code="Y40")
    items = document if isinstance(document, list) else [document]
    return tuple(_item(item, f"{file}: item {number}") for number, item in enumerate(items, 1))


def _json_and_name(source: str | Path, file: str) -> tuple[str, str]:
    """The text of a document and what messages call it; a string that begins no JSON is a path."""
    if isinstance(source, str) and (file or source.lstrip()[:1] in ("", "{", "[")):
        return source, file or "text"
    try:
        return Path(source).read_text(encoding="utf-8"), file or str(source)
    except FileNotFoundError:
        raise MissingError("Y42", f"No file {source} of evidence items.", "Give a path, or JSON.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("Y40", f"{source} cannot be read: {error}.", "Give JSON in UTF-8.") from None


def _item(item: Any, number: str) -> EvidenceItem:
    if not isinstance(item, JsonObject):
        raise InputError("Y41", f"{number} is no object.", "Write each item as an object.")
    where = f"{number} (line {item.line})"
    _check_names(item, where)
    if item["formatVersion"] != VERSION:
        problem = f"{where}: formatVersion is {compact(item['formatVersion'])[:40]}; expected '{VERSION}'."
        raise InputError("Y41", problem, "Export the items in version 0.1.")
    return EvidenceItem(
        claim_id=_uuid(item, where),
        metric_name=_text(item, "metricName", where),
        verdict=_verdict(item, where),
        source_system=_text(item, "sourceSystem", where),
        provenance=_provenance(item, where),
        evaluated_at=_time(item, where),
        value=_number(item, "value", where),
        threshold=_number(item, "threshold", where),
        odd_dimensions=_dimensions(item, where),
        place=where,
    )


def _fault(where: str, what: str, remedy: str) -> InputError:
    return InputError("Y41", f"{where}: {what}.", remedy)


def _check_names(item: JsonObject, where: str) -> None:
    for name in item:
        if name not in _ALLOWED:
            hint = did_you_mean(name, _ALLOWED) or f"Names are {', '.join(_ALLOWED)}."
            raise _fault(where, f"unknown name '{name}'", hint)
    missing = [name for name in _REQUIRED if name not in item]
    if missing:
        raise _fault(where, f"{', '.join(missing)} missing", "State every required name.")


def _text(item: Mapping[str, Any], name: str, where: str) -> str:
    value, most = item[name], _LENGTHS[name]
    if not isinstance(value, str) or not 1 <= len(value) <= most:
        said = f"{len(value)} characters long" if isinstance(value, str) else compact(value)[:40]
        raise _fault(where, f"{name} is {said}", f"Give a text of 1 to {most} characters.")
    return value


def _uuid(item: JsonObject, where: str) -> str:
    value = item["claimId"]
    try:
        return str(uuid.UUID(value if isinstance(value, str) and len(value) == 36 else ""))
    except ValueError:
        said = compact(value)[:40]
        raise _fault(where, f"claimId is {said}", "Give the uuid of a property claim.") from None


def _verdict(item: JsonObject, where: str) -> Word:
    value = item["verdict"]
    if value == "PASS" or value == "DEGRADED" or value == "FAIL":
        word: Word = value
        return word
    hint = did_you_mean(value.upper() if isinstance(value, str) else "", VALUES)
    raise _fault(where, f"verdict is {compact(value)[:40]}", f"Write PASS, DEGRADED or FAIL. {hint}".strip())


def _provenance(item: JsonObject, where: str) -> Mapping[str, Any]:
    value = item["provenance"]
    if not isinstance(value, JsonObject):
        raise _fault(where, "provenance is no object", "Give an object with check and runId.")
    for name in ("check", "runId"):
        if not isinstance(value.get(name), str) or not value[name]:
            raise _fault(where, f"provenance.{name} is missing", "Say which check ran, and in which run.")
    return dict(value)


def _time(item: JsonObject, where: str) -> datetime:
    value = item["evaluatedAt"]
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) and "T" in value else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None or moment.utcoffset():
        said = compact(value)[:40]
        raise _fault(where, f"evaluatedAt is {said}", "Give a time in UTC, as 2026-11-24T12:00:00Z.")
    return moment.astimezone(UTC)


def _number(item: JsonObject, name: str, where: str) -> float | None:
    if name not in item:
        return None
    value = item[name]
    finite = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")
    if not finite:
        raise _fault(where, f"{name} is {compact(value)[:40]}", "Give a number, or leave it out.")
    return float(value)


def _dimensions(item: JsonObject, where: str) -> tuple[str, ...]:
    value = item.get("oddDimensions", [])
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise _fault(where, "oddDimensions is no list of texts", "Give a list, or leave it out.")
    return tuple(value)


# Writing ---------------------------------------------------------------------------------------


def write_evidence_items(items: Iterable[EvidenceItem]) -> str:
    """Write items as a JSON list; reading it gives equal items. TEA takes each of them by itself.

    Example:
        >>> write_evidence_items([])
        '[]\\n'
    """
    return json_text([_plain(item) for item in items])


def _plain(item: EvidenceItem) -> dict[str, Any]:
    return {
        "formatVersion": VERSION,
        "claimId": item.claim_id,
        "metricName": item.metric_name,
        **({"value": item.value} if item.value is not None else {}),
        **({"threshold": item.threshold} if item.threshold is not None else {}),
        "verdict": item.verdict,
        "oddDimensions": list(item.odd_dimensions),
        "sourceSystem": item.source_system,
        "provenance": dict(item.provenance),
        "evaluatedAt": _time_text(item.evaluated_at),
    }


def _time_text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def evidence_item(
    node_id: str,
    case_id: str,
    header: Header,
    verdict_word: Word,
    evaluated_at: datetime,
    *,
    measure: str | None = None,
) -> EvidenceItem:
    """The item by which another system learns what a Finding says of an element.

    Args:
        node_id: id of the claim that it bears on (TEA takes evidence on property claims: for a bound leaf,
            its parent).
        case_id: name of the case, as it was exported; with ``node_id`` it gives the uuid.
        header: the Finding.
        verdict_word: PASS, DEGRADED or FAIL.
        evaluated_at: when the check ran.
        measure: name of the measure to report; by default the first.

    Raises:
        InputError: Y41 when the Finding has no such measure, the word is none of the three, or the time has
            no zone.

    Example: ``evidence_item("G1", case.name, header, "PASS", datetime.now(UTC))``.
    """
    if verdict_word not in VALUES:
        raise InputError("Y41", f"verdict is '{verdict_word}'.", "Write PASS, DEGRADED or FAIL.")
    if evaluated_at.tzinfo is None:
        raise InputError("Y41", "evaluatedAt has no time zone.", "Give a time in UTC.")
    told = _measure(header, measure)
    ends = {name: getattr(told, name) for name in _ENDS} if told else {}
    provenance: dict[str, Any] = {"check": header.provenance.method, "runId": header.id}
    provenance |= {"checkVersion": header.provenance.code.digest}
    provenance |= {name: end for name, end in ends.items() if end is not None}
    for name, reference in (("subject", header.provenance.subject), ("data", header.provenance.data)):
        if reference is not None:
            provenance[name] = {"id": reference.id, "sha256": reference.sha256}
    return EvidenceItem(
        claim_id=element_uuid(case_id, node_id),
        metric_name=f"{header.kind}.{told.name}".replace("_", "-").replace(".", "-")[:200]
        if told
        else header.kind[:200],
        verdict=verdict_word,
        source_system="pellucid",
        provenance=provenance,
        evaluated_at=evaluated_at.astimezone(UTC),
        value=told.value if told else None,
    )


def _measure(header: Header, name: str | None) -> Measure | None:
    if name is None:
        return header.rows[0] if header.rows else None
    if name not in header.measures:
        hint = did_you_mean(name, header.measures) or f"It has {', '.join(sorted(header.measures))}."
        raise InputError("Y41", f"Finding {header.id[:8]} does not measure '{name}'.", hint)
    return header.measures[name]
