"""Compiled models whose heads' classes are known from the closed form, averaged over the protocol's draws."""

from __future__ import annotations

import random

import numpy as np

from pellucid.dictionaries.attention.adjudicator import Cuts
from pellucid.organisms.induction import HeadPlan, InductionPlan, closed_form

TOKENS, CONTEXT = 40, 36
ROLES = ("short", "long", "duplicate", "previous", "begin", "uniform")


def plan_of(*heads: HeadPlan) -> InductionPlan:
    """A plan of the small shape."""
    return InductionPlan(heads, TOKENS, CONTEXT)


def random_plan(seed: int, n: int) -> InductionPlan:
    """At least one short and one long head, others of any role, betas from weak to hard, in random order."""
    draw = random.Random(seed)
    heads = [HeadPlan("short"), HeadPlan("long")]
    heads += [HeadPlan(draw.choice(ROLES), draw.choice((2.0, 4.0, 6.0, 9.0, 12.0))) for _ in range(n - 2)]
    draw.shuffle(heads)
    return plan_of(*heads)


def population_score(plan: InductionPlan, head: int, prefix: int, longest: int = 3) -> float:
    """Mean of the closed form over every (a1, a2) that the protocol may draw, all equally likely."""
    latest = CONTEXT - longest
    queries = [a2 + prefix - 1 for a1 in range(1, latest) for a2 in range(a1 + longest + 1, latest + 1)]
    return float(closed_form(plan, head, prefix, np.asarray(queries) + 1).mean())


def truth(plan: InductionPlan, head: int) -> str:
    """The head's class by the closed form."""
    return Cuts().classes(population_score(plan, head, 1), population_score(plan, head, 3))


def margin(plan: InductionPlan, head: int) -> float:
    """How far the nearest cut is from the scores."""
    one, three = population_score(plan, head, 1), population_score(plan, head, 3)
    return min(abs(one - 0.6), abs(one - 0.35), abs(three - 0.65))
