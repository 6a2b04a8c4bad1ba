"""How capability correlations are analysed."""

from __future__ import annotations

from dataclasses import InitVar, dataclass, fields
from typing import Literal

from pellucid.findings import InputError

METHODS = ("spearman", "pearson")
LOADINGS = ("correlation", "svd")


@dataclass(frozen=True)
class SafetywashingConfig:
    """Settings of the safetywashing analysis; the defaults are those of the paper, with intervals added."""

    method: Literal["spearman", "pearson"] = "spearman"
    """Coefficient, for the matrix of the capabilities as for every other correlation."""
    loadings: Literal["correlation", "svd"] = "correlation"
    """The eigenvector of the correlation matrix (the paper), or the singular vector of the z-scores."""
    draws: int = 2000
    """Bootstrap draws, the score refitted in each; 0 gives no interval."""
    permutations: int = 9999
    """Permutations of a column for its p; all of them where there are at most eight models."""
    level: float = 0.95
    """Confidence of the intervals."""
    low: float = -0.4
    """Lower limit of the band in which a correlation counts as decorrelated."""
    high: float = 0.4
    """Upper limit of that band."""
    fdr: float = 0.05
    """Rate of false discoveries at which adjusted p are called significant."""

    capabilities: InitVar[object] = None
    """Refused: which table is analysed is no setting. It is an argument of the functions, as the next two."""
    model_type: InitVar[object] = None
    """Refused likewise."""
    families: InitVar[object] = None
    """Refused likewise."""

    def __post_init__(self, capabilities: object, model_type: object, families: object) -> None:
        beside = {"capabilities": capabilities, "model_type": model_type, "families": families}
        for name, given in beside.items():
            if given is not None:
                raise InputError(
                    "MS20",
                    f"The setting {name} does not exist: {given!r} was given to SafetywashingConfig.",
                    f"Give it to the function, as in safetywashing(table, {name}=..., config=...).",
                )
        known = {"method": METHODS, "loadings": LOADINGS}
        for name, words in known.items():
            if getattr(self, name) not in words:
                raise refused(name, getattr(self, name), f"Use one of: {', '.join(words)}.")
        for name, least in (("draws", 0), ("permutations", 1)):
            given = getattr(self, name)
            if not isinstance(given, int) or isinstance(given, bool) or given < least:
                raise refused(name, given, f"Give a whole number, {least} or more.")
        if not -1 <= self.low < self.high <= 1:
            raise refused("low, high", (self.low, self.high), "Give -1 <= low < high <= 1, as -0.4 and 0.4.")
        for name in ("level", "fdr"):
            if not 0 < getattr(self, name) < 1:
                raise refused(name, getattr(self, name), "Give a share between 0 and 1, as 0.95.")

    def to_dict(self) -> dict[str, float | int | str]:
        """The settings as plain data."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def refused(name: str, given: object, remedy: str) -> InputError:
    """The error for a setting that cannot be used."""
    return InputError("MS20", f"The setting {name} cannot be {given!r}.", remedy)
