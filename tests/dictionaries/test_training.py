"""The training loop: equal to a dense reference, to itself in a suite, and to itself after a crash."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from dictionary_models import small_model
from dictionary_worlds import zipf_world

from pellucid.dictionaries import CompiledEngine, TorchEngine, TrainConfig, train, train_suite
from pellucid.dictionaries.training.initial import geometric_median, mean_norm_scale
from pellucid.dictionaries.training.learner import Learner
from pellucid.dictionaries.training.sources import TensorSource
from pellucid.findings import InputError, MissingError

CONFIG = TrainConfig(n_features=48, k=4, steps=40, batch=64, lr=2e-3, log_every=10, checkpoint_every=15)


@pytest.fixture(scope="module")
def rows() -> torch.Tensor:
    return zipf_world(32, 32, 3.0).sample(4000, seed=1)[0]


def same(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    pairs = zip(a.state_dict().items(), b.state_dict().items(), strict=True)
    return all(name == other and torch.equal(x, y) for (name, x), (other, y) in pairs)


def dense_reference(rows: torch.Tensor, config: TrainConfig) -> float:
    """FVU of the last step of plain autograd with dense codes, from the same start and batches."""
    source = TensorSource({"": rows})
    start = Learner(source, config).dictionary
    weights = [
        torch.nn.Parameter(w.detach().clone()) for w in (start.W_enc, start.b_enc, start.W_dec, start.b_dec)
    ]
    W_enc, b_enc, W_dec, b_dec = weights
    optimiser = torch.optim.Adam(weights)
    stream = source.batches([""], config.batch, config.order_seed, 0)
    for step in range(config.steps):
        x = next(stream)[""] * mean_norm_scale(source.sample([""])[""])
        h = (x - b_dec) @ W_enc.T + b_enc
        top = h.topk(config.k, dim=1)
        y_hat = torch.zeros_like(h).scatter(1, top.indices, top.values.relu()) @ W_dec + b_dec
        loss = (y_hat - x).square().sum(1).mean()
        optimiser.zero_grad()
        loss.backward()
        with torch.no_grad():
            W_dec.grad -= (W_dec.grad * W_dec).sum(1, keepdim=True) * W_dec
        torch.nn.utils.clip_grad_norm_(weights, config.clip)
        optimiser.param_groups[0]["lr"] = config.rate(step)
        optimiser.step()
        with torch.no_grad():
            W_dec /= W_dec.norm(dim=1, keepdim=True)
    return float(loss.detach() / (x - x.mean(0)).square().sum(1).mean())


@pytest.mark.parametrize("engine", [TorchEngine(), CompiledEngine()], ids=lambda engine: engine.name)
def test_200_steps_end_where_the_dense_reference_ends(rows, engine):
    config = dataclasses.replace(CONFIG, steps=200, batch=128, auxiliary=0.0)
    ours = train(rows, config, engine=engine).training_record["log"][-1]["fvu"]
    assert ours == pytest.approx(dense_reference(rows, config), abs=1e-3)


def test_a_member_of_a_suite_is_bit_for_bit_what_it_is_alone(rows):
    configs = [
        CONFIG,
        dataclasses.replace(CONFIG, k=2, seed=3),
        dataclasses.replace(CONFIG, n_features=70, steps=25, lr=5e-3),
        dataclasses.replace(CONFIG, batch=32, order_seed=1, auxiliary=0.0),
    ]
    suite = train_suite(rows, configs)
    for config, member in zip(configs, suite, strict=True):
        assert same(member, train(rows, config))


def test_the_same_training_twice_is_the_same(rows):
    assert same(train(rows, CONFIG), train(rows, CONFIG))
    assert not same(train(rows, CONFIG), train(rows, dataclasses.replace(CONFIG, seed=1)))
    assert not same(train(rows, CONFIG), train(rows, dataclasses.replace(CONFIG, order_seed=1)))


class StopError(Exception):
    pass


class StopAfter:
    """Progress that fails at a step, as a crash would."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def task(self, name: str, total: int | None = None):
        import contextlib

        return contextlib.nullcontext(self)

    def advance(self, n: int = 1) -> None:
        if n and self.left == 0:
            raise StopError
        self.left -= n

    def note(self, text: str) -> None:
        pass


@pytest.mark.parametrize("crash", [3, 21, 39, 70])
def test_an_interrupted_suite_ends_with_the_same_bits(rows, tmp_path, crash):
    configs = [dataclasses.replace(CONFIG, dead_after=256), dataclasses.replace(CONFIG, k=2, steps=60)]
    straight = train_suite(rows, configs)
    with pytest.raises(StopError):
        train_suite(rows, configs, progress=StopAfter(crash), checkpoint=tmp_path)
    resumed = train_suite(rows, configs, checkpoint=tmp_path)
    for a, b in zip(straight, resumed, strict=True):
        assert same(a, b)
        assert a.training_record["log"] == b.training_record["log"]
    assert not list(tmp_path.glob("*.partial"))


def test_a_finished_training_is_read_back(rows, tmp_path):
    first = train(rows, CONFIG, checkpoint=tmp_path)
    assert same(first, train(rows, CONFIG, checkpoint=tmp_path))


def test_checkpoints_of_another_training_are_refused(rows, tmp_path):
    train(rows, CONFIG, checkpoint=tmp_path)
    with pytest.raises(InputError, match="belongs to another training") as caught:
        train(rows, dataclasses.replace(CONFIG, k=3), checkpoint=tmp_path)
    assert caught.value.code == "DI14"
    with pytest.raises(InputError, match="belongs to another training"):
        train(rows + 1, CONFIG, checkpoint=tmp_path)
    (tmp_path / "dictionary-0.safetensors").write_bytes(b"torn")
    with pytest.raises(InputError, match=r"dictionary-0\.safetensors cannot be read") as caught:
        train(rows, CONFIG, checkpoint=tmp_path)
    assert caught.value.code == "DI15"


def test_decoder_rows_have_length_one_unless_told_otherwise(rows):
    unit = train(rows, CONFIG).W_dec.norm(dim=1)
    torch.testing.assert_close(unit, torch.ones(48), rtol=1e-5, atol=1e-5)
    free = train(rows, dataclasses.replace(CONFIG, unit_norm=False)).W_dec.norm(dim=1)
    assert float((free - 1).abs().max()) > 1e-3


def test_scale_is_folded_away(rows):
    """Activations in another unit train to the same dictionary in that unit."""
    plain, large = train(rows, CONFIG), train(rows * 1024, CONFIG)
    torch.testing.assert_close(large(rows * 1024) / 1024, plain(rows), rtol=1e-3, atol=1e-3)
    assert large.training_record["scales"][0] == pytest.approx(plain.training_record["scales"][0] / 1024)


def test_the_log_says_what_happened(rows):
    record = train(rows, CONFIG).training_record
    assert [line["step"] for line in record["log"]] == [10, 20, 30, 40]
    assert record["log"][-1]["fvu"] < record["log"][0]["fvu"] < 1
    assert 0 < record["log"][-1]["l0"] <= 4
    assert record["config"]["k"] == 4
    assert record["engine"] == "compiled"


def test_rates_warm_up_stay_and_fall():
    config = TrainConfig(n_features=2**14, k=1, steps=100, warmup=0.1, decay=0.2)
    rates = [config.rate(step) for step in range(100)]
    assert rates[:11] == sorted(rates[:11])
    assert max(rates) == rates[50] == pytest.approx(2e-4)
    assert rates[-20:] == sorted(rates[-20:], reverse=True)
    assert 0 < rates[-1] < 2e-5


def test_wider_dictionaries_learn_more_slowly_by_default():
    rates = [TrainConfig(n_features=n, k=1).rate(1000) for n in (2**12, 2**14)]
    assert rates[0] == pytest.approx(2 * rates[1])


def test_geometric_median_resists_what_the_mean_follows():
    cloud = torch.randn(200, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    cloud = torch.cat([cloud, -cloud])  # symmetric: the median is the origin
    shifted = torch.cat([cloud, torch.full((20, 3), 1e4, dtype=torch.float64)])
    assert float(geometric_median(cloud).norm()) < 1e-6
    assert float(geometric_median(shifted).norm()) < 0.3 < float(shifted.mean(0).norm())
    assert torch.equal(geometric_median(torch.ones(4, 2)), torch.ones(2))


def test_scale_is_the_root_of_the_width_over_the_mean_norm():
    assert mean_norm_scale(torch.tensor([[3.0, 4.0], [0.0, 0.0]])) == pytest.approx(math.sqrt(2) / 2.5)
    assert mean_norm_scale(torch.zeros(3, 4)) == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"k": 49}, "k is 49 for 48 latents"),
        ({"steps": 0}, "steps is 0"),
        ({"lr": -1.0}, "lr is -1.0"),
        ({"warmup": 0.7, "decay": 0.7}, "no shares of the run"),
        ({"site": "a", "site_out": "b", "subtract": "b_dec"}, "a transcoder cannot subtract b_dec"),
    ],
)
def test_configurations_that_make_no_training(change, words):
    with pytest.raises(InputError, match=words) as caught:
        dataclasses.replace(CONFIG, **change)
    assert caught.value.code == "DI07"


def test_divergence_is_said(rows):
    with pytest.raises(InputError, match=r"The training diverged: .* Give a smaller lr") as caught:
        train(rows, dataclasses.replace(CONFIG, lr=1e30, unit_norm=False, normalise=False))
    assert caught.value.code == "DI13"


def test_a_model_is_run_once_for_all_sites_of_a_suite(tokens):
    model, calls = small_model(), []
    original = model.run
    model.run = lambda *args, **kwargs: calls.append(len(args[0])) or original(*args, **kwargs)
    sites = ["blocks.0.resid_post", "blocks.1.resid_post"]
    small = dataclasses.replace(CONFIG, n_features=16, steps=5, batch=16, excluded_positions=(0,))
    suite = train_suite((model, tokens), [dataclasses.replace(small, site=site) for site in sites])
    assert sum(calls) == len(tokens)
    assert [made.site_in for made in suite] == sites
    assert suite[0].convention.excluded_positions == (0,)


def test_sources_name_their_sites(rows, tokens):
    with pytest.raises(MissingError, match=r"no site 'ab'; it holds 'abc'\. Did you mean 'abc'\?") as caught:
        train({"abc": rows}, dataclasses.replace(CONFIG, site="ab"))
    assert caught.value.code == "DI11"
    assert train({"abc": rows}, CONFIG).site_in == "abc"
    small = dataclasses.replace(CONFIG, n_features=8, steps=2, batch=16)
    trained = train((small_model(), tokens, "blocks.0.mlp_out"), small)
    assert trained.site_in == "blocks.0.mlp_out"
