"""The identity of weights: sha256 over sorted (name, type, shape, bytes), tied tensors once."""

from __future__ import annotations

import hashlib

import torch
from torch import nn


def weights_sha256(module: nn.Module) -> str:
    """Digest of a module's state; a single changed byte changes it."""
    sha = hashlib.sha256()
    seen: set[tuple[int, tuple[int, ...], tuple[int, ...]]] = set()
    for name, tensor in sorted(module.state_dict(keep_vars=True).items()):
        place = (tensor.data_ptr(), tuple(tensor.shape), tuple(tensor.stride()))
        if tensor.numel() and place in seen:
            continue
        seen.add(place)
        values = tensor.detach().cpu().contiguous()
        sha.update(f"{name}\0{values.dtype}\0{tuple(values.shape)}\0".encode())
        sha.update(values.view(torch.uint8).numpy().tobytes() if values.ndim else str(values.item()).encode())
    return sha.hexdigest()


def weights_version(module: nn.Module) -> tuple[tuple[int, int, int], ...]:
    """Changes whenever a tensor of the state is replaced or changed in place (not by way of `.data`)."""
    state = module.state_dict(keep_vars=True).values()
    return tuple(
        (id(tensor), tensor.data_ptr(), -1 if tensor.is_inference() else tensor._version) for tensor in state
    )
