"""Predicates over measures: ``score.high <= 1 and coverage.value >= 1``.

A closed little language: measure ends, numbers, comparisons, and, or, not, parentheses. A measure
that is absent or has no such number makes a comparison unknown; unknown is carried by Kleene's logic.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from pellucid.findings.errors import InputError
from pellucid.findings.measures import Measure

Truth = bool | None
Evaluate = Callable[[Mapping[str, Measure]], Truth]
NUMBER = r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
DEEPEST = 50
TOKEN = re.compile(
    rf"\s*(?:(?P<number>{NUMBER})|(?P<op><=|>=|==|!=|<|>)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_@\-]*(?:\.[A-Za-z_][A-Za-z0-9_]*)?)|(?P<paren>[()]))"
)
COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
}
ENDS = ("value", "low", "high", "n")


@dataclass(frozen=True)
class Predicate:
    """A parsed predicate; ``str`` gives its text back."""

    text: str
    _evaluate: Evaluate
    _ends: tuple[tuple[str, str], ...]

    @classmethod
    def parse(cls, text: str) -> Predicate:
        """Read a predicate; InputError FN10 names the place where it goes wrong."""
        parser = Parser(text)
        evaluate = parser.disjunction()
        if parser.peek():
            parser.refuse("an end or a connective")
        return cls(text, evaluate, tuple(parser.ends))

    def evaluate(self, measures: Mapping[str, Measure]) -> Truth:
        """True, False, or None when a number it reads is missing or not a number."""
        return self._evaluate(measures)

    def ends(self) -> list[tuple[str, str]]:
        """Every (measure, end) that it reads, in order."""
        return list(self._ends)

    def __str__(self) -> str:
        return self.text


class Parser:
    """Recursive descent over the tokens of one predicate."""

    def __init__(self, text: str) -> None:
        self.text, self.ends = text, list[tuple[str, str]]()
        self._tokens = list(tokens(text))
        self._next = 0
        self._depth = 0

    def peek(self) -> str:
        """The next token, or an empty string at the end."""
        return self._tokens[self._next][0] if self._next < len(self._tokens) else ""

    def take(self) -> str:
        """The next token, which is consumed."""
        token = self.peek()
        self._next += 1
        return token

    def refuse(self, expected: str) -> None:
        """Raise the error for the token that stands where ``expected`` should."""
        at = self._tokens[self._next][1] if self._next < len(self._tokens) else len(self.text)
        raise InputError(
            "FN10",
            f"The predicate {self.text!r} goes wrong at position {at + 1}: expected {expected}.",
            "Write comparisons like 'score.high <= 1', joined by and, or, not and parentheses.",
        )

    def disjunction(self) -> Evaluate:
        """``a or b or ...``"""
        parts = [self.conjunction()]
        while self.peek() == "or":
            self.take()
            parts.append(self.conjunction())
        return lambda m: kleene_any([part(m) for part in parts])

    def conjunction(self) -> Evaluate:
        """``a and b and ...``"""
        parts = [self.negation()]
        while self.peek() == "and":
            self.take()
            parts.append(self.negation())
        return lambda m: kleene_all([part(m) for part in parts])

    def negation(self) -> Evaluate:
        """``not a``, a parenthesis, or a comparison."""
        if self.peek() == "not":
            self.take()
            inner = self.deeper(self.negation)
            return lambda m: kleene_not(inner(m))
        if self.peek() == "(":
            self.take()
            inner = self.deeper(self.disjunction)
            if self.peek() != ")":
                self.refuse("')'")
            self.take()
            return inner
        return self.comparison()

    def deeper(self, rule: Callable[[], Evaluate]) -> Evaluate:
        """A rule one level further in; a bound on the depth keeps hostile text from exhausting the stack."""
        self._depth += 1
        if self._depth > DEEPEST:
            self.refuse(f"at most {DEEPEST} levels of not and parentheses")
        inner = rule()
        self._depth -= 1
        return inner

    def comparison(self) -> Evaluate:
        """``end op end``"""
        left = self.operand()
        if self.peek() not in COMPARE:
            self.refuse("a comparison (<=, >=, ==, !=, <, >)")
        compare = COMPARE[self.take()]
        right = self.operand()
        return lambda m: compare_numbers(compare, left(m), right(m))

    def operand(self) -> Callable[[Mapping[str, Measure]], float | None]:
        """A number, or a measure's end."""
        token = self.peek()
        if re.fullmatch(NUMBER, token):
            number = float(self.take())
            return lambda m: number
        if not re.match(r"[A-Za-z_]", token) or token in {"and", "or", "not"}:
            self.refuse("a measure or a number")
        name, _, end = token.partition(".")
        if (end or "value") not in ENDS:
            self.refuse(f"one of {', '.join(ENDS)} after {name!r}")
        self.take()
        self.ends.append((name, end or "value"))
        return lambda m: read_end(m, name, end or "value")


def tokens(text: str) -> Iterator[tuple[str, int]]:
    """The tokens of a predicate with their places."""
    at = 0
    while text[at:].strip():
        match = TOKEN.match(text, at)
        if match is None:
            at += len(text[at:]) - len(text[at:].lstrip())
            yield text[at], at
            return
        yield match[0].strip(), match.end() - len(match[0].strip())
        at = match.end()


def read_end(measures: Mapping[str, Measure], name: str, end: str) -> float | None:
    """One end of one measure; None when absent or not a number."""
    measure = measures.get(name)
    number = None if measure is None else getattr(measure, end)
    return None if number is None or math.isnan(number) else float(number)


def compare_numbers(
    compare: Callable[[float, float], bool], left: float | None, right: float | None
) -> Truth:
    """Compare two numbers; unknown when one is."""
    return None if left is None or right is None else compare(left, right)


def kleene_all(values: list[Truth]) -> Truth:
    """False if one is false, else unknown if one is unknown."""
    return False if False in values else None if None in values else True


def kleene_any(values: list[Truth]) -> Truth:
    """True if one is true, else unknown if one is unknown."""
    return True if True in values else None if None in values else False


def kleene_not(value: Truth) -> Truth:
    """Unknown stays unknown."""
    return None if value is None else not value
