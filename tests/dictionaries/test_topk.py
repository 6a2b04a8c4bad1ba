"""What a TopK dictionary computes, its symmetries, and what it refuses."""

from __future__ import annotations

import pytest
import torch

from pellucid.dictionaries import CompiledEngine, Convention, TopK, TorchEngine, engine_for
from pellucid.dictionaries.engines import compiled as engines
from pellucid.findings import InputError


def drawn(k: int = 4, seed: int = 0, d_out: int | None = None, **convention: object) -> TopK:
    """A float64 dictionary with random weights."""
    record = Convention(**{"subtract": "none" if d_out else "b_dec", **convention})
    dictionary = TopK(6, 20, k, d_out=d_out, convention=record).double()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in dictionary.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    return dictionary


def rows(n: int = 50, seed: int = 1) -> torch.Tensor:
    return torch.randn(n, 6, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def by_hand(dictionary: TopK, row: list[float]) -> dict[int, float]:
    """z of one row in plain Python, in units of h."""
    weights, decoder = dictionary.W_enc.tolist(), dictionary.W_dec.tolist()
    shift = dictionary.b_dec.tolist() if dictionary.convention.subtract == "b_dec" else [0.0] * 6
    h = [
        sum(w * (x - s) for w, x, s in zip(line, row, shift, strict=True)) + bias
        for line, bias in zip(weights, dictionary.b_enc.tolist(), strict=True)
    ]
    lengths = [sum(w * w for w in line) ** 0.5 for line in decoder]
    ranked = [a * n for a, n in zip(h, lengths, strict=True)]
    score = ranked if dictionary.convention.rank_score == "h_norm" else h
    best = sorted(range(len(h)), key=lambda i: (-score[i], i))[: dictionary.k]
    return {i: h[i] for i in best if h[i] > 0}


@pytest.mark.parametrize("rank", ["h", "h_norm"])
@pytest.mark.parametrize("units", ["h", "h_norm"])
@pytest.mark.parametrize("subtract", ["none", "b_dec"])
def test_encode_and_decode_follow_the_record(rank, units, subtract):
    dictionary = drawn(rank_score=rank, code_units=units, subtract=subtract)
    lengths = dictionary.W_dec.norm(dim=1).tolist()
    z = dictionary.encode(rows(9))
    for row, line in enumerate(rows(9).tolist()):
        expected = by_hand(dictionary, line)
        scaled = {i: v * lengths[i] if units == "h_norm" else v for i, v in expected.items()}
        assert {i: v for i, v in enumerate(z[row].tolist()) if v} == pytest.approx(scaled, rel=1e-12)
        y_hat = dictionary.b_dec.detach().clone()
        for i, value in expected.items():
            y_hat += value * dictionary.W_dec[i].detach()
        torch.testing.assert_close(dictionary.decode(z)[row], y_hat, rtol=0, atol=1e-12)


def test_forward_is_decode_of_encode_on_any_leading_axes():
    dictionary, x = drawn(), rows(24).reshape(2, 3, 4, 6)
    assert torch.equal(dictionary(x), dictionary.decode(dictionary.encode(x)))
    torch.testing.assert_close(dictionary(x).reshape(24, 6), dictionary(rows(24)), rtol=0, atol=1e-13)


@pytest.mark.parametrize("engine", [TorchEngine(), CompiledEngine()], ids=lambda engine: engine.name)
def test_sparse_codes_are_the_dense_ones(engine):
    dictionary = drawn(rank_score="h_norm")
    torch.testing.assert_close(
        dictionary.codes(rows(), engine).dense(), dictionary.encode(rows()).detach(), rtol=1e-12, atol=1e-12
    )


def test_at_most_k_latents_are_active():
    assert int((drawn(3).encode(rows()) != 0).sum(1).max()) <= 3


def test_all_latents_make_a_relu_autoencoder():
    dictionary = drawn(20)
    h = (rows() - dictionary.b_dec) @ dictionary.W_enc.T + dictionary.b_enc
    torch.testing.assert_close(dictionary.encode(rows()), h.relu(), rtol=0, atol=1e-12)


def test_permuting_latents_permutes_codes_and_nothing_else():
    dictionary, permuted = drawn(), drawn()
    order = torch.randperm(20, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        for name in ("W_enc", "b_enc", "W_dec"):
            getattr(permuted, name).copy_(getattr(dictionary, name)[order])
    torch.testing.assert_close(
        permuted.encode(rows()), dictionary.encode(rows())[:, order], rtol=0, atol=1e-13
    )
    torch.testing.assert_close(permuted(rows()), dictionary(rows()), rtol=0, atol=1e-12)


def rescaled(dictionary: TopK) -> TopK:
    """Each latent's decoder row grows as its encoder shrinks."""
    scale = torch.linspace(0.2, 5, 20, dtype=torch.float64)
    with torch.no_grad():
        dictionary.W_dec *= scale[:, None]
        dictionary.W_enc /= scale[:, None]
        dictionary.b_enc /= scale
    return dictionary


def test_rescaling_latents_changes_nothing_when_ranked_by_length_and_something_when_not():
    kept = drawn(rank_score="h_norm"), rescaled(drawn(rank_score="h_norm"))
    torch.testing.assert_close(kept[0](rows()), kept[1](rows()), rtol=0, atol=1e-11)
    plain = drawn(), rescaled(drawn())
    assert not torch.allclose(plain[0](rows()), plain[1](rows()), atol=1e-3)


def test_gradients_flow_through_codes_but_not_through_the_selection():
    dictionary, x = drawn(rank_score="h_norm"), rows(3).requires_grad_()
    dictionary.encode(x).sum().backward()
    chosen = (dictionary.encode(x) != 0).double()
    torch.testing.assert_close(x.grad, chosen @ dictionary.W_enc.detach(), rtol=0, atol=1e-12)


def test_a_transcoder_maps_one_width_to_another():
    dictionary = TopK(6, 20, 4, d_out=3, site_in="a", site_out="b", convention=Convention(subtract="none"))
    assert dictionary(torch.zeros(5, 6)).shape == (5, 3)
    assert (dictionary.site_in, dictionary.site_out) == ("a", "b")


def test_identity_of_a_dictionary_is_its_content():
    assert drawn().sha256 == drawn().sha256
    others = {drawn(k=3).sha256, drawn(seed=1).sha256, drawn(rank_score="h_norm").sha256}
    assert len(others | {drawn().sha256}) == 4


def test_decoder_rows_are_contiguous():
    assert drawn().W_dec.is_contiguous()
    assert drawn().W_dec.shape == (20, 6)


@pytest.mark.parametrize(
    ("make", "code", "words"),
    [
        (lambda: TopK(4, 8, 9), "DI06", "k is 9 for 8 latents."),
        (lambda: TopK(4, 8, 0), "DI06", "k is 0 for 8 latents."),
        (lambda: TopK(4, 8, 2, d_out=5), "DI03", "width 5 cannot be subtracted from an input of width 4"),
        (lambda: Convention(gate="softmax"), "DI01", "This version runs gate: auto, relu, topk"),
        (lambda: TopK(4, 8, 2, convention=Convention(gate="relu")), "DI01", "but TopK has the gate 'topk'"),
        (lambda: Convention.from_dict({"colour": "red"}), "DI02", "unknown fields: colour"),
        (lambda: drawn()(torch.zeros(2, 5)), "DI04", "reads width 6, but was given width 5"),
        (lambda: TopK(4, 8, 2, site_in="here")(torch.zeros(5)), "DI04", "width 4 at 'here'"),
    ],
)
def test_what_cannot_be_is_refused(make, code, words):
    with pytest.raises(InputError) as caught:
        make()
    assert caught.value.code == code
    assert words in str(caught.value)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_non_finite_activations_are_refused_with_their_position(bad):
    x = rows().reshape(5, 10, 6).clone()
    x[2, 7, 1] = bad
    with pytest.raises(
        InputError, match=r"1 activations are NaN or infinite, the first at index \(2, 7, 1\)"
    ):
        drawn().encode(x)


def test_large_finite_activations_are_no_error():
    assert torch.isfinite(drawn().encode(rows() * 1e200)).all()


def test_excluded_positions_and_tokens():
    record = Convention(excluded_positions=(0, 9), excluded_tokens=(3,))
    assert record.included(torch.tensor([[5, 3, 5], [3, 1, 2]])).tolist() == [
        [False, False, True],
        [False, True, True],
    ]
    assert Convention.from_dict(record.to_dict()) == record


def test_without_numba_torch_is_used_and_said_once(monkeypatch):
    monkeypatch.setattr(engines.importlib.util, "find_spec", lambda name: None)
    engines.compiler_is_there.cache_clear()
    with pytest.warns(UserWarning, match="pip install numba"):
        assert engine_for(torch.zeros(1)).name == "torch"
    assert engine_for(torch.zeros(1)).name == "torch"  # a second warning would be an error
    engines.compiler_is_there.cache_clear()


def test_the_engine_follows_the_tensor():
    assert engine_for(torch.zeros(1)).name == "compiled"
    assert engine_for(torch.zeros(1, dtype=torch.bfloat16)).name == "torch"
    assert engine_for(torch.zeros(1, device="meta")).name == "torch"
