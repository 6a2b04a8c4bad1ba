"""A model in which dictionaries stand for the activations they reconstruct."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Bool
from torch import Tensor

from pellucid.dictionaries.dictionary import Dictionary
from pellucid.findings import InputError, MissingError, did_you_mean
from pellucid.models import Model, Run
from pellucid.models.attention import AttentionFunction

Replace = Callable[[Tensor, Tensor], Tensor]


class SplicedModel(Model):
    """A model whose every run passes through dictionaries; everything else is the model's own.

    Arguments:
        model: the model that is run.
        dictionaries: at most one for each site that is replaced.
        error: add back, as a constant, what each dictionary misses.
    """

    def __init__(self, model: Model, dictionaries: Sequence[Dictionary], *, error: bool = False) -> None:
        super().__init__(model.module, id=model.id, tokenizer=model._tokenizer, card=model.card)
        self.base, self.dictionaries, self.error = model, tuple(dictionaries), error

    @property
    def sha256(self) -> str:
        """Digest of the model's weights and of what is spliced in."""
        parts = [self.base.sha256, *(dictionary.sha256 for dictionary in self.dictionaries), str(self.error)]
        return hashlib.sha256(" ".join(parts).encode()).hexdigest()

    @property
    def resumable(self) -> bool:
        """No: a run from the middle would pass some dictionaries by."""
        return False

    def run(
        self,
        inputs: Any,
        read: str | Sequence[str] = (),
        write: Mapping[str, Any] | None = None,
        until: str | None = None,
        frozen: Sequence[str] = (),
        *,
        positions: Tensor | None = None,
        attention: AttentionFunction | None = None,
        resume: tuple[int, Tensor] | None = None,
    ) -> Run:
        """One forward pass; the dictionaries write first, then the writes given here."""
        self._checked_resume(resume)
        writes = replacements(self.dictionaries, inputs, self.error)
        for site, given in (write or {}).items():
            writes.setdefault(site, []).extend(given if isinstance(given, list | tuple) else [given])
        return self.base.run(inputs, read, writes, until, frozen, positions=positions, attention=attention)


def splice(model: Model, dictionaries: Dictionary | Sequence[Dictionary], *, error: bool = False) -> Model:
    """The model with y <- y_hat at each dictionary's `site_out`, at the positions that it is for.

        y_spliced = y_hat, or y_hat + (y - y_hat) with the bracket held constant: then the output is the
        clean one, and gradients pass through the codes

    Arguments:
        model: an opened model.
        dictionaries: one or several, each for another site.
        error: whether to add the error node.

    Raises:
        InputError: DI04 for a dictionary of another width, DI16 for two at one site.
        MissingError: DI17 for a site that the model does not have.

    Example: ``splice(model, sae).run(model.tokens("the rose")).output``.

    Source: Braun et al. 2024, arXiv 2405.12241, section 2; error nodes: Marks et al. 2024, arXiv 2403.19647,
    section 3.
    """
    given = [dictionaries] if isinstance(dictionaries, Dictionary) else list(dictionaries)
    for dictionary in given:
        check_fits(model, dictionary)
    outs = [dictionary.site_out for dictionary in given]
    for site in outs:
        if outs.count(site) > 1:
            raise InputError(
                "DI16", f"{outs.count(site)} dictionaries replace {site!r}.", "Give one for each site."
            )
    return SplicedModel(model, given, error=error)


def check_fits(model: Model, dictionary: Dictionary) -> None:
    """Refuse weights that are NaN, and sites that the model does not have or that have another width."""
    refuse_broken(dictionary)
    for site, width in ((dictionary.site_in, dictionary.d_in), (dictionary.site_out, dictionary.d_out)):
        if site not in model.sites:
            raise MissingError(
                "DI17",
                f"The dictionary stands at {site!r}, which {model.id} does not have.",
                f"{did_you_mean(site, model.sites)} Set its site_in and site_out to sites of the model.",
            )
        has = width_at(model, site, dictionary.convention.reshape)
        if has and has != width:
            raise InputError(
                "DI04",
                f"The dictionary has width {width} at {site!r}, where {model.id} has width {has}.",
                "Use a dictionary that was trained on this model.",
            )


def refuse_broken(dictionary: Dictionary) -> None:
    """DI90 for weights that are no numbers: such latents would silently never fire."""
    for name, weight in dictionary.state_dict().items():
        if not bool(torch.isfinite(weight).all()):
            raise InputError(
                "DI90",
                f"{name} of the dictionary holds values that are NaN or infinite.",
                "Its training diverged or its file is damaged: load another copy, or train it again.",
            )


def width_at(model: Model, site: str, reshape: str = "none") -> int:
    """Numbers of one position of a site; 0 where a model does not know.

    Arguments:
        model: an opened model.
        site: one of its sites.
        reshape: "heads" when its last two axes are taken as one.
    """
    shape = model.sites.shape(site)
    ends = shape[-2:] if reshape == "heads" else shape[-1:]
    sizes = [size for size in ends if isinstance(size, int)]
    return math.prod(sizes) if sizes and len(sizes) == len(ends) else 0


def flat(dictionary: Dictionary, activation: Tensor) -> Tensor:
    """An activation with the axes that the dictionary reads as one.

    Arguments:
        dictionary: whose record says how.
        activation: of a site, as a model gives it.
    """
    return activation.flatten(-2) if dictionary.convention.reshape == "heads" else activation


def replacements(
    dictionaries: Sequence[Dictionary], inputs: Any, error: bool
) -> dict[str, list[Callable[[Tensor], Tensor]]]:
    """The writes of one run; what one site shows to another lives only as long as the run."""
    writes: dict[str, list[Callable[[Tensor], Tensor]]] = {}
    for dictionary in dictionaries:
        seen: dict[str, Tensor] = {}
        if dictionary.site_in != dictionary.site_out:
            writes.setdefault(dictionary.site_in, []).append(remember(seen))
        keep = included(dictionary, inputs)
        writes.setdefault(dictionary.site_out, []).append(replace(dictionary, seen, keep, error))
    return writes


def included(dictionary: Dictionary, inputs: Any) -> Bool[Tensor, "batch pos"] | None:
    """The positions to replace; None: all."""
    convention = dictionary.convention
    if not (convention.excluded_positions or convention.excluded_tokens):
        return None
    if not isinstance(inputs, Tensor) or inputs.is_floating_point():
        raise InputError(
            "DI10",
            "The dictionary leaves out positions, but this input has no tokens.",
            "Run the spliced model on token ids.",
        )
    return convention.included(inputs)


def remember(seen: dict[str, Tensor]) -> Callable[[Tensor], Tensor]:
    """Keep an activation for later in the same run, unchanged."""

    def look(activation: Tensor) -> Tensor:
        """Keep a copy and hand the activation back."""
        seen["in"] = activation.clone()  # later writes may go into the tensor itself
        return activation

    return look


def replace(
    dictionary: Dictionary,
    seen: Mapping[str, Tensor],
    keep: Tensor | None,
    error: bool,
) -> Callable[[Tensor], Tensor]:
    """The activation's reconstruction where the dictionary is meant, the activation itself elsewhere."""

    def change(activation: Tensor) -> Tensor:
        """Put the reconstruction in the activation's place where ``keep`` says so."""
        given = flat(dictionary, seen.get("in", activation))
        made: Tensor = dictionary(given).to(activation.dtype).reshape(activation.shape)
        if error:
            # the clean value to the bit, with the gradient of the reconstruction
            made = activation.detach() + (made - made.detach())
        if keep is None:
            return made
        places = keep.reshape(*keep.shape, *[1] * (made.ndim - 2))
        return torch.where(places, made, activation)

    return change
