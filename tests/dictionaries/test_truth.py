"""Truth metrics: the truth itself scores 1, planted faults are counted exactly, and chance is stated."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.sparse
import torch
from dictionary_worlds import zipf_world
from judging_worlds import absorbing, exact, made_of, reading, tree

from pellucid.dictionaries import TopK
from pellucid.dictionaries.truth.absorption import split
from pellucid.dictionaries.truth.detection import phi, sparse_codes, squared_correlation
from pellucid.dictionaries.truth.recovery import matching, truth_metrics
from pellucid.findings import InputError
from pellucid.organisms.hierarchy import hierarchy

N = 3000


def values(finding) -> dict[str, float]:
    return {name: measure.value for name, measure in finding.measures.items()}


@pytest.mark.truth("dictionaries.truth")
def test_the_truth_scores_one_everywhere():
    world = tree()
    finding = truth_metrics(exact(world), world, N)
    found = values(finding)
    for name in ("mcc", "recall", "uniqueness", "firing_precision", "firing_recall", "firing_f1", "r2"):
        assert found[name] == pytest.approx(1, abs=1e-5), name
    for name in ("absorption", "parents_missed", "split", "silent", "absent"):
        assert found[name] == 0, name
    assert (found["features"], found["latents"]) == (18, 18)
    assert finding.status == "supports"


@pytest.mark.truth("dictionaries.truth")
def test_planted_absorption_is_counted_exactly():
    """Each parent is absorbed at exactly those of its rows where it has a child."""
    world = tree()
    finding = truth_metrics(absorbing(world), world, N, seed=3)
    on = world.sample(N, 3)[1] > 0
    children = [(world.parents == parent).nonzero()[:, 0] for parent in range(6)]
    absorbed = [int((on[:, p] & on[:, family].any(1)).sum()) for p, family in enumerate(children)]
    present = [int(on[:, p].sum()) for p in range(6)]
    found = values(finding)
    assert found["absorption"] == found["parents_missed"] == sum(absorbed) / sum(present)
    each = finding.arrays["absorption"]
    assert each.coords["parent"] == list(range(6))
    assert each.values.tolist() == [a / p for a, p in zip(absorbed, present, strict=True)]
    # the parents' own rows, without children, and the rows of each child cover a parent exclusively
    assert finding.arrays["parts"].values[:6].tolist() == [3] * 6
    assert found["firing_recall"] < 1


def test_a_parent_that_is_merely_missed_is_not_absorbed():
    """Its latent never fires and nobody else stands near: missed, not absorbed."""
    world = tree()
    encoder, decoder = reading(world.directions), world.directions.clone()
    encoder[:6] = 0
    decoder[6:] = torch.linalg.qr(world.directions.T).Q.T[
        6:
    ]  # the children's own directions, without parents
    found = values(truth_metrics(made_of(encoder, decoder), world, N))
    assert found["parents_missed"] == 1
    assert found["absorption"] < 1
    assert found["silent"] == 6


@pytest.mark.law("dictionaries.truth")
def test_permuting_latents_changes_nothing():
    world = tree()
    truth, order = absorbing(world), torch.randperm(18, generator=torch.Generator().manual_seed(1))
    moved = made_of(truth.W_enc.detach()[order], truth.W_dec.detach()[order])
    assert values(truth_metrics(moved, world, N)) == pytest.approx(
        values(truth_metrics(truth, world, N)), abs=1e-9
    )


@pytest.mark.law("dictionaries.truth")
def test_lengths_and_signs_of_decoder_rows_do_not_count_in_the_matching():
    world = tree()
    scaled = made_of(reading(world.directions), -3 * world.directions)
    found = values(truth_metrics(scaled, world, N))
    assert (found["mcc"], found["recall"]) == (pytest.approx(1, abs=1e-6), 1)


def test_a_random_dictionary_scores_as_its_baseline():
    world = zipf_world(32, 64, 2.0)
    finding = truth_metrics(TopK(64, 128, 4, seed=3), world, 500)
    found = finding.measures
    # 32 matched cosines of spread about .04, averaged: standard error .007, four of them
    assert found["mcc"].value == pytest.approx(found["mcc_random"].value, abs=0.03)
    assert found["recall"].value == found["recall_random"].value == 0
    assert finding.status != "supports"


def test_more_latents_raise_chance():
    world = zipf_world(16, 16, 2.0)
    small, large = (values(truth_metrics(TopK(16, n, 2), world, 100))["mcc_random"] for n in (16, 256))
    assert large > small + 0.1


def test_the_matching_is_the_best_of_all():
    table = np.random.default_rng(0).normal(size=(4, 6))
    best = max(
        sum(abs(table[i, p]) for i, p in enumerate(order)) for order in itertools.permutations(range(6), 4)
    )
    assert np.abs(table)[matching(table)].sum() == pytest.approx(best)


def test_precision_recall_and_f1_by_hand():
    """One latent fires for two features: half its fires are the other's."""
    world = tree()
    encoder = reading(world.directions)
    encoder[0] += encoder[1]
    truth = made_of(encoder, world.directions)
    finding = truth_metrics(truth, world, N, seed=2)
    on = (world.sample(N, 2)[1] > 0).numpy()
    precision = on[:, 0].sum() / (on[:, 0] | on[:, 1]).sum()
    assert finding.arrays["f1"].values[0] == pytest.approx(2 * precision / (precision + 1))
    assert finding.measures["firing_precision"].value == pytest.approx((17 + precision) / 18)
    assert finding.measures["firing_recall"].value == 1


def test_correlations_are_numpys():
    random = np.random.default_rng(0)
    codes = scipy.sparse.csc_array(random.normal(size=(50, 5)) * (random.random((50, 5)) < 0.4))
    truth, latents = random.normal(size=(50, 3)), np.array([4, 0, 2])
    expected = [np.corrcoef(codes.toarray()[:, j], truth[:, i])[0, 1] ** 2 for i, j in enumerate(latents)]
    assert squared_correlation(codes, truth, latents) == pytest.approx(expected, abs=1e-12)
    constant = np.full((50, 3), 0.1)
    assert squared_correlation(codes, constant, latents).tolist() == [0, 0, 0]
    firing = random.random((50, 4)) < 0.3
    expected = [np.corrcoef(firing[:, 0], firing[:, i])[0, 1] for i in range(4)]
    assert phi(firing[:, 0], firing) == pytest.approx(expected, abs=1e-12)


def test_codes_are_the_same_in_one_batch_or_several(monkeypatch):
    from pellucid.dictionaries.truth import detection

    dictionary, x = TopK(8, 16, 3), torch.randn(100, 8, generator=torch.Generator().manual_seed(0))
    whole = sparse_codes(dictionary, x).toarray()
    assert whole == pytest.approx(dictionary.encode(x).detach().numpy(), abs=1e-6)
    monkeypatch.setattr(detection, "ROWS", 7)
    assert sparse_codes(dictionary, x).toarray() == pytest.approx(whole, abs=1e-6)


@pytest.mark.parametrize(
    ("columns", "parts"),
    [
        ([[1, 1, 1, 1, 0, 0]], 0),  # one covers all
        ([[1, 1, 0, 0, 0, 0], [0, 0, 1, 1, 0, 0]], 2),  # halves
        ([[1, 1, 1, 0, 0, 0], [0, 1, 1, 1, 0, 0]], 0),  # they overlap: together more often than chance
        ([[1, 1, 0, 0, 0, 0], [0, 0, 1, 0, 0, 0]], 0),  # a quarter is left
        ([[1, 1, 1, 1, 0, 0], [0, 0, 0, 0, 1, 1]], 0),  # the second never fires for it
        ([[1, 0, 0, 0, 1, 1], [0, 1, 1, 1, 0, 0]], 0),  # the first is mostly another's
    ],
)
def test_splits_by_hand(columns, parts):
    there = np.array([1, 1, 1, 1, 0, 0], dtype=bool)
    assert split(np.array(columns, dtype=bool).T, there) == parts


@pytest.mark.truth("dictionaries.truth")
def test_a_planted_split_is_counted():
    """Feature 8 is read by two latents: one fires where feature 0 is off, the other where it is on."""
    world = tree()
    encoder, decoder = reading(world.directions), world.directions
    both = encoder[8] + encoder[0]  # magnitudes lie between 1 and 2 scales: above 2 only where both are on
    parted = made_of(torch.cat([encoder, both[None]]), torch.cat([decoder, decoder[8:9]]))
    with torch.no_grad():
        parted.W_enc[8] -= 100 * encoder[0]
        parted.b_enc[18] = -2 * world.scale
    finding = truth_metrics(parted, world, N)
    assert finding.arrays["parts"].values.tolist() == [0] * 8 + [2] + [0] * 9
    assert finding.measures["split"].value == 1
    assert finding.measures["uniqueness"].value == pytest.approx(18 / 19)


def test_an_untrained_tree_is_no_truth():
    world = hierarchy(8, 2, 24, l0=2.0)
    finding = truth_metrics(TopK(24, 48, 4), world, 400)
    assert finding.measures["firing_f1"].value < 0.6
    assert 0 <= finding.measures["absorption"].value <= finding.measures["parents_missed"].value


def test_a_flat_world_has_no_absorption_to_count():
    finding = truth_metrics(TopK(16, 32, 4), zipf_world(16, 16, 2.0), 100)
    assert "absorption" not in finding.measures
    assert "absorption" not in finding.arrays


def test_the_same_comparison_has_the_same_id():
    world = tree()
    assert truth_metrics(exact(world), world, 200).id == truth_metrics(exact(world), world, 200).id
    assert truth_metrics(exact(world), world, 200).id != truth_metrics(exact(world), world, 200, seed=1).id


def test_what_cannot_be_compared():
    with pytest.raises(InputError, match="maps width 8 to 8; the world's is 18") as caught:
        truth_metrics(TopK(8, 16, 2), tree(), 100)
    assert caught.value.code == "DI50"
    with pytest.raises(InputError, match="1 rows tell nothing about firing") as caught:
        truth_metrics(exact(tree()), tree(), 1)
    assert caught.value.code == "DI51"
