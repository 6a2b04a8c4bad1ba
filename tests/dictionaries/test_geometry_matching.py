"""Matching two dictionaries: a copy matches wholly, chance as chance, and large matchings are near the best."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from planned_dictionaries import directions, planned, pointing
from scipy.optimize import linear_sum_assignment

from pellucid.dictionaries import TopK
from pellucid.dictionaries.geometry import assignment
from pellucid.dictionaries.geometry.activity import as_trained, counted, fired, opened
from pellucid.dictionaries.geometry.assignment import auction, matched
from pellucid.dictionaries.geometry.matching import match_latents
from pellucid.findings import InputError
from pellucid.models import harvest

SITE = "blocks.0.resid_post"


def values(finding) -> dict[str, float]:
    return {name: measure.value for name, measure in finding.measures.items()}


def best_mean(a: torch.Tensor, b: torch.Tensor) -> float:
    """Mean cosine of the best matching, by the Hungarian method in float64."""
    table = (a.double() @ b.double().T).numpy()
    return float(table[linear_sum_assignment(-table)].mean())


def mixed(rows: torch.Tensor, seed: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows in another order and of other lengths, with the order."""
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(rows), generator=generator)
    return rows[order] * (0.5 + torch.rand((len(rows), 1), generator=generator)), order


@pytest.mark.law("dictionaries.matching")
def test_a_reordered_copy_matches_at_one():
    rows = directions(120, 20)
    changed, order = mixed(rows)
    finding = match_latents(pointing(rows), pointing(changed))
    found = values(finding)
    assert found["mcc"] == pytest.approx(1, abs=1e-6)  # float32 rows
    assert found["first_to_second"] == found["second_to_first"] == pytest.approx(1, abs=1e-6)
    assert found["shared"] == 1
    assert order[finding.arrays["partner"].values.tolist()].tolist() == list(range(120))
    assert finding.status == "supports"


@pytest.mark.law("dictionaries.matching")
def test_which_is_first_does_not_matter():
    a, b = pointing(directions(60, 10)), pointing(directions(90, 10, seed=4))
    one, other = values(match_latents(a, b)), values(match_latents(b, a))
    assert one["mcc"] == pytest.approx(other["mcc"], abs=1e-9)
    assert one["first_to_second"] == pytest.approx(other["second_to_first"], abs=1e-12)
    assert one["shared"] == other["shared"]


@pytest.mark.truth("dictionaries.matching")
def test_independent_dictionaries_match_as_chance_does():
    found = match_latents(pointing(directions(800, 24)), pointing(directions(800, 24, seed=1)))
    # 800 pairs spread by about 0.08 around their mean: its standard error is 0.003
    assert found.measures["mcc"].value == pytest.approx(found.measures["mcc_random"].value, abs=0.01)
    assert found.measures["mcc"].value < 0.65
    assert found.status == "inconclusive"


@pytest.mark.truth("dictionaries.matching")
def test_what_two_widths_share_is_found():
    """Of 50 narrow directions 30 are in the wide dictionary; in 200 dimensions no others come close."""
    rows, more = directions(50, 200), directions(100, 200, seed=1)
    more[10:40] = rows[:30]
    finding = match_latents(pointing(rows), pointing(more))
    assert finding.measures["shared"].value == 30 / 50
    assert finding.arrays["partner"].values[:30].tolist() == list(range(10, 40))
    assert finding.measures["mcc"].n == 50
    assert finding.measures["second_to_first"].value < finding.measures["first_to_second"].value


def test_an_opposite_direction_is_no_match():
    rows = directions(30, 30)
    found = values(match_latents(pointing(rows), pointing(-rows)))
    assert found["shared"] == 0
    assert found["mcc"] < 0.7


@pytest.mark.truth("dictionaries.matching")
def test_deciles_tell_which_latents_agree():
    """Both dictionaries hold the 50 frequent latents; the 50 rare ones are each dictionary's own."""
    rows, others = directions(100, 300), directions(100, 300, seed=1)
    others[50:] = rows[50:]
    x = (
        torch.rand((2000, 100), generator=torch.Generator().manual_seed(0)) < torch.linspace(0.02, 0.6, 100)
    ).float()
    events = [[latent] for latent in range(100)]
    finding = match_latents(planned(rows, events, 100), planned(others, events, 100), x)
    agreement = finding.arrays["deciles"].values
    assert (agreement[:, :5] < 0.4).all()
    assert agreement[:, 6:] == pytest.approx(np.ones((3, 4)), abs=1e-6)
    frequency = finding.arrays["frequencies"].values
    assert (np.diff(frequency, axis=1) > 0).all()
    expected = np.sort(x.mean(0).numpy()).reshape(10, 10).mean(1)
    assert frequency[0] == pytest.approx(expected, abs=1e-6)


def test_without_rows_there_are_no_deciles():
    assert set(match_latents(pointing(directions(20, 5)), pointing(directions(20, 5))).arrays) == {
        "matched",
        "partner",
    }


def test_dead_latents_are_counted_apart():
    rows = directions(12, 6)
    first = planned(rows, [[latent] for latent in range(12)], 12)
    second = planned(rows, [[0]] * 12, 12)
    finding = match_latents(first, second, torch.eye(12)[:9])
    assert values(finding)["dead_first"] == 3
    assert values(finding)["dead_second"] == 0
    assert finding.arrays["partner"].values[9:].tolist() == [-1, -1, -1]
    assert "deciles" not in finding.arrays  # nine living latents make no ten groups


@pytest.mark.law("dictionaries.matching")
@pytest.mark.parametrize(("n", "m", "width"), [(300, 300, 16), (200, 333, 8), (500, 500, 64), (40, 700, 4)])
def test_the_auction_is_within_its_gap_of_the_best(n, m, width):
    a, b = directions(n, width), directions(m, width, seed=1)
    b[: n // 3] = torch.nn.functional.normalize(a[: n // 3] + 0.1 * b[: n // 3], dim=1)
    chosen = auction(a, b)
    assert len(set(chosen.tolist())) == n
    mean = float((a.double() * b[chosen].double()).sum(1).mean())
    assert best_mean(a, b) - assignment.GAP <= mean <= best_mean(a, b) + 1e-9


def test_large_tables_go_to_the_auction(monkeypatch):
    a, b = directions(90, 8), directions(70, 8, seed=1)
    exact = matched(a, b)
    monkeypatch.setattr(assignment, "DENSE", 100)
    near = matched(a, b)
    assert exact.gap == 0
    assert near.gap == assignment.GAP
    assert exact.cosine.mean() - near.gap <= near.cosine.mean() <= exact.cosine.mean() + 1e-9
    assert len(near.first) == len(set(near.first)) == len(set(near.second)) == 70
    assert near.first.tolist() == sorted(near.first)
    assert near.cosine == pytest.approx((a[near.first] * b[near.second]).sum(1).numpy(), abs=1e-6)
    found = match_latents(pointing(a), pointing(b)).measures
    assert found["mcc_gap"].value == assignment.GAP


@pytest.mark.parametrize("few", [1, 3])
def test_the_auction_ends_among_equals(few):
    """Hundreds of copies want the same columns, more than a row remembers."""
    a, b = torch.eye(4)[:few].repeat(240 // few, 1), torch.eye(4)[:few].repeat(240 // few, 1)
    chosen = auction(a, b)
    assert len(set(chosen.tolist())) == 240
    assert (a * b[chosen]).sum(1).mean() == pytest.approx(1, abs=assignment.GAP)


def test_firing_is_what_the_codes_say(model, tokens):
    sae = TopK(8, 24, 3, site_in=SITE)
    x = model.run(tokens, read=SITE)[SITE].detach().reshape(-1, 8)
    active = (sae.encode(x) > 0).detach()
    latents = np.array([20, 3, 11])
    shards = harvest(model, tokens, [SITE])
    for given in (x, {SITE: x}, (model, tokens), shards):
        source = opened(given, [sae])
        assert counted(sae, source).equal(active.sum(0))
        found = fired(sae, source, latents)
        assert found.n == len(x)
        assert found.fires.equal(active.sum(0))
        for rows, latent in zip(found.rows, latents, strict=True):
            assert rows.tolist() == active[:, latent].nonzero()[:, 0].tolist()


def test_rows_in_pieces_are_the_same_rows(monkeypatch):
    from pellucid.dictionaries.geometry import activity

    sae, x = TopK(6, 12, 2), directions(50, 6)
    source = opened(x, [sae])
    whole = fired(sae, source, np.arange(12))
    monkeypatch.setattr(activity, "ROWS", 7)
    parts = fired(sae, source, np.arange(12))
    assert [rows.tolist() for rows in parts.rows] == [rows.tolist() for rows in whole.rows]


def test_left_out_positions_do_not_count(model, tokens):
    from pellucid.dictionaries import Convention

    sae = TopK(8, 24, 3, site_in=SITE, convention=Convention(excluded_positions=(0,)))
    source = opened((model, tokens), [sae])
    assert source.rows == tokens.shape[0] * (tokens.shape[1] - 1)
    assert as_trained(sae).excluded_positions == (0,)
    with pytest.raises(InputError) as caught:
        opened(directions(5, 8), [sae])
    assert caught.value.code == "DI10"


def test_the_same_matching_has_the_same_id():
    a, b = directions(40, 8), directions(40, 8, seed=1)
    assert match_latents(pointing(a), pointing(b)).id == match_latents(pointing(a), pointing(b)).id
    assert match_latents(pointing(a), pointing(b)).id != match_latents(pointing(b), pointing(a)).id
    assert "one-to-one" in match_latents(pointing(a), pointing(b))._repr_html_()


def test_widths_must_agree():
    with pytest.raises(InputError, match="Give two dictionaries of one model") as caught:
        match_latents(pointing(directions(9, 4)), pointing(directions(9, 5)))
    assert caught.value.code == "DI60"
