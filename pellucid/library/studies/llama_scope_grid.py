"""The whole of a tiny scope: 32 dictionaries of bard from one pass, judged on unseen text."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch

from pellucid.dictionaries.suites.plan import SuiteConfig, llama_scope_training
from pellucid.dictionaries.suites.report import suite_report
from pellucid.dictionaries.suites.training import train_suite_from
from pellucid.findings import Finding
from pellucid.library.studies.protocol import Conditions
from pellucid.models import Model, open_model, windows
from pellucid.organisms import text

CONTEXT, K, BATCH = 64, 16, 2048
EXPANSIONS = (8, 32)
JUDGED = 64
"""Held-out sequences."""


def grid(conditions: Conditions, sequences: int | None = None) -> Iterator[Finding]:
    """L0, explained variance and loss of four sites in four layers and two widths.

    Arguments:
        conditions: where the jobs run.
        sequences: of the training text; None: every window of it, twice overlapping.
    """
    model = open_model("organism:bard", device="cpu")
    tokens = text_windows(model, "train", CONTEXT // 2)[:sequences]
    base = llama_scope_training(128, k=K, steps=max(1, tokens.numel() // BATCH), batch=BATCH)
    with tempfile.TemporaryDirectory() as folder:
        suite = train_suite_from(
            model,
            tokens,
            SuiteConfig(base, expansions=EXPANSIONS, scaled_rows=True),
            Path(folder) / "scope",
            executor=conditions.executor,
            dtype="float16",
            progress=conditions.progress,
        )
        held_out = text_windows(model, "validation", CONTEXT)
        chosen = held_out[:: len(held_out) // JUDGED][:JUDGED]
        yield suite_report(model, suite, chosen, executor=conditions.executor, progress=conditions.progress)


def text_windows(model: Model, split: str, stride: int) -> torch.Tensor:
    """Windows of both texts.

    Arguments:
        model: whose tokenizer.
        split: train or validation.
        stride: from one window to the next.
    """
    ids = [torch.tensor(model.tokenizer.encode(text(split, source))) for source in ("plays", "epic")]
    return torch.cat([windows(part, CONTEXT, stride) for part in ids])
