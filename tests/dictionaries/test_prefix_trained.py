"""What the adjudicator says of trained networks, and that corruption agrees with it."""

import numpy as np
import pytest

import pellucid
from pellucid.dictionaries.attention.adjudicator import adjudicate_induction, classes_of, verdict_of
from pellucid.dictionaries.attention.corruption import CorruptionConfig, corruption_test
from pellucid.dictionaries.attention.prefix import PrefixConfig, prefix_curves
from pellucid.organisms import names

EXAMPLES = {"induction-3": 4_000}  # a head so near a cut (0.6) that fewer leave the model undecided


@pytest.mark.parametrize("name", names("induction"))
def test_verdicts_of_the_trained_networks(name):
    """All heads attend about half as much after one repeated token as after three: none is purely short."""
    model = pellucid.open_model(f"organism:{name}")
    finding = adjudicate_induction(model, PrefixConfig(examples=EXAMPLES.get(name, 400), batch=100))
    assert verdict_of(finding) == "did not specialise"
    assert finding.measures["short_possible"].value == 0
    classes = classes_of(finding)
    assert {classes[0, head] for head in range(4)} == {"other"}  # the first layer sees three tokens


@pytest.mark.parametrize("name", names("induction")[:2])
def test_replacing_the_second_token_leaves_what_one_token_gives(name):
    """Two independent measurements of one number: A after corruption at prefix 2, and A at prefix 1."""
    model = pellucid.open_model(f"organism:{name}")
    corrupted = corruption_test(model, config=CorruptionConfig(examples=300))
    curves = prefix_curves(model, PrefixConfig(prefixes=(1, 2), examples=300))
    places = [curves.arrays["attention"].coords["head"].index(head) for head in heads(corrupted)]
    assert places
    one, two = curves.arrays["attention"].values[places].T
    before, random, matched = corrupted.arrays["attention"].values
    assert np.abs(before - two).max() < 0.1
    assert np.abs(random - one).max() < 0.15
    assert np.abs(random - matched).max() < 0.1


def heads(finding):
    return list(finding.arrays["attention"].coords["head"])
