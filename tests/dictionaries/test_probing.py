"""Probing and perturbation: perfect latents tell their features, chance tells nothing, damage is counted."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from dictionary_worlds import zipf_world
from judging_worlds import absorbing, exact, made_of, reading, tree
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from pellucid.dictionaries import Convention, TopK
from pellucid.dictionaries.truth.logistic import auc, balanced_accuracy, fit
from pellucid.dictionaries.truth.perturbation import targeted_perturbation
from pellucid.dictionaries.truth.probing import sparse_probing
from pellucid.findings import InputError


def rows(world=None, n: int = 3000, seed: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    x, codes = (world or tree()).sample(n, seed)
    return x, codes > 0


@pytest.mark.truth("dictionaries.sparse_probing")
def test_the_true_dictionary_tells_every_feature_by_one_latent():
    x, labels = rows()
    finding = sparse_probing(exact(tree()), x, labels)
    assert finding.measures["auc"].value == 1
    assert finding.arrays["chosen"].values[:, 0].tolist() == list(range(18))
    assert finding.measures["auc_inputs"].high < 0.96
    assert finding.measures["auc_dense"].value == pytest.approx(1, abs=1e-3)
    assert finding.status == "supports"


@pytest.mark.truth("dictionaries.sparse_probing")
def test_an_absorbed_parent_is_told_worse_by_exactly_its_missing_rows():
    """Silent at absorbed rows: AUC = 1 - absorbed / (2 present), as ties count half.

    Only for a parent whose own latent still differs most: the others are told by a child's latent.
    """
    world = tree(children=1)
    x, labels = rows(world)
    finding = sparse_probing(absorbing(world), x, labels, seed=2)
    found, chosen = finding.arrays["auc"].values, finding.arrays["chosen"].values[:, 0]
    from pellucid.dictionaries.truth.probing import halved

    judged = labels.numpy()[halved(labels.numpy(), 2).judged]
    told = 0
    for parent in range(6):
        child = int((world.parents == parent).nonzero()[0])
        both, present = (judged[:, parent] & judged[:, child]).sum(), judged[:, parent].sum()
        missing = both if chosen[parent] == parent else present - both
        told += chosen[parent] in (parent, child)
        assert found[parent] == pytest.approx(1 - missing / present / 2)
    assert told == 6


@pytest.mark.law("dictionaries.sparse_probing")
def test_permuting_latents_permutes_the_choice_and_nothing_else():
    world = tree()
    x, labels = rows(world)
    before, order = absorbing(world), torch.randperm(18, generator=torch.Generator().manual_seed(3))
    moved = made_of(before.W_enc.detach()[order], before.W_dec.detach()[order])
    first, second = sparse_probing(before, x, labels), sparse_probing(moved, x, labels)
    assert second.arrays["auc"].values == pytest.approx(first.arrays["auc"].values)
    chosen = [finding.arrays["chosen"].values[:, 0].tolist() for finding in (first, second)]
    assert order[chosen[1]].tolist() == chosen[0]


def test_chance_tells_nothing():
    """Labels that have nothing to do with the rows: an AUC of one half, within five standard errors."""
    x, labels = rows()
    drawn = torch.rand(labels.shape, generator=torch.Generator().manual_seed(9)) < 0.3
    found = sparse_probing(exact(tree()), x, drawn, k=5).arrays["auc"].values
    error = (1 / (12 * 1500 * 0.3 * 0.7)) ** 0.5  # of one AUC; the mean is over 18
    assert found.mean() == pytest.approx(0.5, abs=5 * error / 18**0.5)


def test_more_latents_help_where_a_feature_is_spread():
    """A parent that only its two children's latents tell."""
    world = tree()
    encoder = reading(world.directions)
    encoder[:6] = 0
    spread = made_of(encoder, world.directions)
    x, labels = rows(world)
    one, two = (sparse_probing(spread, x, labels[:, :6], k=k).measures["auc"].value for k in (1, 2))
    assert two > one + 0.05


def test_the_probe_is_scikit_learns():
    random = np.random.default_rng(0)
    x = random.normal(size=(400, 6)) * np.array([1, 2, 0.1, 5, 1, 1]) + 3
    labels = (x @ random.normal(size=6) + random.logistic(size=400) * 2 > 0.3 + x.mean(1)) & (x[:, 0] > 2.5)
    probe = fit(x, labels)
    weights = np.where(labels, 0.5 / labels.mean(), 0.5 / (1 - labels.mean()))
    mean = np.average(x, axis=0, weights=weights)
    spread = np.sqrt(np.average((x - mean) ** 2, axis=0, weights=weights))
    peer = LogisticRegression(C=1 / (1e-3 * 400), tol=1e-8, max_iter=1000)
    peer.fit((x - mean) / spread, labels, sample_weight=weights)
    expected = peer.decision_function((x - mean) / spread)
    assert probe.scores(x) == pytest.approx(expected, abs=2e-3)  # the optimisers stop at different places
    assert auc(probe.scores(x), labels) == pytest.approx(roc_auc_score(labels, probe.scores(x)))
    expected = balanced_accuracy_score(labels, probe.scores(x) > 0)
    assert float(balanced_accuracy(probe.scores(x), labels)) == pytest.approx(expected)
    many = np.stack([probe.scores(x), -probe.scores(x)], axis=1)
    assert balanced_accuracy(many, labels) == pytest.approx([expected, 1 - expected])


def test_ties_count_half():
    assert auc(np.array([0.0, 0, 0, 1]), np.array([True, False, False, True])) == 0.75


@pytest.mark.truth("dictionaries.perturbation")
def test_the_true_dictionary_blinds_one_probe_at_a_time():
    """Orthogonal features, each with one latent: its probe falls to chance, the others stay where they were."""
    world = zipf_world(16, 16, 2.0)
    x, labels = rows(world, n=4000)
    finding = targeted_perturbation(made_of(world.directions, world.directions), x, labels, 1)
    found = finding.measures
    # what the latent's bias of .001 leaves tells nothing at a threshold of 0
    assert found["on_target"].value == pytest.approx(0.5, abs=0.01)
    assert abs(found["off_target"].value) < 0.01
    assert found["tpp"].value == pytest.approx(found["on_target"].value - found["off_target"].value)
    loss = finding.arrays["loss"].values
    assert found["on_target"].value == pytest.approx(np.diag(loss).mean())
    assert finding.status == "supports"


@pytest.mark.law("dictionaries.perturbation")
def test_latents_without_direction_take_nothing_away():
    world = tree()
    x, labels = rows(world)
    hollow = made_of(reading(world.directions), torch.zeros(18, 18))
    finding = targeted_perturbation(hollow, x, labels, 3)
    assert not finding.arrays["loss"].values.any()
    assert finding.measures["tpp"].value == 0
    assert finding.status == "refutes"
    removed = finding.measures["scr"].value
    assert removed is None or removed == 0


@pytest.mark.law("dictionaries.perturbation")
def test_a_scaled_dictionary_takes_away_the_same():
    """S_in and S_out folded out: the same function in other units, so the same ablations."""
    world = tree()
    x, labels = rows(world)
    plain = exact(world)
    record = Convention(subtract="none", input_transform="scale", scale_in=4.0, scale_out=4.0)
    scaled = TopK(18, 18, 18, convention=record)
    with torch.no_grad():
        scaled.W_enc.copy_(plain.W_enc)
        scaled.W_dec.copy_(plain.W_dec)
        scaled.b_enc.copy_(4 * plain.b_enc)
    first, second = (targeted_perturbation(d, x, labels, 2).arrays["loss"].values for d in (plain, scaled))
    assert second == pytest.approx(first, abs=1e-12)


def test_the_true_dictionary_removes_a_spurious_correlation():
    """A probe fitted where two features agree leans on both; without the other's latent it is nearly fair."""
    x, labels = rows(tree(), n=6000)
    found = targeted_perturbation(exact(tree()), x, labels[:, :3], 1).measures
    assert found["scr_pairs"].value >= 4
    assert found["scr"].value > 0.5


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        (lambda x, y: (x, y[:50]), "DI56", "Labels of shape \\(50, 18\\) were given for 200 activations"),
        (lambda x, y: (x, y[:, :0]), "DI56", "Labels of shape \\(200, 0\\)"),
        (lambda x, y: (x, y & False), "DI55", "Feature 0 is present in 0 of 100 rows of a half"),
        (lambda x, y: (x[:, :9], y), "DI04", "reads width 18"),
    ],
)
def test_labels_that_do_not_fit(change, code, message):
    for method in (sparse_probing, targeted_perturbation):
        with pytest.raises(InputError, match=message) as caught:
            method(exact(tree()), *change(*rows(n=200)))
        assert caught.value.code == code


def test_what_cannot_be_probed_or_perturbed():
    x, labels = rows(n=200)
    with pytest.raises(InputError, match="k is 19, for 18 latents and 18 inputs") as caught:
        sparse_probing(exact(tree()), x, labels, 19)
    assert caught.value.code == "DI56"
    with pytest.raises(InputError, match="Labels of 1 feature leave no other probe") as caught:
        targeted_perturbation(exact(tree()), x, labels[:, :1])
    assert caught.value.code == "DI56"
    transcoder = TopK(18, 18, 2, site_in="a", site_out="b", convention=Convention(subtract="none"))
    with pytest.raises(InputError, match="A transcoder writes at 'b'") as caught:
        targeted_perturbation(transcoder, x, labels)
    assert caught.value.code == "DI56"


def test_the_same_probing_has_the_same_id():
    x, labels = rows(tree(), n=1000)
    labels = labels[:, :3]
    first = sparse_probing(exact(tree()), x, labels)
    assert first.id == sparse_probing(exact(tree()), x, labels).id
    assert first.id != sparse_probing(exact(tree()), x, labels, seed=1).id
    assert first.arrays["auc"].coords["concept"] == [0, 1, 2]
    named = sparse_probing(exact(tree()), x, labels, names=["a", "b", "c"])
    assert named.arrays["auc"].coords["concept"] == ["a", "b", "c"]
