"""The dashboard from one pass is what brute force over dense codes finds, however the text is cut."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from dictionary_models import small_model

from pellucid.dictionaries import VARIANTS, Convention, Dictionary, TopK, logit_effects, top_examples
from pellucid.dictionaries.config import WITH_K
from pellucid.dictionaries.judging import sums as summing
from pellucid.dictionaries.reading import company as keeping_company
from pellucid.dictionaries.reading.dashboard import DashboardConfig, describe_latents
from pellucid.dictionaries.reading.firings import Firings, Lottery
from pellucid.dictionaries.variants import build
from pellucid.findings import Finding, InputError, load
from pellucid.models import Model

CONFIG = DashboardConfig(examples=4, sample=5, before=2, after=1, others=5, words=4, rare=1)
SITE = "blocks.0.resid_post"


@pytest.fixture(scope="module")
def text() -> torch.Tensor:
    return torch.randint(0, 12, (40, 9), generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def sae() -> TopK:
    made = TopK(8, 14, 3, site_in=SITE, convention=Convention(excluded_positions=(0,)), seed=4)
    with torch.no_grad():
        made.W_dec.mul_(torch.linspace(0.3, 3, 14)[:, None])
    return made


@pytest.fixture(scope="module")
def found(text: torch.Tensor, sae: TopK) -> Finding:
    return describe_latents(small_model(), sae, text, config=CONFIG)


@pytest.fixture(scope="module")
def dense(text: torch.Tensor, sae: TopK) -> torch.Tensor:
    return dense_codes(small_model(), sae, text)


def dense_codes(model: Model, dictionary: Dictionary, text: torch.Tensor) -> torch.Tensor:
    """All codes, 0 at excluded positions: [sequence, position, latent]."""
    x = model.run(text, read=dictionary.site_in)[dictionary.site_in].detach().reshape(*text.shape, -1)
    codes = dictionary.codes(x.reshape(-1, x.shape[-1]).float()).dense().reshape(*text.shape, -1)
    return codes * dictionary.convention.included(text)[..., None]


def array(finding: Finding, name: str) -> Any:
    return finding.arrays[name].values


def places(finding: Finding, name: str, latent: int) -> list[list[int]]:
    """Sequence, position, start, at, tokens of the examples there are."""
    return [row for row in array(finding, f"{name}_places")[latent].tolist() if row[0] >= 0]


@pytest.mark.law("dictionaries.dashboard")
def test_examples_are_the_largest_of_each_sequence(found, dense):
    for latent in range(14):
        peaks = dense[..., latent].max(1)
        order = sorted(range(40), key=lambda row: (-float(peaks.values[row]), row))
        wanted = [(row, int(peaks.indices[row])) for row in order[:4] if peaks.values[row] > 0]
        assert [tuple(place[:2]) for place in places(found, "examples", latent)] == wanted
        kept = [float(dense[row, position, latent]) for row, position in wanted]
        assert array(found, "examples")[latent, : len(wanted)].tolist() == pytest.approx(kept, rel=1e-6)


def test_examples_agree_with_top_examples(found, text, sae):
    peer = top_examples(small_model(), sae, text, [3, 7], n=4, before=2, after=1).arrays["places"].values
    for latent in (3, 7):
        rows = peer[peer[:, 0] == latent][:, 1:3].tolist()
        assert [place[:2] for place in places(found, "examples", latent)] == rows


@pytest.mark.parametrize("name", ["examples", "sample"])
def test_passages_show_the_text_and_the_activations_around(name, found, text, dense):
    ids, shown = array(found, "token_ids"), array(found, "text")
    for latent in range(14):
        largest = float(array(found, "largest")[latent])
        for rank, (row, position, start, at, count) in enumerate(places(found, name, latent)):
            first = max(0, position - 2)
            assert (position - first, min(9, position + 2) - first) == (at, count)
            assert ids[shown[start : start + count]].tolist() == text[row, first : first + count].tolist()
            levels = array(found, f"{name}_levels")[latent, rank, 2 - at : 2 - at + count]
            real = dense[row, first : first + count, latent].numpy()
            assert ((levels > 0) == (real > 0)).all()
            # half a level, and a whole one where the least level stands for less
            assert np.abs(levels / 255 * largest - real).max() <= largest / 255
            assert array(found, name)[latent, rank] == pytest.approx(real[at], rel=1e-6)


@pytest.mark.law("dictionaries.dashboard")
def test_firing_is_counted_exactly(found, dense):
    rows = dense.reshape(-1, 14)
    assert array(found, "fires").tolist() == (rows > 0).sum(0).tolist()
    assert array(found, "largest").tolist() == pytest.approx(rows.max(0).values.tolist())
    for latent in range(14):
        values = rows[rows[:, latent] > 0, latent].double().numpy()
        width, counts = array(found, "bin_width")[latent], array(found, "histogram")[latent]
        if not len(values):
            assert counts.sum() == 0
            continue
        assert counts.tolist() == np.bincount((values // width).astype(int), minlength=32).tolist()
        assert 16 * width <= values.max() < 32 * width  # the narrowest power of two that holds all
        assert array(found, "mean")[latent] == pytest.approx(values.mean(), rel=1e-6)


@pytest.mark.law("dictionaries.dashboard")
def test_who_fires_together_is_the_correlation_of_firing(found, dense, sae, text):
    keep = sae.convention.included(text).reshape(-1)
    fired = (dense.reshape(-1, 14)[keep] > 0).double().numpy()
    alive = fired.any(0)
    with np.errstate(invalid="ignore"):
        phi = np.where(alive & alive[:, None], np.corrcoef(fired.T), 0)
    both = fired.T @ fired
    np.fill_diagonal(phi, -1)
    for latent in range(14):
        wanted = [int(at) for at in np.argsort(-phi[latent], kind="stable")[:5] if phi[latent, at] > 0]
        got = array(found, "together")[latent]
        assert got[: len(wanted)].tolist() == wanted
        assert (got[len(wanted) :] == -1).all()
        rows = array(found, "together_phi")[latent, : len(wanted)]
        assert rows.tolist() == pytest.approx(phi[latent, wanted].tolist(), abs=1e-6)
        share = both[latent, wanted] / max(both[latent, latent], 1)
        assert array(found, "together_share")[latent, : len(wanted)].tolist() == pytest.approx(share.tolist())


def test_neighbours_are_the_largest_cosines(found, sae, dense):
    unit = torch.nn.functional.normalize(sae.W_dec.detach(), dim=1)
    cosine = (unit @ unit.T).fill_diagonal_(-2)
    best = cosine.sort(dim=1, descending=True)
    assert array(found, "neighbours").tolist() == best.indices[:, :5].tolist()
    assert array(found, "neighbour_cosine").ravel().tolist() == pytest.approx(
        best.values[:, :5].ravel().tolist(), abs=1e-6
    )
    fired = (dense.reshape(-1, 14) > 0).double()
    share = (fired.T @ fired) / fired.sum(0).clamp_min(1)[:, None]
    assert array(found, "neighbour_share").ravel().tolist() == pytest.approx(
        share.gather(1, best.indices[:, :5]).ravel().tolist(), abs=1e-6
    )


def test_tokens_read_are_ranked_by_mean_activation(found, dense, text, sae):
    keep = sae.convention.included(text)
    ids = array(found, "token_ids")
    for latent in range(14):
        mean = [
            float(dense[..., latent][keep & (text == t)].mean()) if (keep & (text == t)).any() else 0.0
            for t in range(12)
        ]
        order = [t for t in np.argsort(-np.array(mean), kind="stable")[:4] if mean[t] > 0]
        got = array(found, "read")[latent]
        assert ids[got[: len(order)]].tolist() == order
        assert array(found, "read_mean")[latent, : len(order)].tolist() == pytest.approx(
            [mean[t] for t in order], rel=1e-5
        )
        total = float(dense[..., latent].sum()) or 1.0
        part = [float(dense[..., latent][text == t].sum()) / total for t in order]
        assert array(found, "read_share")[latent, : len(order)].tolist() == pytest.approx(part, rel=1e-5)


def test_the_tokens_that_carry_a_latent_are_ranked_by_share_of_its_activation(found, dense, text):
    ids = array(found, "token_ids")
    for latent in range(14):
        sums = np.array([float(dense[..., latent][text == t].double().sum()) for t in range(12)])
        order = [int(t) for t in np.argsort(-sums, kind="stable")[:4] if sums[t] > 0]
        assert ids[array(found, "carried")[latent, : len(order)]].tolist() == order
        share = sums[order] / (sums.sum() or 1)
        assert array(found, "carried_share")[latent, : len(order)].tolist() == pytest.approx(share.tolist())


def test_rare_tokens_are_not_ranked(text, sae):
    config = DashboardConfig(words=12, rare=28)
    found = describe_latents(small_model(), sae, text, config=config)
    read = array(found, "read")
    counts = array(found, "vocabulary")[read[read >= 0]]
    assert (counts >= 28).all()
    assert len(set(read[read >= 0].tolist())) < 12


def test_effects_are_those_of_logit_effects(found, sae):
    peer = logit_effects(small_model(), sae, list(range(14)), top=4)
    ids = array(found, "token_ids")
    for name, other in (("raised", "promoted"), ("lowered", "suppressed")):
        assert ids[array(found, name)].tolist() == peer.arrays[f"{other}_tokens"].values.tolist()
        assert array(found, f"{name}_by").ravel().tolist() == pytest.approx(
            peer.arrays[other].values.ravel().tolist(), abs=1e-5
        )


@pytest.mark.law("dictionaries.dashboard")
def test_the_sample_is_of_firings_and_uniform(text):
    """Over many seeds each firing of a latent is drawn equally often."""
    model, dictionary = planted()
    fires = dense_codes(model, dictionary, text.clamp_max(7))[..., 2] > 0
    total, drawn = int(fires.sum()), np.zeros(text.shape)
    lottery_runs, n = 400, 5
    every = Firings(
        np.zeros(total, dtype=int), *(axis.numpy() for axis in fires.nonzero(as_tuple=True)), np.ones(total)
    )
    for seed in range(lottery_runs):
        chosen = np.argsort(Lottery(seed, np.array([2])).numbers(every))[:n]
        drawn[every.sequence[chosen], every.position[chosen]] += 1
    counts = drawn[fires.numpy()]
    assert counts.sum() == lottery_runs * n
    # chi-squared: its mean is total - 1; five standard deviations sqrt(2 total) above it are not chance
    expected = lottery_runs * n / total
    assert ((counts - expected) ** 2 / expected).sum() < total - 1 + 5 * (2 * total) ** 0.5


def test_the_sample_depends_on_seed_latent_and_place_alone(found, text, sae):
    few = DashboardConfig(examples=4, sample=2, before=2, after=1, rare=1)
    fewer = describe_latents(small_model(), sae, text, latents=[9, 3], config=few)
    for row, latent in enumerate((3, 9)):
        assert places_of(fewer, row) == places_of(found, latent)[:2]
    other = DashboardConfig(examples=4, sample=2, before=2, after=1, rare=1, seed=1)
    assert any(
        places_of(describe_latents(small_model(), sae, text, config=other), latent)
        != places_of(found, latent)[:2]
        for latent in range(14)
    )


def places_of(finding: Finding, row: int) -> list[list[int]]:
    return [place[:2] for place in places(finding, "sample", row)]


def test_batches_do_not_matter(found, text, sae, monkeypatch):
    monkeypatch.setattr(summing, "BATCH", 7)
    monkeypatch.setattr(keeping_company, "BLOCK", 4)
    again = describe_latents(small_model(), sae, text, config=CONFIG)
    for name in found.arrays:
        if found.arrays[name].values.dtype.kind == "f":  # sums in another order
            assert np.allclose(array(again, name), array(found, name), rtol=1e-6, atol=1e-6), name
        else:
            assert again.arrays[name] == found.arrays[name], name


def test_some_latents_are_described_as_among_all(found, text, sae):
    some = describe_latents(small_model(), sae, text, latents=[11, 2, 5], config=CONFIG)
    assert some.arrays["fires"].coords["feature"] == [2, 5, 11]
    for name in ("fires", "examples", "sample", "neighbours", "together", "histogram", "raised_by"):
        assert array(some, name).tolist() == array(found, name)[[2, 5, 11]].tolist(), name
    assert some.measures["latents"].value == 3


def planted() -> tuple[Model, TopK]:
    """Latent i fires by i + 1 where token i is read, and nowhere else; latents from 8 on never fire."""
    model = small_model()
    table = model.module.embed.weight.detach()
    dictionary = TopK(8, 12, 1, site_in="embed", convention=Convention(subtract="none"))
    with torch.no_grad():
        dictionary.W_enc.zero_()
        dictionary.W_enc[:8] = torch.linalg.pinv(table[:8].double()).T.float() * torch.arange(1, 9)[:, None]
    return model, dictionary


@pytest.mark.truth("dictionaries.dashboard")
def test_planted_latents_are_described_as_what_they_are(text):
    model, dictionary = planted()
    eight = text % 8
    found = describe_latents(model, dictionary, eight)
    ids = array(found, "token_ids")
    counts = np.bincount(eight.ravel(), minlength=8)
    assert (found.measures["alive"].value, found.measures["latents"].value) == (8, 12)
    assert found.measures["strongest"].value == pytest.approx(8, abs=1e-4)
    for latent in range(8):
        assert array(found, "fires")[latent] == counts[latent]
        assert ids[array(found, "read")[latent, 0]] == latent
        assert array(found, "read_share")[latent].tolist() == pytest.approx([1] + [0] * 7, abs=1e-5)
        assert array(found, "read_mean")[latent, 0] == pytest.approx(latent + 1, abs=1e-4)
        for row, position, *_ in places(found, "examples", latent) + places(found, "sample", latent):
            assert eight[row, position] == latent
        assert (array(found, "together")[latent] == -1).all()  # no two ever fire together
    assert (array(found, "examples_places")[8:] == -1).all()
    assert array(found, "histogram")[8:].sum() == 0
    assert "8 of 12 latents fire in 360 tokens" in found.statement.replace("\u2009", " ")


def test_heads_and_directions_of_a_dictionary_of_their_outputs(text):
    """At attn.z a latent's direction goes through W_O; a head's share is that of its block's length."""
    model = small_model()
    made = TopK(8, 10, 3, site_in="blocks.1.attn.z", convention=Convention(subtract="none", reshape="heads"))
    with torch.no_grad():
        made.W_dec[0, :4] = 0
    found = describe_latents(model, made, text, config=CONFIG)
    lengths = made.W_dec.detach().reshape(10, 2, 4).norm(dim=2)
    assert array(found, "heads")[0].tolist() == [0, 1]
    assert array(found, "heads").ravel().tolist() == pytest.approx(
        (lengths / lengths.sum(1, keepdim=True)).ravel().tolist(), abs=1e-6
    )
    written = TopK(8, 10, 3, site_in="blocks.1.attn_out", convention=Convention(subtract="none"))
    with torch.no_grad():
        output = model.module.blocks[1].attn.o.weight
        written.W_dec.copy_(made.W_dec @ output.T)
    peer = logit_effects(model, written, list(range(10)), top=4)
    assert array(found, "raised_by").ravel().tolist() == pytest.approx(
        peer.arrays["promoted"].values.ravel().tolist(), abs=1e-4
    )


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_is_described(name, text):
    settings = {"variant": name, **({"k": 3} if name in WITH_K else {})}
    made = build(settings, 8, 20, site_in=SITE, convention=Convention())
    generator = torch.Generator().manual_seed(6)
    with torch.no_grad():
        for weight in made.parameters():
            weight.copy_(torch.randn(weight.shape, generator=generator))
    found = describe_latents(small_model(), made, text, config=CONFIG)
    codes = dense_codes(small_model(), made, text)
    assert array(found, "fires").tolist() == (codes > 0).sum((0, 1)).tolist()
    assert array(found, "fires").any()
    assert array(found, "examples")[:, 0].tolist() == pytest.approx(codes.amax((0, 1)).tolist(), rel=1e-6)


def test_a_site_that_does_not_write_has_no_effects(text):
    made = TopK(8, 10, 3, site_in="blocks.1.mlp_in", convention=Convention(subtract="none"))
    found = describe_latents(small_model(), made, text, config=CONFIG)
    assert not {"raised", "lowered", "heads"} & found.arrays.keys()


def test_of_a_long_text_a_share_is_looked_at_for_company(text, sae):
    config = DashboardConfig(meetings=100)
    met = describe_latents(small_model(), sae, text, config=config).measures["tokens_met"].value
    assert 100 - 5 * 10 < met < 100 + 5 * 10  # binomial: five standard deviations of at most sqrt(100)


def test_where_very_many_fire_fewer_tokens_are_looked_at(text, sae, monkeypatch):
    """The sample is halved as often as the pairs ask for, and does not depend on the batches."""
    monkeypatch.setattr(keeping_company, "PAIRS", 700)
    found = describe_latents(small_model(), sae, text, config=CONFIG)
    met = found.measures["tokens_met"].value
    assert 700 / 9 / 2 - 30 < met <= 700 / 3  # at most three fire at a token, nine pairs
    monkeypatch.setattr(summing, "BATCH", 3)
    again = describe_latents(small_model(), sae, text, config=CONFIG)
    assert again.measures["tokens_met"].value == met
    assert again.arrays["together_phi"] == found.arrays["together_phi"]


def test_it_is_a_finding_like_any_other(found, tmp_path):
    back = load(found.save(tmp_path / "latents.safetensors"))
    back.verify()
    assert back == found


@pytest.mark.parametrize("name", ["examples", "sample", "others", "words", "meetings"])
def test_a_dashboard_of_nothing_is_refused(name):
    with pytest.raises(InputError, match=f"No dashboard can be made with {name} 0") as caught:
        DashboardConfig(**{name: 0})
    assert caught.value.code == "DI65"
    assert f"Give {name} of at least 1." in str(caught.value)


def test_latents_that_do_not_exist(text, sae):
    with pytest.raises(InputError, match="No latent 14"):
        describe_latents(small_model(), sae, text, latents=[14])
