"""Patching meets the closed-form table of two-component gates, with zero tolerance."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from patch_gates import TABLE, Xor

from pellucid.circuits import Answer, patch_sweep
from pellucid.models import open_model

SITES = ["a", "b", ("a", "b")]
CLEAN, CORRUPT = torch.ones(1, 1, 2), torch.zeros(1, 1, 2)
DIFFERENCE = Answer((0,), (1,), ("logit_difference",))


def sweep(gate, metric=DIFFERENCE, direction="both"):
    return patch_sweep(open_model(gate()), CLEAN, CORRUPT, metric, SITES, direction)


@pytest.mark.truth("circuits.patch_sweep")
@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.gate.__name__)
def test_gates_have_their_closed_form_effects(row):
    effect = sweep(row.gate).arrays["effect"]
    assert list(effect.coords["direction"]) == ["denoise", "noise"]
    assert list(effect.coords["site"]) == ["a", "b", "a+b"]
    assert effect.values[0, 0, :, 0].tolist() == list(row.denoise)
    if row.gate.__name__ != "Backup":
        assert effect.values[1, 0, :, 0].tolist() == list(row.noise)


def test_a_backup_hides_from_single_noising():
    noise = (
        sweep(next(row.gate for row in TABLE if row.gate.__name__ == "Backup"))
        .arrays["effect"]
        .values[1, 0, :, 0]
    )
    assert noise[:2].tolist() == [0, 0]


def test_a_gate_whose_runs_agree_is_flagged_and_never_divided():
    finding = sweep(Xor)
    assert finding.measures["small_denominators"].value == 1
    assert np.isnan(finding.arrays["effect"].values).all()
    noise = finding.arrays["difference"].values[1, 0, :, 0]
    assert noise.tolist() == [1, 1, 0]
    assert finding.status == "inconclusive"


def test_effects_are_never_clipped():
    class Opposed(TABLE[2].gate):
        def value(self, one, two):
            return 3 * self.a(one) - 2 * self.b(two)

    effect = sweep(Opposed).arrays["effect"].values[0, 0, :, 0]
    assert effect.tolist() == [3, -2, 1]


def test_in_a_linear_model_the_shares_of_all_parts_sum_to_one():
    class Linear(TABLE[2].gate):
        def value(self, one, two):
            return 0.3 * self.a(one) + 0.9 * self.b(two) - 0.1

    effect = sweep(Linear).arrays["effect"].values
    assert effect[:, 0, :2, 0].sum(1) == pytest.approx([1, 1], abs=1e-6)
