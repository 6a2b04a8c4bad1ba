"""Evaluation logs made by hand, sound and spoilt, and what our reader says of a log in the golden files' words."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import zstandard

from pellucid.findings.logs import Log, Sample, read_log, read_summaries

GOLDEN = Path(__file__).resolve().parent / "data" / "logs"
FILES = sorted(
    file for file in GOLDEN.iterdir() if file.suffix in (".eval", ".json") and ".expected" not in file.name
)


def golden(name: str) -> Path:
    return next(file for file in FILES if file.stem == name)


@dataclass
class Packed:
    """One member of an archive, with every number that may lie."""

    name: str
    content: bytes
    method: int = 8
    frames: int = 1
    flags: int = 0x0800
    body: bytes | None = None
    crc: int | None = None
    size: int | None = None
    local_name: str | None = None
    extra: bytes = b""
    attributes: int = 0
    offset: int | None = None
    wide: bool = False
    packed: bytes = field(init=False)

    def __post_init__(self) -> None:
        self.packed = self.compressed() if self.body is None else self.body
        self.crc = zlib.crc32(self.content) if self.crc is None else self.crc
        self.size = len(self.content) if self.size is None else self.size

    def compressed(self) -> bytes:
        if self.method == 8:
            deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
            return deflate.compress(self.content) + deflate.flush()
        if self.method == 93:
            step = max(1, -(-len(self.content) // self.frames))
            pieces = [self.content[at : at + step] for at in range(0, len(self.content), step)] or [b""]
            return b"".join(map(frame, pieces))
        return self.content


def frame(piece: bytes) -> bytes:
    """One frame that does not state its length, as a stream writes it."""
    stream = zstandard.ZstdCompressor().compressobj()
    return stream.compress(piece) + stream.flush()


def archive(members: list[Packed], *, comment: bytes = b"", count: int | None = None) -> bytes:
    """A ZIP archive of these members; ZIP64 where a member asks for it."""
    out, directory = b"", b""
    for member in members:
        at = len(out) if member.offset is None else member.offset
        name = member.name.encode()
        local = (member.local_name or member.name).encode()
        # the local header has an extra field of its own length, as real writers leave it
        numbers = (member.flags, member.method, 0, 33, member.crc, len(member.packed), member.size)
        out += struct.pack("<4s5H3L2H", b"PK\x03\x04", 45, *numbers, len(local), len(member.extra))
        out += local + member.extra + member.packed
        wide = struct.pack("<2H3Q", 1, 24, member.size, len(member.packed), at) if member.wide else b""
        full = 0xFFFFFFFF
        sizes = (full, full) if member.wide else (len(member.packed), member.size)
        numbers = (member.flags, member.method, 0, 33, member.crc, *sizes, len(name), len(wide), 0, 0, 0)
        directory += struct.pack(
            "<4s6H3L5H2L", b"PK\x01\x02", 45, 45, *numbers, member.attributes, full if member.wide else at
        )
        directory += name + wide
    start = len(out)
    total = len(members) if count is None else count
    if any(member.wide for member in members):
        tail = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, total, total, len(directory), start)
        tail += struct.pack("<4sLQL", b"PK\x06\x07", 0, start + len(directory), 1)
        end = (0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF)
    else:
        tail, end = b"", (total, total, len(directory), start)
    return (
        out + directory + tail + struct.pack("<4s2H2H2LH", b"PK\x05\x06", 0, 0, *end, len(comment)) + comment
    )


def header(**changes) -> dict:
    """The header of a sound log; ``eval`` fields by their names, the rest under theirs."""
    total = changes.pop("total", 0)
    outer = {
        key: changes.pop(key)
        for key in list(changes)
        if key in {"version", "status", "results", "invalidated", "error", "log_updates"}
    }
    spec = {
        "eval_id": "E1",
        "run_id": "R1",
        "created": "2026-01-02T03:04:05+00:00",
        "task": "sums",
        "task_id": "T1",
        "task_version": 1,
        "model": "mock/one",
        "dataset": {"name": "sums", "samples": total, "sample_ids": [], "shuffled": False},
        "config": {"epochs": 1},
        "packages": {"inspect_ai": "0"},
        "scorers": [{"name": "match"}],
        **changes,
    }
    results = {"total_samples": total, "completed_samples": total, "scores": []}
    return {
        "version": 2,
        "status": "success",
        "eval": spec,
        "plan": {"steps": []},
        "results": results,
        "stats": {},
        **outer,
    }


def sample(id, value=None, epoch: int = 1, scorer: str = "match", **changes) -> dict:
    """A sample with one score, or with the scores given."""
    scores = {} if value is None else {scorer: {"value": value}}
    return {
        "id": id,
        "epoch": epoch,
        "input": f"ask {id}",
        "target": "t",
        "scores": scores,
        "metadata": {},
        "messages": [],
        **changes,
    }


def write_log(path: Path, samples: list[dict], *, method: int = 93, frames: int = 1, **changes) -> Path:
    """An ``.eval`` or ``.json`` log by the path's ending."""
    head = header(total=changes.pop("total", len(samples)), **changes)
    if path.suffix == ".json":
        path.write_text(json.dumps({**head, "samples": samples}))
        return path
    members = [
        Packed(f"samples/{one['id']}_epoch_{one['epoch']}.json", json.dumps(one).encode(), method, frames)
        for one in samples
    ]
    members.append(Packed("header.json", json.dumps(head).encode(), method, frames))
    path.write_bytes(archive(members))
    return path


def scored_log(path: Path, values: Mapping | list, **changes) -> Log:
    """A log with these scores by sample id, each a value or a list of values by epoch."""
    given = values if isinstance(values, Mapping) else dict(enumerate(values))
    metadata = changes.pop("metadata_of", lambda name: {})
    runs = [
        sample(name, value, epoch, metadata=metadata(name))
        for name, row in given.items()
        for epoch, value in enumerate(row if isinstance(row, list) else [row], 1)
    ]
    epochs = max((run["epoch"] for run in runs), default=1)
    return read_log(write_log(path, runs, config={"epochs": epochs}, **changes))


def text_of(content) -> object:
    if isinstance(content, str):
        return content
    return [part.get("text") or part.get("image") or str(part) for part in content]


def spoken(messages) -> object:
    return (
        messages
        if isinstance(messages, str)
        else [[one["role"], text_of(one["content"])] for one in messages]
    )


def completion(output: Mapping) -> str:
    choices = output.get("choices") or []
    if not choices:
        return output.get("completion") or ""
    content = choices[0]["message"]["content"]
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def describe_sample(one: Sample) -> dict:
    return {
        "id": one.id,
        "epoch": one.epoch,
        "input": spoken(one.input),
        "target": one.target,
        "scores": {
            name: [score.value, score.answer, score.explanation] for name, score in one.scores.items()
        },
        "metadata": dict(one.metadata),
        "messages": spoken(one.messages),
        "completion": completion(one.output),
        "error": one.error and one.error["message"],
        "limit": one.limit and one.limit["type"],
        "invalidation": one.invalidation and [one.invalidation["author"], one.invalidation["reason"]],
        "tokens": {name: usage["total_tokens"] for name, usage in one.model_usage.items()},
        "uuid": one.uuid,
    }


def describe(path: Path) -> dict:
    """What our reader says of a log, in the words of scripts/write_golden_logs.py."""
    log = read_log(path)
    head = log.header
    results = head.results or {}
    return {
        **{
            name: getattr(head, name)
            for name in ("version", "status", "eval_id", "run_id", "created", "task", "task_id")
        },
        **{
            name: getattr(head, name)
            for name in ("task_version", "task_args", "model", "dataset", "dataset_samples")
        },
        "sample_ids": list(head.sample_ids),
        "epochs": head.epochs,
        "revision": head.revision,
        "packages": head.packages,
        "scorers": list(head.scorers),
        "steps": [step["solver"] for step in head.plan["steps"]],
        "invalidated": head.invalidated,
        "tags": list(head.tags),
        "metadata": head.metadata,
        "error": head.error and head.error["message"],
        "totals": head.results and [head.total_samples, head.completed_samples],
        "metrics": {
            f"{score['scorer']}/{score['name']}/{name}": metric["value"]
            for score in results.get("scores", [])
            for name, metric in score["metrics"].items()
        },
        "tokens": {name: usage["total_tokens"] for name, usage in head.stats.get("model_usage", {}).items()},
        "samples": [describe_sample(one) for one in log.samples],
        "summaries": [[one.id, one.epoch, sorted(one.scores)] for one in read_summaries(path)],
    }


def same(ours: object, theirs: object) -> bool:
    """Equality in which NaN equals NaN."""
    return json.dumps(ours, sort_keys=True) == json.dumps(theirs, sort_keys=True)
