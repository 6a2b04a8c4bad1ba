"""Read XML strictly into elements that know their line: no document type, no entities, bounded nesting."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat
from xml.sax.saxutils import quoteattr

from pellucid.findings import InputError

_ENCODING = re.compile(r"^\s*(<\?xml[^>]{0,200}?)\s{1,80}encoding=(\"[^\"]*\"|'[^']*')")
_DEPTH = 64
# What XML 1.0 cannot hold in any form.
_UNFIT = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(eq=False)
class Element:
    """One element of an XML document."""

    tag: str
    """Its name without prefix."""
    attributes: dict[str, str]
    """Its attributes, as they are written (``xmi:id``)."""
    line: int
    """Line on which it begins."""
    children: list[Element] = field(default_factory=list)
    """The elements inside it, in order."""
    text: str = ""
    """The text directly inside it, ends trimmed."""

    def get(self, *names: str) -> str | None:
        """The first attribute that is there, looked up without prefix."""
        local = {name.rpartition(":")[2]: value for name, value in self.attributes.items()}
        return next((local[name] for name in names if name in local), None)

    def all(self, *tags: str) -> Iterator[Element]:
        """Its direct children of these names, letter case aside."""
        wanted = {tag.lower() for tag in tags}
        return (child for child in self.children if child.tag.lower() in wanted)

    def walk(self) -> Iterator[Element]:
        """It and everything inside it, in the order of the document."""
        waiting = [self]
        while waiting:
            element = waiting.pop()
            yield element
            waiting.extend(reversed(element.children))


def read_xml(text: str, *, file: str, code: str) -> Element:
    """Read an XML document into its root element.

    Args:
        text: the document.
        file: what messages call it.
        code: number of the InputError.

    Raises:
        InputError: with ``code`` when it is not well formed, declares a document type, or is nested too deep.

    Example:
        >>> read_xml('<a x="1"><b/></a>', file="a.xml", code="Y20").children[0].tag
        'b'
    """
    parser = expat.ParserCreate()
    parser.buffer_text = True
    stack = [Element("", {}, 0)]

    def fail(what: str, remedy: str = "Correct that place.") -> InputError:
        """The error at the present line."""
        return InputError(code, f"{file}:{parser.CurrentLineNumber}: {what}.", remedy)

    def begin(name: str, attributes: dict[str, str]) -> None:
        """Open an element."""
        if len(stack) > _DEPTH:
            raise fail(f"nested deeper than {_DEPTH}", "No exported case is nested so deep.")
        element = Element(name.rpartition(":")[2], attributes, parser.CurrentLineNumber)
        stack[-1].children.append(element)
        stack.append(element)

    def end(name: str) -> None:
        """Close an element."""
        element = stack.pop()
        element.text = element.text.strip()

    def characters(data: str) -> None:
        """Keep text inside an element."""
        stack[-1].text += data

    def doctype(*declared: object) -> None:
        """Refuse a document type before any entity can be declared."""
        raise fail("a document type is declared", "Remove the DOCTYPE line; entities are not read.")

    parser.StartElementHandler, parser.EndElementHandler = begin, end
    parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = characters, doctype
    try:
        # the text is Unicode already: an encoding that the document itself names no longer matters
        parser.Parse(_ENCODING.sub(r"\1", text), True)
    except expat.ExpatError as error:
        problem = f"{file}:{error.lineno}: not XML: {expat.ErrorString(error.code)}."
        raise InputError(code, problem, "Correct that line.") from None
    except UnicodeEncodeError:
        raise InputError(code, f"{file} holds characters that are no text.", "Write it in UTF-8.") from None
    return stack[0].children[0]


def fit_for_xml(text: str) -> str:
    """A text with what XML cannot hold replaced by U+FFFD."""
    return _UNFIT.sub("\ufffd", text)


def tag_text(name: str, attributes: dict[str, str], *, indent: int, closed: bool = True) -> str:
    """One line with a start tag: attributes in stated order; line ends and tabs as character references."""
    inside = "".join(f" {key}={quoteattr(fit_for_xml(value))}" for key, value in attributes.items())
    return f"{'  ' * indent}<{name}{inside}{'/' if closed else ''}>"
