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
    return torch.randint(0, 12, (20, 7), generator=torch.Generator().manual_seed(5))
