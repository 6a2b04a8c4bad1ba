from __future__ import annotations

import pytest
from finding_coins import toss

from pellucid import findings


@pytest.fixture
def coin() -> findings.Finding:
    return toss()
