"""What a reader of foreign files hands over: weights in our layout, and the source of each convention."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from pellucid.dictionaries.convention import Convention
from pellucid.dictionaries.dictionary import Dictionary
from pellucid.dictionaries.variants.table import build
from pellucid.findings import InputError, MissingError

Source = Literal["file", "rule", "guess", "unsaid", "told"]
FIELDS = tuple(field.name for field in dataclasses.fields(Convention))
ASIDE = "pellucid"  # the key under which other formats carry what they have no word for
DESCRIBED = ("reshape", "model_processing", "excluded_positions", "excluded_tokens")
NARROW = (torch.float16, torch.bfloat16)


@dataclass
class Account:
    """The convention record while a file is read, and the source of every field.

    file: the file says it. rule: the format always does it so. guess: neither; it must be confirmed. unsaid:
    how the dictionary was trained, which changes no code. told: the caller said it, which outranks the rest.
    """

    told: Mapping[str, Any] = field(default_factory=dict)
    """What the caller knows."""
    values: dict[str, Any] = field(default_factory=dict)
    """Field and value."""
    sources: dict[str, Source] = field(default_factory=dict)
    """Field and source."""

    def note(self, source: Source, **fields: Any) -> None:
        """Set fields that the caller did not tell."""
        for name, value in fields.items():
            self.values[name] = self.told.get(name, value)
            self.sources[name] = "told" if name in self.told else source

    def convention(self) -> Convention:
        """The record; fields that nobody noted were left unsaid."""
        for name in FIELDS:
            if name not in self.values:
                self.note("told" if name in self.told else "unsaid", **{name: getattr(Convention(), name)})
        return Convention(**self.values)


@dataclass(frozen=True)
class Draft:
    """A dictionary as a file describes it, before it is one."""

    format: str
    """Name of the format."""
    settings: Mapping[str, Any]
    """What the variant's class is made with, its name as `variant`."""
    tensors: Mapping[str, Tensor]
    """Weights by our names and in our layout: one row for each latent in W_enc and W_dec."""
    account: Account
    """The convention record and its sources."""
    site_in: str = ""
    """Where it reads."""
    site_out: str | None = None
    """Where its output belongs; None: site_in."""
    config: Mapping[str, Any] = field(default_factory=dict)
    """The file's own configuration, kept as it is."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """What is in the file beside weights and configuration, as plain data."""
    promise: Mapping[str, float] = field(default_factory=dict)
    """What the file says of its quality: l0, k."""


def dictionary_of(draft: Draft) -> Dictionary:
    """The dictionary that a draft describes; its origin is kept in `training_record["origin"]`.

    16-bit weights are computed with in float32; the origin remembers how they were stored.

    Arguments:
        draft: what a reader made.

    Raises:
        InputError: DI01, DI03 for a convention that cannot be run, DI86 for one that was guessed.
    """
    convention = draft.account.convention()
    refuse_guesses(draft)
    tensors = {name: widened(value) for name, value in draft.tensors.items()}
    made = build(
        draft.settings,
        tensors["W_enc"].shape[1],
        tensors["W_enc"].shape[0],
        d_out=tensors["W_dec"].shape[1],
        site_in=draft.site_in,
        site_out=draft.site_out,
        convention=convention,
    ).to(tensors["W_enc"].dtype)
    made.load_state_dict(tensors)
    made.training_record = {"origin": origin(draft)}
    return made.requires_grad_(False)


def widened(value: Tensor) -> Tensor:
    """Contiguous, and in float32 at least."""
    return value.to(torch.float32 if value.dtype in NARROW else value.dtype).contiguous()


def origin(draft: Draft) -> dict[str, Any]:
    """Where a dictionary is from, as plain data."""
    return {
        "format": draft.format,
        "dtypes": {name: named(value.dtype) for name, value in draft.tensors.items()},
        "sources": dict(draft.account.sources),
        "config": dict(draft.config),
        "extra": dict(draft.extra),
        "promise": dict(draft.promise),
    }


def named(dtype: torch.dtype) -> str:
    """The name of a type of numbers."""
    return str(dtype).removeprefix("torch.")


def origin_of(dictionary: Dictionary, format: str) -> Mapping[str, Any]:
    """The origin of a dictionary that was read from this format, else nothing."""
    found = dictionary.training_record.get("origin", {})
    return found if found.get("format") == format else {}


def refuse_guesses(draft: Draft) -> None:
    """DI86 for fields that neither the file nor its format settles."""
    guessed = {n: draft.account.values[n] for n, source in draft.account.sources.items() if source == "guess"}
    if guessed:
        said = ", ".join(f"{name} {value!r}" for name, value in guessed.items())
        raise InputError(
            "DI86",
            f"This file of {draft.format} does not say its convention; the best guess is {said}.",
            f"Confirm it with load_dictionary(..., told={guessed}), or give the value that you know.",
        )


def check_told(told: Mapping[str, Any]) -> None:
    """DI85 for fields that the convention record does not have."""
    unknown = sorted(set(told) - set(FIELDS))
    if unknown:
        raise InputError(
            "DI85",
            f"The convention record has no field {', '.join(map(repr, unknown))}.",
            f"Its fields are: {', '.join(FIELDS)}.",
        )


def read_json(path: Path) -> dict[str, Any]:
    """A configuration file; DI22 for one that cannot be read, MissingError DI21 for an absent one."""
    if not path.is_file():
        raise MissingError(
            "DI21",
            f"No dictionary in {path.parent}: it has no {path.name}.",
            "Give the folder that holds the weights and the configuration together.",
        )
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise unreadable(path.parent, f"{path.name}: {error}") from None
    if not isinstance(held, dict):
        raise unreadable(path.parent, f"{path.name} is no table")
    return held


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """Weights; DI22 for a file that cannot be read, DI21 for an absent one."""
    if not path.is_file():
        raise MissingError(
            "DI21",
            f"No dictionary in {path.parent}: it has no {path.name}.",
            "Give the folder that holds the weights and the configuration together.",
        )
    try:
        return dict(load_file(path))
    except (SafetensorError, OSError, ValueError) as error:
        raise unreadable(path.parent, f"{path.name}: {error}") from None


def unreadable(folder: Path, reason: str) -> InputError:
    """DI22 for a foreign folder."""
    return InputError(
        "DI22",
        f"The dictionary in {folder.name} cannot be read: {reason}.",
        "Fetch it again, or restore the folder from a copy.",
    )


def only(
    kind: str, format: str, found: Collection[str], needed: Iterable[str], allowed: Iterable[str] = ()
) -> None:
    """DI82 unless the names are all that are needed and none beyond those that are known.

    Arguments:
        kind: "tensor" or "setting", for the message.
        format: name of the format.
        found: names in the file.
        needed: names that must be there.
        allowed: names that may be there.
    """
    missing = sorted(set(needed) - set(found))
    unknown = sorted(set(found) - set(needed) - set(allowed))
    if not missing and not unknown:
        return
    parts = [f"lacks the {kind} {', '.join(missing)}"] if missing else []
    parts += [f"holds the unknown {kind} {', '.join(unknown)}"] if unknown else []
    raise InputError(
        "DI82",
        f"A {format} dictionary of this kind {' and '.join(parts)}.",
        "Nothing is ignored silently: another version may have written it, or another format is meant.",
    )


def expect(tensors: Mapping[str, Tensor], d_in: int, n_features: int, format: str) -> None:
    """DI89 unless the weights have the widths that the configuration says.

    Arguments:
        tensors: by our names, in our layout.
        d_in: width of the input.
        n_features: number of latents.
        format: name of the format.
    """
    wanted: dict[str, tuple[int, ...]] = {
        "W_enc": (n_features, d_in),
        "W_dec": (n_features, tensors["W_dec"].shape[-1]),
    }
    wanted |= dict.fromkeys(("b_enc", "b_gate", "b_mag", "r_mag"), (n_features,))
    wanted |= {"b_dec": (wanted["W_dec"][1],), "W_skip": (wanted["W_dec"][1], d_in)}
    for name, shape in wanted.items():
        if name in tensors and tuple(tensors[name].shape) != shape:
            raise InputError(
                "DI89",
                f"The {format} weights of {name} have the shape {tuple(tensors[name].shape)} in our layout, "
                f"where {d_in} inputs and {n_features} latents ask for {shape}.",
                "The orientation comes from the format, never from the shape: another format may be meant.",
            )


def as_stored(dictionary: Dictionary, came: Mapping[str, Any]) -> dict[str, Tensor]:
    """Weights by our names, each in the type that it was read in where that type holds it exactly.

    Arguments:
        dictionary: what is written.
        came: its origin, or nothing.
    """
    before, stored = came.get("dtypes", {}), {}
    for name, value in dictionary.state_dict().items():
        narrow = value.detach().to(getattr(torch, before.get(name, named(value.dtype))))
        exact = torch.equal(narrow.to(value.dtype), value)
        stored[name] = (narrow if exact else value.detach()).cpu()
    return stored


def aside(dictionary: Dictionary, said: Mapping[str, Any]) -> dict[str, Any]:
    """What a format has no word for, how the dictionary is used and its sites, under our own key; or nothing.

    Arguments:
        dictionary: what is written.
        said: what reading the file back gives without this.
    """
    record = dictionary.convention
    fields = {name: getattr(record, name) for name in DESCRIBED}
    fields |= {"site_in": dictionary.site_in, "site_out": dictionary.site_out}
    blank = {name: getattr(Convention(), name) for name in DESCRIBED} | {"site_in": "", "site_out": ""}
    left = {name: value for name, value in fields.items() if value != said.get(name, blank[name])}
    return {ASIDE: left} if left else {}


def read_aside(config: Mapping[str, Any], account: Account, sites: tuple[str, str]) -> tuple[str, str]:
    """Note what we put under our own key when we wrote the file; the sites.

    Arguments:
        config: where the key may be.
        account: the record so far.
        sites: what the format itself says.
    """
    held = config.get(ASIDE, {})
    fields = {n: tuple(v) if isinstance(v, list) else v for n, v in held.items() if n in DESCRIBED}
    account.note("file", **fields)
    return held.get("site_in", sites[0]), held.get("site_out", sites[1])


def as_json(config: Mapping[str, Any]) -> bytes:
    """A configuration file."""
    return f"{json.dumps(config, indent=1)}\n".encode()


def cannot_run(format: str, what: str, remedy: str) -> InputError:
    """DI83 for a foreign dictionary that nothing here computes."""
    return InputError("DI83", f"This {format} dictionary {what}.", remedy)


def cannot_write(format: str, what: str, remedy: str) -> InputError:
    """DI84 for a dictionary that a format cannot express."""
    return InputError("DI84", f"{format} cannot hold {what}.", remedy)
