"""The variants by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pellucid.dictionaries.dictionary import Dictionary
from pellucid.dictionaries.variants.batchtopk import BatchTopK
from pellucid.dictionaries.variants.gated import Gated
from pellucid.dictionaries.variants.jumprelu import JumpReLU
from pellucid.dictionaries.variants.matryoshka import Matryoshka
from pellucid.dictionaries.variants.relu import ReLU
from pellucid.dictionaries.variants.topk import TopK
from pellucid.findings import MissingError, did_you_mean

VARIANTS: Mapping[str, type[Dictionary]] = {
    "relu": ReLU,
    "topk": TopK,
    "batchtopk": BatchTopK,
    "jumprelu": JumpReLU,
    "gated": Gated,
    "matryoshka": Matryoshka,
}
"""Name, as in `TrainConfig.variant` and in files, and class."""


def build(settings: Mapping[str, Any], d_in: int, n_features: int, **given: Any) -> Dictionary:
    """A dictionary of the class that its settings name.

    Arguments:
        settings: as `Dictionary.settings()` gives them.
        d_in: width of the activation that is read.
        n_features: number of latents.
        given: what every class takes: d_out, site_in, site_out, convention, seed.

    Raises:
        MissingError: DI26 for a variant that there is not.

    Example:
        >>> build({"variant": "topk", "k": 3}, 8, 16).k
        3
    """
    own = dict(settings)
    name = own.pop("variant", "")
    if name not in VARIANTS:
        hint = f"{did_you_mean(str(name), VARIANTS)} There are: {', '.join(VARIANTS)}.".strip()
        raise MissingError("DI26", f"There is no dictionary variant {name!r}.", hint)
    return VARIANTS[name](d_in, n_features, **own, **given)
