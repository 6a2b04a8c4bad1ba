"""Splitting: planted splits and new features are found, independent latents are not called a split."""

from __future__ import annotations

from itertools import chain, combinations

import numpy as np
import pytest
import torch
from planned_dictionaries import combination, directions, planned
from scipy.stats import fisher_exact, hypergeom

from pellucid.dictionaries import TrainConfig, train
from pellucid.dictionaries.geometry import exclusive
from pellucid.dictionaries.geometry.exclusive import Family, best_group, cliques, exclusions
from pellucid.dictionaries.geometry.novelty import combined
from pellucid.dictionaries.geometry.splitting import find_splits
from pellucid.findings import Finding, InputError

WIDTH, EVENTS = 16, 8
NARROW = [
    (combination(WIDTH, e0=1.0), [0, 1]),  # splits: events 0 and 1 never happen together
    (combination(WIDTH, e1=2.0), [2]),  # lives on
    (combination(WIDTH, e2=1.0), [3, 4]),  # two parts, but independent
    (combination(WIDTH, e3=1.0), [5]),  # lives on; a close stranger fires elsewhere
]
WIDE = [
    (combination(WIDTH, e0=0.8, e8=0.6), [0]),
    (combination(WIDTH, e0=0.8, e8=-0.6), [1]),
    (combination(WIDTH, e1=1.0), [2]),
    (combination(WIDTH, e2=0.8, e9=0.6), [3]),
    (combination(WIDTH, e2=0.8, e9=-0.6), [4]),
    (combination(WIDTH, e3=3.0), [5]),
    (combination(WIDTH, e3=0.8, e10=0.6), [6]),
    (combination(WIDTH, e12=1.0), [6]),  # new
    (combination(WIDTH, e0=1.0, e1=1.0, e3=1.0), [7]),  # far from each, but their sum
]


def made(latents: list) -> object:
    return planned(torch.stack([direction for direction, _ in latents]), [own for _, own in latents], EVENTS)


def happenings(n: int = 3000, seed: int = 0) -> torch.Tensor:
    """Events 0, 1 and 6 exclude each other; all others happen independently in a tenth of the rows."""
    generator = torch.Generator().manual_seed(seed)
    x = (torch.rand((n, EVENTS), generator=generator) < 0.1).float()
    kind = torch.rand(n, generator=generator)
    x[:, 0], x[:, 1] = (kind < 0.1).float(), ((kind >= 0.1) & (kind < 0.2)).float()
    x[:, 6] = (kind >= 0.9).float() * (1 - x[:, 5])
    return x


@pytest.fixture(scope="module")
def finding() -> Finding:
    return find_splits(made(NARROW), made(WIDE), happenings(), threshold=0.7)


def values(finding: Finding) -> dict[str, float]:
    return {name: measure.value for name, measure in finding.measures.items()}


@pytest.mark.truth("dictionaries.splitting")
def test_the_planted_split_is_found_exactly(finding):
    x = happenings()
    two, one = x[:, 0].sum(), x[:, 1].sum()
    assert one > two  # the part that fires most comes first
    assert finding.arrays["part_latents"].values.tolist() == [[0, 1], [0, 0]]
    table = finding.arrays["parts"]
    assert table.coords["part"] == ["0 into 1", "0 into 0"]
    cosine, share, phi, together = table.values.T
    assert cosine == pytest.approx([0.8, 0.8], abs=1e-6)
    assert share == pytest.approx([float(one / (one + two)), float(two / (one + two))])
    assert phi == pytest.approx([float(np.corrcoef(x[:, 0], x[:, 1])[0, 1])] * 2, abs=1e-6)
    assert together.tolist() == [1, 1]
    assert values(finding)["splits"] == 1
    assert values(finding)["split_share"] == 1 / 4
    assert finding.status == "supports"


@pytest.mark.truth("dictionaries.splitting")
def test_the_planted_new_feature_is_found(finding):
    """Latents 0, 1, 3, 4 and 6 are close to a narrow one; latent 8 is a sum of three."""
    assert finding.arrays["new_directions"].values.tolist() == [7]
    assert finding.arrays["new"].coords["direction"] == ["latent 7"]
    assert finding.arrays["new"].values[0] == pytest.approx([0, 0], abs=1e-6)
    assert values(finding)["new"] == 1
    assert finding.measures["new"].n == 9


@pytest.mark.truth("dictionaries.splitting")
def test_independent_parts_are_called_a_split_no_more_often_than_stated():
    """The literal reading (phi < 0) would be right in half of the cases; the false discovery rate is 5 %."""
    narrow, wide = made(NARROW[2:3] + NARROW[1:2]), made(WIDE[3:5] + WIDE[2:3])
    found = [values(find_splits(narrow, wide, happenings(1500, seed))) for seed in range(60)]
    assert sum(each["splits"] for each in found) <= 8  # binomial(60, 0.05) exceeds 8 once in 500
    assert 18 <= sum(each["splits"] + each["undecided"] for each in found) <= 42  # binomial(60, 1/2), 3 s.d.


@pytest.mark.law("dictionaries.splitting")
def test_a_dictionary_does_not_split_itself(finding):
    itself = find_splits(made(WIDE), made(WIDE), happenings())
    assert values(itself)["splits"] == values(itself)["new"] == 0
    assert values(itself)["near_copies"] == 9
    assert itself.status == "refutes"
    assert "Which latents split" in itself._repr_html_()  # an empty table can be shown too


@pytest.mark.law("dictionaries.splitting")
def test_order_and_length_do_not_matter(finding):
    order = [4, 2, 8, 0, 6, 1, 3, 7, 5]
    changed = find_splits(
        made([(7 * direction, own) for direction, own in NARROW]),
        made([WIDE[latent] for latent in order]),
        happenings(),
        threshold=0.7,
    )
    assert values(changed) == pytest.approx(values(finding), abs=1e-9)
    assert {order[wide] for _, wide in changed.arrays["part_latents"].values} == {0, 1}


def test_what_lives_on_is_no_split(finding):
    """Narrow latent 3 has a copy, and a close wide latent that fires on other rows: it takes no part."""
    assert values(finding)["near_copies"] == 2
    assert 3 not in finding.arrays["part_latents"].values[:, 0]


def test_parts_must_explain_most_of_the_rows():
    """The narrow latent fires on a third event that no part knows."""
    narrow = [(combination(WIDTH, e0=1.0), [0, 1, 2]), NARROW[1]]
    found = values(find_splits(made(narrow), made(WIDE), happenings()))
    assert (found["splits"], found["undecided"]) == (0, 0)


def test_few_rows_leave_it_undecided():
    """Two parts that fire twice each in 40 rows would miss each other by chance."""
    x = torch.zeros((40, EVENTS))
    x[:2, 0], x[2:4, 1], x[:, 2], x[:, 5] = 1, 1, 1, 1
    finding = find_splits(made(NARROW), made(WIDE), x)
    assert values(finding)["undecided"] == 1
    assert finding.status == "inconclusive"


def test_weak_codes_can_be_left_out():
    """Part 0 always hums along, at a tenth of its largest code, where part 1 fires."""
    x = happenings()
    x[:, 0] = torch.where(x[:, 1] > 0, 0.55, x[:, 0])  # h = x - 0.5
    assert values(find_splits(made(NARROW), made(WIDE), x))["splits"] == 0
    finding = find_splits(made(NARROW), made(WIDE), x, weak=0.2)
    assert values(finding)["splits"] == 1
    assert sorted(finding.arrays["part_latents"].values.tolist()) == [[0, 0], [0, 1]]


@pytest.mark.truth("dictionaries.splitting")
def test_trained_dictionaries_split_along_the_hierarchy():
    """Six parents with three exclusive children each: the narrow dictionary has room for the parents only."""
    generator = torch.Generator().manual_seed(0)
    basis = torch.linalg.qr(torch.randn(32, 32, generator=generator)).Q
    parents = basis[:6]
    children = torch.nn.functional.normalize(1.5 * parents.repeat_interleave(3, 0) + basis[6:24], dim=1)
    on = torch.rand((20_000, 6, 1), generator=generator) < 0.2
    which = torch.nn.functional.one_hot(torch.randint(0, 3, (20_000, 6), generator=generator), 3)
    codes = (on * which * (1 + torch.rand((20_000, 6, 1), generator=generator))).flatten(1)
    x = codes @ children + 0.02 * torch.randn((20_000, 32), generator=generator)
    narrow, wide = (train(x, TrainConfig(n_features=n, k=2, steps=500, batch=512, lr=5e-3)) for n in (6, 18))
    finding = find_splits(narrow, wide, x, weak=0.25)
    of_parent = (narrow.W_dec.detach() @ parents.T).argmax(1)
    of_child = (wide.W_dec.detach() @ children.T).argmax(1) // 3
    latents = finding.arrays["part_latents"].values
    assert [of_parent[latent] for latent, _ in latents] == [of_child[part] for _, part in latents]
    # measured 5: of the sixth parent the wide dictionary keeps a copy, and adds what tells its children apart
    assert values(finding)["splits"] >= 4


def test_clusters_span_both_dictionaries(finding):
    table = finding.arrays["clusters"]
    assert table.coords["number"] == ["narrow", "wide", "least cosine"]
    rows = sorted(map(tuple, table.values.round(3).tolist()), reverse=True)
    # narrow 0 and wide 0, 1; narrow 1 and wide 2; narrow 2 and wide 3, 4; narrow 3 and wide 5, 6
    assert rows == [(1, 2, 0.8), (1, 2, 0.28), (1, 2, 0.28), (1, 1, 1)]
    assert values(finding)["clusters"] == 4
    assert values(finding)["largest_cluster"] == 3
    assert values(finding)["clustered"] == pytest.approx(11 / 13)


def test_new_features_among_true_ones():
    truth = torch.stack(
        [
            combination(WIDTH, e12=5.0),  # new
            combination(WIDTH, e12=1.0, e13=0.2),  # new, at a cosine of 0.98
            combination(WIDTH, e14=1.0),  # in neither
            combination(WIDTH, e0=1.0),  # in the narrow one
            combination(WIDTH, e0=1.0, e1=1.0, e3=1.0),  # a sum of three narrow ones
        ]
    )
    finding = find_splits(made(NARROW), made(WIDE), happenings(), truth=truth)
    assert finding.arrays["new_directions"].values.tolist() == [0, 1]
    assert finding.arrays["new"].coords["direction"] == ["feature 0", "feature 1"]
    assert finding.measures["new"].n == 5
    assert finding.provenance.parameters["truth"] is not None
    without = find_splits(made(NARROW), made(WIDE), happenings())
    assert without.provenance.parameters["truth"] is None
    with_units = find_splits(made(NARROW), made(WIDE), happenings(), truth=truth.clamp(max=1))
    assert len({finding.id, without.id, with_units.id}) == 3


def test_dead_latents_split_nothing():
    x = happenings()
    x[:, 0] = 0
    x[:, 6] = 0
    found = values(find_splits(made(NARROW), made(WIDE), x))
    assert (found["splits"], found["dead_wide"], found["dead_narrow"], found["new"]) == (0, 3, 0, 0)


@pytest.mark.law("dictionaries.splitting")
def test_phi_and_its_chance_are_the_textbooks():
    generator = np.random.default_rng(0)
    on = generator.random((3, 200)) < 0.2
    on[1] &= ~on[0]
    fires = tuple(np.flatnonzero(row) for row in on)
    family = Family(0, np.arange(200), np.arange(3), np.ones(3), fires, on)
    (found,) = exclusions([family], 200)
    assert found.phi == pytest.approx(np.corrcoef(on), abs=1e-12)
    raw = []
    for a, b in combinations(range(3), 2):
        table = [
            [(on[a] & on[b]).sum(), (on[a] & ~on[b]).sum()],
            [(~on[a] & on[b]).sum(), (~on[a] & ~on[b]).sum()],
        ]
        raw.append(fisher_exact(table, "less").pvalue)
    order = np.argsort(raw)
    steps = np.minimum.accumulate((np.array(raw)[order] * 3 / np.array([1, 2, 3]))[::-1])[::-1].clip(max=1)
    upper = np.triu_indices(3, 1)
    assert found.p[upper][order] == pytest.approx(steps)
    assert raw[0] == pytest.approx(hypergeom.cdf(0, 200, on[0].sum(), on[1].sum()))


def test_parts_that_always_or_never_fire_exclude_nothing():
    rows = np.arange(50)
    family = Family(0, rows, np.arange(2), np.ones(2), (rows, rows[:20]), np.ones((2, 50), dtype=bool))
    (found,) = exclusions([family], 50)
    assert found.phi[0, 1] == 0
    assert found.p[0, 1] == pytest.approx(1)


def all_groups(allowed: np.ndarray) -> list[tuple[int, ...]]:
    places = range(len(allowed))
    subsets = chain.from_iterable(combinations(places, size) for size in range(1, len(allowed) + 1))
    whole = [s for s in subsets if all(allowed[a, b] for a, b in combinations(s, 2))]
    return sorted(s for s in whole if not any(set(s) < set(other) for other in whole))


@pytest.mark.law("dictionaries.splitting")
@pytest.mark.parametrize("seed", range(6))
def test_the_best_group_is_the_best_of_all(seed):
    generator = np.random.default_rng(seed)
    allowed = np.triu(generator.random((8, 8)) < 0.6, 1)
    allowed |= allowed.T
    assert cliques(allowed) == all_groups(allowed)
    on = generator.random((8, 60)) < 0.2
    family = Family(0, np.arange(60), np.arange(8), np.ones(8), (np.arange(1),) * 8, on)
    group = best_group(family, allowed)
    shares = [on[list(s)].any(0).mean() for s in all_groups(allowed) if len(s) > 1]
    assert group.together == pytest.approx(max(shares))


def test_the_parts_that_fire_most_are_considered(monkeypatch):
    monkeypatch.setattr(exclusive, "MOST_PARTS", 2)
    parts = [(combination(WIDTH, e0=0.8, **{f"e{8 + i}": 0.6}), [i]) for i in range(3)]
    x = torch.zeros((900, EVENTS))
    x[:400, 0], x[400:500, 1], x[500:800, 2], x[::2, 5] = 1, 1, 1, 1
    narrow = [(combination(WIDTH, e0=1.0), [0, 2]), NARROW[3]]
    finding = find_splits(made(narrow), made([*parts, WIDE[5]]), x)
    assert finding.arrays["part_latents"].values.tolist() == [[0, 0], [0, 2]]


def test_least_squares_on_three():
    """On orthogonal rows the three largest coordinates explain the most; two nearly equal rows add little."""
    asked = directions(40, 9)
    largest = asked.double().square().sort(1, descending=True).values[:, :3].sum(1)
    assert combined(asked, torch.eye(9)).tolist() == pytest.approx(largest.tolist(), abs=1e-6)
    assert combined(asked, -torch.eye(9)[:2]).tolist() == pytest.approx(
        asked[:, :2].square().sum(1).tolist(), abs=1e-6
    )
    assert combined(torch.eye(9)[:1], torch.eye(9)).tolist() == pytest.approx([1])


@pytest.mark.law("dictionaries.splitting")
def test_three_chosen_rows_explain_no_more_than_the_best_three():
    asked, rows = directions(12, 6), directions(10, 6, seed=1)
    best = []
    for one in asked.double():
        fits = []
        for three in combinations(range(10), 3):
            basis = rows[list(three)].double().T
            left = one - basis @ torch.linalg.lstsq(basis, one[:, None]).solution[:, 0]
            fits.append(1 - float(left.square().sum()))
        best.append(max(fits))
    found = combined(asked, rows).numpy()
    assert (found <= np.array(best) + 1e-6).all()
    assert (found >= 0.75 * np.array(best)).all()  # measured 0.85 to 1 here


@pytest.mark.parametrize("shape", [(3, 15), (16,), (0, 16)])
def test_true_directions_of_another_width(shape):
    with pytest.raises(InputError, match="were given for decoders of width 16") as caught:
        find_splits(made(NARROW), made(WIDE), happenings(), truth=torch.zeros(shape))
    assert caught.value.code == "DI64"


def test_a_cosine_that_is_none():
    with pytest.raises(InputError, match="7 is no cosine above which two latents are close") as caught:
        find_splits(made(NARROW), made(WIDE), happenings(), close=7)
    assert caught.value.code == "DI63"


@pytest.mark.parametrize("weak", [-0.1, 1.0])
def test_a_share_that_is_none(weak):
    with pytest.raises(InputError, match="is no share of a latent's largest code") as caught:
        find_splits(made(NARROW), made(WIDE), happenings(), weak=weak)
    assert caught.value.code == "DI64"


def test_the_same_splitting_has_the_same_id(finding):
    again = find_splits(made(NARROW), made(WIDE), happenings(), threshold=0.7)
    assert again.id == finding.id
    assert find_splits(made(NARROW), made(WIDE), happenings(seed=1), threshold=0.7).id != finding.id
