"""Text to tokens and back, with an identity; windows of a text."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from jaxtyping import Int
from torch import Tensor

from pellucid.findings import DataRef, InputError, MissingError


class Tokenizer(Protocol):
    """What the rooms need of a tokenizer."""

    sha256: str
    size: int
    first: tuple[int, ...]

    def encode(self, text: str) -> list[int]:
        """Token ids of a text, nothing added."""

    def decode(self, ids: list[int]) -> str:
        """The text of token ids."""

    def token(self, token_id: int) -> str:
        """One token as text; bytes that are no text on their own as ``\\xNN``."""


class FileTokenizer:
    """A ``tokenizer.json`` in the format of Hugging Face's tokenizers."""

    def __init__(self, content: bytes) -> None:
        from tokenizers import Tokenizer as Loaded

        try:
            self._tokenizer: Any = Loaded.from_str(content.decode("utf-8"))
        except Exception as error:
            raise InputError(
                "MD30",
                f"tokenizer.json cannot be read ({error}).",
                "Save the tokenizer again beside the model.",
            ) from None
        self.sha256 = hashlib.sha256(content).hexdigest()
        self.size = int(self._tokenizer.get_vocab_size())
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        #: What the tokenizer itself puts before every text, such as a beginning-of-text token.
        self.first = leading(self._tokenizer.encode("a"))

    def encode(self, text: str) -> list[int]:
        """Token ids of a text, nothing added."""
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def decode(self, ids: list[int]) -> str:
        """The text of token ids."""
        text: str = self._tokenizer.decode(ids, skip_special_tokens=False)
        return text

    def token(self, token_id: int) -> str:
        """One token as text; a byte that is no text on its own as the tokenizer writes it."""
        text = self.decode([token_id])
        return str(self._tokenizer.id_to_token(token_id)) if "\ufffd" in text else text


def leading(encoding: Any) -> tuple[int, ...]:
    """The special tokens that stand before a text."""
    marks = encoding.special_tokens_mask
    plain = marks.index(0) if 0 in marks else 0
    return tuple(encoding.ids[:plain])


@dataclass(frozen=True)
class TextData:
    """A text as tokens, with its identity."""

    id: str
    """Its name."""
    sha256: str
    """Digest of its bytes."""
    tokens: Int[Tensor, "pos"]
    """Token ids."""

    @property
    def ref(self) -> DataRef:
        """How a Finding names it."""
        return DataRef(id=self.id, sha256=self.sha256)


def read_text(path: Path | str, tokenizer: Tokenizer) -> TextData:
    """Read a UTF-8 file as tokens; MissingError MD31, InputError MD32."""
    path = Path(path)
    if not path.is_file():
        raise MissingError(
            "MD31", f"There is no text file at {str(path)!r}.", "Give the path of a UTF-8 text file."
        )
    data = path.read_bytes()
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(
            "MD32", f"{path.name} is not UTF-8 text (byte {error.start}).", "Convert it to UTF-8 first."
        ) from None
    ids = torch.tensor(tokenizer.encode(text), dtype=torch.long)
    return TextData(path.name, hashlib.sha256(data).hexdigest(), ids)


def windows(tokens: Int[Tensor, "pos"], context: int, stride: int) -> Int[Tensor, "batch context"]:
    """Windows of ``context`` tokens, ``stride`` apart; what does not fill the last one is left out.

    Raises:
        InputError: MD33, the text is too short for one, or the sizes are not positive.

    Example:
        >>> windows(torch.arange(5), 2, 2).tolist()
        [[0, 1], [2, 3]]
    """
    if context < 1 or stride < 1:
        problem = f"Windows of {context} tokens, {stride} apart."
        raise InputError("MD33", problem, "Give at least 1 of both.")
    if tokens.numel() < context:
        raise InputError(
            "MD33",
            f"The text has {tokens.numel()} tokens, fewer than one context of {context}.",
            f"Give a text of at least {context} tokens.",
        )
    return tokens.unfold(0, context, stride).contiguous()
