"""Pellucid: see through a neural network, and argue from what you saw.

Three names live here, loaded on first use so that ``import pellucid`` never loads torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pellucid.findings import Finding as Finding
    from pellucid.models import Model as Model
    from pellucid.models import open_model as open_model

__version__ = "0.1.0"

_HOMES = {"open_model": "pellucid.models", "Model": "pellucid.models", "Finding": "pellucid.findings"}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'pellucid' has no attribute {name!r}")
