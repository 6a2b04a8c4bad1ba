"""Harvests: the rows are the model's, the bytes do not depend on interruptions, and damage is refused."""

from __future__ import annotations

import importlib
import json
import shutil
from collections import namedtuple

import pytest
import torch

from pellucid.findings import InputError, MissingError
from pellucid.models import Perceptron, PerceptronConfig, harvest, open_model, open_shards
from pellucid.models import shards as reading

SITES = ["blocks.0.attn.z", "blocks.1.resid_post"]
SIZE = {"batch": 3, "rows_a_shard": 40}  # three sequences of 12 are a shard: 36 rows


@pytest.fixture
def model(models):
    return models["own"]


@pytest.fixture
def text():
    return torch.randint(0, 97, (11, 12), generator=torch.Generator().manual_seed(4))


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize("place", ["disk", "memory"])
def test_rows_are_the_activations(model, text, tmp_path, place):
    shards = harvest(model, text, SITES, tmp_path if place == "disk" else None, **SIZE)
    with torch.no_grad():
        run = model.run(text, read=SITES)
    assert shards.rows == 11 * 12
    assert shards.sites == tuple(SITES)
    for site in SITES:
        rows = run[site].reshape(132, -1)
        assert shards.width(site) == rows.shape[1]
        assert torch.allclose(shards.read(site), rows, atol=1e-6)
        assert torch.equal(shards.read(site, 30, 80), shards.read(site)[30:80])
        assert shards.read(site, 132).shape == (0, rows.shape[1])


def test_rows_know_their_place(model, text):
    shards = harvest(model, text, SITES, skip=2, **SIZE)
    assert shards.rows == 11 * 10
    with torch.no_grad():
        stream = model.run(text, read=SITES)["blocks.1.resid_post"]
    for row in (0, 9, 10, 57, 109):
        sequence, position = shards.place(row)
        assert torch.allclose(
            shards.read("blocks.1.resid_post", row, row + 1)[0], stream[sequence, position], atol=1e-6
        )


def test_disk_and_memory_are_the_same_rows(model, text, tmp_path):
    disk, memory = harvest(model, text, SITES, tmp_path, **SIZE), harvest(model, text, SITES, **SIZE)
    assert disk.sha256 == memory.sha256
    assert disk.model_sha256 == model.sha256
    for ours, theirs in zip(disk.batches(SITES, 10, seed=3), memory.batches(SITES, 10, seed=3), strict=True):
        assert all(torch.equal(ours[site], theirs[site]) for site in SITES)
    assert json.loads((tmp_path / "index.json").read_text())["state"] == "complete"


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_statistics_are_those_of_the_rows(model, text, tmp_path, dtype):
    shards = harvest(model, text, SITES, tmp_path, dtype=dtype, **SIZE)
    for site in SITES:
        rows, found = shards.read(site).double(), shards.statistics[site]
        assert found.rows == len(rows)
        assert torch.allclose(found.mean, rows.mean(0), rtol=1e-12)
        assert found.variance == pytest.approx((rows - rows.mean(0)).square().sum(1).mean().item(), rel=1e-12)
        assert found.norm == pytest.approx(rows.norm(dim=1).mean().item(), rel=1e-12)
        assert found.squared_norm == pytest.approx(rows.square().sum(1).mean().item(), rel=1e-12)
        assert (found.lowest, found.highest) == (rows.min().item(), rows.max().item())


def test_variance_survives_a_large_mean():
    """E|x|^2 - |E x|^2 would lose all digits here: 1e8^2 against 1."""
    from pellucid.models.moments import merged, moments_of

    rows = torch.randn(300, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) + 1e8
    found = None
    for part in rows.split(70):
        found = merged(found, moments_of(part))
    centred = rows - 1e8
    expected = (centred - centred.mean(0)).square().sum(1).mean().item()
    assert found.variance == pytest.approx(expected, rel=1e-6)


class Pulled(KeyboardInterrupt):
    """Somebody pressed Ctrl-C."""


@pytest.mark.parametrize("moment", range(1, 9))
@pytest.mark.parametrize("where", ["run", "write"])
def test_an_interrupted_harvest_ends_with_the_same_bytes(model, text, tmp_path, monkeypatch, moment, where):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    harvest(model, text, SITES, whole, **SIZE)
    module = importlib.import_module("pellucid.models.harvest")
    name = "activations" if where == "run" else "write_durably"
    true, calls = getattr(module, name), []

    def pulled(*arguments):
        calls.append(1)
        if len(calls) == moment:
            raise Pulled
        return true(*arguments)

    monkeypatch.setattr(module, name, pulled)
    try:
        harvest(model, text, SITES, broken, **SIZE)
    except Pulled:
        monkeypatch.undo()
        index = broken / "index.json"
        if index.exists() and json.loads(index.read_text())["state"] == "partial":
            with pytest.raises(InputError, match=r"is not finished .* Run the same harvest again"):
                open_shards(broken)
        harvest(model, text, SITES, broken, **SIZE)
    assert contents(broken) == contents(whole)


def test_a_finished_harvest_runs_nothing_again(model, text, tmp_path, monkeypatch):
    harvest(model, text, SITES, tmp_path, **SIZE)
    module = importlib.import_module("pellucid.models.harvest")
    monkeypatch.setattr(module, "activations", lambda *_: pytest.fail("ran again"))
    assert harvest(model, text, SITES, tmp_path, **SIZE).rows == 132
    assert open_shards(tmp_path).sha256 == harvest(model, text, SITES, tmp_path, **SIZE).sha256


@pytest.mark.parametrize("change", ["model", "data", "sites", "dtype", "skip", "rows_a_shard"])
def test_another_harvest_in_the_folder_is_refused(models, model, text, tmp_path, change):
    harvest(model, text, SITES, tmp_path, **SIZE)
    before = contents(tmp_path)
    other = {"model": model, "tokens": text, "sites": SITES, **SIZE}
    other |= {
        "model": {"model": models["own-bare"]},
        "data": {"tokens": text.flip(0)},
        "sites": {"sites": SITES[1:]},
        "dtype": {"dtype": "float16"},
        "skip": {"skip": 1},
        "rows_a_shard": {"rows_a_shard": 80},
    }[change]
    with pytest.raises(InputError) as error:
        harvest(**other, out=tmp_path)
    assert error.value.code == "MD52"
    assert "is of another kind" in str(error.value)
    named = {"skip": "positions", "rows_a_shard": "inputs_a_shard"}.get(change, change)
    assert named in str(error.value)
    assert contents(tmp_path) == before


def test_a_changed_shard_is_named_and_refused(model, text, tmp_path):
    harvest(model, text, SITES, tmp_path, **SIZE)
    last = sorted(tmp_path.glob("shard-*"))[-1]
    body = bytearray(last.read_bytes())
    body[-1] ^= 1
    last.write_bytes(bytes(body))
    with pytest.raises(InputError, match=rf"The shard {last.name} in .* is missing or was changed"):
        open_shards(tmp_path).read(SITES[0])
    with pytest.raises(InputError, match=rf"The shard {last.name}") as error:
        harvest(model, text, SITES, tmp_path, **SIZE)
    assert error.value.code == "MD51"
    last.unlink()
    with pytest.raises(InputError, match="is missing or was changed"):
        list(open_shards(tmp_path).batches(SITES, 8))


def test_folders_without_a_harvest(tmp_path):
    with pytest.raises(MissingError, match="No harvest lies in"):
        open_shards(tmp_path)
    (tmp_path / "index.json").write_text('{"layout": 1}')
    with pytest.raises(InputError, match=r"The index of the harvest in .* cannot be read"):
        open_shards(tmp_path)


Disk = namedtuple("Disk", "total used free")


def test_the_last_tenth_of_the_disk_stays_free(model, text, tmp_path, monkeypatch):
    needed = 132 * (32 + 32) * 4
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Disk(1_000_000, 0, 100_000 + needed - 1))
    with pytest.raises(InputError) as error:
        harvest(model, text, SITES, tmp_path, **SIZE)
    assert error.value.code == "MD50"
    assert "The last tenth stays free" in str(error.value)
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Disk(1_000_000, 0, 100_000 + needed))
    assert harvest(model, text, SITES, tmp_path, **SIZE).rows == 132


def test_a_full_disk_loses_no_shard_that_was_written(model, text, tmp_path, monkeypatch):
    import errno

    module = importlib.import_module("pellucid.models.harvest")
    true, calls = module.write_durably, []

    def full(path, body):
        calls.append(path)
        if len(calls) == 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        true(path, body)

    monkeypatch.setattr(module, "write_durably", full)
    with pytest.raises(InputError, match=r"The disk is full: .* Make room and run the same harvest again"):
        harvest(model, text, SITES, tmp_path, **SIZE)
    monkeypatch.undo()
    assert len(json.loads((tmp_path / "index.json").read_text())["shards"]) == 1
    assert harvest(model, text, SITES, tmp_path, **SIZE).read(SITES[0]).shape == (132, 32)


def test_float16_that_overflows_is_refused(text):
    big = Perceptron(PerceptronConfig((12, 4, 2)))
    with torch.no_grad():
        big.blocks[0].pre.weight.mul_(1e4)
    with pytest.raises(InputError, match=r"too large for float16\. Store them as bfloat16") as error:
        harvest(open_model(big), 100.0 * text.float(), "blocks.0.pre", dtype="float16")
    assert error.value.code == "MD53"
    assert harvest(open_model(big), 100.0 * text.float(), "blocks.0.pre", dtype="bfloat16").rows == 11


def test_modules_without_tokens_give_a_row_for_each_input(text):
    net = open_model(Perceptron(PerceptronConfig((12, 4, 2))))
    shards = harvest(net, text.float(), "blocks.*", batch=4)
    assert shards.rows == 11
    assert torch.allclose(shards.read("blocks.0.post"), net.run(text.float(), read="*")["blocks.0.post"])
    assert shards.place(5) == (5, 0)


@pytest.mark.parametrize(
    ("request_", "text_"),
    [
        ({"sites": "blocks.0.attn.pattern"}, "no row for each input and position"),
        ({"dtype": "float64"}, "Choose one of float32, float16, bfloat16"),
        ({"skip": 12}, "12 positions left out, give no rows"),
        ({"tokens": torch.zeros(5, dtype=torch.long)}, r"Give sequences \(batch pos\)"),
    ],
)
def test_requests_without_rows(model, text, request_, text_):
    with pytest.raises(InputError, match=text_) as error:
        harvest(**{"model": model, "tokens": text, "sites": SITES, **request_})
    assert error.value.code == "MD56"


def test_a_site_that_was_not_harvested(model, text):
    shards = harvest(model, text, SITES, **SIZE)
    with pytest.raises(
        MissingError, match=r"'blocks.1.resid_pre' was not harvested\. Harvested: blocks.0.attn.z"
    ):
        shards.read("blocks.1.resid_pre")
    assert shards.width("blocks.1.hook_resid_post") == 32


@pytest.mark.parametrize("size", [1, 10, 132, 500])
def test_an_epoch_has_every_row_once(model, text, size):
    shards = harvest(model, text, SITES, **SIZE)
    batches = list(shards.batches(SITES, size, seed=1, shards_at_once=2))
    assert [len(batch[SITES[0]]) for batch in batches[:-1]] == [size] * (len(batches) - 1)
    for site in SITES:
        got = torch.cat([batch[site] for batch in batches])
        assert torch.equal(got.sort(0).values, shards.read(site).sort(0).values)


def test_sites_stay_aligned(model, text):
    shards = harvest(model, text, SITES, **SIZE)
    pairs = {tuple(a.tolist()): b for a, b in zip(*(shards.read(site) for site in SITES), strict=True)}
    for batch in shards.batches(SITES, 17, seed=2):
        for first, second in zip(batch[SITES[0]], batch[SITES[1]], strict=True):
            assert torch.equal(pairs[tuple(first.tolist())], second)


def test_the_order_comes_from_the_seed_and_the_epoch(model, text):
    shards = harvest(model, text, SITES, **SIZE)

    def order(**given):
        return torch.cat([batch[SITES[0]] for batch in shards.batches(SITES[0], 132, **given)])

    two = order(seed=5, epochs=2)
    assert torch.equal(two[:132], order(seed=5))
    assert not torch.equal(two[:132], two[132:])
    assert not torch.equal(order(seed=5), order(seed=6))


def test_neighbours_in_a_batch_are_as_unlike_as_random_pairs(models):
    """Mixing (dictionaries specification, section 10): mean cosine of consecutive rows within 3 standard errors."""
    text = torch.arange(40)[:, None].expand(40, 12).contiguous()  # rows of one sequence are much alike
    shards = harvest(models["own-bare"], text, "blocks.0.resid_pre", batch=2, rows_a_shard=48)
    rows = torch.cat(
        [b["blocks.0.resid_pre"] for b in shards.batches("blocks.0.resid_pre", 60, seed=1, shards_at_once=10)]
    )
    unit = rows / rows.norm(dim=1, keepdim=True)
    following = (unit[1:] * unit[:-1]).sum(1)
    random = torch.Generator().manual_seed(0)
    pairs = (
        unit[torch.randint(480, (479,), generator=random)]
        * unit[torch.randint(480, (479,), generator=random)]
    ).sum(1)
    error = (following.var() / 479 + pairs.var() / 479).sqrt()
    assert (following.mean() - pairs.mean()).abs() < 3 * error


def test_progress_tells_the_size_first(model, text):
    told = []

    class Log:
        def task(self, name, total=None):
            from contextlib import nullcontext

            told.append((name, total))
            return nullcontext(self)

        def advance(self, n=1):
            told.append(n)

        def note(self, note):
            told.append(note)

    harvest(model, text, SITES, progress=Log(), **SIZE)
    assert told[:2] == [("harvest", 11), "0.0338 MB in 4 shards"]
    assert sum(step for step in told[2:]) == 11


def test_the_shards_are_read_and_not_kept(model, text, tmp_path):
    shards = harvest(model, text, SITES, tmp_path, **SIZE)
    assert all(isinstance(shard, reading.FileShard) for shard in shards.shards)
