"""Every numbered message that the source makes: what raises it, what it says, what to do.

A message is an ``InputError``, ``MissingError`` or ``Diagnostic`` that is made with its code, or a call of a
function that is given the code. Texts are read from the syntax tree, with `…` for what is known only when the
message is made. Where the text depends on a branch before it, each branch gives a message of its own.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

CODE = re.compile(r"[A-Z]{1,2}[0-9]{2,3}")
BLANK = "…"
RAISED = {"InputError": "raised", "MissingError": "raised", "__init__": "raised"}
MOST_BRANCHES = 16
Names = dict[str, ast.expr]


@dataclass(frozen=True, order=True)
class Message:
    """One numbered message."""

    code: str
    """Its number, as C03."""
    level: str
    """``error`` or ``warning`` of a check; ``raised`` of what ends a command."""
    problem: str
    """What it says."""
    remedy: str
    """What to do."""

    @property
    def letters(self) -> str:
        """The letters of its code, which say where it belongs."""
        return self.code.rstrip("0123456789")


@dataclass(frozen=True)
class Source:
    """One module of the package."""

    tree: ast.Module
    """Its syntax tree."""
    constants: Names
    """What its capital names stand for, with those of the whole package."""

    def functions(self) -> Iterator[ast.FunctionDef]:
        """Its functions and methods, inner ones too."""
        return (node for node in ast.walk(self.tree) if isinstance(node, ast.FunctionDef))


@cache
def all_messages(folder: Path) -> tuple[Message, ...]:
    """Every message of the modules under a folder, by number, each once."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in sorted(folder.rglob("*.py"))]
    common = shared_constants(trees)
    sources = [Source(tree, {**common, **constants(tree)}) for tree in trees]
    found = {
        message
        for source in sources
        for function in source.functions()
        for message in of_function(function, source, sources)
    }
    return tuple(sorted(found, key=lambda one: (one.letters, int(one.code.removeprefix(one.letters)), one)))


def codes_made(folder: Path) -> set[str]:
    """Every code that the source gives to a message or to a function that makes one."""
    found = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and called(node) not in ("getattr", "replace", "get"):
                given = [*node.args[:1], *node.args[-1:], *(one.value for one in node.keywords)]
                found |= {code for one in given if (code := code_of(one))}
    return found


def constants(tree: ast.Module) -> dict[str, ast.expr]:
    """The capital names of a module and what they stand for."""
    return {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name) and target.id.isupper()
    }


def shared_constants(trees: Iterable[ast.Module]) -> dict[str, ast.expr]:
    """Capital names that stand for one thing in the whole package."""
    found: dict[str, list[ast.expr]] = {}
    for tree in trees:
        for name, value in constants(tree).items():
            found.setdefault(name, []).append(value)
    return {name: values[0] for name, values in found.items() if len(values) == 1}


def of_function(function: ast.FunctionDef, source: Source, sources: Sequence[Source]) -> Iterator[Message]:
    """The messages made in a function, for each way to them and, if it is given the text, for each caller."""
    for call in calls_in(function):
        parts = parts_of(call)
        if parts is None:
            continue
        level, given = parts
        for way in ways(function.body, call, {})[:MOST_BRANCHES]:
            filled = [resolved(one, way) for one in given]
            if any(is_parameter(one, function) for one in filled):
                for bound in callers(function, source, sources):
                    yield from message(
                        level, [resolved(one, bound) for one in filled], source.constants | bound
                    )
            else:
                yield from message(level, filled, source.constants | way)


@cache
def calls_in(function: ast.FunctionDef) -> tuple[ast.Call, ...]:
    """The calls of a function that are not those of an inner one."""
    inner = {
        id(node)
        for child in ast.walk(function)
        if isinstance(child, ast.FunctionDef) and child is not function
        for node in ast.walk(child)
    }
    return tuple(node for node in ast.walk(function) if isinstance(node, ast.Call) and id(node) not in inner)


def parts_of(call: ast.Call) -> tuple[ast.expr, list[ast.expr]] | None:
    """Level, and code, problem and remedy, when the call makes a message; else None."""
    name = called(call)
    if name in RAISED and len(call.args) == 3:
        return ast.Constant(RAISED[name]), call.args
    if name == "Diagnostic" and len(call.args) == 5:
        code, level, _, problem, remedy = call.args
        return level, [code, problem, remedy]
    return None


def called(call: ast.Call) -> str:
    """The last name of what is called."""
    return str(getattr(call.func, "id", getattr(call.func, "attr", "")))


def code_of(node: ast.expr) -> str:
    """The code that an expression is the text of; empty when it is none."""
    said = node.value if isinstance(node, ast.Constant) else None
    return said if isinstance(said, str) and CODE.fullmatch(said) else ""


def message(level: ast.expr, parts: list[ast.expr], names: Names) -> Iterator[Message]:
    """The message of its parts; none where the code is known only when it is made."""
    code, problem, remedy = parts
    if code_of(code):
        yield Message(
            wording(code, names), wording(level, names), wording(problem, names), wording(remedy, names)
        )


# What names stand for ---------------------------------------------------------------------------


def ways(body: Sequence[ast.stmt], call: ast.Call, names: Names) -> list[dict[str, ast.expr]]:
    """What local names may stand for where a call is made, one mapping for each way through the branches."""
    found: list[dict[str, ast.expr]] = [dict(names)]
    for statement in body:
        if holds(statement, call):
            branches = [block for block in blocks(statement) if any(holds(one, call) for one in block)]
            return [way for one in found for way in ways(branches[0], call, one)] if branches else found
        found = [way for one in found for way in through(statement, one)][:MOST_BRANCHES]
    return found


def through(statement: ast.stmt, names: Names) -> list[dict[str, ast.expr]]:
    """What names stand for after a statement, for each way through it that goes on."""
    if isinstance(statement, ast.Assign | ast.AnnAssign):
        return [dict(names) | assigned(statement)]
    if not isinstance(statement, ast.If):
        return [dict(names)]
    found: list[dict[str, ast.expr]] = []
    for block in (statement.body, statement.orelse):
        if not any(isinstance(one, ast.Return | ast.Raise | ast.Continue) for one in block):
            branch = [dict(names)]
            for one in block:
                branch = [way for before in branch for way in through(one, before)]
            found += [way for way in branch if way not in found]
    return found


def assigned(statement: ast.Assign | ast.AnnAssign) -> dict[str, ast.expr]:
    """The names that an assignment gives, pair by pair where it gives several."""
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    found: dict[str, ast.expr] = {}
    for target in targets:
        pairs = [(target, statement.value)]
        if isinstance(target, ast.Tuple) and isinstance(statement.value, ast.Tuple):
            pairs = list(zip(target.elts, statement.value.elts, strict=False))
        found |= {name.id: value for name, value in pairs if isinstance(name, ast.Name) and value}
    return found


def blocks(statement: ast.stmt) -> list[list[ast.stmt]]:
    """The lists of statements inside a statement."""
    inner = [getattr(statement, name, []) for name in ("body", "orelse", "finalbody")]
    return [*inner, *(handler.body for handler in getattr(statement, "handlers", []))]


def holds(statement: ast.stmt, call: ast.Call) -> bool:
    """Whether a call stands in a statement."""
    return any(node is call for node in ast.walk(statement))


def resolved(node: ast.expr, names: Names) -> ast.expr:
    """What a local name stands for; anything else is itself."""
    return names.get(node.id, node) if isinstance(node, ast.Name) else node


def is_parameter(node: ast.expr, function: ast.FunctionDef) -> bool:
    """Whether a part of the message is given to the function."""
    arguments = (*function.args.args, *function.args.kwonlyargs)
    return isinstance(node, ast.Name) and any(node.id == one.arg for one in arguments)


def callers(
    function: ast.FunctionDef, source: Source, sources: Sequence[Source]
) -> Iterator[dict[str, ast.expr]]:
    """What the parameters of a function stand for, at each place that calls it."""
    reach = [source] if function.name.startswith("_") else sources
    for caller in (inner for one in reach for inner in one.functions()):
        for call in calls_in(caller):
            if called(call) == function.name:
                for way in ways(caller.body, call, {})[:MOST_BRANCHES]:
                    yield bound(function, call, way)


def bound(function: ast.FunctionDef, call: ast.Call, names: Names) -> dict[str, ast.expr]:
    """The parameters of a function by name, as a call gives them."""
    arguments = [one.arg for one in function.args.args]
    if arguments[:1] == ["self"]:
        arguments = arguments[1:]
    defaults = function.args.defaults
    found = dict(zip(arguments[len(arguments) - len(defaults) :], defaults, strict=True)) if defaults else {}
    found |= dict(zip(arguments, call.args, strict=False))
    found |= {one.arg: one.value for one in call.keywords if one.arg}
    return {name: resolved(value, names) for name, value in found.items()}


# What a text says ---------------------------------------------------------------------------------


def wording(node: ast.expr, names: Names = {}) -> str:  # noqa: B006  (read only)
    """A message's text, with `…` where it names what was given."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(piece(one, names) for one in node.values)
    if isinstance(node, ast.BinOp):
        return wording(node.left, names) + wording(node.right, names)
    if isinstance(node, ast.BoolOp):  # `hint or "Name an element."`: the text that is always there
        return wording(node.values[-1], names)
    if isinstance(node, ast.IfExp):
        return " / ".join(dict.fromkeys((wording(node.body, names), wording(node.orelse, names))))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "strip":
        return wording(node.func.value, names).strip()
    if isinstance(node, ast.Name) and node.id in names:
        return wording(names[node.id], {name: one for name, one in names.items() if name != node.id})
    return BLANK


def piece(node: ast.expr, names: Names) -> str:
    """One part of a formatted text: as it stands, a capital name as what it stands for, else `…`."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    inner = node.value if isinstance(node, ast.FormattedValue) else node
    known = isinstance(inner, ast.Name) and inner.id.lstrip("_").isupper()
    said = wording(inner, names) if known else BLANK
    return said if len(said) < 80 else BLANK
