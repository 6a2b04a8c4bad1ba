"""Nearest neighbours of directions: every pair is compared, none is held, and chance is beside them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from planned_dictionaries import combination, directions, planned, pointing
from torch.utils._python_dispatch import TorchDispatchMode

from pellucid.dictionaries import TopK
from pellucid.dictionaries.geometry import directions as comparing
from pellucid.dictionaries.geometry.assignment import auction
from pellucid.dictionaries.geometry.directions import (
    components,
    isotropic,
    living,
    nearest,
    neighbour_threshold,
    pairs_from,
    shuffled,
)
from pellucid.dictionaries.geometry.neighbours import decoder_geometry
from pellucid.findings import InputError


class Largest(TorchDispatchMode):
    """Remembers how many numbers the largest tensor made under it holds."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        for tensor in made if isinstance(made, tuple | list) else [made]:
            if isinstance(tensor, torch.Tensor):
                self.numbers = max(self.numbers, tensor.numel())
        return made


def crowded(n: int, width: int, copies: int, seed: int = 0) -> torch.Tensor:
    """Independent directions, of which the first ``copies`` are repeated with a cosine of 0.96."""
    rows = directions(n, width, seed)
    other = directions(n, width, seed + 1)[:copies]
    other -= (other * rows[:copies]).sum(1, keepdim=True) * rows[:copies]
    other = torch.nn.functional.normalize(other, dim=1)
    return torch.cat([rows, 0.96 * rows[:copies] + 0.28 * other])


@pytest.mark.law("dictionaries.geometry")
@pytest.mark.parametrize("block", [7, 64, 1024])
def test_nearest_neighbours_are_those_of_the_whole_table(block, monkeypatch):
    monkeypatch.setattr(comparing, "BLOCK", block)
    a, b = directions(130, 12), directions(75, 12, seed=1)
    table = a.double() @ b.double().T
    cosine, index = nearest(a, b)
    assert index.tolist() == table.argmax(1).tolist()
    assert cosine.tolist() == pytest.approx(table.max(1).values.tolist(), abs=1e-12)
    own = (a.double() @ a.double().T).fill_diagonal_(-2)
    cosine, index = nearest(a, a, own=True)
    assert index.tolist() == own.argmax(1).tolist()
    assert cosine.tolist() == pytest.approx(own.max(1).values.tolist(), abs=1e-12)
    assert nearest(a[:20], a, own=True)[1].tolist() == own[:20].argmax(1).tolist()


@pytest.mark.law("dictionaries.geometry")
def test_order_length_and_rotation_do_not_matter():
    rows = directions(90, 10)
    turn = torch.linalg.qr(directions(10, 10, seed=3)).Q
    order = torch.randperm(90, generator=torch.Generator().manual_seed(2))
    lengths = torch.linspace(0.1, 4, 90)[:, None]
    plain = decoder_geometry(pointing(rows)).arrays["max_cosine"].values
    changed = decoder_geometry(pointing((lengths * rows @ turn)[order])).arrays["max_cosine"].values
    assert changed == pytest.approx(plain[order], abs=1e-6)  # float32 rows


@pytest.mark.law("dictionaries.geometry")
def test_the_shuffle_keeps_mean_and_covariance():
    """Up to bringing rows to length 1, which changes lengths by a few percent here."""
    stretched = torch.nn.functional.normalize(directions(4000, 24) * torch.linspace(2, 0.5, 24) + 0.1, dim=1)
    made = shuffled(stretched, 0)
    assert (made.mean(0) - stretched.mean(0)).abs().max() < 0.01
    assert (torch.cov(made.T) - torch.cov(stretched.T)).abs().max() < 0.005  # entries are up to 0.08
    assert torch.linalg.vector_norm(made, dim=1).tolist() == pytest.approx([1.0] * 4000, abs=1e-6)
    assert nearest(made, stretched)[0].mean() < 0.9  # and yet no row is left as it was


@pytest.mark.truth("dictionaries.geometry")
def test_copies_stand_closer_than_chance():
    finding = decoder_geometry(pointing(crowded(300, 24, copies=60)))
    measures = finding.measures
    assert measures["near_copies"].value == pytest.approx(120 / 360)
    assert measures["beyond"].value >= 120 / 360
    assert finding.status == "supports"
    pairs = finding.arrays["closest"]
    named = {frozenset(map(int, name.split(" and "))) for name in pairs.coords["pair"]}
    assert named <= {frozenset((i, 300 + i)) for i in range(60)}
    assert len(named) == 30
    assert pairs.values == pytest.approx([0.96] * 30, abs=1e-6)
    assert finding.arrays["neighbour"].values[:60].tolist() == list(range(300, 360))


@pytest.mark.truth("dictionaries.geometry")
def test_random_directions_are_as_chance_has_them():
    finding = decoder_geometry(pointing(directions(1500, 32)))
    measures = finding.measures
    # the mean of 1,500 largest cosines has a standard error of about 0.05 / sqrt(1500) = 0.0013
    assert measures["max_cosine"].value == pytest.approx(measures["random_isotropic"].value, abs=0.006)
    assert measures["max_cosine"].value == pytest.approx(measures["random_covariance"].value, abs=0.006)
    assert measures["beyond"].low < 0.01 < measures["beyond"].high
    assert finding.status == "inconclusive"


@pytest.mark.truth("dictionaries.geometry")
def test_chance_is_not_called_closeness_where_random_ones_are_sampled(monkeypatch):
    """The bar is the 99 % point of only 400 random neighbours: its own error is in the interval."""
    from pellucid.dictionaries.geometry import neighbours as judging

    monkeypatch.setattr(judging, "SAMPLE", 400)
    found = [decoder_geometry(pointing(directions(2000, 16, seed)), seed=seed) for seed in range(20)]
    assert sum(finding.status == "inconclusive" for finding in found) >= 19


def test_a_narrow_cloud_is_only_explained_by_its_covariance():
    """Rows of a few dominant dimensions are close to each other because of these, not because they pair up."""
    narrow = torch.nn.functional.normalize(directions(1200, 40) * torch.tensor([6.0] * 4 + [1.0] * 36), dim=1)
    measures = decoder_geometry(pointing(narrow)).measures
    assert measures["max_cosine"].value > measures["random_isotropic"].value + 0.1
    # rows of length 1 have coordinates that are not quite independent, which the shuffle makes them
    assert measures["max_cosine"].value == pytest.approx(measures["random_covariance"].value, abs=0.05)


def test_another_dictionary_is_searched():
    rows = directions(50, 8)
    order = torch.randperm(50, generator=torch.Generator().manual_seed(1))
    finding = decoder_geometry(pointing(rows), pointing(rows[order]))
    assert finding.measures["max_cosine"].value == pytest.approx(1)
    assert order[finding.arrays["neighbour"].values.tolist()].tolist() == list(range(50))
    assert "clusters" not in finding.measures
    assert finding.id != decoder_geometry(pointing(rows)).id


def test_the_distribution_is_that_of_the_largest_cosines():
    arrays = decoder_geometry(pointing(directions(200, 16))).arrays
    mine = arrays["cdf"].values[0]
    values = arrays["max_cosine"].values
    expected = [(values <= cosine).mean() for cosine in arrays["cdf"].coords["cosine"]]
    assert mine == pytest.approx(expected)
    assert arrays["cdf"].coords["dictionary"][0] == "this dictionary"
    assert arrays["cdf"].values[:, -1].tolist() == [1, 1, 1]


def test_dead_latents_are_left_out_and_counted():
    rows = torch.cat([directions(20, 60), torch.zeros(3, 60)])
    rows[5] = rows[4]  # a copy, which never fires
    dictionary = planned(rows, [[latent] for latent in range(23)], 23)
    events = torch.eye(23)[[*range(5), *range(6, 23)]]
    silent = decoder_geometry(dictionary, source=events)
    assert silent.measures["dead"].value == 4
    assert silent.measures["max_cosine"].n == 19
    assert silent.measures["near_copies"].value == 0
    assert 5 not in silent.arrays["max_cosine"].coords["feature"]
    assert decoder_geometry(dictionary).measures["dead"].value == 3


def test_a_latent_that_fires_on_no_row_is_dead_whatever_the_source(model, tokens):
    sae = TopK(8, 40, 2, site_in="blocks.0.resid_post")
    with torch.no_grad():
        sae.b_enc[:10] = -100
    finding = decoder_geometry(sae, source=(model, tokens))
    assert finding.measures["dead"].value >= 10
    assert min(finding.arrays["max_cosine"].coords["feature"]) >= 10
    assert finding.provenance.subject.id == model.id
    assert decoder_geometry(sae).provenance.subject.id == "dictionary at 'blocks.0.resid_post'"


@pytest.mark.parametrize("block", [5, 1024])
def test_clusters_are_connected_components(block, monkeypatch):
    monkeypatch.setattr(comparing, "BLOCK", block)
    rows = directions(60, 4)
    reached = rows @ rows.T > 0.8
    for _ in range(6):  # paths of up to 64 steps
        reached = (reached.float() @ reached.float()) > 0
    first = reached.float().argmax(1)  # the first row of each row's cluster
    expected = np.unique(first.numpy(), return_inverse=True)[1]
    assert components(rows, 0.8).tolist() == expected.tolist()


def test_clusters_are_named_by_size():
    wide = 12
    rows = [combination(wide, e0=1), combination(wide, e0=0.8, e1=0.6), combination(wide, e0=0.3, e1=0.95)]
    rows += [combination(wide, e4=1), combination(wide, e5=1), combination(wide, e5=1, e6=0.1)]
    finding = decoder_geometry(pointing(torch.stack(rows)), threshold=0.7)
    assert finding.arrays["cluster"].values.tolist() == [0, 0, 0, -1, 1, 1]  # 0 and 2 through 1
    assert finding.measures["clusters"].value == 2
    assert finding.measures["largest_cluster"].value == 3
    assert finding.measures["clustered"].value == pytest.approx(5 / 6)


def test_the_threshold_is_the_papers():
    """Llama Scope: 32 K and 128 K latents of width 4,096; it prints .174 and .186."""
    assert neighbour_threshold(32_768, 4096) == pytest.approx(0.1745, abs=5e-4)
    assert neighbour_threshold(131_072, 4096) == pytest.approx(0.186, abs=5e-4)


def test_no_clusters_where_the_width_tells_no_neighbours():
    finding = decoder_geometry(pointing(directions(200, 16)))
    assert finding.measures["threshold"].value > 1
    assert finding.measures["clusters"].value is None
    assert "cluster" not in finding.arrays


def test_no_table_of_all_pairs_is_held():
    """1,500 rows: all pairs would be 2.25 million numbers, a block is 1 million."""
    with Largest() as largest:
        decoder_geometry(pointing(directions(1500, 8)), threshold=0.99)
        auction(directions(1500, 8), directions(1500, 8, seed=1))
    assert largest.numbers <= 1024 * 1024


def test_pairs_are_all_there(monkeypatch):
    a, b = directions(40, 5), directions(60, 5, seed=1)
    expected = (a @ b.T >= 0.5).nonzero()
    monkeypatch.setattr(comparing, "BLOCK", 9)
    pairs, cosine = pairs_from(a, b, 0.5)
    assert pairs.equal(expected)
    assert cosine.tolist() == pytest.approx((a @ b.T)[tuple(expected.T)].tolist(), abs=1e-6)


def test_too_many_pairs_are_refused(monkeypatch):
    monkeypatch.setattr(comparing, "MOST_PAIRS", 1000)
    with pytest.raises(
        InputError, match=r"More than 1,000 pairs of latents have a cosine of at least 0\.1"
    ) as caught:
        pairs_from(directions(100, 3), directions(100, 3), 0.1)
    assert caught.value.code == "DI63"


def test_equal_neighbours_go_to_the_first():
    rows = torch.eye(4)[[0, 1, 1, 1, 0]]
    assert nearest(rows, rows, own=True)[1].tolist() == [4, 2, 1, 1, 0]
    assert nearest(torch.eye(4)[:1], rows)[1].tolist() == [0]


def test_the_same_geometry_has_the_same_id():
    assert (
        decoder_geometry(pointing(directions(80, 9))).id == decoder_geometry(pointing(directions(80, 9))).id
    )
    assert (
        decoder_geometry(pointing(directions(80, 9))).id
        != decoder_geometry(pointing(directions(80, 9)), seed=1).id
    )


def test_it_can_be_shown():
    assert "closest pairs" in decoder_geometry(pointing(directions(30, 5)))._repr_html_()


def test_other_seeds_draw_other_directions():
    assert not isotropic(5, 3, 0).equal(isotropic(5, 3, 1))
    assert not shuffled(directions(9, 3), 0).equal(shuffled(directions(9, 3), 1))


def test_widths_that_cannot_be_compared():
    with pytest.raises(
        InputError, match="Decoder rows of width 4 cannot be compared with rows of width 5"
    ) as e:
        decoder_geometry(pointing(directions(9, 4)), pointing(directions(9, 5)))
    assert e.value.code == "DI60"


def test_nothing_lives():
    dictionary = planned(directions(4, 3), [[0], [1], [2], [2]], 3)
    with pytest.raises(InputError, match="1 of 4 latents of the dictionary live") as caught:
        living(dictionary, torch.tensor([0, 7, 0, 0]))
    assert caught.value.code == "DI61"
    assert "give more text" in str(caught.value)


def test_a_diverged_decoder():
    rows = directions(4, 3)
    rows[2, 1] = float("nan")
    with pytest.raises(
        InputError, match="1 decoder rows of the dictionary are NaN or infinite, the first of latent 2"
    ) as e:
        decoder_geometry(pointing(rows))
    assert e.value.code == "DI62"


@pytest.mark.parametrize("threshold", [0.0, 1.0, -0.3, float("nan")])
def test_a_threshold_that_is_no_cosine(threshold):
    with pytest.raises(InputError, match="is no cosine above which two latents are close") as caught:
        decoder_geometry(pointing(directions(4, 3)), threshold=threshold)
    assert caught.value.code == "DI63"
