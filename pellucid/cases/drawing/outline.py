"""The argument as HTML text, in reading order, for readers who do not see the drawing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from html import escape

from pellucid.cases.drawing.svg import state_of
from pellucid.cases.evaluation.verdict import NodeState, Verdict
from pellucid.cases.evidence.freshness import in_words
from pellucid.cases.graph import Graph
from pellucid.cases.nodes import BACKGROUND, COUNTERS, Node
from pellucid.findings import InputError, did_you_mean

Link = Callable[[str], str]
Row = tuple[int, str, bool]
"""Depth, element, and whether it was shown before."""

_NOW = {"T": ("supports", "supports"), "F": ("refutes", "refutes"), "U": ("inconclusive", "open")}


def outline(
    graph: Graph, verdict: Verdict | None = None, link: Link | None = None, *, form: str = "list"
) -> str:
    """The argument from the top down, as a nested ``list`` or a ``table``; every text is escaped.

    An element that supports two claims stands in full under the first and is named under the second.

    Raises:
        InputError: Y09 for another form.
    """
    forms = {"list": _list, "table": _table}
    if form not in forms:
        problem = f"No outline in the form '{form}'; there are list and table."
        raise InputError("Y09", problem, did_you_mean(form, forms))
    return forms[form](graph, verdict, link)


def rows(graph: Graph) -> Iterator[Row]:
    """Elements in reading order with their depth: contexts first, then support, then challenges."""
    shown: set[str] = set()
    rest = [name for name in graph.nodes if name not in graph.roots]
    stack: list[tuple[int, str]] = [(0, name) for name in reversed((*graph.roots, *rest))]
    while stack:
        depth, name = stack.pop()
        if depth == 0 and name in shown:
            continue
        yield depth, name, name in shown
        if name not in shown:
            shown.add(name)
            below = (other for other in _below(graph, name) if other in graph.nodes)
            stack.extend((depth + 1, other) for other in reversed(tuple(below)))


def _below(graph: Graph, name: str) -> Iterator[str]:
    # `depends` has legs first; readers want the circumstances of a claim before its support.
    contexts = graph.context[name]
    yield from contexts
    yield from (other for other in graph.depends[name] if other not in contexts)


def _list(graph: Graph, verdict: Verdict | None, link: Link | None) -> str:
    parts: list[str] = []
    depth = -1
    for level, name, again in rows(graph):
        parts.append('<ul class="outline">' if depth < 0 else "<ul>" if level > depth else "")
        parts.append("" if level > depth else "</li>" + "</ul></li>" * (depth - level))
        parts.append(f"<li>{_item(graph, name, again, verdict, link)}")
        depth = level
    return "".join(parts) + "</li></ul>" * (depth + 1) + "\n"


def _item(graph: Graph, name: str, again: bool, verdict: Verdict | None, link: Link | None) -> str:
    node = graph.nodes[name]
    state = verdict.states.get(name) if verdict else None
    if again:
        return f"<b>{escape(name)}</b> (see above)"
    role = f" {node.kind.spoken}" if node.kind else ""
    said = escape(" ".join((node.text or "").split()))
    parts = [f"<b>{escape(name)}</b>{role}{': ' + said if said else ''}", _badges(node, state)]
    parts.append(_evidence(graph, node, state, link))
    return " ".join(part for part in parts if part)


def _badges(node: Node, state: NodeState | None) -> str:
    css, word = state_of(node, state)
    if state is None or not word:
        return ""
    badges = [_badge(css, word)]
    if state.stale:
        badges.append(_badge("stale", in_words(state.freshness - {"missing"})))
    if state.now != state.value:
        badges.append(_badge(_NOW[state.now][0], f"now {_NOW[state.now][1]}"))
    return " ".join(badges)


def _badge(css: str, word: str) -> str:
    """Word, mark and colour; an answered challenge is quiet, as in the drawing."""
    return f'<span class="answered">{word}</span>' if css == "ctx" else f'<span class="v {css}">{word}</span>'


def _evidence(graph: Graph, node: Node, state: NodeState | None, link: Link | None) -> str:
    parts = []
    if node.kind in COUNTERS and node.challenges:
        parts.append(f"challenges {escape(' → '.join(node.challenges))}")
    if node.finding:
        short = escape(f"{node.finding[:8]}…" if len(node.finding) > 9 else node.finding)
        href = escape(link(node.finding), quote=True) if link else ""
        parts.append(f'<a href="{href}">{short}</a>' if href else f"<code>{short}</code>")
    reason = state.reason if state is not None and node.kind not in BACKGROUND else ""
    if node.predicate and node.predicate not in reason:
        parts.append(f"<code>{escape(node.predicate)}</code>")
    if reason:
        parts.append(f'<span class="note">{_with_code(reason)}</span>')
    elif len(graph.support[node.id]) > 1 and node.need != "all":
        parts.append(f"needs {escape(node.need)}")
    return "; ".join(parts)


def _with_code(reason: str) -> str:
    return re.sub("`([^`]*)`", r"<code>\1</code>", escape(reason))


def _table(graph: Graph, verdict: Verdict | None, link: Link | None) -> str:
    heads = ("Node", "Verdict", "Now", "Freshness", "Evidence") if verdict else ("Node", "Evidence")
    head = "".join(f'<th scope="col">{name}</th>' for name in heads)
    body = "".join(_row(graph, depth, name, verdict, link) for depth, name, again in rows(graph) if not again)
    return f'<table class="stack"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>\n'


def _row(graph: Graph, depth: int, name: str, verdict: Verdict | None, link: Link | None) -> str:
    node = graph.nodes[name]
    state = verdict.states.get(name) if verdict else None
    said = escape(f"{name} {' '.join((node.text or '').split())}".strip())
    cells = [f'<th scope="row" class="depth-{depth}">{said}</th>']
    if state is not None:
        css, word = state_of(node, state)
        now = _NOW[state.now] if word else ("", "")
        now = (css, word) if state.now == state.value else now
        cells += [
            f'<td data-l="Verdict">{_badge(css, word) if word else ""}</td>',
            f'<td data-l="Now">{_badge(now[0], now[1]) if now[1] else ""}</td>',
            f'<td data-l="Freshness">{_freshness(state) if word else ""}</td>',
        ]
    cells.append(f'<td class="cite" data-l="Evidence">{_evidence(graph, node, state, link)}</td>')
    return f"<tr>{''.join(cells)}</tr>"


def _freshness(state: NodeState) -> str:
    words = in_words(state.freshness) or "fresh"
    return _badge("stale", words) if state.stale else words
