"""``pellucid findings import`` and ``compare``: evaluation logs and saved Findings come into the store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pellucid.cli.output import DEFAULT_STORE, JsonOption, StoreOption

if TYPE_CHECKING:
    from pellucid.cases import EvidenceItem
    from pellucid.findings import Finding

ScorerOption = Annotated[str | None, typer.Option("--scorer", help="Only this scorer; default: each.")]
ClusterOption = Annotated[
    str | None,
    typer.Option("--cluster", help="Key of the samples' metadata that says which belong together."),
]
LevelOption = Annotated[float, typer.Option("--level", help="Level of the interval.")]
WordOption = Annotated[
    list[str] | None, typer.Option("--word", help="What a score in words is worth, as PASS=1; repeatable.")
]
MissingOption = Annotated[
    int, typer.Option("--allow-missing", help="Samples that may be missing from the log.", min=0)
]
ErrorsOption = Annotated[int, typer.Option("--allow-errors", help="Samples that may have failed.", min=0)]
DirtyOption = Annotated[bool, typer.Option("--allow-dirty", help="Accept a log made from uncommitted code.")]


def import_finding(
    file: Annotated[
        Path,
        typer.Argument(
            help="An Inspect log (.eval, .json), a finding's .safetensors, or evidence items (.json)."
        ),
    ],
    scorer: ScorerOption = None,
    cluster: ClusterOption = None,
    level: LevelOption = 0.95,
    word: WordOption = None,
    allow_missing: MissingOption = 0,
    allow_errors: ErrorsOption = 0,
    allow_dirty: DirtyOption = False,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Put a saved finding, what an Inspect log measured, or runtime evidence items into the store.

    A log gives one finding for each of its scorers. One that failed, was invalidated or is incomplete is
    kept as refused, with the reason: a case that cites it stays open. Status 1 when a log is refused.

    Python: pellucid.findings.logs.log_findings
    """
    from pellucid.cli.findings_table import print_findings
    from pellucid.store import open_store

    if file.suffix == ".safetensors":
        import_saved(file, store, as_json)
        return
    from pellucid.findings.logs import Allowance, log_findings

    items = evidence_items_in(file)
    if items is not None:
        import_items(file, items, store, as_json)
        return
    allow = Allowance(missing=allow_missing, errors=allow_errors, dirty=allow_dirty)
    found = log_findings(file, scorer, cluster=cluster, level=level, words=words_of(word), allow=allow)
    with open_store(store) as kept:
        stored(found, kept.put)
    print_findings(f"From {file.name}", [finding.header for finding in found], as_json)
    if not as_json:
        typer.echo(f"A case cites the log as `log: {digest_of(found)}`.")
    refused = any(finding.kind == "evaluation.log_refused" for finding in found)
    raise typer.Exit(1 if refused else 0)


def import_saved(file: Path, store: str, as_json: bool) -> None:
    """Put a Finding's own file into the store."""
    from pellucid.cli.output import print_json
    from pellucid.findings import load
    from pellucid.store import open_store

    with open_store(store) as kept:
        identity = kept.put(load(file))
    if as_json:
        print_json({"id": identity})
    else:
        typer.echo(f"Stored {identity}")


def evidence_items_in(file: Path) -> tuple[EvidenceItem, ...] | None:
    """The runtime evidence items of a file; None when it is none of theirs."""
    from pellucid.cases import read_evidence_items

    if file.suffix != ".json" or not file.is_file():
        return None
    with file.open("rb") as opened:
        if b'"formatVersion"' not in opened.read(65_536):
            return None
    return read_evidence_items(file.read_text(encoding="utf-8"), str(file))


def import_items(file: Path, items: Sequence[EvidenceItem], store: str, as_json: bool) -> None:
    """Put evidence items into the store, one Finding each."""
    from pellucid.cli.findings_table import print_findings
    from pellucid.store import open_store

    found = [item.finding() for item in items]
    with open_store(store) as kept:
        stored(found, kept.put)
    print_findings(f"From {file.name}", [finding.header for finding in found], as_json, "It holds no item.")


def compare(
    first: Annotated[Path, typer.Argument(help="An Inspect log.")],
    second: Annotated[Path, typer.Argument(help="Another log of the same task.")],
    scorer: ScorerOption = None,
    cluster: ClusterOption = None,
    level: LevelOption = 0.95,
    word: WordOption = None,
    allow_missing: MissingOption = 0,
    allow_errors: ErrorsOption = 0,
    allow_dirty: DirtyOption = False,
    seed: Annotated[int, typer.Option("--seed", help="Of the permutations.")] = 0,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Compare two Inspect logs of one task, sample by sample, with clustered standard errors if asked.

    Status 0 when the first scores higher, by an interval above 0; else 1.

    Python: pellucid.findings.logs.compare_logs
    """
    from pellucid.cli.output import print_json
    from pellucid.findings import show as showing
    from pellucid.findings.logs import Allowance, Reading, compare_logs, log_findings, read_log
    from pellucid.store import open_store

    allow = Allowance(missing=allow_missing, errors=allow_errors, dirty=allow_dirty)
    reading = Reading(words=words_of(word), cluster=cluster, level=level, allow=allow)
    logs = (read_log(first), read_log(second))
    each = [finding for log in logs for finding in log_findings(log, scorer, reading=reading)]
    found = compare_logs(logs[0], logs[1], scorer, seed=seed, reading=reading)
    with open_store(store) as kept:
        stored([*each, found], kept.put)
    if as_json:
        print_json(showing.json(found))
    else:
        found.show()
    raise typer.Exit(0 if found.status == "supports" else 1)


def words_of(given: list[str] | None) -> dict[str, float]:
    """What scores in words are worth, from ``TEXT=NUMBER``.

    Errors:
        InputError CL10: an option is not of that form.
    """
    from pellucid.findings import InputError

    found: dict[str, float] = {}
    for option in given or ():
        text, _, number = option.rpartition("=")
        try:
            found[text] = float(number)
        except ValueError:
            text = ""
        if not text:
            raise InputError("CL10", f"--word got {option!r}.", "Write a word and its number, as PASS=1.")
    return found


def stored(found: Iterable[Finding], put: Callable[[Finding], str]) -> None:
    """Keep every Finding."""
    for finding in found:
        put(finding)


def digest_of(found: Sequence[Finding]) -> str:
    """The digest of the log that Findings were read from."""
    data = found[0].provenance.data if found else None
    return data.sha256 if data else ""
