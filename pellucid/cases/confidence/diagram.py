"""A reduced ordered binary decision diagram: one Boolean function, exact, however its leaves are shared.

Nodes are numbers; a node's children have lower numbers, so one pass in number order meets children first and
one in the other direction meets parents first. Nothing here recurses: an argument may be deep.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from itertools import chain, pairwise
from typing import Any

import numpy as np

from pellucid.findings import InputError

FALSE, TRUE = 0, 1
LIMIT = 1_000_000
LARGE = 10_000
Node = tuple[int, int, int]


class Diagram:
    """Boolean functions over ordered variables, each function one node.

    Example:
        >>> d = Diagram(["a", "b", "c"])
        >>> two_of_three = d.at_least(2, [d.leaf(name) for name in "abc"])
        >>> round(d.probability(two_of_three, {"a": 0.9, "b": 0.8, "c": 0.7}), 3)
        0.902

    Source: Bryant 1986; Rauzy 1993 for probabilities and importances in one pass.
    """

    def __init__(self, order: Sequence[str], limit: int = LIMIT) -> None:
        self.names = tuple(order)
        self.limit = limit
        self._level = {name: level for level, name in enumerate(self.names)}
        last = len(self.names)
        self._nodes: list[Node] = [(last, FALSE, FALSE), (last, TRUE, TRUE)]
        self._unique: dict[Node, int] = {}
        # kept, so that a chain of replies is inverted once and not anew at each of them
        self._opposite = {FALSE: TRUE, TRUE: FALSE}
        # results of AND (absorbed by FALSE) and of OR (absorbed by TRUE), by pair
        self._memo: tuple[dict[tuple[int, int], int], ...] = ({}, {})
        self._chosen_memo: dict[Node, int] = {}

    # Functions ---------------------------------------------------------------------------------

    def leaf(self, name: str) -> int:
        """The function that is one variable."""
        return self._node(self._level[name], FALSE, TRUE)

    def both(self, values: Sequence[int]) -> int:
        """AND."""
        return self._combined(values, FALSE)

    def either(self, values: Sequence[int]) -> int:
        """OR."""
        return self._combined(values, TRUE)

    def at_least(self, count: int, values: Sequence[int]) -> int:
        """k of n, by the recursion over how many hold among the first."""
        if count > (len(values) + 1) // 2:
            # fewer may fail than must hold, so counting failures keeps fewer functions at a time
            opposite = [self.invert(value) for value in values]
            return self.invert(self.at_least(len(values) - count + 1, opposite))
        reached = [TRUE] + [FALSE] * count
        left = len(values)
        for value in sorted(values, key=lambda root: -self._nodes[root][0]):
            left -= 1
            # with few values left, only counts from which the last ones still reach k are asked for
            for j in range(count, max(0, count - left - 1), -1):
                reached[j] = self._chosen(value, reached[j - 1], reached[j])
        return reached[count]

    def invert(self, value: int) -> int:
        """NOT."""
        opposite = self._opposite
        for number in self.below([value], without=opposite):
            level, low, high = self._nodes[number]
            inverse = self._node(level, opposite[low], opposite[high])
            opposite[number], opposite[inverse] = inverse, number
        return opposite[value]

    def _node(self, level: int, low: int, high: int) -> int:
        if low == high:
            return low
        key = (level, low, high)
        found = self._unique.get(key)
        if found is None:
            if len(self._nodes) >= self.limit:
                problem = (
                    f"The leaves are shared in so many ways that the exact diagram passes {self.limit} nodes."
                )
                raise InputError("Y74", problem, "Split the argument into modules that share fewer leaves.")
            found = self._unique[key] = len(self._nodes)
            self._nodes.append(key)
        return found

    def _combined(self, values: Sequence[int], absorbing: int) -> int:
        # deepest first: what is added then lies above, so that only it is walked and not what is there
        result = 1 - absorbing
        for value in sorted(set(values), key=lambda root: -self._nodes[root][0]):
            result = self._apply(value, result, absorbing)
        return result

    def _apply(self, one: int, other: int, absorbing: int) -> int:
        memo, nodes = self._memo[absorbing], self._nodes
        result = _simple(one, other, absorbing, memo)
        stack = [] if result is not None else [(one, other) if one < other else (other, one)]
        while stack:
            pair = stack[-1]
            if pair in memo:
                stack.pop()
                continue
            (level, low1, high1), (level2, low2, high2) = nodes[pair[0]], nodes[pair[1]]
            if level < level2:
                low2 = high2 = pair[1]
            elif level2 < level:
                low1 = high1 = pair[0]
                level = level2
            low = _simple(low1, low2, absorbing, memo)
            high = _simple(high1, high2, absorbing, memo)
            if low is not None and high is not None:
                memo[pair] = self._node(level, low, high)
                stack.pop()
                continue
            if low is None:
                stack.append((low1, low2) if low1 < low2 else (low2, low1))
            if high is None:
                stack.append((high1, high2) if high1 < high2 else (high2, high1))
        found = _simple(one, other, absorbing, memo)
        assert found is not None
        return found

    def _chosen(self, test: int, then: int, other: int) -> int:
        """If a function holds then another, else a third: in one pass, with no function made on the way."""
        memo, nodes = self._chosen_memo, self._nodes
        start = (test, then, other)
        stack = [start] if _decided(start, memo) is None else []
        while stack:
            asked = stack[-1]
            if asked in memo:
                stack.pop()
                continue
            test_at, test0, test1 = nodes[asked[0]]
            then_at, then0, then1 = nodes[asked[1]]
            other_at, other0, other1 = nodes[asked[2]]
            level = min(test_at, then_at, other_at)
            if test_at != level:
                test0 = test1 = asked[0]
            if then_at != level:
                then0 = then1 = asked[1]
            if other_at != level:
                other0 = other1 = asked[2]
            lows, highs = (test0, then0, other0), (test1, then1, other1)
            low, high = _decided(lows, memo), _decided(highs, memo)
            if low is not None and high is not None:
                memo[asked] = self._node(level, low, high)
                stack.pop()
                continue
            stack += [part for part, done in ((lows, low), (highs, high)) if done is None]
        found = _decided(start, memo)
        assert found is not None
        return found

    def below(self, roots: Iterable[int], *, without: Container[int] = ()) -> list[int]:
        """Inner nodes that some root reaches, children first; nothing is looked for below those left out."""
        seen = {root for root in roots if root > TRUE and root not in without}
        stack = list(seen)
        while stack:
            for child in self._nodes[stack.pop()][1:]:
                if child > TRUE and child not in seen and child not in without:
                    seen.add(child)
                    stack.append(child)
        return sorted(seen)

    # Numbers -----------------------------------------------------------------------------------

    def probability(self, root: int, probabilities: Mapping[str, Any]) -> Any:
        """Probability that a function holds when its variables are independent.

        Args:
            root: the function.
            probabilities: of each variable; floats, Fractions (then exact), or arrays of scenarios.
        """
        return self.probabilities([root], probabilities)[root]

    def probabilities(
        self, roots: Iterable[int], probabilities: Mapping[str, Any], *, failing: bool = False
    ) -> dict[int, Any]:
        """Probability of every function below some roots, in one pass.

        With ``failing`` it is the probability that each does *not* hold, which keeps its digits when small.
        """
        p: list[Any] = [probabilities.get(name) for name in self.names]
        q = [None if chance is None else 1 - chance for chance in p]
        found: dict[int, Any] = {FALSE: int(failing), TRUE: int(not failing)}
        for number in self.below(roots):
            level, low, high = self._nodes[number]
            found[number] = p[level] * found[high] + q[level] * found[low]
        return found

    def birnbaum(self, root: int, probabilities: Mapping[str, Any]) -> dict[str, Any]:
        """``P(holds | i true) - P(holds | i false)`` for every variable, in one pass down and one up.

        A variable on which the function does not depend has 0.
        """
        chances = [probabilities.get(name) for name in self.names]
        if len(self._nodes) > LARGE and all(type(chance) is float for chance in chances):
            return dict(zip(self.names, self._slopes(root, chances), strict=True))
        value = self.probabilities([root], probabilities)
        reach: dict[int, Any] = {root: 1}
        found: dict[str, Any] = dict.fromkeys(self.names, 0)
        for number in reversed(self.below([root])):
            level, low, high = self._nodes[number]
            name, came = self.names[level], reach[number]
            found[name] = found[name] + came * (value[high] - value[low])
            reach[high] = reach.get(high, 0) + came * probabilities[name]
            reach[low] = reach.get(low, 0) + came * (1 - probabilities[name])
        return found

    def _slopes(self, root: int, chances: Sequence[Any]) -> list[float]:
        """The Birnbaum measures level by level, all nodes of a level at once; for plain numbers."""
        flat = np.fromiter(chain.from_iterable(self._nodes), np.int64, 3 * len(self._nodes))
        level, low, high = flat.reshape(-1, 3).T.copy()
        order = np.argsort(level, kind="stable")
        starts = np.searchsorted(level[order], np.arange(len(chances) + 1))
        layers = [order[start:end] for start, end in pairwise(starts)]
        value, reach, slopes = np.zeros(len(level)), np.zeros(len(level)), [0.0] * len(chances)
        value[TRUE] = reach[root] = 1.0
        for chance, layer in zip(reversed(chances), reversed(layers), strict=True):
            value[layer] = chance * value[high[layer]] + (1 - chance) * value[low[layer]]
        for index, (chance, layer) in enumerate(zip(chances, layers, strict=True)):
            layer = layer[reach[layer] > 0]
            came = reach[layer]
            slopes[index] = float(np.sum(came * (value[high[layer]] - value[low[layer]])))
            np.add.at(reach, high[layer], came * chance)
            np.add.at(reach, low[layer], came * (1 - chance))
        return slopes

    def holds(self, root: int, state: Mapping[str, bool]) -> bool:
        """Whether a function holds in one state of the variables."""
        while root > TRUE:
            level, low, high = self._nodes[root]
            root = high if state[self.names[level]] else low
        return root == TRUE

    def variables(self, root: int) -> tuple[str, ...]:
        """The variables on which a function depends, in order."""
        levels = {self._nodes[number][0] for number in self.below([root])}
        return tuple(self.names[level] for level in sorted(levels))

    def children(self, root: int) -> Node:
        """Level, and the functions that are left when the first variable is false and when it is true."""
        return self._nodes[root]


def _simple(one: int, other: int, absorbing: int, memo: dict[tuple[int, int], int]) -> int | None:
    """The result for a pair of which one is constant, equal, or known; else None."""
    if one > other:
        one, other = other, one
    if one <= TRUE:
        return absorbing if one == absorbing else other
    return one if one == other else memo.get((one, other))


def _decided(asked: Node, memo: dict[Node, int]) -> int | None:
    """If-then-else where its test is constant, its ends are equal or are the test's own, or it is known."""
    test, then, other = asked
    if test <= TRUE:
        return then if test == TRUE else other
    if then == other:
        return then
    return test if then == TRUE and other == FALSE else memo.get(asked)
