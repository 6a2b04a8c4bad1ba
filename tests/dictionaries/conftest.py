"""Every test of this room on one thread, with a small model at hand."""

from __future__ import annotations

import pytest
import torch
from dictionary_models import small_model

from pellucid.models import Model


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def model() -> Model:
    return small_model()


@pytest.fixture
def tokens() -> torch.Tensor:
    """Text of the model's own: only there does it lose by what is taken from it."""
    model, generator = small_model(), torch.Generator().manual_seed(5)
    spoken = torch.randint(0, 12, (20, 1), generator=generator)
    for _ in range(6):
        chances = model.run(spoken).output[:, -1].detach().softmax(-1)
        spoken = torch.cat([spoken, torch.multinomial(chances, 1, generator=generator)], dim=1)
    return spoken
