"""The worlds are what they say: norms, rates and directions; the toy model packs more features when they are rare."""

import pytest
import torch

from pellucid.findings import InputError
from pellucid.organisms.superposition import ToyConfig, represented, toy_rows, train_toy, world


def test_mean_squared_norm_is_the_dimension():
    for orthogonal, features in ((False, 128), (True, 32)):
        activations, _ = world(features, 32, l0=4.0, orthogonal=orthogonal, seed=3).sample(40_000, seed=1)
        squared = activations.square().sum(-1)
        error = float(squared.std() / 200)
        assert abs(float(squared.mean()) - 32) < 5 * error  # five standard errors of the sample mean


def test_mean_number_of_firing_features_is_l0():
    made = world(256, 32, l0=8.0, seed=1)
    _, codes = made.sample(40_000, seed=2)
    assert float(made.probabilities.sum()) == pytest.approx(8.0, rel=1e-5)
    assert float((codes > 0).float().sum(-1).mean()) == pytest.approx(8.0, rel=0.02)


def test_activations_are_codes_times_directions_without_noise():
    activations, codes = world(64, 16, l0=4.0, noise=0.0).sample(500, seed=5)
    torch.testing.assert_close(codes @ world(64, 16, l0=4.0, noise=0.0).directions, activations)


def test_noise_has_the_stated_size():
    made = world(64, 16, l0=4.0, noise=0.1)
    activations, codes = made.sample(20_000, seed=5)
    rest = activations - codes @ made.directions
    assert float(rest.std()) == pytest.approx(made.scale * 0.1, rel=0.02)


def test_magnitudes_lie_between_scale_and_twice_scale():
    made = world(64, 16, l0=4.0)
    codes = made.sample(2_000, seed=0)[1]
    firing = codes[codes > 0] / made.scale
    assert 1.0 <= float(firing.min()) < 1.01
    assert 1.99 < float(firing.max()) <= 2.0


def test_directions_are_unit_and_orthogonal_when_asked():
    torch.testing.assert_close(world(100, 8, l0=2.0).directions.norm(dim=-1), torch.ones(100))
    basis = world(16, 32, l0=2.0, orthogonal=True).directions
    torch.testing.assert_close(basis @ basis.T, torch.eye(16), atol=1e-5, rtol=0)


def test_no_feature_never_fires_and_none_always():
    probabilities = world(1_024, 256, seed=7).probabilities
    assert float(probabilities.min()) > 0
    assert float(probabilities.max()) <= 0.5


def test_same_seed_same_world_and_sample():
    first, second = world(64, 16, l0=2.0, seed=4), world(64, 16, l0=2.0, seed=4)
    assert torch.equal(first.sample(100, 9)[0], second.sample(100, 9)[0])
    assert not torch.equal(first.sample(100, 9)[0], first.sample(100, 10)[0])
    assert not torch.equal(first.directions, world(64, 16, l0=2.0, seed=5).directions)


def test_sampling_leaves_the_global_random_state_alone():
    before = torch.random.get_rng_state()
    world(64, 16, l0=2.0).sample(10)
    train_toy(ToyConfig(n_features=4, d_hidden=2, steps=2))
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize("l0", [0.0, -1.0, 17.0])
def test_impossible_sparsity_is_refused(l0):
    with pytest.raises(InputError, match="Give l0 above 0 and at most a quarter of n_features"):
        world(64, 16, l0=l0)


def test_too_many_orthogonal_directions_are_refused():
    with pytest.raises(
        InputError, match=r"64 orthogonal directions in 16 dimensions. Give n_features of at most"
    ):
        world(64, 16, l0=2.0, orthogonal=True)


def test_dense_features_get_one_dimension_each_the_most_important_first():
    model, log = train_toy(ToyConfig(n_features=10, d_hidden=3, sparsity=0.0, steps=1_000))
    lengths = model.W.detach().norm(dim=0)
    assert represented(model) == 3
    assert set(lengths.topk(3).indices.tolist()) == {0, 1, 2}
    assert log.losses[-1] < log.losses[0]


def test_rare_features_share_dimensions():
    config = ToyConfig(n_features=10, d_hidden=3, sparsity=0.95, importance=0.9, steps=1_500)
    model, _ = train_toy(config)
    assert represented(model) > 3
    rows = toy_rows(config, 77, 4_096)
    assert float((model(rows) - rows).square().mean().detach()) < float(rows.square().mean())


def test_toy_rows_are_as_sparse_as_asked():
    rows = toy_rows(ToyConfig(sparsity=0.9), 3, 10_000)
    assert float((rows > 0).float().mean()) == pytest.approx(0.1, abs=0.005)
    assert float(rows.max()) <= 1
