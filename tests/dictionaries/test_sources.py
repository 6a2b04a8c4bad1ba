"""Rows: their order, their alignment, and what is refused."""

from __future__ import annotations

import dataclasses
from itertools import islice

import pytest
import torch
from dictionary_models import small_model

from pellucid.dictionaries import TrainConfig, train
from pellucid.dictionaries.training.sources import PIECES, SAMPLE, ShardSource, TensorSource, resolve
from pellucid.findings import InputError
from pellucid.models.harvest import harvest

SITE = "blocks.0.resid_post"


def numbered(n: int) -> torch.Tensor:
    return torch.arange(n, dtype=torch.float32)[:, None].expand(n, 2)


def test_an_epoch_shows_every_row_once_and_the_next_in_another_order():
    source = TensorSource({"a": numbered(100)})
    epochs = [torch.cat([b["a"][:, 0] for b in islice(source.batches(["a"], 20, 0, at), 5)]) for at in (0, 5)]
    assert sorted(epochs[0].tolist()) == sorted(epochs[1].tolist()) == list(range(100))
    assert epochs[0].tolist() != epochs[1].tolist()


def test_what_does_not_fill_a_batch_is_left_out():
    source = TensorSource({"a": numbered(50)})
    assert all(len(batch["a"]) == 20 for batch in islice(source.batches(["a"], 20, 0, 0), 7))


@pytest.mark.parametrize("start", [1, 4, 5, 13])
def test_a_stream_taken_up_later_goes_on_as_it_would_have(start):
    source = TensorSource({"a": numbered(100)})
    straight = list(islice(source.batches(["a"], 20, 3, 0), 16))
    later = islice(source.batches(["a"], 20, 3, start), 16 - start)
    assert all(torch.equal(a["a"], b["a"]) for a, b in zip(straight[start:], later, strict=True))


def test_rows_of_different_sites_belong_together():
    source = TensorSource({"a": numbered(60), "b": -numbered(60)})
    for batch in islice(source.batches(["a", "b"], 16, 0, 0), 5):
        assert torch.equal(batch["a"], -batch["b"])


def test_neighbours_are_mixed():
    """Mean product of the places of consecutive rows, as for random pairs, within 3 standard errors."""
    n = 20_000
    source = TensorSource({"a": numbered(n)})
    rows = torch.cat([batch["a"][:, 0] for batch in islice(source.batches(["a"], 1000, 0, 0), 20)])
    places = (rows - rows.mean()) / rows.std()
    assert abs(float((places[1:] * places[:-1]).mean())) < 3 / n**0.5


@pytest.fixture(scope="module")
def shards():
    tokens = torch.randint(0, 12, (40, 7), generator=torch.Generator().manual_seed(5))
    return harvest(small_model(), tokens, [SITE, "blocks.0.mlp_out"], skip=1)


def test_shards_know_what_they_left_out(shards):
    small = TrainConfig(n_features=16, k=2, steps=6, batch=32, site=SITE)
    trained = train(shards, small)
    assert trained.convention.excluded_positions == (0,)
    assert trained.training_record["source"] == {"data": shards.sha256, "model": shards.model_sha256}
    with pytest.raises(InputError, match=r"left out positions \[0\], the dictionary others") as caught:
        train(shards, dataclasses.replace(small, excluded_positions=(0, 1)))
    assert caught.value.code == "DI10"


def test_streams_of_shards_resume_too(shards):
    source = ShardSource(shards)
    straight = list(islice(source.batches([SITE], 50, 3, 0), 9))
    later = islice(source.batches([SITE], 50, 3, 5), 4)
    assert all(torch.equal(a[SITE], b[SITE]) for a, b in zip(straight[5:], later, strict=True))


def test_training_from_shards_is_training_from_their_rows_up_to_the_order(shards):
    assert torch.equal(ShardSource(shards).sample([SITE])[SITE], shards.read(SITE))
    assert resolve(ShardSource(shards), (SITE, "blocks.0.mlp_out"), 10) == (SITE, "blocks.0.mlp_out")


def test_samples_of_long_harvests_are_runs_from_everywhere(shards, monkeypatch):
    import pellucid.dictionaries.training.sources as sources

    monkeypatch.setattr(sources, "SAMPLE", PIECES * 2)
    sample = ShardSource(shards).sample([SITE])[SITE]
    whole = shards.read(SITE)
    assert len(sample) == PIECES * 2
    assert torch.equal(sample[:2], whole[:2])
    assert torch.equal(sample[-2:], whole[-2:])


def test_samples_of_tensors_are_evenly_spaced():
    sample = TensorSource({"a": numbered(3 * SAMPLE)}).sample(["a"])["a"]
    assert sample[:3, 0].tolist() == [0, 3, 6]
    assert len(sample) == SAMPLE


CONFIG = TrainConfig(n_features=8, k=2, steps=2, batch=16)


@pytest.mark.parametrize(
    ("source", "change", "code", "words"),
    [
        (torch.zeros(0, 4), {}, "DI08", "holds no activations"),
        ({"a": torch.zeros(9, 4), "b": torch.zeros(8, 4)}, {"site": "a"}, "DI09", "have [8, 9] rows"),
        (torch.zeros(9, 4), {}, "DI12", "holds 9 rows, fewer than one batch of 16"),
        (torch.zeros(99, 4), {"excluded_positions": (0,)}, "DI10", "rows whose tokens are not known"),
        (torch.full((99, 4), float("nan")), {}, "DI05", "396 activations are NaN or infinite"),
    ],
)
def test_sources_that_cannot_be_used(source, change, code, words):
    with pytest.raises(InputError) as caught:
        train(source, dataclasses.replace(CONFIG, **change))
    assert caught.value.code == code
    assert words in str(caught.value)


def test_one_bad_value_is_named_with_its_row():
    rows = torch.zeros(50, 4)
    rows[31, 2] = float("inf")
    with pytest.raises(InputError, match=r"1 activations at 'here' are .* first at index \(31, 2\)"):
        train({"here": rows}, CONFIG)
