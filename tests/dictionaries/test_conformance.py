"""What every dictionary class keeps to, whatever its gate; a new variant passes by standing in VARIANTS."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from pellucid.dictionaries import (
    VARIANTS,
    CompiledEngine,
    Convention,
    Dictionary,
    TorchEngine,
    TrainConfig,
    load_dictionary,
    save_dictionary,
    train,
)
from pellucid.dictionaries.config import WITH_K
from pellucid.dictionaries.engines.gradients import Gradients
from pellucid.dictionaries.training.demand import Auxiliary, Demand
from pellucid.dictionaries.training.dense import dense_step, loss_of
from pellucid.dictionaries.training.folding import (
    fold_scales,
    fold_unit_decoder,
    fold_whitening,
    rescale_latents,
)
from pellucid.dictionaries.training.sparse import sparse_step
from pellucid.dictionaries.variants import build
from pellucid.findings import InputError, MissingError

D, F, K = 7, 26, 3
SETTINGS = {name: {"variant": name, **({"k": K} if name in WITH_K else {})} for name in VARIANTS}


def drawn(name: str, seed: int = 0, d_out: int | None = None, **record: object) -> Dictionary:
    """A float64 dictionary with random weights: rows of unequal length, biases, thresholds."""
    convention = Convention(**{"subtract": "none" if d_out else "b_dec", **record})
    made = build(SETTINGS[name], D, F, d_out=d_out, site_in="a", convention=convention).double()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in made.parameters():
            weight.copy_(torch.randn(weight.shape, generator=generator, dtype=torch.float64))
        if hasattr(made, "threshold"):  # above half the window, so that the sparse step is exact
            made.threshold.copy_(made.threshold.abs() * 0.3 + 0.2)
    return made


def rows(n: int = 40, d: int = D, seed: int = 1) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def by_hand(made: Dictionary, x: torch.Tensor) -> torch.Tensor:
    """z in units of h of each row, one latent at a time, from the formulas alone."""
    weights = {name: value.tolist() for name, value in made.state_dict().items()}
    shift = weights["b_dec"] if made.convention.subtract == "b_dec" else [0.0] * D
    z = torch.zeros(len(x), F, dtype=torch.float64)
    for b, row in enumerate(x.tolist()):
        u = [sum(w * (v - s) for w, v, s in zip(line, row, shift, strict=True)) for line in weights["W_enc"]]
        n = [sum(w * w for w in line) ** 0.5 for line in weights["W_dec"]]
        if made.settings()["variant"] == "gated":
            for i in range(F):
                magnitude = torch.tensor(weights["r_mag"][i], dtype=torch.float64).exp() * u[i]
                opened = u[i] + weights["b_gate"][i] > 0
                z[b, i] = max(0.0, float(magnitude) + weights["b_mag"][i]) if opened else 0.0
            continue
        h = [a + c for a, c in zip(u, weights["b_enc"], strict=True)]
        score = [a * m for a, m in zip(h, n, strict=True)] if made.convention.rank_score == "h_norm" else h
        limit = weights.get("threshold", 0.0)
        limits = limit if isinstance(limit, list) else [limit] * F
        passing = [i for i in range(F) if h[i] > 0 and score[i] > limits[i]]
        if made.settings()["variant"] == "topk":
            passing = [i for i in sorted(range(F), key=lambda i: (-score[i], i))[:K] if h[i] > 0]
        for i in passing:
            z[b, i] = h[i]
    return z


@pytest.fixture(params=sorted(VARIANTS))
def name(request) -> str:
    return request.param


RANKS = ["h", "h_norm"]


@pytest.mark.parametrize("rank", RANKS)
def test_encode_follows_the_formula(name, rank):
    made = drawn(name, rank_score=rank)
    expected = by_hand(made, rows(12))
    torch.testing.assert_close(made.encode(rows(12)).detach(), expected, rtol=0, atol=1e-12)
    assert (expected != 0).any()
    scaled = drawn(name, rank_score=rank, code_units="h_norm")
    torch.testing.assert_close(
        scaled.encode(rows(12)).detach(), expected * made.lengths().detach(), rtol=0, atol=1e-11
    )
    torch.testing.assert_close(scaled(rows(12)), made(rows(12)), rtol=0, atol=1e-11)


@pytest.mark.parametrize("engine", [TorchEngine(), CompiledEngine()], ids=lambda engine: engine.name)
@pytest.mark.parametrize("rank", RANKS)
def test_sparse_codes_and_reconstructions_are_the_dense_ones(name, rank, engine):
    made = drawn(name, rank_score=rank)
    codes, y_hat = made.reconstruct(rows(), engine)
    torch.testing.assert_close(codes.dense(), by_hand(made, rows()), rtol=0, atol=1e-12)
    torch.testing.assert_close(y_hat, made(rows()).detach(), rtol=0, atol=1e-11)


def test_two_batches_are_one_batch(name):
    made = drawn(name)
    together = made.encode(rows())
    apart = torch.cat([made.encode(rows()[:13]), made.encode(rows()[13:])])
    torch.testing.assert_close(together, apart, rtol=0, atol=1e-13)
    assert made(rows().reshape(2, 4, 5, D)).shape == (2, 4, 5, D)


def test_permuting_latents_permutes_codes_and_nothing_else(name):
    made, permuted = drawn(name), drawn(name)
    order = torch.randperm(F, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        for key, weight in permuted.named_parameters():
            if weight.shape[:1] == (F,):
                weight.copy_(made.get_parameter(key)[order])
    torch.testing.assert_close(permuted.encode(rows()), made.encode(rows())[:, order], rtol=0, atol=1e-12)
    torch.testing.assert_close(permuted(rows()), made(rows()), rtol=0, atol=1e-12)


def test_files_keep_every_bit(name, tmp_path):
    made = drawn(name, skip="linear", d_out=5).float()
    save_dictionary(made, tmp_path / "kept")
    again = load_dictionary(tmp_path / "kept")
    assert type(again) is type(made)
    assert again.sha256 == made.sha256
    assert again.settings() == made.settings()
    for key, weight in made.state_dict().items():
        assert torch.equal(again.state_dict()[key], weight), key
    assert torch.equal(again(rows().float()), made(rows().float()))


def test_a_skip_path_adds_a_linear_part_of_the_raw_input(name):
    made = drawn(name, skip="linear", input_transform="scale", scale_in=3.0, scale_out=0.5, d_out=5)
    plain = drawn(name, d_out=5)
    plain.load_state_dict({key: value for key, value in made.state_dict().items() if key != "W_skip"})
    expected = plain(rows() * 3) / 0.5 + rows() @ made.W_skip.T
    torch.testing.assert_close(made(rows()), expected, rtol=0, atol=1e-11)
    with pytest.raises(InputError) as caught:
        made.decode(made.encode(rows()))
    assert caught.value.code == "DI91"
    assert "decode(z, x)" in str(caught.value)


@pytest.mark.parametrize("restore", ["exact", "without_epsilon", "none"])
@pytest.mark.parametrize("kind", ["centre", "token_norm", "layer_norm"])
def test_transforms_of_the_token_are_applied_and_undone(name, kind, restore):
    made = drawn(name, input_transform=kind, restore=restore, epsilon=0.01)
    plain, x = drawn(name), rows()
    mean, deviation = x.mean(1, keepdim=True), x.std(1, keepdim=True)
    length = x.norm(dim=1, keepdim=True) / D**0.5
    seen = {"centre": x - mean, "token_norm": x / length, "layer_norm": (x - mean) / (deviation + 0.01)}[kind]
    torch.testing.assert_close(made.encode(x), plain.encode(seen), rtol=0, atol=1e-11)
    back = {
        "centre": plain(seen) + mean,
        "token_norm": plain(seen) * length,
        "layer_norm": plain(seen) * (deviation + (0.01 if restore == "exact" else 0)) + mean,
    }[kind]
    torch.testing.assert_close(made(x), plain(seen) if restore == "none" else back, rtol=0, atol=1e-10)
    torch.testing.assert_close(made.reconstruct(x)[1], made(x).detach(), rtol=0, atol=1e-10)


def buffers(made: Dictionary) -> Gradients:
    bias = made.W_enc[:, 0] if made.b_enc is None else made.b_enc
    return Gradients(*(torch.full_like(w, 7.0).detach() for w in (made.W_enc, bias, made.W_dec)))


def weigh(error: torch.Tensor) -> torch.Tensor:
    """A symmetric positive matrix for each row."""
    g = torch.randn(
        len(error), 2, error.shape[1], generator=torch.Generator().manual_seed(9), dtype=torch.float64
    )
    return torch.einsum("brd,brc,bc->bd", g, g, error) + 0.1 * error


STEPS = {
    "plain": {},
    "free_rows": {"decoder_unit_norm": False},
    "h_norm": {"rank_score": "h_norm"},
    "transcoder": {"d_out": 5, "skip": "linear"},
    "b_pre": {"d_out": 5, "subtract": "b_pre", "skip": "linear"},
}


@pytest.mark.parametrize("engine", [TorchEngine(), CompiledEngine()], ids=lambda engine: engine.name)
@pytest.mark.parametrize("case", STEPS)
@pytest.mark.parametrize("metric", [None, weigh], ids=["plain", "weighed"])
@pytest.mark.parametrize(
    ("name", "multi"), [*((each, 0.0) for each in (*WITH_K, "relu", "jumprelu")), ("topk", 0.125)], ids=str
)
def test_sparse_gradients_are_those_of_float64_autograd(name, case, metric, multi, engine):
    made, x = drawn(name, **STEPS[case]), rows(33)
    y = x if made.d_out == D else rows(33, 5, seed=4)
    demand = Demand(0.3, Auxiliary(torch.arange(15, F), 1 / 32), metric, active=0.0, multi=multi)
    loss = loss_of(made, x, y, demand)
    exact = torch.autograd.grad(loss.total, list(made.parameters()))
    gradients = buffers(made)
    result = sparse_step(made, x, y, demand, engine, gradients)
    assert result is not None
    assert result.loss == pytest.approx(float(loss.total.detach()), rel=1e-12)
    assert result.squared_error == pytest.approx(float(loss.squared_error), rel=1e-12)
    assert torch.equal(result.fires, (loss.z != 0).sum(0))
    names = dict(zip(("W_enc", "b_enc", "W_dec"), gradients.buffers(), strict=True))
    for (key, weight), expected in zip(made.named_parameters(), exact, strict=True):
        ours = names.get(key, weight.grad)
        # rounding of sums over rows: relative to the largest entry of the gradient
        assert float((ours - expected).abs().max()) <= 1e-12 * max(1.0, float(expected.abs().max())), key


def test_dense_gradients_are_finite_differences(name):
    """Everything but thresholds (a step has no gradient) and what a gate's constant decoder sees."""
    made, x = drawn(name), rows(9)
    demand = Demand(0.7)
    dense_step(made, x, x, demand)
    for key, weight in made.named_parameters():
        if key in ("threshold", "b_gate") or name == "gated":
            continue
        flat, gradient = weight.detach().reshape(-1), weight.grad.reshape(-1)
        for place in range(0, len(flat), max(1, len(flat) // 5)):
            step, values = 1e-6, []
            for sign in (1, -1):
                with torch.no_grad():
                    weight.view(-1)[place] += sign * step
                values.append(float(loss_of(made, x, x, demand).total.detach()))
                with torch.no_grad():
                    weight.view(-1)[place] -= sign * step
            slope = (values[0] - values[1]) / (2 * step)
            # the differences of a piecewise quadratic are exact but for rounding: 1e-16 / 1e-6 of the loss
            assert float(gradient[place]) == pytest.approx(slope, rel=1e-6, abs=1e-6 * values[0]), key


def test_scales_fold_exactly(name):
    for rank in RANKS:
        made = drawn(name, rank_score=rank, skip="linear", d_out=5)
        expected = made(rows() * 3.0) / 0.25
        codes = made.encode(rows() * 3.0) / 3.0
        fold_scales(made, 3.0, 0.25)
        torch.testing.assert_close(made(rows()), expected, rtol=1e-12, atol=1e-11)
        torch.testing.assert_close(made.encode(rows()), codes, rtol=1e-12, atol=1e-11)


def test_lengths_of_rows_fold_where_the_choice_does_not_hang_on_them(name):
    for rank in RANKS:
        made = drawn(name, rank_score=rank)
        expected, ranks_by_h = made(rows()), name in WITH_K and rank == "h"
        if ranks_by_h:
            with pytest.raises(InputError) as caught:
                rescale_latents(made, torch.full((F,), 2.0, dtype=torch.float64))
            assert caught.value.code == "DI28"
            continue
        fold_unit_decoder(made)
        torch.testing.assert_close(made(rows()), expected, rtol=0, atol=1e-11)
        torch.testing.assert_close(made.lengths(), torch.ones(F, dtype=torch.float64), rtol=0, atol=1e-12)
        once = made.sha256
        fold_unit_decoder(made)
        assert made.sha256 == once  # a second time changes nothing


def test_whitening_folds_exactly(name):
    for subtract in ("none", "b_dec"):
        made = drawn(name, subtract=subtract)
        mean, whitener = rows(1, seed=5)[0], rows(D, seed=6) + 3 * torch.eye(D, dtype=torch.float64)
        seen = (rows() - mean) @ whitener
        expected = made(seen) @ torch.linalg.inv(whitener) + mean
        codes = made.encode(seen)
        fold_whitening(made, mean, whitener)
        torch.testing.assert_close(made.encode(rows()), codes, rtol=0, atol=1e-9)
        torch.testing.assert_close(made(rows()), expected, rtol=0, atol=1e-9)


def config(name: str, **changes: object) -> TrainConfig:
    priced = {} if name in WITH_K else {"sparsity": 0.05}
    base = TrainConfig(variant=name, n_features=32, k=3, steps=24, batch=64, lr=2e-3, log_every=8, **priced)
    return dataclasses.replace(base, **changes)


def test_training_lowers_the_error_and_is_repeatable(name):
    x = rows(512).float()
    setting = config(name, steps=80, lr=1e-2)
    first, again = train(x, setting), train(x, setting)
    assert first.sha256 == again.sha256
    log = first.training_record["log"]
    assert log[-1]["fvu"] < log[0]["fvu"]
    assert not any(weight.requires_grad for weight in first.parameters())


@pytest.mark.parametrize("transcoder", [False, True])
def test_an_interrupted_training_ends_with_the_same_bits(name, transcoder, tmp_path):
    sites = {"a": rows(512).float(), "b": rows(512, 5, seed=8).float()}
    setting = config(name, site="a", checkpoint_every=5)
    if transcoder:
        setting = dataclasses.replace(setting, site_out="b", skip=True)
    whole = train(sites, setting)

    class StopError(Exception):
        pass

    class Stopping:
        """Progress that breaks off in the middle."""

        def task(self, *_: object, **__: object) -> Stopping:
            self.count = 0
            return self

        def __enter__(self) -> Stopping:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def note(self, _: str) -> None:
            pass

        def advance(self, n: int = 1) -> None:
            self.count += n
            if self.count >= 13:
                raise StopError

    with pytest.raises(StopError):
        train(sites, setting, checkpoint=tmp_path, progress=Stopping())
    resumed = train(sites, setting, checkpoint=tmp_path)
    assert resumed.sha256 == whole.sha256
    assert resumed.training_record["log"] == whole.training_record["log"]


@pytest.mark.parametrize("name", ["batchtopk", "matryoshka"])
def test_batchwise_gates_keep_k_a_row_on_their_sample(name):
    x = rows(600).float()
    for rank in RANKS:
        made = train(x, config(name, rank_score=rank, unit_norm=rank == "h"))
        assert made.training_record["threshold_ties"] == 0
        assert int((made.encode(x) != 0).sum()) == 3 * 600


def test_going_on_from_a_trained_dictionary(name):
    x = rows(512).float()
    first = train(x, config(name))
    same = train(x, config(name, steps=1, lr=1e-9), start=first)
    torch.testing.assert_close(same.W_enc, first.W_enc, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(same.W_dec, first.W_dec, rtol=1e-5, atol=1e-6)
    with pytest.raises(InputError) as caught:
        train(x, config(name, n_features=16), start=first)
    assert caught.value.code == "DI29"


def test_an_unknown_variant_is_refused():
    with pytest.raises(MissingError, match="There is no dictionary variant 'topl'"):
        build({"variant": "topl"}, 4, 8)
