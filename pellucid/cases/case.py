"""A safety case: an argument read from files, checked, evaluated against Findings, and drawn."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from pellucid.cases.checks import diagnose
from pellucid.cases.drawing import draw, outline
from pellucid.cases.evidence import Evidence, Findings, Present
from pellucid.cases.graph import Graph
from pellucid.cases.gsn_yaml import dump_module, parse_module
from pellucid.cases.nodes import Module, Node, NodeKind
from pellucid.cases.sensitivity import Sensitivity, knock_outs
from pellucid.cases.verdict import Verdict, judge, read_leaves
from pellucid.findings import Diagnostic, InputError, MissingError, Subject, did_you_mean

Link = Callable[[str], str]


@dataclass(frozen=True)
class Case:
    """An argument in Goal Structuring Notation whose leaves cite Findings.

    Example:
        >>> case = Case.read("G1:\\n  text: It is safe\\n  supportedBy: Sn1\\nSn1:\\n  text: Measured\\n")
        >>> case.evaluate([]).word
        'undecided'
    """

    modules: tuple[Module, ...]
    """Its modules; the first is the one that was asked for."""

    # Reading and writing -----------------------------------------------------------------------

    @staticmethod
    def read(*sources: str | Path) -> Case:
        """Read a case from gsn2x YAML: files (with the modules that they use), or a text.

        Args:
            sources: a path, several paths that form one set, or YAML text (with a line break or ``: ``).

        Raises:
            MissingError: Y04 when a file does not exist.
            InputError: Y01 unreadable, Y02 stated twice, Y03 wrong type, each with lines.

        Example:
            >>> Case.read("Sn1: {}").nodes["Sn1"].kind.value
            'Solution'
        """
        modules: dict[str, Module] = {}
        for source in sources:
            if isinstance(source, str) and _is_text(source):
                modules[f"text {len(modules)}"] = parse_module(source, file="text")
            else:
                _read_file(Path(source), str(source), modules)
        return Case(tuple(modules.values()))

    @staticmethod
    def of(nodes: Iterable[Node], *, name: str = "case") -> Case:
        """Make a case from elements: ``Case.of([Node("G1", supported_by=("Sn1",)), Node("Sn1")])``."""
        return Case((Module(name, tuple(nodes)),))

    def write(self, path: str | Path) -> Path:
        """Write the case as gsn2x YAML; either the whole new file is there afterwards or the old one is.

        Raises:
            InputError: Y05 when the case has several modules, Y06 when the place cannot be written.
        """
        if len(self.modules) != 1:
            names = ", ".join(module.name for module in self.modules)
            problem = f"The case has {len(self.modules)} modules ({names}) and one file holds one."
            raise InputError("Y05", problem, "Write each by itself: case.module(NAME).write(PATH).")
        _replace_file(Path(path), self.text)
        return Path(path)

    @property
    def text(self) -> str:
        """The case as gsn2x YAML, modules after each other."""
        return "---\n".join(dump_module(module) for module in self.modules)

    @property
    def sha256(self) -> str:
        """Digest of the normal form."""
        return hashlib.sha256(self.normal().text.encode()).hexdigest()

    def normal(self) -> Case:
        """The normal form: elements by id, lists without repeats, lines ended by ``\\n``."""
        return Case(tuple(replace(module, nodes=_normal(module.nodes)) for module in self.modules))

    def module(self, name: str) -> Case:
        """One module as a case by itself.

        Raises:
            MissingError: Y07 when there is no such module.
        """
        found = [module for module in self.modules if module.name == name]
        if not found:
            names = [module.name for module in self.modules]
            hint = did_you_mean(name, names)
            raise MissingError("Y07", f"No module '{name}'. The case has {', '.join(names)}.", hint)
        return Case((found[0],))

    # What is in it -----------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """Name of the first module."""
        return self.modules[0].name if self.modules else "case"

    @cached_property
    def graph(self) -> Graph:
        """The relations of the argument."""
        return Graph.of(self.modules)

    @property
    def nodes(self) -> Mapping[str, Node]:
        """Every element by id, in stated order."""
        return self.graph.nodes

    @property
    def citations(self) -> Mapping[str, str]:
        """The Finding that each leaf cites."""
        return {name: node.finding for name, node in self.nodes.items() if node.finding}

    @property
    def subjects(self) -> Mapping[str, tuple[Subject, ...]]:
        """The weights that each context names."""
        return {
            name: tuple(Subject(id=node.layer("subject") or "", sha256=digest) for digest in _digests(node))
            for name, node in self.nodes.items()
            if node.kind is NodeKind.CONTEXT and _digests(node)
        }

    def bind(self, findings: Mapping[str, str]) -> Case:
        """A copy in which leaves cite other Findings, by element id.

        Raises:
            MissingError: Y08 when there is no such element.
        """
        for name in findings:
            if name not in self.nodes:
                hint = did_you_mean(name, self.nodes)
                raise MissingError("Y08", f"No element '{name}' to bind in case '{self.name}'.", hint)
        bound = (replace(module, nodes=_bound(module.nodes, findings)) for module in self.modules)
        return Case(tuple(bound))

    def touched(self, changed: Iterable[str]) -> frozenset[str]:
        """Elements whose support, context or challenges lead to something that changed.

        Args:
            changed: ids of elements or of Findings that they cite.
        """
        items = set(changed)
        starts = [name for name, node in self.nodes.items() if name in items or node.finding in items]
        return self.graph.reach(starts, self.graph.dependents)

    # What it amounts to ------------------------------------------------------------------------

    def check(
        self,
        findings: Findings | None = None,
        present: Present | None = None,
        *,
        strict_peer: bool = False,
        also: Collection[str] = (),
        masked: Collection[str] = (),
    ) -> list[Diagnostic]:
        """Every fault of the argument, by number.

        Args:
            findings: where cited Findings are found; with it the evidence is checked too.
            present: what exists now, as in ``evaluate``.
            strict_peer: stop after the first stage with an error, as gsn2x does.
            also: optional checks to run: V08, V11.
            masked: names of modules whose references are not checked.
        """
        evidence = None if findings is None else Evidence.of(self.graph, findings, present)
        return diagnose(
            self.modules,
            self.graph,
            evidence,
            strict_peer=strict_peer,
            also=frozenset(also),
            masked=frozenset(masked),
        )

    def evaluate(self, findings: Findings, present: Present | None = None) -> Verdict:
        """What the evidence says about the case, with and without what is stale.

        Args:
            findings: a mapping by id, Findings or Headers, or a callable such as ``store.header``.
            present: digests of what exists now, by ``model:ID``, ``data:ID`` and ``code:METHOD``. A leaf
                whose Finding was made from another digest is stale; what is not named is taken as unchanged.

        Example:
            >>> Case.read("G1: {supportedBy: [Sn1]}\\nSn1: {}").evaluate({}).states["Sn1"].reason
            'it cites no Finding'
        """
        return judge(self.graph, Evidence.of(self.graph, findings, present))

    def sensitivity(self, findings: Findings = (), present: Present | None = None) -> list[Sensitivity]:
        """The verdict with each leaf taken out and flipped, others as they are now; deciding leaves first."""
        leaves = read_leaves(self.graph, Evidence.of(self.graph, findings, present))
        return knock_outs(self.graph, {name: state.now for name, state in leaves.items()})

    def render(
        self, verdict: Verdict | None = None, link: Link | None = None, *, standalone: bool = True
    ) -> str:
        """Draw the case as SVG text: the same case and verdict give the same bytes.

        Args:
            verdict: states to show; without one, the argument alone.
            link: address of a Finding's page by its id.
            standalone: carry its own styles for light and dark; False inside a page that has them.
        """
        return draw(self.graph, self.name, verdict, link, standalone=standalone)

    def outline(self, verdict: Verdict | None = None, link: Link | None = None, *, form: str = "list") -> str:
        """The case as HTML text, for readers who do not see the drawing: a nested ``list`` or a ``table``."""
        return outline(self.graph, verdict, link, form=form)

    def _repr_html_(self) -> str:
        return self.render()


def _is_text(source: str) -> bool:
    return "\n" in source or ": " in source or source.endswith(":") or not source.strip()


def _read_file(path: Path, shown: str, modules: dict[str, Module]) -> None:
    key = str(path.resolve())
    if key in modules:
        return
    modules[key] = module = parse_module(_decoded(path, shown), file=shown)
    for used in module.uses:
        other = path.parent / used
        _read_file(other, str(other), modules)


def _decoded(path: Path, shown: str) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        near = did_you_mean(path.name, _neighbours(path))
        raise MissingError(
            "Y04", f"No case file {shown}.", near or "Give the path of a gsn2x YAML file."
        ) from None
    except UnicodeDecodeError as error:
        problem = f"{shown} is not text: byte {error.start} is not UTF-8."
        raise InputError("Y01", problem, "Give a gsn2x YAML file in UTF-8.") from None
    except OSError as error:
        raise InputError(
            "Y01", f"{shown} cannot be read: {error.strerror}.", "Give a readable YAML file."
        ) from None


def _neighbours(path: Path) -> list[str]:
    return sorted(other.name for other in path.parent.glob("*.y*ml")) if path.parent.is_dir() else []


def _replace_file(path: Path, text: str) -> None:
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, path.stat().st_mode & 0o777 if path.exists() else 0o644)
        os.replace(temporary, path)
    except OSError as error:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        remedy = "Free some space or choose another folder; what was there before is unchanged."
        raise InputError("Y06", f"{path} cannot be written: {error.strerror or error}.", remedy) from None


def _normal(nodes: tuple[Node, ...]) -> tuple[Node, ...]:
    return tuple(_normal_node(node) for node in sorted(nodes, key=lambda node: node.id))


def _normal_node(node: Node) -> Node:
    text = None if node.text is None else _lines(node.text)
    layers = tuple(sorted((name, _lines(value)) for name, value in node.layers))
    return replace(
        node,
        text=text,
        layers=layers,
        supported_by=tuple(dict.fromkeys(node.supported_by)),
        in_context_of=tuple(dict.fromkeys(node.in_context_of)),
        classes=tuple(dict.fromkeys(node.classes)),
    )


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _bound(nodes: tuple[Node, ...], findings: Mapping[str, str]) -> tuple[Node, ...]:
    return tuple(node.having(finding=findings[node.id]) if node.id in findings else node for node in nodes)


def _digests(node: Node) -> list[str]:
    return (node.layer("sha256") or "").replace(",", " ").split()
