"""``pellucid case review``: claims of a case in several tracks, with a log that cannot be rewritten."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pellucid.cli.commands.case_reading import words_of
from pellucid.cli.output import (
    DEFAULT_STORE,
    JsonOption,
    StoreOption,
    print_diagnostics,
    print_json,
    print_table,
)

if TYPE_CHECKING:
    from pellucid.cases.review import Journal, State

app = typer.Typer(no_args_is_help=True, help="Review a case in several tracks, with a log.")
CaseArgument = Annotated[str, typer.Argument(help="A YAML file, or the name of a case in the store.")]
ClaimArgument = Annotated[str, typer.Argument(help="Id of the claim.")]
LogOption = Annotated[Path, typer.Option("--log", help="The review's log, a file of JSON lines.")]
TrackOption = Annotated[str, typer.Option("--track", help="Name of the track.")]
ByOption = Annotated[str, typer.Option("--by", help="Who does it.")]
NowOption = Annotated[
    str | None, typer.Option("--now", help="When, as 2026-11-24T09:00:00Z; the present time without it.")
]


@app.command("track")
def set_up_track(
    name: Annotated[str, typer.Argument(help="Name of the track.")],
    members: Annotated[str, typer.Option("--members", help="Who votes, separated by commas.")],
    by: ByOption,
    log: LogOption,
    preset: Annotated[str, typer.Option("--preset", help="core, bilateral or inclusive.")] = "core",
    quorum: Annotated[int | None, typer.Option("--quorum", help="Votes needed.")] = None,
    rule: Annotated[str | None, typer.Option("--rule", help="unanimity, majority or no-objection.")] = None,
    scope: Annotated[str, typer.Option("--scope", help="Tags of claims, separated by commas.")] = "",
    comment_days: Annotated[
        int | None, typer.Option("--comment-days", help="Days for which comments are open.")
    ] = None,
    now: NowOption = None,
    as_json: JsonOption = False,
) -> None:
    """Set up a track: who decides, by which rule, about what.

    Python: pellucid.cases.review.Journal.set_up
    """
    from pellucid.cases.review import Track
    from pellucid.cases.review.tracks import preset as of_preset

    usual = of_preset(preset, name, words_of(members)).to_dict()
    chosen = {"quorum": quorum, "decision_rule": rule, "comment_days": comment_days}
    stated = {key: value for key, value in chosen.items() if value is not None}
    track = Track.of(usual | {"scope_tags": words_of(scope)} | stated)
    _say(_journal(log).set_up(track, by=by, now=_moment(now)), f"Track {name} is set up.", as_json)


@app.command("open")
def open_review(
    case: CaseArgument,
    claim: ClaimArgument,
    track: TrackOption,
    by: ByOption,
    log: LogOption,
    now: NowOption = None,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Open the review of a claim, of the case as it is now; reviews of earlier states are superseded.

    Python: pellucid.cases.review.Journal.open
    """
    from pellucid.cli.commands.case_reading import read_case

    argument, moment, journal = read_case(case, store), _moment(now), _journal(log)
    outdated = journal.supersede(argument, by=by, now=moment) if log.exists() else []
    state = journal.open(argument, track, claim, by=by, now=moment)
    replaced = f" {len(outdated)} reviews of an earlier state are superseded." if outdated else ""
    _say(state, f"{claim} is open in the track {track}.{replaced}", as_json)


@app.command("comment")
def comment(
    claim: ClaimArgument,
    text: Annotated[str, typer.Argument(help="What there is to say.")],
    track: TrackOption,
    by: ByOption,
    log: LogOption,
    now: NowOption = None,
    as_json: JsonOption = False,
) -> None:
    """Comment on a claim; a track of digests keeps the digest of the text only.

    Python: pellucid.cases.review.Journal.comment
    """
    journal = _journal(log)
    name = journal.comment(track, claim, text, by=by, now=_moment(now))
    _say(journal.state, f"Comment {name} on {claim} is kept.", as_json)


@app.command("answer")
def answer(
    claim: ClaimArgument,
    comment: Annotated[str, typer.Argument(help="Id of the comment, as c1.")],
    text: Annotated[str, typer.Argument(help="The answer, or why it is carried.")],
    track: TrackOption,
    by: ByOption,
    log: LogOption,
    carry: Annotated[bool, typer.Option("--carry", help="Carry it into the next round.")] = False,
    now: NowOption = None,
    as_json: JsonOption = False,
) -> None:
    """Answer a comment, or carry it into the next round.

    Python: pellucid.cases.review.Journal.answer
    """
    state = _journal(log).answer(track, claim, comment, text, by=by, now=_moment(now), carry=carry)
    _say(state, f"Comment {comment} on {claim} is {'carried' if carry else 'answered'}.", as_json)


@app.command("vote")
def vote(
    claim: ClaimArgument,
    vote: Annotated[str, typer.Argument(help="accept, defeat, return or abstain.")],
    track: TrackOption,
    by: ByOption,
    log: LogOption,
    now: NowOption = None,
    as_json: JsonOption = False,
) -> None:
    """Vote on a claim; the last vote of each member counts.

    Python: pellucid.cases.review.Journal.vote
    """
    state = _journal(log).vote(track, claim, vote, by=by, now=_moment(now))
    _say(state, f"The vote of {by} on {claim} is kept.", as_json)


@app.command("decide")
def decide(
    claim: ClaimArgument,
    track: TrackOption,
    by: ByOption,
    log: LogOption,
    now: NowOption = None,
    as_json: JsonOption = False,
) -> None:
    """Decide a claim by the votes. Status 0 when it is accepted, 1 when not, 2 when it cannot be decided.

    Python: pellucid.cases.review.Journal.decide
    """
    state = _journal(log).decide(track, claim, by=by, now=_moment(now))
    outcome = state.review(track, claim).outcome
    _say(state, f"{claim} is {outcome} in the track {track}.", as_json)
    raise typer.Exit(0 if outcome == "accepted" else 1)


@app.command("rate")
def rate(
    leaf: Annotated[str, typer.Argument(help="Id of the leaf.")],
    value: Annotated[str, typer.Argument(help="The judgement, as good or 3.")],
    by: ByOption,
    log: LogOption,
    now: NowOption = None,
    as_json: JsonOption = False,
) -> None:
    """Judge a leaf; the last judgement of each person counts.

    Python: pellucid.cases.review.Journal.rate
    """
    state = _journal(log).rate(leaf, value, by=by, now=_moment(now))
    _say(state, f"The judgement of {leaf} by {by} is kept.", as_json)


@app.command("reconcile")
def reconcile(
    claim: ClaimArgument,
    text: Annotated[str, typer.Argument(help="Why both decisions may stand.")],
    tracks: Annotated[str, typer.Option("--tracks", help="The tracks, separated by commas.")],
    by: ByOption,
    log: LogOption,
    now: NowOption = None,
    as_json: JsonOption = False,
) -> None:
    """Record why two tracks may have decided a claim in opposite ways.

    Python: pellucid.cases.review.Journal.reconcile
    """
    state = _journal(log).reconcile(claim, words_of(tracks), text, by=by, now=_moment(now))
    _say(state, f"The reconciliation on {claim} is kept.", as_json)


@app.command("status")
def status(
    log: LogOption,
    case: Annotated[
        str | None, typer.Option("--case", help="The case, to see what is outdated or not rated.")
    ] = None,
    head: Annotated[
        str | None, typer.Option("--head", help="Digest of an event that the log must still hold.")
    ] = None,
    now: NowOption = None,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Check the chain, replay the log, and show where each claim stands. Status 1 when tracks contradict.

    Python: pellucid.cases.review.replay
    """
    from pellucid.cases.review import check_coherence, check_ratings, read_log, replay
    from pellucid.cli.commands.case_reading import read_case

    state = replay(read_log(log, head))
    argument = None if case is None else read_case(case, store)
    found = check_coherence(state, _moment(now))
    found += check_ratings(argument, state) if argument else []
    present = argument.sha256 if argument else ""
    if as_json:
        print_json(_plain(state) | {"head": _journal(log).head, "diagnostics": [vars(one) for one in found]})
    else:
        _show(state, _journal(log).head, present)
        print_diagnostics(found)
    raise typer.Exit(1 if any(one.level == "error" for one in found) else 0)


def _show(state: State, head: str, present: str) -> None:
    rows = [
        (
            one.claim,
            one.track,
            one.outcome if one.status == "decided" else one.status,
            "outdated" if present and one.case != present else one.case[:12],
            f"{len(one.votes)} of {state.tracks[one.track].quorum}",
            f"{len(one.waiting)} of {len(one.comments)}",
        )
        for _, one in sorted(state.reviews.items())
    ]
    columns = ("claim", "track", "stands", "case", "votes", "comments waiting")
    print_table("Reviews", columns, rows, "Nothing is under review: pellucid case review open.")
    typer.echo(f"State {state.digest[:12]}, last event {head}.")


def _say(state: State, said: str, as_json: bool) -> None:
    if as_json:
        print_json(_plain(state))
    else:
        typer.echo(said)


def _plain(state: State) -> dict[str, object]:
    return {"digest": state.digest, **state.to_dict()}


def _journal(log: Path) -> Journal:
    from pellucid.cases.review import Journal

    return Journal(log)


def _moment(text: str | None) -> datetime:
    from pellucid.cases.review.events import parse_time

    return datetime.now(UTC) if text is None else parse_time(text)
