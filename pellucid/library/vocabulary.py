"""The words that papers are described with, after the axes of Bereska and Gavves (arXiv 2404.14082)."""

from __future__ import annotations

from collections.abc import Mapping

ROOMS = (
    "models",
    "organisms",
    "dictionaries",
    "decompositions",
    "circuits",
    "algorithms",
    "probes",
    "editing",
    "dynamics",
    "metascience",
    "cases",
    "library",
    "audit",
    "web",
)

TAGS: Mapping[str, tuple[str, ...]] = {
    "concept": (
        "feature",
        "circuit",
        "motif",
        "linear-representation",
        "superposition",
        "emergence",
        "world-model",
    ),
    "stance": ("observational", "interventional"),
    "stage": ("intrinsic", "developmental", "post-hoc"),
    "method": (
        "example-based",
        "structured-probe",
        "linear-probe",
        "lens",
        "sparse-dictionary",
        "activation-patching",
        "attribution-patching",
        "causal-mediation",
        "causal-abstraction",
        "causal-scrubbing",
        "steering",
        "training-for-interpretability",
        "weight-based",
        "automata-extraction",
    ),
    "granularity": ("neuron", "feature", "head", "layer", "circuit", "model"),
    "study": ("comparative", "scaling"),
    "use": ("understanding", "control", "alignment", "evaluation"),
    "risk": ("capability-gain", "dual-use", "safetywashing"),
    "challenge": ("scalability", "automation", "completeness", "streetlight"),
}

CLAIM_KINDS = ("quantitative", "qualitative", "existence", "conceptual")
EVIDENCE = ("correlational", "causal", "formal", "behavioural")
