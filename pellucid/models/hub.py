"""Folders in Hugging Face's layout: safetensors only, no remote code unless asked for by name."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from torch import nn

from pellucid.findings import InputError, MissingError, did_you_mean
from pellucid.models.attention import adopt

KNOWN = ("gpt2", "gpt_neox", "llama", "mistral", "qwen2", "qwen3", "gemma2", "gemma3_text")


def load_hub_folder(folder: Path, name: str, config: dict[str, Any], trust_remote_code: bool) -> nn.Module:
    """A causal language model in evaluation mode.

    Raises:
        MissingError: MD03, no weights.
        InputError: MD04 unreadable, MD06 unknown family, MD08 a pickle, MD09 weights and config.json differ,
            MD12 code of its own.
    """
    refuse_unknown(name, config, trust_remote_code)
    refuse_pickles(folder, name)
    from transformers import AutoModelForCausalLM

    try:
        with quiet():
            module, report = AutoModelForCausalLM.from_pretrained(
                folder,
                local_files_only=True,
                use_safetensors=True,
                trust_remote_code=trust_remote_code,
                ignore_mismatched_sizes=True,
                output_loading_info=True,
            )
    except Exception as error:
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise InputError(
            "MD04", f"{name} cannot be read ({reason}).", "Save or download the model again."
        ) from None
    refuse_misfits(name, report)
    made: nn.Module = module.float().eval()
    if config.get("model_type") in KNOWN:
        adopt(made)
    return made


def refuse_unknown(name: str, config: dict[str, Any], trust_remote_code: bool) -> None:
    """InputError MD12 for a model that brings code, MD06 for a family without a table of sites."""
    if trust_remote_code:
        return
    if "auto_map" in config:
        raise InputError(
            "MD12",
            f"{name} brings code of its own, which opening it would run.",
            "Read that code; then open_model(folder, trust_remote_code=True).",
        )
    kind = config.get("model_type")
    if kind not in KNOWN:
        near = did_you_mean(str(kind), KNOWN)
        raise InputError(
            "MD06",
            f"{name} is of the family {kind!r}, which is not known here.",
            f"Known: {', '.join(KNOWN)}. {near} Any loaded module opens with open_model(module).".replace(
                "  ", " "
            ),
        )


def refuse_misfits(name: str, report: dict[str, Any]) -> None:
    """InputError MD09 when weights are missing or misshapen; transformers would draw them."""
    shapes = [f"{key} is {tuple(a)}, not {tuple(b)}" for key, a, b in report.get("mismatched_keys") or ()]
    missing = [f"{key} is missing" for key in sorted(report.get("missing_keys") or ())]
    if shapes or missing:
        problem = f"The weights in {name} do not fit its config.json: {'; '.join([*shapes, *missing][:4])}."
        raise InputError("MD09", problem, "Keep config.json and weights of one save together.")


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

    level, bars = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity(logging.CRITICAL)
    transformers_logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        transformers_logging.set_verbosity(level)
        if bars:
            transformers_logging.enable_progress_bar()


def hub_folder(repository: str) -> Path:
    """The files of a repository of the Hugging Face hub: those kept on this machine, else downloaded.

    Raises:
        MissingError: MD11, it is not kept here and cannot be had.
    """
    from huggingface_hub import snapshot_download

    wanted = ["*.json", "*.safetensors", "*.txt", "tokenizer.model"]
    for local in (True, False):
        with suppress(Exception), quiet():
            found = snapshot_download(
                repository, allow_patterns=wanted, local_files_only=local, etag_timeout=5, max_workers=1
            )
            return Path(found)
    raise MissingError(
        "MD11",
        f"{repository!r} is no folder here, and cannot be had from the Hugging Face hub.",
        "Check the name and the network, or give a folder with config.json and *.safetensors.",
    )


def tokenizer_text(folder: Path) -> str | None:
    """The text of a tokenizer.json made from older tokenizer files, when transformers can convert them."""
    if not any((folder / name).exists() for name in ("vocab.json", "tokenizer.model", "spiece.model")):
        return None
    from transformers import AutoTokenizer

    with suppress(Exception), quiet():
        backend = AutoTokenizer.from_pretrained(folder, local_files_only=True).backend_tokenizer
        text: str = backend.to_str()
        return text
    return None
