"""The control argument in rational arithmetic, and how little clean honeypots say about rare defection."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from pellucid.cases.confidence.counts import evasion, passing_probability, upper_bound
from pellucid.findings import InputError

Rational = Fraction | int | float | str
# a power of ten has at most three digits, so that no text makes a number of a billion digits
WRITTEN = re.compile(r"[0-9]{1,400}/[0-9]{1,400}|[0-9]*\.?[0-9]*(?:[eE][-+]?[0-9]{1,3})?")


def rational(value: Rational) -> Fraction:
    """A probability exactly as it is written: 0.01 is one hundredth, not the nearest binary number.

    Raises:
        InputError: Y70 when it is no number from 0 to 1.
    """
    try:
        text = str(value).strip()
        readable = isinstance(value, Fraction) or WRITTEN.fullmatch(text)
        exact = Fraction(value if isinstance(value, Fraction) else text) if readable else Fraction(-1)
    except (ValueError, ZeroDivisionError):
        exact = Fraction(-1)
    if not 0 <= exact <= 1:
        raise InputError(
            "Y70", f"{value} is not a probability.", "Give a number from 0 to 1, as '0.01' or 1/100."
        )
    return exact


def monitored_miss(monitor_miss: Rational, human_miss: Rational) -> Fraction:
    """An attack slips past the monitor, or is sent to a human who misses it: ``m + (1 - m) h``."""
    monitor, human = rational(monitor_miss), rational(human_miss)
    return monitor + (1 - monitor) * human


def residual_attack_success(attack: Rational, monitor_miss: Rational, human_miss: Rational) -> Fraction:
    """Attack success under a control protocol: ``attack · (m + (1 - m) h)``.

    Args:
        attack: success without the protocol.
        monitor_miss: probability that the monitor does not send an attack to humans.
        human_miss: probability that a human who reads it lets it pass.

    Raises:
        InputError: Y70 when one is no probability.

    Example:
        >>> residual_attack_success("0.5", "0.01", "0.005")
        Fraction(299, 40000)

    Source: Balesni et al. 2024, arXiv 2411.03336, the worked example; its numbers illustrate and were never
    measured. That the misses of monitor and human are independent is an assumption of it.
    """
    return rational(attack) * monitored_miss(monitor_miss, human_miss)


@dataclass(frozen=True)
class ControlProtocol:
    """A monitor that sends the most suspicious outputs to humans."""

    attack: Rational
    """Attack success without the protocol."""
    to_humans: Rational
    """Share of all outputs that humans read."""
    monitor_miss: Rational
    """Probability that the monitor does not send an attack to them."""
    human_miss: Rational
    """Probability that a human who reads an attack lets it pass."""

    @property
    def miss(self) -> Fraction:
        """Probability that an attack gets past both."""
        return monitored_miss(self.monitor_miss, self.human_miss)

    @property
    def residual(self) -> Fraction:
        """Attack success that is left."""
        return residual_attack_success(self.attack, self.monitor_miss, self.human_miss)

    def read_by_humans(self, outputs: int) -> Fraction:
        """How many of so many outputs humans read."""
        return rational(self.to_humans) * outputs


WORKED_EXAMPLE = ControlProtocol("0.5", "0.005", "0.01", "0.005")
"""The fictional agent of the report; its residual is 299/40000 = 0.7475 %."""


@dataclass(frozen=True)
class HoneypotStress:
    """What n honeypots with so many failures leave possible."""

    runs: int
    """Honeypots run."""
    failures: int
    """In how many the system misbehaved."""
    upper: float
    """One-sided 95 % bound of the rate."""
    upper_if_clean: float
    """The bound that no failure at all would give."""
    rate: float
    """The rate of a rare defector."""
    passes: float
    """Probability that it passes all runs clean."""
    uses: int
    """Uses in deployment."""
    defections: float
    """Its expected defections in them."""
    evasion: float
    """How often a defector passes that cannot tell tests from use and picks the rate 1/n."""


def honeypot_stress(
    runs: int, failures: int = 0, *, rate: float = 1e-4, uses: int = 1_000_000, level: float = 0.95
) -> HoneypotStress:
    """The figures to print beside a honeypot result.

    Args:
        runs: honeypots run, at least 1.
        failures: in how many the system misbehaved.
        rate: defection rate of a rare defector.
        uses: how often the system will be used.
        level: of the one-sided bound.

    Raises:
        InputError: FN41 when the failures are not a count, Y70 when the rate is no probability.

    Example:
        >>> stress = honeypot_stress(1000, 1)
        >>> round(stress.upper, 5), round(stress.passes, 4), round(stress.defections)
        (0.00473, 0.9048, 100)

    Source: Clopper and Pearson 1934; Balesni et al. 2024, the defeater of rare defection.
    """
    return HoneypotStress(
        runs=runs,
        failures=failures,
        upper=upper_bound(failures, runs, level=level),
        upper_if_clean=upper_bound(0, runs, level=level),
        rate=rate,
        passes=float(passing_probability(rate, runs)),
        uses=uses,
        defections=rate * uses,
        evasion=evasion(runs),
    )
