"""The C library's memory: keep what was freed, for the next run needs as much again."""

from __future__ import annotations

import torch

LARGEST_DYNAMIC = 2**25  # glibc adapts its thresholds to freed blocks of up to this many bytes


def keep_freed_memory() -> None:
    """Let the allocator keep up to 64 MB of freed memory instead of giving it back after every run.

    A run that keeps all sites frees megabytes at once, and glibc returns them to the system, which hands out
    fresh zeroed pages for the next run: a fifth of the time of a small model's forward pass. glibc raises its
    thresholds to the size of the largest block it has seen freed, so one large block, never touched, is
    allocated and freed. Elsewhere this does nothing.
    """
    torch.empty(LARGEST_DYNAMIC - 2**16, dtype=torch.uint8)
