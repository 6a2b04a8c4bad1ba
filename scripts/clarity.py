"""The clarity figures of the source tree, and the bars it must stay under (see CONTRIBUTING.md)."""

from __future__ import annotations

import ast
import re
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MARKERS = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X|HA" + r"CK)\b")
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Clarity:
    """What was measured of the tree."""

    function_median: float
    function_p90: float
    longest_function: tuple[int, str]
    longest_file: tuple[int, str]
    unannotated: list[str]
    undocumented: list[str]
    markers: list[str]
    source_lines: int
    test_lines: int


def body_length(node: Function) -> int:
    """Lines of a function's body without its docstring."""
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    return (node.end_lineno or 0) - body[0].lineno + 1 if body else 1


def arguments(node: Function) -> list[ast.arg]:
    """The arguments that need an annotation."""
    a = node.args
    named = [*a.posonlyargs, *a.args, *a.kwonlyargs, *filter(None, (a.vararg, a.kwarg))]
    return [argument for argument in named if argument.arg not in {"self", "cls"}]


def lines_of(path: Path) -> int:
    """Lines that are not blank."""
    return sum(1 for line in path.read_text(encoding="utf-8").splitlines() if line.strip())


def measure(root: Path = ROOT) -> Clarity:
    """Walk the package and the tests."""
    lengths, unannotated, undocumented, markers, files = [], [], [], [], []
    for path in sorted((root / "pellucid").rglob("*.py")):
        name = str(path.relative_to(root))
        text = path.read_text(encoding="utf-8")
        files.append((lines_of(path), name))
        markers += [f"{name}:{i}" for i, line in enumerate(text.splitlines(), 1) if MARKERS.search(line)]
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, Function):
                lengths.append((body_length(node), f"{name}:{node.lineno} {node.name}"))
                unannotated += [
                    f"{name}:{node.lineno} {a.arg}" for a in arguments(node) if a.annotation is None
                ]
            named = isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_")
            if named and ast.get_docstring(node) is None:
                undocumented.append(f"{name}:{node.lineno} {node.name}")
    sizes = sorted(length for length, _ in lengths)
    return Clarity(
        statistics.median(sizes),
        sizes[int(0.9 * (len(sizes) - 1))],
        max(lengths),
        max(files),
        unannotated,
        undocumented,
        markers,
        sum(size for size, _ in files),
        sum(lines_of(path) for path in (root / "tests").rglob("*.py")),
    )


def main() -> None:
    """Print the figures."""
    c = measure()
    print(f"function median {c.function_median}, p90 {c.function_p90}, longest {c.longest_function}")
    print(f"longest file {c.longest_file}; source lines {c.source_lines}, test lines {c.test_lines}")
    for title, rows in (
        ("unannotated", c.unannotated),
        ("undocumented", c.undocumented),
        ("markers", c.markers),
    ):
        print(f"{title}: {len(rows)}", *rows[:20], sep="\n  " if rows else "")


if __name__ == "__main__":
    sys.exit(main())
