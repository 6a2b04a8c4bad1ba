"""A safety case: an argument read from files, checked, evaluated against Findings, and drawn."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path

from pellucid.cases.checks import diagnose
from pellucid.cases.confidence import (
    Confidence,
    CutSets,
    Experiment,
    confide,
    minimal_cut_sets,
    next_experiments,
    read_confidences,
)
from pellucid.cases.confidence.sensitivity import Sensitivity, sensitivities
from pellucid.cases.defeaters import challenged
from pellucid.cases.dialectic import Debate, debate
from pellucid.cases.drawing import draw, outline
from pellucid.cases.evaluation.verdict import Verdict, judge, read_leaves
from pellucid.cases.evidence.citations import citation
from pellucid.cases.evidence.evidence import Evidence, Findings, Present, lookup
from pellucid.cases.formats.exchange import normal_module
from pellucid.cases.formats.files import read_sources, replace_file
from pellucid.cases.formats.gsn_yaml import dump_module
from pellucid.cases.formats.registry import format_for, format_named
from pellucid.cases.graph import Graph
from pellucid.cases.nodes import Module, Node, NodeKind
from pellucid.findings import (
    Diagnostic,
    Finding,
    Header,
    InputError,
    MissingError,
    Subject,
    did_you_mean,
)

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
        """Read a case: files (with the modules that they use), or a text, in any format that is known.

        gsn2x YAML, Claims-Arguments-Evidence YAML, SACM XMI, LTAC and AssurancePlatform (TEA) JSON are told
        apart by what they hold.

        Args:
            sources: a path, several paths that form one set, or a document as text (with a line break,
                ``: ``, or a first ``<``, ``{`` or ``[``).

        Raises:
            MissingError: Y04 when a file does not exist.
            InputError: Y01 unreadable, Y02 stated twice, Y03 wrong type, Y12 evidence items; of other formats
                Y13, Y20 to Y22 (SACM), Y25, Y26 (LTAC), Y30 to Y32 (TEA), Y35 (CAE), each with lines.

        Example:
            >>> Case.read("Sn1: {}").nodes["Sn1"].kind.value
            'Solution'
        """
        return Case(read_sources(sources))

    @staticmethod
    def of(nodes: Iterable[Node], *, name: str = "case") -> Case:
        """Make a case from elements: ``Case.of([Node("G1", supported_by=("Sn1",)), Node("Sn1")])``."""
        return Case((Module(name, tuple(nodes)),))

    def write(self, path: str | Path, format: str | None = None) -> Path:
        """Write the case; either the whole new file is there afterwards or the old one is.

        Args:
            path: the file; its ending says the format when none is named (none: gsn2x YAML).
            format: ``gsn``, ``cae``, ``sacm``, ``ltac``, ``tea``, ``tea-flat``, ``mermaid`` or ``markdown``.

        What a format cannot carry is left out: ``losses`` lists it.

        Raises:
            InputError: Y05 when the case has several modules and gsn2x YAML is asked for, Y06 when the place
                cannot be written, Y11 when no format has that ending.
            MissingError: Y10 when there is no such format.
        """
        wanted = format_named(format) if format else format_for(str(path))
        if wanted.name == "gsn" and len(self.modules) != 1:
            names = ", ".join(module.name for module in self.modules)
            problem = f"The case has {len(self.modules)} modules ({names}) and one file holds one."
            raise InputError("Y05", problem, "Write each by itself: case.module(NAME).write(PATH).")
        replace_file(Path(path), self.text if wanted.name == "gsn" else wanted.dump(self.modules).text)
        return Path(path)

    def losses(self, format: str) -> list[Diagnostic]:
        """What a format cannot carry of this case: one N01 for each element and attribute.

        When the list is empty, writing and reading again is the identity on the normal form.

        Raises:
            MissingError: Y10 when there is no such format.

        Example:
            >>> [loss.code for loss in Case.read("G1: {url: a}").losses("mermaid")]
            ['N01']
        """
        return list(format_named(format).dump(self.modules).losses)

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
        return Case(tuple(normal_module(module) for module in self.modules))

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
            changed: ids of elements, or citations of Findings and logs.
        """
        items = set(changed)
        starts = [name for name, node in self.nodes.items() if name in items or citation(node) in items]
        return self.graph.reach(starts, self.graph.dependents)

    # What it amounts to ------------------------------------------------------------------------

    def check(
        self,
        findings: Findings | None = None,
        present: Present | None = None,
        *,
        at: datetime | None = None,
        reruns: Iterable[Header] = (),
        strict_peer: bool = False,
        also: Collection[str] = (),
        masked: Collection[str] = (),
    ) -> list[Diagnostic]:
        """Every fault of the argument, by number.

        Args:
            findings: where cited Findings are found; with it the evidence is checked too.
            present, at, reruns: what exists now, as in ``evaluate``.
            strict_peer: stop after the first stage with an error, as gsn2x does.
            also: optional checks to run: V08, V11.
            masked: names of modules whose references are not checked.
        """
        known = findings is not None
        evidence = self.evidence(findings or (), present, at=at, reruns=reruns) if known else None
        return diagnose(
            self.modules,
            self.graph,
            evidence,
            strict_peer=strict_peer,
            also=frozenset(also),
            masked=frozenset(masked),
        )

    def evaluate(
        self,
        findings: Findings,
        present: Present | None = None,
        *,
        at: datetime | None = None,
        reruns: Iterable[Header] = (),
    ) -> Verdict:
        """What the evidence says about the case, with and without what is stale.

        Doubts that measurements themselves raise take part: see ``challenged``.

        Args:
            findings: a mapping by id, Findings or Headers, or a callable such as ``store.header``.
            present: digests of what exists now, by ``model:ID``, ``data:ID`` and ``code:METHOD``. A leaf
                whose Finding was made from another digest is stale; what is not named is taken as unchanged.
            at: the time by which the age of evidence is judged; None: now.
            reruns: headers of kind ``cases.rerun``: which Findings could not be reproduced.

        Example:
            >>> Case.read("G1: {supportedBy: [Sn1]}\\nSn1: {}").evaluate({}).states["Sn1"].reason
            'it cites no Finding'
        """
        doubted, evidence = self.judged_by(findings, present, at=at, reruns=reruns)
        return judge(doubted.graph, evidence)

    def evidence(
        self,
        findings: Findings,
        present: Present | None = None,
        *,
        at: datetime | None = None,
        reruns: Iterable[Header] = (),
    ) -> Evidence:
        """What the leaves are read against; arguments as in ``evaluate``."""
        return Evidence.of(self.graph, findings, present, at=at, reruns=reruns, modules=self.modules)

    def judged_by(
        self,
        findings: Findings,
        present: Present | None = None,
        *,
        at: datetime | None = None,
        reruns: Iterable[Header] = (),
    ) -> tuple[Case, Evidence]:
        """The case with the doubts that its evidence raises, and that evidence; see ``evaluate``."""
        looked = lookup(findings)
        doubted = self.challenged(looked)
        return doubted, doubted.evidence(looked, present, at=at, reruns=reruns)

    def sensitivity(
        self,
        findings: Findings = (),
        present: Present | None = None,
        *,
        at: datetime | None = None,
        reruns: Iterable[Header] = (),
    ) -> list[Sensitivity]:
        """The verdict with each leaf taken out and flipped, and what its probability weighs at the top.

        Deciding leaves come first, then those with the largest Birnbaum measure.
        """
        doubted, evidence = self.judged_by(findings, present, at=at, reruns=reruns)
        return sensitivities(doubted.graph, read_confidences(doubted.graph, evidence))

    def confidence(
        self,
        findings: Findings = (),
        present: Present | None = None,
        *,
        at: datetime | None = None,
        reruns: Iterable[Header] = (),
    ) -> Confidence:
        """How sure one may be of each element, in four calculi side by side; arguments as in ``evaluate``."""
        doubted, evidence = self.judged_by(findings, present, at=at, reruns=reruns)
        return confide(doubted.graph, read_confidences(doubted.graph, evidence))

    def experiments(
        self,
        findings: Findings = (),
        trials: int = 100,
        *,
        cost: Mapping[str, float] | None = None,
        present: Present | None = None,
        at: datetime | None = None,
        reruns: Iterable[Header] = (),
    ) -> list[Experiment]:
        """What to measure next: more trials on each leaf, best first by what they teach for their cost.

        Args:
            findings, present, at, reruns: as in ``evaluate``.
            trials: how many more on each leaf.
            cost: of one trial on a leaf; 1 where it is not named.
        """
        doubted, evidence = self.judged_by(findings, present, at=at, reruns=reruns)
        return next_experiments(doubted.graph, read_confidences(doubted.graph, evidence), trials, cost)

    def cut_sets(self) -> CutSets:
        """The minimal sets of leaves whose failure makes the top claim false; no evidence is needed."""
        return minimal_cut_sets(self.graph)

    def debate(
        self,
        findings: Findings = (),
        risk_case: Case | None = None,
        *,
        present: Present | None = None,
        at: datetime | None = None,
        reruns: Iterable[Header] = (),
    ) -> Debate:
        """Each doubt beside its replies, with the values they have now; arguments as in ``evaluate``.

        Args:
            findings, present, at, reruns: as in ``evaluate``.
            risk_case: the adversary's document; what it raises and the case nowhere takes up is listed.
        """
        doubted, evidence = self.judged_by(findings, present, at=at, reruns=reruns)
        leaves = {name: state.now for name, state in read_leaves(doubted.graph, evidence).items()}
        return debate(doubted, judge(doubted.graph, evidence), risk_case, leaves=leaves)

    def challenged(self, findings: Findings, about: Iterable[Finding | Header] | None = None) -> Case:
        """The case with the doubts that measurements themselves raise, as visible counter elements.

        Evidence from a benchmark that is mostly capability, or that measures unreliably, carries that
        defeater by itself, and so does correlation that alone carries a causal claim.

        Args:
            findings: where cited Findings are found.
            about: Findings on benchmarks (kinds ``metascience.capability_correlation`` and
                ``metascience.reliability``); None: those among ``findings``.
        """
        looked = lookup(findings)
        return challenged(self, looked, looked.held() if about is None else about)

    def render(
        self,
        verdict: Verdict | None = None,
        link: Link | None = None,
        *,
        anchor: Link | None = None,
        standalone: bool = True,
    ) -> str:
        """Draw the case as SVG text: the same case and verdict give the same bytes.

        Args:
            verdict: states to show; without one, the argument alone.
            link: address of a Finding's page by its id.
            anchor: address of an element by its id, for a page that tells more of it.
            standalone: carry its own styles for light and dark; False inside a page that has them.
        """
        return draw(self.graph, self.name, verdict, link, anchor=anchor, standalone=standalone)

    def outline(self, verdict: Verdict | None = None, link: Link | None = None, *, form: str = "list") -> str:
        """The case as HTML text, for readers who do not see the drawing: a nested ``list`` or a ``table``."""
        return outline(self.graph, verdict, link, form=form)

    def _repr_html_(self) -> str:
        return self.render()


def _bound(nodes: tuple[Node, ...], findings: Mapping[str, str]) -> tuple[Node, ...]:
    return tuple(node.having(finding=findings[node.id]) if node.id in findings else node for node in nodes)


def _digests(node: Node) -> list[str]:
    return (node.layer("sha256") or "").replace(",", " ").split()
