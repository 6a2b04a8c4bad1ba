"""A suite small enough to be trained many times: model, text, plan."""

from __future__ import annotations

import torch
from dictionary_models import small_model

from pellucid.dictionaries import TrainConfig
from pellucid.dictionaries.suites.plan import SuiteConfig
from pellucid.models import Model

BASE = TrainConfig(n_features=16, k=2, steps=12, batch=16, lr=2e-3, log_every=6, checkpoint_every=4)
SUITE = SuiteConfig(BASE, sites=("blocks.*.mlp_out",), widths=(12, 16))
SMALL = {"rows_a_shard": 40, "batch": 4}


def tiny_model() -> Model:
    """Two blocks of width 8."""
    return small_model()


def text_tokens() -> torch.Tensor:
    """Twenty sequences of eight tokens."""
    return torch.randint(0, 12, (20, 8), generator=torch.Generator().manual_seed(4))
