"""The folding algebra: the same function with other weights, to the last digits of float64."""

from __future__ import annotations

import pytest
import torch

from pellucid.dictionaries import VARIANTS, Convention, Dictionary, Gated, JumpReLU, TopK
from pellucid.dictionaries.formats.conversion import (
    as_jumprelu,
    fold_lengths,
    fold_scale,
    fold_subtraction,
    fold_whitening,
    in_units_of_h,
)
from pellucid.dictionaries.variants import build
from pellucid.findings import InputError

D, F, K = 7, 20, 3
EXACT = 1e-12  # float64 sums of twenty terms of size 1


def drawn(variant: str, *, d_out: int | None = None, seed: int = 0, **record: object) -> Dictionary:
    """Unequal decoder rows, biases that are not zero, thresholds above zero, in float64."""
    convention = Convention(**{"subtract": "none" if d_out else "b_dec", **record})
    settings = {"variant": variant} | ({"k": K} if variant in ("topk", "batchtopk", "matryoshka") else {})
    made = build(
        settings, D, F, d_out=d_out, convention=convention, site_in="a", site_out="b" if d_out else "a"
    )
    made = made.double().requires_grad_(False)
    generator = torch.Generator().manual_seed(seed)
    for name, value in made.state_dict().items():
        noise = torch.randn(value.shape, generator=generator, dtype=torch.float64)
        value.copy_(0.3 + 0.2 * noise.abs() if name == "threshold" else value + 0.5 * noise)
    return made


def rows(n: int = 200, seed: int = 3) -> torch.Tensor:
    return torch.randn(n, D, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + 0.3


def same(a: torch.Tensor, b: torch.Tensor, tolerance: float = EXACT) -> None:
    assert (a - b).abs().max() <= tolerance * max(1.0, float(b.abs().max()))


RECORDS = [  # every value with every other, in pairs
    {"rank_score": rank, "code_units": units, "subtract": subtract}
    for rank, units, subtract in [
        ("h", "h", "none"),
        ("h", "h", "b_dec"),
        ("h", "h_norm", "b_pre"),
        ("h_norm", "h", "b_pre"),
        ("h_norm", "h_norm", "none"),
        ("h_norm", "h_norm", "b_dec"),
    ]
]
EVERY = [(variant, record) for variant in VARIANTS for record in RECORDS]


@pytest.mark.parametrize(("variant", "record"), EVERY)
def test_lengths_fold(variant, record):
    """Decoder rows of length 1 give the same reconstruction, and codes in units of h n."""
    dictionary, x = drawn(variant, **record), rows()
    if variant == "topk" and record["rank_score"] == "h":
        with pytest.raises(InputError, match=r"ranks latents by h: other lengths") as caught:
            fold_lengths(dictionary)
        assert caught.value.code == "DI28"
        return
    folded = fold_lengths(dictionary)
    same(folded.lengths(), torch.ones(F))
    same(folded(x), dictionary(x))
    unit = 1.0 if record["code_units"] == "h_norm" else dictionary.lengths()
    same(folded.encode(x), dictionary.encode(x) * unit)
    assert (folded.convention.rank_score, folded.convention.code_units) == ("h", "h")


def test_column_rescaling_changes_a_plain_topk():
    """The same fold by hand is another function there, which is why it is refused."""
    dictionary, x = drawn("topk"), rows()
    before, lengths = dictionary(x), dictionary.lengths()
    dictionary.W_dec.div_(lengths[:, None])
    dictionary.W_enc.mul_(lengths[:, None])
    dictionary.b_enc.mul_(lengths)
    assert (dictionary(x) - before).abs().max() > 0.1


@pytest.mark.parametrize(("variant", "record"), EVERY)
@pytest.mark.parametrize("subtract", ["none", "b_dec"])
def test_what_is_subtracted_folds(variant, record, subtract):
    dictionary, x = drawn(variant, **record), rows()
    folded = fold_subtraction(dictionary, subtract)
    assert folded.convention.subtract == subtract
    assert folded.b_pre is None
    same(folded.encode(x), dictionary.encode(x))
    same(folded(x), dictionary(x))


@pytest.mark.parametrize(("variant", "record"), EVERY)
@pytest.mark.parametrize("units", ["raw", "scaled"])
@pytest.mark.parametrize(("s_in", "s_out"), [(2.5, 2.5), (2.5, 0.4)])
def test_scales_fold(variant, record, units, s_in, s_out):
    """Both foldings of S_in and S_out; the raw one gives codes divided by S_in."""
    scale = {"input_transform": "scale", "scale_in": s_in, "scale_out": s_out}
    dictionary, x = drawn(variant, **record, **scale), rows()
    folded = fold_scale(dictionary, units)
    assert folded.convention.input_transform == "none"
    same(folded(x), dictionary(x))
    by_length = record["code_units"] == "h_norm"
    factor = (
        (1 / s_out if by_length else 1.0) if units == "scaled" else (1 / s_out if by_length else 1 / s_in)
    )
    same(folded.encode(x), dictionary.encode(x) * factor)


def test_scales_fold_for_a_transcoder():
    """Scales of input and output that differ, with nothing subtracted and a skip path of the raw input."""
    scale = {"input_transform": "scale", "scale_in": 3.0, "scale_out": 0.7, "skip": "linear"}
    dictionary, x = drawn("jumprelu", d_out=5, **scale), rows()
    assert dictionary.W_skip.abs().max() > 0.1
    same(fold_scale(dictionary)(x), dictionary(x))


@pytest.mark.parametrize(("variant", "record"), EVERY)
def test_whitening_folds(variant, record):
    """A dictionary of z = (x - m) M, folded, is the function of x that whitening by hand gives."""
    dictionary, x = drawn(variant, **record), rows()
    generator = torch.Generator().manual_seed(9)
    matrix = torch.randn(D, D, generator=generator, dtype=torch.float64) + 3 * torch.eye(D)
    mean = torch.randn(D, generator=generator, dtype=torch.float64)
    folded = fold_whitening(dictionary, mean, matrix)
    by_hand = dictionary((x - mean) @ matrix) @ torch.linalg.inv(matrix) + mean
    same(folded(x), by_hand, 1e-10)  # the condition of M costs two digits


@pytest.mark.parametrize(
    ("variant", "record"), [(v, record) for v, record in EVERY if v not in ("topk", "jumprelu")]
)
def test_thresholds_for_each_latent_are_the_same_dictionary(variant, record):
    dictionary, x = drawn(variant, **record), rows()
    jumping = as_jumprelu(dictionary)
    assert isinstance(jumping, JumpReLU)
    assert jumping.threshold.shape == (F,)
    same(jumping.encode(x), dictionary.encode(x))
    same(jumping(x), dictionary(x))


def test_a_gate_opens_where_the_magnitude_exceeds_its_threshold():
    """theta = max(0, b_mag - exp(r) b_gate): the same support on rows where many gates are close to opening."""
    gated, x = drawn("gated"), rows(4000)
    jumping = as_jumprelu(gated)
    assert isinstance(gated, Gated)
    assert torch.equal(jumping.encode(x) != 0, gated.encode(x) != 0)
    assert (jumping.threshold == 0).any()
    assert (jumping.threshold > 0).any()


def test_a_topk_has_no_threshold_of_its_own():
    with pytest.raises(
        InputError, match=r"k = 3 has no threshold .* with to_jumprelu\(dictionary, rows\)"
    ) as caught:
        as_jumprelu(drawn("topk"))
    assert caught.value.code == "DI88"


def test_nothing_to_fold_is_nothing_done():
    plain = drawn("relu", subtract="none")
    assert fold_scale(plain) is plain
    assert fold_subtraction(plain, "none") is plain
    assert in_units_of_h(plain) is plain
    assert as_jumprelu(drawn("jumprelu")).sha256 == drawn("jumprelu").sha256


def test_what_is_given_stays_as_it_is():
    dictionary = drawn("batchtopk", rank_score="h_norm", input_transform="scale", scale_in=2.0, scale_out=2.0)
    before = dictionary.sha256
    for fold in (fold_lengths, fold_scale, as_jumprelu, lambda d: fold_subtraction(d, "none")):
        fold(dictionary)
    assert dictionary.sha256 == before


def test_a_topk_with_rows_of_one_length_in_units_of_both():
    dictionary = drawn("topk", rank_score="h_norm", code_units="h_norm")
    assert isinstance(in_units_of_h(dictionary), TopK)
