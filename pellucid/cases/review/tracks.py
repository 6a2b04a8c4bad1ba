"""Review tracks: who decides, by which rule, about what, how fast, and what they may see.

Three presets follow the three models of Fort: a small trusted set with full access, two parties that exchange
digests and attested results only, and an open, time-boxed process.

Source: Fort 2024, arXiv 2409.11314.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from pellucid.cases.nodes import Node
from pellucid.findings import InputError, did_you_mean

Rule = Literal["unanimity", "majority", "no-objection"]
Visibility = Literal["full", "digests", "open"]
Vote = Literal["accept", "defeat", "return", "abstain"]
Outcome = Literal["accepted", "defeated", "returned"]
VOTES: tuple[str, ...] = get_args(Vote)


@dataclass(frozen=True)
class Track:
    """One body that reviews claims of a case."""

    name: str
    """Its name in the log."""
    members: tuple[str, ...]
    """Who votes."""
    quorum: int
    """How many members must have voted before anything is decided."""
    scope_tags: tuple[str, ...] = ()
    """Claims with one of these tags are in its scope; empty takes every claim."""
    speed_target: int = 30
    """Days in which it wants to decide."""
    decision_rule: Rule = "majority"
    """How votes become a decision."""
    visibility: Visibility = "full"
    """What it sees: everything, digests and attested results only, or everything and anyone may comment."""
    comment_days: int = 0
    """Days for which comments are open, after which it decides; 0 leaves them open until the decision."""

    def __post_init__(self) -> None:
        _check(self)

    @staticmethod
    def of(values: Mapping[str, Any]) -> Track:
        """A track from plain values, as a log keeps them.

        Raises:
            InputError: Y98 when a value is missing, unknown or impossible.
        """
        known = Track.__dataclass_fields__
        for name in ("members", "scope_tags"):
            if not isinstance(values.get(name, ()), list | tuple):
                raise InputError("Y98", f"The {name} of a track are no list.", "Give a list of names.")
        strange = [name for name in values if name not in known]
        lacking = [name for name in ("name", "members", "quorum") if name not in values]
        if strange or lacking:
            problem = f"A track {'lacks' if lacking else 'has no'} '{(lacking or strange)[0]}'."
            raise InputError("Y98", problem, f"A track states {', '.join(known)}.")
        lists = {name: tuple(values[name]) for name in ("members", "scope_tags") if name in values}
        return Track(**{**values, **lists})

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()
        }

    def covers(self, node: Node) -> bool:
        """Whether a claim is in its scope, by the claim's layer ``scope`` or its classes."""
        return not self.scope_tags or not tags(node).isdisjoint(self.scope_tags)

    def decide(self, votes: Mapping[str, str]) -> Outcome:
        """What the votes of members come to.

        unanimity: accepted or defeated when all who do not abstain say so. majority: when more than half of
            them do. no-objection: accepted when nobody objects, defeated when all who do not abstain say
            so. Otherwise the claim is returned to its authors.

        Args:
            votes: accept, defeat, return or abstain, by member; votes of others do not count.

        Example:
            >>> core("a", ["x", "y", "z"]).decide({"x": "accept", "y": "accept", "z": "abstain"})
            'accepted'
        """
        cast = [vote for member, vote in votes.items() if member in self.members and vote != "abstain"]
        present = any(member in self.members for member in votes)
        accept, defeat = cast.count("accept"), cast.count("defeat")
        if self.decision_rule == "no-objection":
            accepted, defeated = present and accept == len(cast), bool(cast) and defeat == len(cast)
        elif self.decision_rule == "unanimity":
            accepted, defeated = 0 < len(cast) == accept, 0 < len(cast) == defeat
        else:
            accepted, defeated = 2 * accept > len(cast), 2 * defeat > len(cast)
        return "accepted" if accepted else "defeated" if defeated else "returned"


def _check(track: Track) -> None:
    texts = (track.name, *track.members, *track.scope_tags)
    if not all(isinstance(text, str) and text.strip() for text in texts):
        _refuse(track, "has an empty name, member or tag", "Give each a name.")
    if not track.members or len(set(track.members)) < len(track.members):
        _refuse(track, "has no member, or one twice", "Name each member once.")
    numbers = (track.quorum, track.speed_target, track.comment_days)
    if not all(isinstance(number, int) and not isinstance(number, bool) for number in numbers):
        _refuse(track, "has a quorum or a number of days that is no whole number", "Write whole numbers.")
    if not 1 <= track.quorum <= len(track.members):
        problem = f"needs {track.quorum} of {len(track.members)} members to vote"
        _refuse(track, problem, f"Choose a quorum from 1 to {len(track.members)}.")
    if track.speed_target < 1 or track.comment_days < 0:
        _refuse(
            track, "has a negative number of days, or no day to decide", "Choose a positive number of days."
        )
    for word, known in ((track.decision_rule, get_args(Rule)), (track.visibility, get_args(Visibility))):
        if word not in known:
            remedy = f"{did_you_mean(str(word), known)} Choose one of {', '.join(known)}.".strip()
            _refuse(track, f"says '{word}'", remedy)


def _refuse(track: Track, problem: str, remedy: str) -> None:
    raise InputError("Y98", f"The track '{track.name}' {problem}.", remedy)


def tags(node: Node) -> frozenset[str]:
    """The tags of a claim: its layer ``scope``, parted by commas, and its classes."""
    stated = (tag.strip() for tag in (node.layer("scope") or "").split(","))
    return frozenset(tag for tag in (*stated, *node.classes) if tag)


def core(name: str, members: Iterable[str], *, scope_tags: Collection[str] = ()) -> Track:
    """A small trusted set with full access: fast, and all must agree; two thirds must vote."""
    people = tuple(members)
    quorum = -(-2 * len(people) // 3)
    return Track(name, people, quorum, tuple(scope_tags), 14, "unanimity", "full")


def bilateral(name: str, one: str, other: str, *, scope_tags: Collection[str] = ()) -> Track:
    """Two parties that exchange digests and attested results, never weights or texts; both must vote."""
    return Track(name, (one, other), 2, tuple(scope_tags), 60, "unanimity", "digests")


def inclusive(
    name: str, members: Iterable[str], *, comment_days: int = 90, scope_tags: Collection[str] = ()
) -> Track:
    """Open comment for a fixed number of days, then a decision unless a member objects; half must vote."""
    people = tuple(members)
    quorum = -(-len(people) // 2)
    target = comment_days + 30
    return Track(name, people, quorum, tuple(scope_tags), target, "no-objection", "open", comment_days)


PRESETS: tuple[str, ...] = ("core", "bilateral", "inclusive")
"""Names of the presets."""


def preset(kind: str, name: str, members: Iterable[str]) -> Track:
    """A track by the name of its preset.

    Raises:
        InputError: Y98 when there is no such preset, or a bilateral track has not two members.
    """
    people = tuple(members)
    if kind == "core":
        return core(name, people)
    if kind == "inclusive":
        return inclusive(name, people)
    if kind != "bilateral":
        problem = f"No preset '{kind}' for a track."
        raise InputError(
            "Y98", problem, f"{did_you_mean(kind, PRESETS)} There are {', '.join(PRESETS)}.".strip()
        )
    if len(people) != 2:
        raise InputError("Y98", f"A bilateral track has {len(people)} members.", "Name two parties.")
    return bilateral(name, people[0], people[1])
