"""Do the two models differ openly, on ordinary text? A hidden behaviour does not show here."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from pellucid.audit import rule
from pellucid.audit.config import AuditConfig
from pellucid.audit.contexts import check_length
from pellucid.audit.divergence import kl_divergence
from pellucid.audit.evidence import ALONE, Measured, Session, measured
from pellucid.audit.pair import Pair
from pellucid.findings import Array, Finding, Kind, Measure, View, bootstrap, register
from pellucid.models import Model, TextData

WINDOWS_A_JOB = 16
LONGEST_WINDOW = 256

KIND = register(
    Kind(
        name="audit.text_divergence",
        title="Ordinary text",
        statement="On ordinary text the suspect differs from its reference by {mean.value}; it needs "
        "{suspect_bits.value}, the reference {reference_bits.value}.",
        supports=rule.TEXT_CLEAN,
        refutes=rule.TEXT_OPEN,
        views=(
            View(
                form="histogram",
                array="windows",
                title="Divergence of the two models, window by window",
                x="mean KL",
                y="windows",
                unit="nats per token",
            ),
            View(
                form="bar",
                array="bits",
                title="How well each model predicts ordinary text",
                x="model",
                y="bits per byte",
            ),
        ),
        stance="observational",
        evidence="behavioural",
        room="audit",
    )
)


@dataclass(frozen=True)
class Reading:
    """Divergence and surprise at every token of some windows."""

    divergence: Float[np.ndarray, "window pos"]
    suspect: Float[np.ndarray, "window pos"]
    reference: Float[np.ndarray, "window pos"]


def text_divergence(pair: Pair, text: TextData, config: AuditConfig, *, session: Session = ALONE) -> Finding:
    """Compare the two models token by token on held-out text.

    ``KL(M||R)`` in nats: mean (bootstrap over windows), 99.9 % quantile and maximum; and the bits per byte of
    both models, ``mean(-log2 p) / mean(bytes per token)``, in windows that start cold.

    Args:
        pair: Suspect M and reference R.
        text: Held-out ordinary text.
        config: Sizes.
        session: Where the work runs and is kept.

    Returns:
        A Finding ``audit.text_divergence``. That it is small says nothing about hidden behaviour.

    Raises:
        InputError: AU04 for a text shorter than two windows.

    Example: ``text_divergence(Pair(model, model), text, AuditConfig()).measures["mean"].value == 0``.

    Source: this project's audit; KL as in Kullback and Leibler (1951).
    """
    return measured(
        KIND,
        text_divergence,
        pair,
        text=text,
        settings=config.part("text_windows"),
        seed=None,
        session=session,
        compute=lambda: compare(pair, text, config, session),
    )


def text_windows(text: TextData, context: int, most: int) -> Int[Tensor, "window pos"]:
    """Disjoint windows, at most so many, spread evenly over the whole text."""
    length = min(context, LONGEST_WINDOW)
    check_length(text.tokens, 2 * length)
    whole = text.tokens[: len(text.tokens) // length * length].reshape(-1, length)
    chosen = np.linspace(0, len(whole) - 1, min(most, len(whole))).round().astype(np.int64)
    return whole[torch.from_numpy(chosen)]


def compare(pair: Pair, text: TextData, config: AuditConfig, session: Session) -> Measured:
    """Read all windows with both models."""
    context = min(int(model.facts.context) for model in (pair.suspect, pair.reference))
    windows = text_windows(text, context, config.text_windows)
    jobs = [
        (pair.suspect, pair.reference, windows[at : at + WINDOWS_A_JOB])
        for at in range(0, len(windows), WINDOWS_A_JOB)
    ]
    parts = session.map("ordinary text", read_windows, jobs)
    divergence = np.concatenate([part.divergence for part in parts]).astype(np.float64)
    surprise = {
        "suspect": np.concatenate([part.suspect for part in parts]).astype(np.float64),
        "reference": np.concatenate([part.reference for part in parts]).astype(np.float64),
    }
    size = bytes_a_token(pair.suspect, windows)
    bits = {name: nats.mean(1) / np.log(2) / size for name, nats in surprise.items()}
    measures = [
        Measure.of("mean", bootstrap(divergence.mean(1), seed=0), unit="nats per token", better="lower"),
        Measure.of("q999", float(np.quantile(divergence, 0.999)), unit="nats", n=divergence.size),
        Measure.of("max", float(divergence.max()), unit="nats", n=divergence.size),
    ]
    measures += [
        Measure.of(f"{name}_bits", bootstrap(rows, seed=0), unit="bits per byte", better="lower")
        for name, rows in bits.items()
    ]
    arrays = {
        "windows": Array(divergence.mean(1), ("window",), {}),
        "bits": Array(np.array([rows.mean() for rows in bits.values()]), ("model",), {"model": list(bits)}),
    }
    return Measured(measures, arrays)


@torch.no_grad()
def read_windows(suspect: Model, reference: Model, windows: Int[Tensor, "window pos"]) -> Reading:
    """Divergence and surprise at every next token of some windows."""
    ours, theirs = suspect.run(windows).output[:, :-1], reference.run(windows).output[:, :-1]
    following = windows[:, 1:, None]
    return Reading(
        kl_divergence(ours, theirs).numpy(),
        -ours.log_softmax(-1).gather(2, following)[..., 0].numpy(),
        -theirs.log_softmax(-1).gather(2, following)[..., 0].numpy(),
    )


def bytes_a_token(model: Model, windows: Int[Tensor, "window pos"]) -> float:
    """Bytes of the text a token stands for, over the windows."""
    written = sum(len(model.tokenizer.decode(window.tolist()).encode()) for window in windows)
    return written / windows.numel()
