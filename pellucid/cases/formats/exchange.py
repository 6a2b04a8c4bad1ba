"""What every exchange format shares: elements under construction, and writing with a measured list of losses.

No list of losses is claimed by hand. What was written is read back and compared with what was to be written:
an attribute that does not come back is carried in the format's extension place; what then still does not come
back is a loss, by element and attribute. So when the list is empty, writing and reading is the identity.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from pellucid.cases.formats.attributes import (
    Texts,
    module_texts,
    module_with,
    node_texts,
    with_node_texts,
)
from pellucid.cases.nodes import Module, Node, NodeKind, kind_of_prefix
from pellucid.findings import Diagnostic

Modules = tuple[Module, ...]
HOME = "@module"
"""The attribute that says in which module, by number, an element stands."""


@dataclass(frozen=True)
class Written:
    """A case in another language, and what that language could not carry."""

    text: str
    """The document."""
    losses: tuple[Diagnostic, ...] = ()
    """One N01 for each element and attribute that the document does not hold."""


@dataclass(frozen=True)
class Extras:
    """What a format cannot say in its own words and carries in its extension place."""

    nodes: Mapping[str, Texts] = field(default_factory=dict)
    """Attributes by element id."""
    modules: tuple[Texts, ...] = ()
    """Attributes of each module."""

    def of(self, node_id: str) -> Texts:
        """The attributes of one element."""
        return self.nodes.get(node_id, {})


@dataclass
class Draft:
    """An element as a foreign file describes it, while its relations are still being collected."""

    id: str
    """Its id in our case."""
    kind: NodeKind
    """What the foreign file says it is."""
    line: int = 0
    """Line of the file on which it begins."""
    text: str | None = None
    """Its statement."""
    url: str | None = None
    """A page about it."""
    supported_by: list[str] = field(default_factory=list)
    """Ids of what supports it."""
    in_context_of: list[str] = field(default_factory=list)
    """Ids of its contexts, assumptions and justifications."""
    challenges: tuple[str, ...] = ()
    """What it challenges."""
    undeveloped: bool = False
    """Whether support is still to come."""
    defeated: bool = False
    """Whether it is marked as defeated."""
    layers: dict[str, str] = field(default_factory=dict)
    """Other attributes."""
    extras: dict[str, str | None] = field(default_factory=dict)
    """Attributes from the extension place; they win over everything above."""

    @property
    def home(self) -> int:
        """Number of the module in which it stands."""
        said = self.extras.get(HOME) or "0"
        return int(said) if said.isascii() and said.isdigit() and len(said) < 6 else 0

    def node(self, file: str) -> Node:
        """The finished element.

        Raises:
            InputError: Y13 when an attribute of the extension place cannot be read.
        """
        plain = Node(
            self.id,
            self.text,
            None if kind_of_prefix(self.id) is self.kind else self.kind,
            tuple(dict.fromkeys(self.supported_by)),
            tuple(dict.fromkeys(self.in_context_of)),
            self.undeveloped,
            self.challenges,
            self.defeated,
            url=self.url,
            layers=tuple(self.layers.items()),
            line=self.line,
        )
        more = {name: text for name, text in self.extras.items() if name != HOME}
        return with_node_texts(plain, more, f"{file}:{self.line}" if self.line else file)


def assembled(drafts: Iterable[Draft], modules: Iterable[Texts], file: str) -> Modules:
    """Put finished elements into their modules; there is always at least one."""
    drafts, heads = tuple(drafts), list(modules)
    count = max([1, len(heads), *(min(draft.home, len(drafts)) + 1 for draft in drafts)])
    homes: list[list[Node]] = [[] for _ in range(count)]
    for draft in drafts:
        homes[min(draft.home, count - 1)].append(draft.node(file))
    heads += [{}] * (count - len(heads))
    return tuple(module_with(head, tuple(nodes), file) for head, nodes in zip(heads, homes, strict=True))


def normal_module(module: Module) -> Module:
    """The normal form: elements by id, lists without repeats, lines ended by ``\\n``."""
    nodes = sorted(module.nodes, key=lambda node: node.id)
    return replace(module, nodes=tuple(_normal_node(node) for node in nodes))


def _normal_node(node: Node) -> Node:
    return replace(
        node,
        text=None if node.text is None else _lines(node.text),
        layers=tuple(sorted((name, _lines(value)) for name, value in node.layers)),
        supported_by=tuple(dict.fromkeys(node.supported_by)),
        in_context_of=tuple(dict.fromkeys(node.in_context_of)),
        classes=tuple(dict.fromkeys(node.classes)),
    )


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


# Writing ---------------------------------------------------------------------------------------

Write = Callable[[Modules, Extras], str]
Read = Callable[[str], Modules]


def measured(modules: Modules, write: Write, read: Read, language: str) -> Written:
    """Write a case, carry what does not come back as extras, and list what is still lost.

    Args:
        modules: the case.
        write: writes modules, with the given extras in the format's extension place.
        read: reads such a document.
        language: what messages call the format.
    """
    kept, repeated = _unique(modules)
    wanted = tuple(normal_module(module) for module in kept)
    text = write(kept, Extras())
    found = read(text)
    missing = _missing(wanted, found)
    if missing.nodes or any(missing.modules):
        text = write(kept, missing)
        found = read(text)
        missing = _missing(wanted, found)
    absent = [_loss(module, None, "the existence", language) for module in wanted[len(found) :]]
    return Written(text, (*repeated, *absent, *_losses(wanted, missing, language)))


def _unique(modules: Modules) -> tuple[Modules, tuple[Diagnostic, ...]]:
    seen: set[str] = set()
    kept, losses = [], []
    for module in modules:
        nodes = []
        for node in module.nodes:
            if node.id in seen:
                losses.append(_loss(module, node, "every attribute", "an id stated twice"))
            else:
                nodes.append(node)
            seen.add(node.id)
        kept.append(replace(module, nodes=tuple(nodes)))
    return tuple(kept), tuple(losses)


def _missing(wanted: Modules, found: Modules) -> Extras:
    after = {node.id: texts for module in _told(found) for node, texts in module}
    nodes: dict[str, Texts] = {}
    for module in _told(wanted):
        for node, texts in module:
            if node.id not in after:
                nodes[node.id] = {}
            elif differing := _differing(texts, after[node.id]):
                nodes[node.id] = differing
    heads = [module_texts(module) for module in found] + [{}] * max(0, len(wanted) - len(found))
    modules = tuple(
        _differing(module_texts(module), head) for module, head in zip(wanted, heads, strict=False)
    )
    return Extras(nodes, modules)


def _told(modules: Modules) -> Iterable[list[tuple[Node, dict[str, str]]]]:
    for number, module in enumerate(modules):
        home = {HOME: str(number)} if number else {}
        yield [(node, node_texts(node) | home) for node in normal_module(module).nodes]


def _differing(wanted: Mapping[str, str], found: Mapping[str, str]) -> dict[str, str | None]:
    names = dict.fromkeys((*wanted, *found))
    return {name: wanted.get(name) for name in names if wanted.get(name) != found.get(name)}


def _losses(modules: Modules, missing: Extras, language: str) -> Iterable[Diagnostic]:
    for module in modules:
        for node in module.nodes:
            if node.id in missing.nodes:
                for name in missing.nodes[node.id] or ("the element itself",):
                    yield _loss(module, node, "its module" if name == HOME else name, language)
    for module, texts in zip(modules, missing.modules, strict=False):
        for name in texts:
            yield _loss(module, None, name, language)


def _loss(module: Module, node: Node | None, what: str, language: str) -> Diagnostic:
    owner = f"the module '{module.name}'" if node is None else f"'{node.id}'"
    where = module.where(node) if node else module.place(module.line)
    problem = f"{language} does not carry {what} of {owner}."
    return Diagnostic(
        "N01", "warning", where, problem, "Reword it, or keep the case in another format as well."
    )


def not_carried(modules: Modules, carried: Iterable[str], language: str) -> tuple[Diagnostic, ...]:
    """The losses of a format that is only written: every stated attribute that is not among ``carried``."""
    shown = frozenset(carried)
    nodes = {
        node.id: {name: None for name in node_texts(node) if name not in shown}
        for module in modules
        for node in module.nodes
    }
    heads = tuple({name: None for name in module_texts(module) if name not in shown} for module in modules)
    extras = Extras({name: texts for name, texts in nodes.items() if texts}, heads)
    return tuple(_losses(modules, extras, language))
