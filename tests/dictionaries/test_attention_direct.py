"""Direct feature attribution is exact, frugal, and names the token that a copying head copied."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from attention_worlds import MAKERS, attention_dictionary, copier, family, mirror, words
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from pellucid.dictionaries import VARIANTS, Convention
from pellucid.dictionaries.attention.direct import attributed, direct_feature_attribution
from pellucid.dictionaries.attention.linear import attend, contributions, place_of, readings
from pellucid.findings import InputError

LATENTS = [0, 5, 7, 23]
EVERYWHERE = list(range(9))
EXACT = 1e-10  # float64: sums of some hundred terms of size 1


def parts(finding):
    """attention, constant, preactivation of every latent, sequence and place."""
    return np.moveaxis(finding.arrays["parts"].values, -1, 0)


@pytest.mark.law("dictionaries.direct_feature_attribution")
@pytest.mark.parametrize("name", list(MAKERS))
@pytest.mark.parametrize("part", ["attn.z", "attn_out"])
def test_heads_sources_and_constant_are_the_preactivation(name, part):
    """For every latent, sequence and position, grouped values and norms after attention included."""
    model = family(name)
    dictionary, tokens = attention_dictionary(model, 1, part), words(model, 2)
    finding = direct_feature_attribution(model, dictionary, tokens, range(24), EVERYWHERE, resamples=5)
    x = model.run(tokens, read=dictionary.site_in)[dictionary.site_in].detach().reshape(2, 9, -1)
    h = dictionary.preactivations(x).detach().permute(2, 0, 1).numpy()
    made = finding.arrays["dfa"].values.sum((3, 4)) + finding.arrays["parts"].values[..., 1]
    assert np.abs(made - h).max() < EXACT
    assert finding.measures["gap"].value < EXACT
    assert finding.status == "supports"


@pytest.mark.law("dictionaries.direct_feature_attribution")
@pytest.mark.parametrize("kind", list(VARIANTS))
@pytest.mark.parametrize(
    "record",
    [
        {"subtract": "none"},
        {"subtract": "b_dec"},
        {"subtract": "b_pre"},
        {"input_transform": "scale", "scale_in": 1.7, "scale_out": 0.3},
        {"input_transform": "centre"},
        {"input_transform": "token_norm"},
        {"input_transform": "layer_norm", "subtract": "b_pre"},
    ],
)
def test_every_variant_and_record_is_complete(kind, record):
    model = family("own-grouped")
    dictionary = attention_dictionary(model, 2, kind=kind, **record)
    finding = direct_feature_attribution(model, dictionary, words(model, 2), LATENTS, [8], resamples=5)
    attention, constant, h = parts(finding)
    assert np.abs(attention + constant - h).max() < EXACT


def test_the_constant_is_the_bias_less_what_is_subtracted():
    model = family("gpt2")
    dictionary = attention_dictionary(model, 1)
    finding = direct_feature_attribution(model, dictionary, words(model), LATENTS, [3], resamples=5)
    bias = dictionary.b_enc - dictionary.W_enc @ dictionary.b_dec
    assert parts(finding)[1][:, 0, 0] == pytest.approx(bias[LATENTS].detach().numpy(), abs=1e-12)


@pytest.mark.truth("dictionaries.direct_feature_attribution")
def test_everything_comes_from_the_token_that_was_copied():
    """Head 0 copies the token before: at position 5 the latent of token 4 has all from head 0, source 4."""
    model, tokens = copier(), torch.tensor([[3, 1, 4, 0, 5, 2, 6, 7]])
    for position in range(1, 8):
        copied = int(tokens[0, position - 1])
        finding = direct_feature_attribution(
            model, mirror("blocks.0.attn.z", 24), tokens, [copied], [position], resamples=5
        )
        dfa = finding.arrays["dfa"].values[0, 0, 0]
        assert dfa[0, position - 1] == pytest.approx(1.0, abs=1e-12)
        assert np.abs(dfa).sum() == pytest.approx(1.0, abs=1e-12)
        assert finding.measures["head_share"].value == pytest.approx(1.0)
        assert finding.measures["source_share"].value == pytest.approx(1.0)
        assert f"from '<{copied}>' ({position - 1})" in finding.arrays["foremost"].coords["term"][0]


def test_linear_in_the_values_while_the_pattern_is_held():
    """z(a v1 + b v2) = a z(v1) + b z(v2)."""
    model = family("llama")
    tokens, site = words(model), "blocks.1.attn"
    seen = model.run(tokens, read=[f"{site}.pattern", f"{site}.v"])
    pattern, first = seen[f"{site}.pattern"].detach(), seen[f"{site}.v"].detach()
    second = torch.randn(first.shape, generator=torch.Generator().manual_seed(0), dtype=first.dtype)

    def mixed(values):
        write = {f"{site}.v": values, f"{site}.pattern": pattern}
        return model.run(tokens, read=f"{site}.z", write=write)[f"{site}.z"].detach()

    made = 0.3 * mixed(first) - 2 * mixed(second)
    assert torch.allclose(mixed(0.3 * first - 2 * second), made, atol=1e-12, rtol=0)


def naive(pattern, values, rows):
    """The contraction that makes [dest, source, head d_head] first."""
    placed = torch.einsum("hqs,shd->qshd", pattern, values).flatten(2)
    weighted = placed * rows.flatten()
    return weighted.unflatten(2, values.shape[1:]).sum(3).permute(2, 0, 1)


def drawn_attention(positions, heads, width, dtype):
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(heads, positions, positions, generator=generator, dtype=dtype)
    pattern = scores.tril().softmax(-1)
    values = torch.randn(positions, heads, width, generator=generator, dtype=dtype)
    return pattern, values, torch.randn(1, heads, width, generator=generator, dtype=dtype)


def test_equal_to_the_naive_contraction_at_64_tokens():
    pattern, values, rows = drawn_attention(64, 12, 16, torch.float64)
    assert torch.allclose(
        contributions(pattern, values, rows), naive(pattern, values, rows[0]), atol=1e-12, rtol=0
    )


class Allocations(TorchDispatchMode):
    """Counts the bytes of every tensor that an operation makes anew."""

    def __init__(self) -> None:
        super().__init__()
        self.total, self.largest, self.known = 0, 0, set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        given = {
            tensor.untyped_storage().data_ptr()
            for tensor in tree_leaves((args, kwargs))
            if isinstance(tensor, torch.Tensor)
        }
        out = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            if isinstance(tensor, torch.Tensor) and tensor.untyped_storage().data_ptr() not in given:
                size = tensor.untyped_storage().nbytes()
                self.total += size
                self.largest = max(self.largest, size)
        return out


def test_the_byte_budget_at_1024_tokens():
    """At most the naive contraction's bytes over d_head, and the values read a few times."""
    positions, heads, width = 1024, 12, 64
    pattern, values, rows = drawn_attention(positions, heads, width, torch.float32)
    whole = 4 * positions**2 * heads * width
    with Allocations() as counted:
        contributions(pattern, values, rows)
    assert counted.largest == whole / width
    assert counted.total <= whole / width + 2 * values.nbytes
    with Allocations() as one:
        contributions(pattern[:, -1:], values, rows)
    assert one.largest <= values.nbytes
    assert one.total <= 2 * values.nbytes


def test_without_positions_the_peak_of_each_sequence_is_explained():
    model = family("own")
    dictionary, tokens = attention_dictionary(model, 1, excluded_positions=(0, 1)), words(model, 3)
    finding = direct_feature_attribution(model, dictionary, tokens, [4, 9], resamples=5)
    x = model.run(tokens, read=dictionary.site_in)[dictionary.site_in].detach().flatten(2)
    h = dictionary.preactivations(x).detach()[:, 2:, [4, 9]]
    assert finding.arrays["place"].values[..., 0].tolist() == (h.argmax(1) + 2).T.tolist()
    assert parts(finding)[2][..., 0] == pytest.approx(h.amax(1).T.numpy())


def test_attributions_say_which_latent_and_by_how_much_they_miss():
    model = family("own")
    dictionary, tokens = attention_dictionary(model, 1), words(model, 2)
    (one,) = attributed(model, dictionary, place_of(model, dictionary), tokens, 1, [3], [2, 4])
    assert (one.latent, one.sequence, one.queries.tolist()) == (3, 1, [2, 4])
    assert one.terms.shape == (4, 2, 9)
    assert one.gap < EXACT


def test_float32_leaves_less_than_the_bound():
    model = family("own")
    model.module.float()
    dictionary = attention_dictionary(model, 1).float()
    finding = direct_feature_attribution(model, dictionary, words(model, 2), LATENTS, resamples=5)
    assert 0 < finding.measures["gap"].value < 1e-5
    assert finding.provenance.dtype == "float32"


def test_a_model_without_gradients_of_its_own_is_attributed_too():
    model = family("gemma2")
    model.module.requires_grad_(False)
    dictionary = attention_dictionary(model, 1, "attn_out")
    finding = direct_feature_attribution(model, dictionary, words(model), [1], resamples=5)
    assert finding.measures["gap"].value < EXACT


def test_rows_are_shared_unless_each_token_has_its_own_norm():
    model, tokens = family("own"), words(family("own"))
    for record, count in (({}, 1), ({"input_transform": "token_norm"}, 9)):
        dictionary = attention_dictionary(model, 0, **record)
        seen = attend(model, place_of(model, dictionary), tokens)
        assert len(next(readings(dictionary, seen, [0])).rows) == count


def test_the_same_numbers_have_the_same_id():
    model, tokens = family("own"), words(family("own"), 2)
    dictionary = attention_dictionary(model, 0)
    first, second = (direct_feature_attribution(model, dictionary, tokens, [1, 2]) for _ in range(2))
    assert first.id == second.id


@pytest.mark.parametrize(
    ("positions", "message"),
    [([9], "There is no position 9. The sequences have positions 0-8."), ([], "No position was named")],
)
def test_positions_outside_the_sequences(positions, message):
    model = family("own")
    with pytest.raises(InputError, match=message) as caught:
        direct_feature_attribution(model, attention_dictionary(model, 0), words(model), [0], positions)
    assert caught.value.code == "DI32"


def test_no_sequences_and_no_such_latent():
    model = family("own")
    dictionary = attention_dictionary(model, 0)
    with pytest.raises(InputError, match=r"Tokens of shape \(3,\) are no sequences") as caught:
        direct_feature_attribution(model, dictionary, torch.tensor([1, 2, 3]), [0])
    assert caught.value.code == "DI32"
    with pytest.raises(InputError, match="No latent 24") as missing:
        direct_feature_attribution(model, dictionary, words(model), [24])
    assert missing.value.code == "DI24"


def test_the_record_may_say_that_heads_are_joined():
    model = copier()
    dictionary = mirror("blocks.0.attn.hook_z", 24)
    assert dictionary.convention == Convention(subtract="none", reshape="heads", gate="relu")
    assert place_of(model, dictionary).layer == 0
