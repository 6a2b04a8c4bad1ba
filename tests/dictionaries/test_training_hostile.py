"""The training core under hostile input: one message with a remedy, and the last good state kept."""

from __future__ import annotations

import dataclasses
import errno
import json
import math
import os
from pathlib import Path

import pytest
import torch
from dictionary_models import small_model
from safetensors.torch import load_file, save_file

from pellucid.dictionaries import TrainConfig, train, train_suite
from pellucid.dictionaries.dictionary import Dictionary
from pellucid.dictionaries.training import checkpoints
from pellucid.dictionaries.training.learner import Learner
from pellucid.dictionaries.training.limits import first_fault
from pellucid.dictionaries.training.sources import TensorSource
from pellucid.findings import InputError
from pellucid.models import harvest
from pellucid.models.shards import open_shards

PRICES = {"relu": 0.1, "gated": 0.1, "jumprelu": 0.01}
VARIANTS = ["topk", "batchtopk", "matryoshka", "relu", "jumprelu", "gated"]
SITE = "blocks.0.resid_post"
CHECKPOINT = "dictionary-0.safetensors"


def config(variant: str = "topk", **given: object) -> TrainConfig:
    """A small training; settings given outrank."""
    base = {
        "n_features": 32,
        "k": 4,
        "steps": 12,
        "batch": 64,
        "lr": 1e-3,
        "log_every": 4,
        "variant": variant,
    }
    return TrainConfig(**{**base, "sparsity": PRICES.get(variant, 0.0), **given})


@pytest.fixture(scope="module")
def rows() -> torch.Tensor:
    return torch.randn(512, 16, generator=torch.Generator().manual_seed(0))


def sound(dictionary: Dictionary) -> bool:
    """Whether all weights are finite numbers."""
    return all(bool(torch.isfinite(weight).all()) for weight in dictionary.state_dict().values())


def same(a: Dictionary, b: Dictionary) -> bool:
    return a.sha256 == b.sha256


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(
    ("data", "given"),
    [
        (lambda x: x, {"k": 32}),
        (lambda x: x, {"n_features": 1, "k": 1}),
        (lambda x: x[:, :1], {}),
        (lambda x: x[:1], {"batch": 1}),
        (torch.ones_like, {"dead_after": 1}),
        (torch.zeros_like, {"dead_after": 1}),
    ],
    ids=["k is all", "one latent", "one dimension", "one row", "constant", "zero"],
)
def test_the_smallest_worlds_train(rows, variant, data, given):
    made = train(data(rows), config(variant, **given))
    assert sound(made)
    assert bool(torch.isfinite(made(data(rows))).all())


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_constant_is_reconstructed_exactly(rows, variant):
    """b_dec begins at the geometric median, and nothing pulls it away."""
    constant = torch.ones_like(rows) * 3
    made = train(constant, config(variant))
    torch.testing.assert_close(made(constant), constant, rtol=1e-5, atol=1e-5)
    assert math.isnan(made.training_record["log"][-1]["fvu"])  # no variance: no share of it


@pytest.mark.parametrize("variant", VARIANTS)
def test_layout_and_gradients_of_the_rows_do_not_matter(rows, variant):
    plain = train(rows, config(variant))
    strided = torch.stack([rows, rows + 1], dim=2)[:, :, 0]
    assert not strided.is_contiguous()
    assert same(plain, train(strided, config(variant)))
    leaf = rows.clone().requires_grad_()
    assert same(plain, train(leaf * 1, config(variant)))
    assert leaf.grad is None
    assert same(plain, train({"": rows.reshape(8, 64, 16)}, config(variant)))


@pytest.mark.parametrize("variant", VARIANTS)
def test_half_precision_rows_train_in_float32(rows, variant):
    """In float16 a jumprelu's thresholds overflow within four steps."""
    made = train(rows.half(), config(variant))
    assert made.W_enc.dtype == torch.float32
    assert same(made, train(rows.half().float(), config(variant)))


def test_sites_of_two_precisions_train_in_the_finer_one(rows):
    made = train({"a": rows.double(), "b": rows}, config(site="a", site_out="b"))
    assert made.W_enc.dtype == torch.float64


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("factor", [1e30, 1e-30])
def test_units_far_from_one_train(rows, variant, factor):
    made = train(rows * factor, config(variant))
    assert sound(made)
    assert made.training_record["log"][-1]["fvu"] < 1


@pytest.mark.parametrize("variant", ["relu", "jumprelu", "gated"])
def test_a_price_that_kills_every_code_still_ends(rows, variant):
    made = train(rows, config(variant, sparsity=1e4, lr=0.1, steps=60, sparsity_warmup=0.0))
    assert sound(made)
    assert made.training_record["log"][-1]["l0"] < 1


def test_thresholds_may_begin_at_zero(rows):
    made = train(rows, config("jumprelu", threshold=0.0))
    assert sound(made)
    assert float(made.threshold.min()) >= 0


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (lambda x: (x * 10).long(), "The activations are of torch.int64, which has no fractions."),
        (lambda x: x > 0, "The activations are of torch.bool, which has no fractions."),
        (lambda x: x + 1j, "The activations are of torch.complex64"),
        (lambda x: x.numpy(), "A ndarray is no source of activations."),
        (lambda _: None, "A NoneType is no source of activations."),
        (lambda x: (x, x), "A tuple is no source of activations."),
        (lambda x: {"a": x.numpy()}, "What is given at 'a' is a ndarray, not a tensor."),
        (lambda _: torch.tensor(1.0), r"Activations of shape \(\) have no width."),
        (lambda _: torch.zeros(512, 0), r"Activations of shape \(512, 0\) have no width."),
    ],
)
def test_what_holds_no_activations_is_refused(rows, given, words):
    with pytest.raises(InputError, match=f"{words}.* Give a tensor of activations") as caught:
        train(given(rows), config())
    assert caught.value.code == "DI94"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"lr": math.nan}, "lr is nan. Give lr as a number above 0"),
        ({"lr": math.inf}, "lr is inf"),
        ({"clip": -1.0}, "clip is -1.0. Give clip as a number of at least 0"),
        ({"betas": (1.5, 0.9)}, r"betas is \(1.5, 0.9\). Give betas as two numbers from 0 to below 1"),
        ({"auxiliary": math.nan}, "auxiliary is nan"),
        ({"dead_after": -5}, "dead_after is -5. Give dead_after as a whole number of at least 1"),
        ({"warmup": math.nan}, "warmup is nan. Give warmup as a number from 0 to 1"),
        ({"multi": -1.0}, "multi is -1.0"),
        ({"n_features": 2.5}, "n_features is 2.5. Give n_features as a whole number"),
        ({"k": True}, "k is True"),
        ({"steps": "5"}, "steps is '5'"),
        ({"seed": 1.5}, "seed is 1.5. Give seed as a whole number"),
        ({"excluded_positions": (-1,)}, "whole numbers of at least 0"),
        ({"initial": "best"}, "initial is 'best'. Give initial as one of random, orthogonal"),
        ({"initial_length": 0.0, "unit_norm": False}, "initial_length is 0.0"),
        ({"site": 5}, "site is 5. Give site as a site's name"),
        ({"objective": "local"}, r"the objective is 'local'. Give Local\(\)"),
    ],
)
def test_settings_that_no_training_can_have(given, words):
    with pytest.raises(InputError, match=words) as caught:
        config(**given)
    assert caught.value.code == "DI07"


def test_resampling_after_the_last_step_is_no_plan():
    with pytest.raises(InputError, match=r"names step 12 of a training of 12\. Give steps below 12"):
        config("relu", resample_at=(4, 12))
    assert config("relu", resample_at=(4, 11)).resample_at == (4, 11)


def test_nested_widths_are_looked_at_before_the_training():
    with pytest.raises(InputError, match=r"Nested widths \[8, 4, 32\] for 32 latents") as caught:
        config("matryoshka", widths=(8, 4, 32))
    assert caught.value.code == "DI27"


def test_whole_numbers_of_numpy_are_whole_numbers():
    import numpy as np

    assert first_fault({"k": np.int64(4), "lr": np.float32(0.5)}) is None


def broken_from(step: int, source: TensorSource, value: float) -> TensorSource:
    """A source whose batches hold one bad value from a step on."""
    plain = source.batches

    def batches(sites, size, seed, start):
        for number, batch in enumerate(plain(sites, size, seed, start), start):
            spoilt = {site: values.clone() for site, values in batch.items()}
            if number >= step:
                spoilt[sites[0]][3, 2] = value
            yield spoilt

    source.batches = batches
    return source


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_nan_in_the_middle_names_step_site_and_checkpoint(rows, tmp_path, monkeypatch, variant, value):
    from pellucid.dictionaries.training import loop

    source = broken_from(7, TensorSource({SITE: rows}), value)
    monkeypatch.setattr(loop, "source_of", lambda *_: source)
    with pytest.raises(InputError) as caught:
        train(rows, config(variant, site=SITE, checkpoint_every=5), checkpoint=tmp_path)
    assert caught.value.code == "DI93"
    assert f"1 activations at '{SITE}' in the batch of step 8 are NaN or infinite." in str(caught.value)
    assert f"The last good checkpoint is {tmp_path / CHECKPOINT}." in str(caught.value)
    monkeypatch.undo()
    resumed = train({SITE: rows}, config(variant, site=SITE, checkpoint_every=5), checkpoint=tmp_path)
    assert same(resumed, train({SITE: rows}, config(variant, site=SITE)))


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_step_that_breaks_the_weights_leaves_the_good_checkpoint(rows, tmp_path, monkeypatch, variant):
    """The rate of one step is absurd: the weights overflow just when a checkpoint is due."""
    rate = TrainConfig.rate
    monkeypatch.setattr(TrainConfig, "rate", lambda self, step: 3e38 if step == 9 else rate(self, step))
    given = config(variant, checkpoint_every=5, unit_norm=False)
    with pytest.raises(InputError, match="after step 10") as caught:
        train(rows, given, checkpoint=tmp_path)
    assert caught.value.code == "DI13"
    assert f"The last good checkpoint is {tmp_path / CHECKPOINT}." in str(caught.value)
    done, *_ = json.loads(checkpoints.contents(tmp_path / CHECKPOINT)[0]["log"])
    assert done == 5


def test_weights_broken_by_the_last_step_are_never_handed_out(rows, monkeypatch):
    monkeypatch.setattr(TrainConfig, "rate", lambda self, step: 3e38 if step == 11 else 1e-3)
    with pytest.raises(InputError, match=r"is NaN or infinite after step 12\. Give a smaller lr"):
        train(rows, config(unit_norm=False))


@pytest.fixture
def kept(rows, tmp_path) -> Path:
    """A finished training's checkpoint."""
    train(rows, config(), checkpoint=tmp_path)
    return tmp_path / CHECKPOINT


def refusal(rows: torch.Tensor, folder: Path, **given: object) -> InputError:
    with pytest.raises(InputError) as caught:
        train(rows, config(**given), checkpoint=folder)
    return caught.value


def test_another_training_says_what_differs(rows, kept):
    assert "(k was 4, is 3; seed was 0, is 1)" in str(refusal(rows, kept.parent, k=3, seed=1))
    assert "(another data)" in str(refusal(rows + 1, kept.parent))
    assert kept.exists()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path: path.write_bytes(b"torn"), "cannot be read"),
        (lambda path: path.write_bytes(path.read_bytes()[:-9]), "cannot be read"),
        (lambda path: path.write_bytes(b""), "cannot be read"),
        (lambda path: save_file(load_file(path), path), "it is no checkpoint of a training"),
        (lambda path: resaved(path, "W_enc"), "it does not hold the weights of this training"),
    ],
    ids=["torn", "short", "empty", "another file", "a weight is missing"],
)
def test_damaged_checkpoints_are_refused_and_left(rows, kept, spoil, words):
    spoil(kept)
    before = kept.read_bytes()
    error = refusal(rows, kept.parent)
    assert error.code == "DI15"
    assert words in str(error)
    assert "Delete it to start again" in str(error)
    assert kept.read_bytes() == before


def resaved(path: Path, without: str) -> None:
    """The same checkpoint less one tensor."""
    header, tensors = checkpoints.contents(path)
    save_file({name: value for name, value in tensors.items() if name != without}, path, metadata=header)


def test_two_processes_never_write_into_one_file(rows, tmp_path, monkeypatch):
    """While one writes, another finishes in the same folder: whichever comes last, the file is whole."""
    learner = Learner(TensorSource({"": rows}), config())
    for _, batch in zip(range(2), learner_batches(rows), strict=False):
        learner.advance(batch)
    path, real = tmp_path / CHECKPOINT, checkpoints.save
    names = []

    def interleaved(*given, **named):
        """Another process writes its own while this one is about to."""
        names.extend(entry.name for entry in tmp_path.iterdir())
        if len(names) == 1:
            monkeypatch.setattr(checkpoints.os, "getpid", lambda: 4_000_001)
            checkpoints.keep(path, learner)
        return real(*given, **named)

    monkeypatch.setattr(checkpoints, "save", interleaved)
    checkpoints.keep(path, learner)
    assert len({name for name in names if name.endswith(".partial")}) == 2
    assert json.loads(checkpoints.contents(path)[0]["log"])[0] == 2
    assert [entry.name for entry in tmp_path.iterdir()] == [CHECKPOINT]


def learner_batches(rows: torch.Tensor):
    return TensorSource({"": rows}).batches([""], 64, 0, 0)


def test_a_full_disk_keeps_the_old_checkpoint_and_leaves_no_scrap(rows, tmp_path, monkeypatch):
    given, real = config(checkpoint_every=5), os.fsync
    written = []

    def full(number):
        written.append(number)
        if len(written) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(number)

    monkeypatch.setattr(checkpoints.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        train(rows, given, checkpoint=tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == [CHECKPOINT]
    assert json.loads(checkpoints.contents(tmp_path / CHECKPOINT)[0]["log"])[0] == 5
    monkeypatch.undo()
    assert same(train(rows, given, checkpoint=tmp_path), train(rows, given))


def test_a_corrupt_shard_is_named(tokens, tmp_path):
    model = small_model()
    shards = harvest(model, tokens, [SITE], tmp_path / "harvest")
    given = config(site=SITE, n_features=8, batch=16, steps=3)
    assert sound(train(shards, given))
    (shard,) = (tmp_path / "harvest").glob("*.safetensors")
    data = bytearray(shard.read_bytes())
    data[-1] ^= 1
    shard.write_bytes(bytes(data))
    with pytest.raises(InputError, match=f"The shard {shard.name} in harvest is missing or was changed") as c:
        train(open_shards(tmp_path / "harvest"), given)
    assert c.value.code == "MD51"


def test_shards_of_another_model_do_not_go_on(tokens, tmp_path):
    given = config(site=SITE, n_features=8, batch=16, steps=3)
    train(harvest(small_model(), tokens, [SITE]), given, checkpoint=tmp_path)
    with pytest.raises(InputError, match=r"belongs to another training \(another data; another model\)"):
        train(harvest(small_model(seed=1), tokens, [SITE]), given, checkpoint=tmp_path)


def test_one_bad_member_stops_a_suite_before_it_begins(rows, tmp_path):
    configs = [config(), config(batch=1000)]
    with pytest.raises(InputError, match="512 rows, fewer than one batch of 1000"):
        train_suite(rows, configs, checkpoint=tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_model_is_known_whichever_way_it_is_read(tokens):
    """Rows, scores or whole passes: the record of the training names the model's weights."""
    model = small_model()
    given = config(site=SITE, n_features=8, batch=16, steps=2)
    by_rows = train((model, tokens), given)
    by_shards = train(harvest(model, tokens, [SITE]), given)
    without = train((model, tokens), dataclasses.replace(given, excluded_positions=(0,)))
    for made in (by_rows, by_shards, without):
        assert made.training_record["source"]["model"] == model.sha256
