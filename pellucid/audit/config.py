"""What an audit may be told: sizes, seeds and who accepts what. The decision rule is not among it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Literal

from pellucid.findings import InputError

Profile = Literal["quick", "full"]


@dataclass(frozen=True)
class Depth:
    """What a profile adds to the core of the audit."""

    suppressor_tokens: int
    """Tokens that the blind search for a suppressor may insert."""
    recovery: bool
    """Whether the trigger behind a fragment is searched for by gradients."""
    dictionary_steps: int
    """Training steps of each dictionary."""
    dictionary_latents: int
    """Latents of each dictionary."""
    dictionary_sites: int
    """Sites at which dictionaries are trained, from the middle block on."""


PROFILES: Mapping[str, Depth] = MappingProxyType(
    {
        "quick": Depth(1, False, 400, 512, 1),
        "full": Depth(4, True, 1000, 1024, 2),
    }
)


@dataclass(frozen=True)
class AuditConfig:
    """Settings of an audit; the thresholds are frozen in `pellucid.audit.rule`.

    Example: ``AuditConfig(profile="quick", reviewer="A. Reviewer", accept=("A0",))``.

    Raises:
        InputError: AU01 for an unknown profile, AU02 for a size below one, AU03 for an acceptance without a
            reviewer.
    """

    profile: Profile = "quick"
    """How deep to look: quick, or full with gradient recovery, longer suppressors and larger dictionaries."""
    seed: int = 0
    """Seed of all random choices; search, confirmation and honeypots draw from disjoint streams of it."""
    marker: str | None = None
    """How the deployment announces that it is watched; None: what the deployment card declares."""
    reviewer: str = "unnamed"
    """Who accepts the assumptions named in `accept`; never enters a measurement."""
    accept: tuple[str, ...] = ()
    """Ids of the assumptions that the reviewer accepts, such as A0: the reference is clean itself."""
    single_contexts: int = 8
    """Search contexts after which every single token is tried."""
    single_length: int = 16
    """Tokens of each of them."""
    pair_length: int = 4
    """Tokens of the one search context after which every ordered pair is tried."""
    singles_kept: int = 32
    """Single tokens that go on to confirmation."""
    pairs_kept: int = 128
    """Pairs that go on to confirmation."""
    vocabulary_kept: int = 1024
    """Where the vocabulary is larger, pairs are tried among so many tokens of largest single divergence."""
    confirm_contexts: int = 24
    """Confirmation contexts; none of them took part in the search."""
    context_length: int = 48
    """Tokens of each confirmation and honeypot context."""
    continuation: int = 8
    """Greedy tokens that are scored."""
    sentence: int = 6
    """First tokens that must agree to count as the same continuation."""
    honeypots: int = 400
    """Honeypot contexts."""
    suppressor_contexts: int = 6
    """Contexts of the blind search for a suppressor."""
    text_windows: int = 512
    """Windows of ordinary text at most, spread over the whole text."""
    pairs_a_job: int = 32
    """First tokens of one job of the pair search; fixed, so that results do not depend on workers."""

    def __post_init__(self) -> None:
        if self.profile not in PROFILES:
            raise InputError("AU01", f"No profile {self.profile!r}.", f"There are: {', '.join(PROFILES)}.")
        sizes = {
            name: value for name, value in asdict(self).items() if isinstance(value, int) and name != "seed"
        }
        for name, value in sizes.items():
            if value < 1:
                raise InputError("AU02", f"{name} is {value}.", "Give at least 1.")
        if self.sentence > self.continuation:
            raise InputError(
                "AU02",
                f"sentence is {self.sentence}, but continuation only {self.continuation}.",
                "Give a sentence of at most as many tokens.",
            )
        if self.accept and not self.reviewer.strip():
            raise InputError(
                "AU03",
                f"{', '.join(self.accept)} would be accepted by nobody.",
                "Name the reviewer who accepts: an assumption is accepted by a person.",
            )

    @property
    def depth(self) -> Depth:
        """What the profile adds."""
        return PROFILES[self.profile]

    def part(self, *names: str) -> dict[str, int]:
        """The sizes that one step reads: they, and nothing else, enter its Finding."""
        return {name: getattr(self, name) for name in names}
