"""Opening a model: an organism, a folder, or a module."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from pellucid.findings import InputError, MissingError
from pellucid.models.attention import adopt
from pellucid.models.families import table
from pellucid.models.memory import keep_freed_memory
from pellucid.models.model import Model
from pellucid.models.tokens import FileTokenizer

_SOURCES: dict[str, Callable[[str], Path]] = {}
_HOMES = {"organism": "pellucid.organisms"}
REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


def register_source(scheme: str, resolve: Callable[[str], Path]) -> None:
    """Let ``scheme:NAME`` open the folder that ``resolve(NAME)`` returns."""
    _SOURCES[scheme] = resolve


def open_model(
    ref: str | Path | nn.Module,
    *,
    device: str = "auto",
    dtype: torch.dtype | None = None,
    trust_remote_code: bool = False,
) -> Model:
    """Open ``organism:NAME``, a folder in Hugging Face's or our layout, or a module.

    Arguments:
        ref: ``organism:NAME``; a folder in Hugging Face's layout (config.json, *.safetensors, tokenizer) or
            in ours; ``owner/name`` on the Hugging Face hub; or any `torch.nn.Module`, which is used as it is.
        device: where to compute; ``auto`` takes CUDA when there is one.
        dtype: of the weights; None: float32, or a given module's own.
        trust_remote_code: allow a folder to bring code, which then runs with all your rights.

    Raises:
        MissingError: MD01 no such folder, MD02 no config.json, MD03 no weights, MD07 unknown source, MD11 no
            such repository.
        InputError: MD04 unreadable, MD05 weights that are not finite, MD06 an unknown family, MD08 a pickle,
            MD09 weights that do not fit, MD12 code of its own, MD13 no such device, MD14 no such reference.

    Example:
        >>> open_model(nn.Sequential(nn.Linear(2, 3), nn.ReLU())).sites
        Sites(0, 1)
    """
    keep_freed_memory()
    if isinstance(ref, nn.Module):
        return checked(Model(placed(adopted(ref), device, dtype), id=type(ref).__name__))
    if not isinstance(ref, str | Path):
        problem = f"A model is opened by a name, a folder or a module; {type(ref).__name__} was given."
        raise InputError("MD14", problem, "Give organism:NAME, a folder, or a torch.nn.Module.")
    folder, name = resolve(str(ref))
    module = placed(load_module(folder, name, trust_remote_code), device, dtype)
    return checked(Model(module, id=name, tokenizer=tokenizer_in(folder), card=card_in(folder)))


def adopted(module: nn.Module) -> nn.Module:
    """A module of transformers' known families with our attention function, any other as it is."""
    if table.family_of(module).attention and hasattr(module, "set_attn_implementation"):
        adopt(module)
    return module


def placed(module: nn.Module, device: str, dtype: torch.dtype | None) -> nn.Module:
    """The module where it shall run; InputError MD13 when there is no such device."""
    try:
        return module.to(device=pick_device(device), dtype=dtype)
    except (RuntimeError, AssertionError) as error:
        problem = f"The model cannot be put on {device!r} ({str(error).splitlines()[0]})."
        raise InputError(
            "MD13", problem, "Give device='cpu' or another that pellucid doctor lists."
        ) from None


def resolve(ref: str) -> tuple[Path, str]:
    """The folder that a reference names, and the name to show."""
    scheme, colon, name = ref.partition(":")
    if colon and not Path(ref).exists():
        if scheme not in _SOURCES and scheme in _HOMES:
            importlib.import_module(_HOMES[scheme])
        if scheme not in _SOURCES:
            known = ", ".join(sorted({*_SOURCES, *_HOMES}))
            raise MissingError(
                "MD07", f"No source {scheme!r} of models.", f"Sources: {known}; or give a folder."
            )
        return _SOURCES[scheme](name), ref
    folder = Path(ref)
    if folder.name == "model.safetensors" and folder.is_file():
        folder = folder.parent
    if REPOSITORY.fullmatch(ref) and not folder.exists() and not folder.parent.exists():
        from pellucid.models.hub import hub_folder

        return hub_folder(ref), ref
    if not folder.is_dir():
        raise MissingError(
            "MD01",
            f"There is no model folder at {ref!r}.",
            "Give a folder with config.json, organism:NAME, or owner/name on the Hugging Face hub.",
        )
    return folder, folder.resolve().name


def load_module(folder: Path, name: str, trust_remote_code: bool) -> nn.Module:
    """The network in a folder, in evaluation mode."""
    config = read_config(folder, name)
    if config.get("format") == "pellucid-transformer":
        from pellucid.models.transformer import load_transformer

        try:
            return load_transformer(folder)[0]
        except InputError:
            raise
        except Exception as error:
            raise unreadable(name, error) from None
    from pellucid.models.hub import load_hub_folder

    return load_hub_folder(folder, name, config, trust_remote_code)


def read_config(folder: Path, name: str) -> dict[str, Any]:
    """config.json as a mapping."""
    path = folder / "config.json"
    if not path.is_file():
        raise MissingError(
            "MD02", f"{name} has no config.json.", "Save the model with save_pretrained(folder)."
        )
    try:
        config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return dict(config.items())
    except (ValueError, TypeError, AttributeError) as error:
        raise unreadable(name, error) from None


def unreadable(name: str, error: Exception) -> InputError:
    """The error for a folder whose files are damaged."""
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return InputError("MD04", f"{name} cannot be read ({reason}).", "Save or download the model again.")


def tokenizer_in(folder: Path) -> FileTokenizer | None:
    """The folder's tokenizer, if it has one."""
    path = folder / "tokenizer.json"
    if path.is_file():
        return FileTokenizer(path.read_bytes())
    from pellucid.models.hub import tokenizer_text

    text = tokenizer_text(folder)
    return None if text is None else FileTokenizer(text.encode())


def card_in(folder: Path) -> dict[str, Any]:
    """The public facts of the deployment, if the folder states them."""
    path = folder / "deployment.json"
    if not path.is_file():
        return {}
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise unreadable(path.name, error) from None


def pick_device(device: str) -> str:
    """``auto``: CUDA when there is one, else the CPU."""
    if device != "auto":
        return device
    return "cuda" if torch.cuda.is_available() else "cpu"


def checked(model: Model) -> Model:
    """InputError MD05 when a weight is NaN or infinite: every number would be wrong."""
    state = model.module.state_dict().items()
    bad = [
        name
        for name, tensor in state
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all())
    ]
    if bad:
        more = f" and {len(bad) - 3} more" if len(bad) > 3 else ""
        problem = f"{model.id} holds weights that are NaN or infinite: {', '.join(bad[:3])}{more}."
        raise InputError("MD05", problem, "Save or download the model again.")
    return model
