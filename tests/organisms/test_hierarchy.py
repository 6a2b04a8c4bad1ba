"""The hierarchy is what it says: children imply their parent, exclude each other, and hold its direction."""

import pytest
import torch

from pellucid.findings import InputError
from pellucid.organisms.hierarchy import hierarchy


def test_children_imply_their_parent_and_exclude_each_other():
    made = hierarchy(8, 3, 16, l0=2.0)
    on = made.sample(5000, seed=1)[1] > 0
    for child in range(8, 32):
        parent, siblings = int(made.parents[child]), (made.parents == made.parents[child]).nonzero()[:, 0]
        assert bool(on[:, parent][on[:, child]].all())
        assert int(on[:, siblings].sum(1).max()) == 1


def test_frequencies_are_those_stated():
    made = hierarchy(8, 3, 16, l0=2.0, share=0.6)
    n = 60_000
    seen = (made.sample(n, seed=1)[1] > 0).double().mean(0)
    error = (made.frequencies * (1 - made.frequencies) / n).sqrt()
    assert float(((seen - made.frequencies).abs() / error).max()) < 4.5  # 32 features, normal tails
    assert float(made.frequencies[:8].sum()) == pytest.approx(
        2.0, abs=0.5
    )  # the most frequent is held at 1/2
    assert float(made.probabilities[8:11].sum()) == pytest.approx(0.6)


def test_children_share_their_parents_direction():
    made = hierarchy(4, 3, 32, l0=1.0, orthogonal=True)
    cosines = made.directions @ made.directions.T
    torch.testing.assert_close(cosines.diagonal(), torch.ones(16))
    for child in range(4, 16):
        assert float(cosines[child, made.parents[child]]) == pytest.approx(2**-0.5, abs=1e-6)
    torch.testing.assert_close(cosines[4, 5], torch.tensor(0.5))  # siblings share the parent's half
    assert float(cosines[4, 7].abs()) < 1e-6  # cousins share nothing


def test_activations_are_codes_times_directions_and_have_the_stated_norm():
    made = hierarchy(8, 3, 24, noise=0.0, seed=2)
    activations, codes = made.sample(40_000, seed=3)
    torch.testing.assert_close(codes @ made.directions, activations)
    squared = activations.square().sum(1)
    assert abs(float(squared.mean()) - 24) < 5 * float(squared.std()) / 200  # five standard errors


def test_same_seed_same_world():
    first, second = hierarchy(4, 2, 8, l0=1.0, seed=4), hierarchy(4, 2, 8, l0=1.0, seed=4)
    assert torch.equal(first.sample(100, 9)[0], second.sample(100, 9)[0])
    assert not torch.equal(first.sample(100, 9)[0], first.sample(100, 10)[0])


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((4, 2, 8), {"l0": 2.0}, "A hierarchy of 4 parents with 2 children, l0 2.0, share 0.7"),
        ((4, 0, 8), {"l0": 1.0}, "0 children"),
        ((4, 2, 8), {"l0": 1.0, "orthogonal": True}, "12 orthogonal directions in 8 dimensions"),
    ],
)
def test_no_hierarchy(arguments, options, message):
    with pytest.raises(InputError, match=message) as caught:
        hierarchy(*arguments, **options)
    assert caught.value.code == "OR05"
