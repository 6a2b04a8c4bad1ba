"""Dictionaries in another precision than the activations, and dictionaries that do not say where they belong."""

from __future__ import annotations

import copy

import pytest
import torch
from dictionary_models import small_model

from pellucid.dictionaries import VARIANTS, Convention, Dictionary, evaluate, load_dictionary, save_dictionary
from pellucid.dictionaries import dictionary_formats as formats
from pellucid.dictionaries.config import WITH_K
from pellucid.dictionaries.variants import build
from pellucid.findings import InputError

F, K = 20, 3
FILES = {"openai": "made.pt", "goodfire": "made.pth"}  # formats that are one file


def drawn(name: str, width: int = 8, **place: object) -> Dictionary:
    torch.manual_seed(4)
    made = build({"variant": name, **({"k": K} if name in WITH_K else {})}, width, F, **place)
    with torch.no_grad():
        for weight in made.parameters():
            weight.add_(0.1 * torch.randn(weight.shape))
    return made


@pytest.mark.parametrize("kind", [torch.float64, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("subtract", ["none", "b_dec"])
@pytest.mark.parametrize("name", VARIANTS)
def test_activations_are_read_in_the_precision_of_the_weights(name, subtract, kind):
    wide = drawn(name, convention=Convention(subtract=subtract, skip="linear"))
    other = copy.deepcopy(wide).to(kind)
    x = torch.randn(11, 8, generator=torch.Generator().manual_seed(2))
    assert torch.equal(other(x), other(x.to(kind)))
    assert torch.equal(other.codes(x).dense(), other.codes(x.to(kind)).dense())
    codes, y = other.reconstruct(x)
    assert codes.values.dtype == y.dtype == other(x).dtype == kind
    assert torch.equal(wide(x.to(kind)), wide(x.to(kind).float()))


def test_a_double_dictionary_is_judged_on_a_single_model():
    model = small_model()
    width = model.facts.d_model
    tokens = torch.randint(0, model.facts.d_vocab, (4, 10), generator=torch.Generator().manual_seed(0))
    made = drawn("jumprelu", width, site_in="blocks.0.resid_post", convention=Convention(subtract="none"))
    single = evaluate(model, made, tokens).measures
    double = evaluate(model, made.double(), tokens).measures
    # float32 against float64 of the same weights: rounding alone
    for name in ("l0", "fvu", "kl"):
        assert double[name].value == pytest.approx(single[name].value, rel=1e-4)


@pytest.mark.parametrize("form", [entry.name for entry in formats() if entry.write])
def test_a_dictionary_without_a_site_is_written_or_refused(tmp_path, form):
    x = torch.randn(5, 8, generator=torch.Generator().manual_seed(3))
    held, refusals = 0, []
    for name in VARIANTS:
        made, place = drawn(name), tmp_path / name / FILES.get(form, "made")
        place.parent.mkdir()
        try:
            save_dictionary(made, place, format=form)
        except InputError as refused:
            refusals.append(str(refused))
            continue
        held += 1
        back = load_dictionary(place)
        assert back.site_in == back.site_out == ""
        assert (back(x) - made(x)).abs().max() <= 1e-5
    nameless = any("e2e_sae cannot hold a dictionary without a site." in message for message in refusals)
    assert nameless == (form == "e2e_sae")  # its files name every tensor by the site
    assert (held >= 1) != nameless
