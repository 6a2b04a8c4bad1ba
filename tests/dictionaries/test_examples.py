"""Top examples: a latent that fires for one token is shown exactly where that token is."""

from __future__ import annotations

import pytest
import torch
from dictionary_models import small_model

from pellucid.dictionaries import Convention, TopK, top_examples
from pellucid.dictionaries.judging import sums as evaluating
from pellucid.findings import InputError


class Letters:
    """A tokenizer of twelve letters."""

    size, sha256 = 12, "letters"

    def encode(self, text: str) -> list[int]:
        return ["abcdefghijkl".index(letter) for letter in text]

    def decode(self, ids: list[int]) -> str:
        return "".join(map(self.token, ids))

    def token(self, id: int) -> str:
        return "abcdefghijkl"[id]


def planted() -> tuple:
    """Latent i fires by i + 1 where token i is read, and nowhere else; latents from 12 on never fire."""
    model = small_model()
    model._tokenizer = Letters()
    table = model.module.embed.weight.detach()
    inverse = torch.linalg.pinv(
        table[:8].double()
    ).T.float()  # row i: 1 at token i, 0 at the other first seven
    dictionary = TopK(8, 12, 3, site_in="embed", convention=Convention(subtract="none"))
    with torch.no_grad():
        dictionary.W_enc.zero_()
        dictionary.W_enc[:8] = inverse * torch.arange(1, 9)[:, None]
    return model, dictionary


@pytest.fixture
def few() -> torch.Tensor:
    """Sequences of the first eight letters."""
    return torch.randint(0, 8, (30, 9), generator=torch.Generator().manual_seed(1))


@pytest.mark.truth("dictionaries.examples")
def test_examples_are_where_the_token_is(few):
    model, dictionary = planted()
    finding = top_examples(model, dictionary, few, [2, 5, 9], n=4)
    places = finding.arrays["places"].values
    assert [int(place[0]) for place in places] == [2, 2, 2, 2, 5, 5, 5, 5]
    for latent, sequence, position, _, _ in places.tolist():
        assert few[sequence, position] == latent
        assert latent not in few[sequence, :position]  # equal maxima: the first position
    with_two = [row for row in range(30) if 2 in few[row]]
    assert places[:4, 1].tolist() == with_two[:4]  # equal maxima: the first sequences
    assert finding.measures["silent"].value == 1
    assert finding.measures["largest"].value == pytest.approx(6, abs=1e-4)


@pytest.mark.law("dictionaries.examples")
def test_shown_activations_are_the_codes(few):
    model = small_model()
    dictionary = TopK(8, 12, 3, site_in="blocks.0.resid_post")
    finding = top_examples(model, dictionary, few, [0, 1, 2, 3], n=5, before=2, after=1)
    x = model.run(few, read="blocks.0.resid_post")["blocks.0.resid_post"].detach()
    z = dictionary.encode(x).detach()
    shown = iter(finding.arrays["pieces"].values)
    for latent, sequence, position, first, count in finding.arrays["places"].values.tolist():
        assert first == max(0, position - 2)
        part = [next(shown) for _ in range(count)]
        assert part == pytest.approx(z[sequence, first : first + count, latent].tolist(), abs=1e-5)
        assert z[sequence, position, latent] == z[sequence, :, latent].max()
    for latent in range(4):
        rows = finding.arrays["places"].values[:, 0] == latent
        peaks = z[..., latent].max(1).values.sort(descending=True).values[:5]
        found = finding.arrays["examples"].values[rows]
        assert found == pytest.approx(peaks[peaks > 0].tolist(), abs=1e-5)


def test_the_text_is_there_without_the_tokenizer(few):
    model, dictionary = planted()
    finding = top_examples(model, dictionary, few, [3], n=2, before=20, after=20)
    passages, places = finding.arrays["examples"].coords["passage"], finding.arrays["places"].values
    texts = [model.tokenizer.decode(few[sequence].tolist()) for sequence in places[:, 1]]
    for passage, text, at in zip(passages, texts, places[:, 2], strict=True):
        assert passage == f"3: {text[:at]}⟦d⟧{text[at + 1 :]}"
    assert "".join(finding.arrays["pieces"].coords["token"]) == "".join(texts)


def test_tokens_have_numbers_where_there_are_no_words(few):
    dictionary = TopK(8, 12, 3, site_in="embed")
    pieces = top_examples(small_model(), dictionary, few, [0], n=1).arrays["pieces"].coords["token"]
    assert all(piece.startswith("<") for piece in pieces)


def test_batches_do_not_matter(few, monkeypatch):
    dictionary = TopK(8, 12, 3, site_in="embed")
    whole = top_examples(small_model(), dictionary, few, [0, 1], n=6)
    monkeypatch.setattr(evaluating, "BATCH", 4)
    parts = top_examples(small_model(), dictionary, few, [0, 1], n=6)
    assert parts.arrays["places"] == whole.arrays["places"]


def test_excluded_positions_are_no_examples(few):
    model, dictionary = planted()
    dictionary.convention = Convention(subtract="none", excluded_positions=(0, 1, 2))
    places = top_examples(model, dictionary, few, [2, 5]).arrays["places"].values
    assert int(places[:, 2].min()) >= 3


@pytest.mark.parametrize(("latents", "words"), [([1, 12], "No latent 12."), ([], "No latent was named.")])
def test_latents_that_do_not_exist(few, latents, words):
    with pytest.raises(InputError, match=words) as caught:
        top_examples(small_model(), TopK(8, 12, 3, site_in="embed"), few, latents)
    assert caught.value.code == "DI24"
    assert "latents 0-11" in str(caught.value)
