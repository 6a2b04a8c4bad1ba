"""What reading latents does with texts, numbers and weights that nobody should give."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from dictionary_models import small_model

from pellucid.dictionaries import TopK, important_latents, logit_effects, top_examples
from pellucid.findings import InputError, PellucidError

SITE = "blocks.0.resid_post"


def sae() -> TopK:
    return TopK(8, 12, 3, site_in=SITE)


@pytest.fixture
def text() -> torch.Tensor:
    return torch.randint(0, 12, (5, 6), generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("read", [top_examples, important_latents])
@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda text: text[:, :0], r"\(5, 0\)"),
        (lambda text: text + 100, "outside the vocabulary of 12"),
        (lambda text: text - 100, "vocabulary of 12"),
        (lambda text: text.repeat(1, 9), "54 tokens exceed the context of 10"),
    ],
)
def test_texts_that_the_model_cannot_read(text, read, spoil, words):
    what = [1] if read is top_examples else 1
    with pytest.raises(PellucidError, match=words):
        read(small_model(), sae(), spoil(text), what)


@pytest.mark.parametrize("read", [top_examples, important_latents])
@pytest.mark.parametrize("worth", [float("nan"), float("inf")])
def test_a_model_that_makes_no_numbers(read, worth):
    model = small_model()
    with torch.no_grad():
        model.module.embed.weight[3] = worth
    text = torch.tensor([[1, 2, 3, 4]] * 3)
    with pytest.raises(InputError, match=f"activations at {SITE!r} are NaN or infinite") as caught:
        read(model, sae(), text, [1] if read is top_examples else 1)
    assert caught.value.code == "DI05"


def test_more_examples_than_there_are(text):
    dictionary = sae()
    finding = top_examples(small_model(), dictionary, text, range(12), n=10**9, before=10**9, after=10**9)
    x = small_model().run(text, read=SITE)[SITE].detach()
    fires = (dictionary.encode(x) > 0).any(1).sum()
    assert len(finding.arrays["examples"].values) == fires
    assert (finding.arrays["places"].values[:, 3:] == [0, 6]).all()


def test_more_words_than_there_are():
    finding = logit_effects(small_model(), sae(), [1], top=10**9)
    assert finding.arrays["promoted"].values.shape == (1, 12)
    assert sorted(finding.arrays["promoted_tokens"].values[0]) == list(range(12))


def test_a_latent_without_a_direction_speaks_for_nothing():
    dictionary = sae()
    with torch.no_grad():
        dictionary.W_dec[2] = 0
    finding = logit_effects(small_model(), dictionary, [2])
    assert (finding.arrays["promoted"].values == 0).all()


@pytest.mark.parametrize("n", [0, -1, 13, 10**9])
def test_numbers_of_latents_that_cannot_be_ablated(text, n):
    with pytest.raises(InputError, match=f"{n} latents cannot be ablated") as caught:
        important_latents(small_model(), sae(), text, n)
    assert caught.value.code == "DI25"


@pytest.mark.parametrize("worth", [float("nan"), float("inf")])
def test_weights_of_no_numbers_are_refused(text, worth):
    dictionary = sae()
    with torch.no_grad():
        dictionary.W_dec[2] = worth
    with pytest.raises(InputError, match="W_dec of the dictionary holds values that are NaN") as caught:
        important_latents(small_model(), dictionary, text, 12)
    assert caught.value.code == "DI90"


def test_one_sequence_gives_no_interval(text):
    with pytest.raises(InputError, match="1 sequences and 1000 resamples give no interval") as caught:
        important_latents(small_model(), sae(), text[:1], 3)
    assert caught.value.code == "DI92"


def test_one_token_again_and_again():
    """Every sequence is equal: all examples are ties, and no interval has a width."""
    text = torch.full((4, 6), 7)
    finding = top_examples(small_model(), sae(), text, range(12), n=2)
    places = finding.arrays["places"].values
    assert set(places[:, 1].tolist()) == {0, 1}
    rises = important_latents(small_model(), sae(), text, 3).arrays["ablation"].values
    assert rises[:, 1] == pytest.approx(rises[:, 2])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"n": 0}, "0 examples with 12 tokens before and 6 after the maximum show nothing"),
        ({"n": -1}, "-1 examples"),
        ({"before": -3}, "-3 tokens before"),
        ({"after": -3}, "-3 after the maximum"),
    ],
)
def test_windows_that_show_nothing(text, settings, words):
    with pytest.raises(InputError, match=words) as caught:
        top_examples(small_model(), sae(), text, [1], **settings)
    assert caught.value.code == "DI74"
    assert "Give n of at least 1, before and after of at least 0." in str(caught.value)


@pytest.mark.parametrize("top", [0, -1])
def test_words_that_are_none(top):
    with pytest.raises(InputError, match=f"{top} tokens at each end show nothing. Give top") as caught:
        logit_effects(small_model(), sae(), [1], top=top)
    assert caught.value.code == "DI74"


def test_no_text_to_take_examples_from(text):
    with pytest.raises(InputError, match=r"shape \(0, 6\) hold no position") as caught:
        top_examples(small_model(), sae(), text[:0], [1])
    assert caught.value.code == "DI74"


@pytest.mark.parametrize("latents", [[1, 1, 2], np.array([1, 2]), torch.tensor([2, 1, 2]), range(1, 3)])
def test_latents_in_every_form_count_once(text, latents):
    finding = top_examples(small_model(), sae(), text, latents)
    assert finding.measures["latents"].value == 2
    once = top_examples(small_model(), sae(), text, sorted({int(latent) for latent in latents}))
    assert sorted(finding.arrays["places"].values.tolist()) == sorted(once.arrays["places"].values.tolist())
    assert logit_effects(small_model(), sae(), latents).measures["latents"].value == 2


@pytest.mark.parametrize("latent", [1.5, -1, 12, float("nan")])
def test_latents_that_are_none(text, latent):
    with pytest.raises(InputError, match=f"No latent {latent}") as caught:
        top_examples(small_model(), sae(), text, [latent])
    assert caught.value.code == "DI24"
