"""Folders in Hugging Face's layout: safetensors only, no remote code unless asked for by name."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import nn

from pellucid.findings import InputError, MissingError
from pellucid.models.attention import adopt

KNOWN = ("gpt2", "gpt_neox", "llama", "mistral", "qwen2", "qwen3", "gemma2", "gemma3_text")


def load_hub_folder(folder: Path, name: str, config: dict[str, Any], trust_remote_code: bool) -> nn.Module:
    """A causal language model in evaluation mode.

    Raises:
        MissingError: MD03, no weights.
        InputError: MD04 unreadable, MD06 unknown family, MD08 a pickle.
    """
    kind = config.get("model_type")
    if kind not in KNOWN and not trust_remote_code:
        raise InputError(
            "MD06",
            f"{name} is of the family {kind!r}, which is not known here.",
            f"Known: {', '.join(KNOWN)}. Open another module with open_model(module).",
        )
    refuse_pickles(folder, name)
    from transformers import AutoModelForCausalLM

    try:
        with quiet():
            module = AutoModelForCausalLM.from_pretrained(
                folder, local_files_only=True, use_safetensors=True, trust_remote_code=trust_remote_code
            )
    except Exception as error:
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise InputError(
            "MD04", f"{name} cannot be read ({reason}).", "Save or download the model again."
        ) from None
    made: nn.Module = module.float().eval()
    adopt(made)
    return made


def refuse_pickles(folder: Path, name: str) -> None:
    """MissingError MD03 without weights; InputError MD08 when they are only there as a pickle."""
    if list(folder.glob("*.safetensors")):
        return
    pickles = [path.name for path in [*folder.glob("*.bin"), *folder.glob("*.pt")]]
    if pickles:
        raise InputError(
            "MD08",
            f"{name} holds its weights as a pickle ({pickles[0]}), which could run code when loaded.",
            "Convert it to safetensors: model.save_pretrained(folder, safe_serialization=True).",
        )
    raise MissingError("MD03", f"{name} has no weights.", "Put model.safetensors beside config.json.")


@contextmanager
def quiet() -> Iterator[None]:
    """Without transformers' log lines, bars and warnings, which say nothing that errors would not."""
    from transformers.utils import logging as transformers_logging

    level = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity(logging.CRITICAL)
    transformers_logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        transformers_logging.set_verbosity(level)
        transformers_logging.enable_progress_bar()
