"""The study of attention outputs: planted numbers, networks and heads give back what was planted."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from pellucid.compute import SILENT, executor
from pellucid.dictionaries.attention.adjudicator import adjudicate_induction
from pellucid.dictionaries.attention.corruption import CorruptionConfig, corruption_test
from pellucid.dictionaries.attention.prefix import PrefixConfig
from pellucid.dictionaries.attention.relations import RELATIONS, SourceRelations
from pellucid.dictionaries.variants import TopK
from pellucid.findings import Measure, start
from pellucid.library import catalogue
from pellucid.library.studies import attention_families as families
from pellucid.library.studies import attention_induction as induction
from pellucid.library.studies import attention_outputs as study
from pellucid.library.studies import attention_setting as setting
from pellucid.library.studies import attention_weights as weights
from pellucid.library.studies.protocol import Conditions
from pellucid.models import Model, Transformer, TransformerConfig
from pellucid.organisms import HeadPlan, InductionPlan, compiled_induction

SMALL = InductionPlan((HeadPlan("short"), HeadPlan("long")), 40, 36)


@pytest.fixture
def model() -> Model:
    """Two random blocks of two heads each."""
    config = TransformerConfig(d_vocab=20, context=24, n_layers=2, d_model=16, n_heads=2, d_mlp=8)
    module, generator = Transformer(config), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / 2)
    return Model(module, id="small")


@pytest.fixture
def tokens() -> torch.Tensor:
    return torch.randint(0, 20, (64, 24), generator=torch.Generator().manual_seed(1))


def values(measures) -> dict[str, float]:
    return {measure.name: measure.value for measure in measures}


def judged(kind, **ends) -> str:
    """The status of a Finding with given measures; one number or (value, low, high), 0 for what is not given."""
    made = []
    for name in set(kind_names(kind)) | set(ends):
        given = ends.get(name, 0.0)
        value, low, high = given if isinstance(given, tuple) else (given, given, given)
        made.append(Measure(name=name, value=value, low=low, high=high, n=9))
    return start(study.run).finding(kind, measures=made).status


def kind_names(kind) -> list[str]:
    """The measures that a kind's sentence needs."""
    return [part.split(".")[0] for part in kind.statement.replace("}", "{").split("{")[1::2]]


def evaluation(**ends):
    """What a layer's evaluation says, as far as the study reads it."""
    made = {name: Measure(name=name, value=v, low=a, high=b, n=7) for name, (v, a, b) in ends.items()}
    return SimpleNamespace(measures=made)


# C1


@pytest.mark.truth("library.attention_loss")
def test_the_layer_that_keeps_least_decides():
    rows = [((0.95, 0.9, 0.97), 12.0), ((0.8, 0.78, 0.99), 17.0), ((0.85, 0.7, 0.9), 3.0)]
    layers = [evaluation(ce_recovered=kept, l0=(l0, l0, l0)) for kept, l0 in rows]
    measures, arrays = study.loss_measures(layers)
    recovered = measures[0]
    assert (recovered.value, recovered.low, recovered.high, recovered.n) == (0.8, 0.7, 0.9, 7)
    assert (recovered.reference.low, recovered.reference.high) == (0.75, 0.99)
    assert values(measures)["mean"] == pytest.approx(2.6 / 3)
    assert values(measures)["l0"] == 17
    assert arrays["recovered"].values.tolist() == [list(kept) for kept, _ in rows]
    unknown = [*layers, evaluation(ce_recovered=(None, None, None), l0=(3.0, 3.0, 3.0))]
    assert study.loss_measures(unknown)[0][0].value is None


@pytest.mark.law("library.attention_loss")
@pytest.mark.parametrize(
    ("l0", "recovered", "status"),
    [
        (16, (0.9, 0.8, 0.95), "supports"),
        (16, (0.8, 0.7, 0.9), "inconclusive"),
        (16, (0.6, 0.5, 0.7), "refutes"),
        (25, (0.9, 0.8, 0.95), "refutes"),
    ],
)
def test_loss_is_judged_by_the_papers_lowest_layer(l0, recovered, status):
    assert judged(study.LOSS, l0=l0, recovered=recovered) == status


# C2


@pytest.mark.truth("library.attention_completeness")
def test_attribution_of_trained_dictionaries_is_exact_and_a_wrong_one_would_show(model, tokens, monkeypatch):
    """Sums of about a hundred float64 terms of size 1 miss by some 1e-14; a constant of 1e-6 must not pass."""
    made = setting.trained(model, tokens, "attn.z", 0, 4)
    assert [one.site_in for one in made] == ["blocks.0.attn.z", "blocks.1.attn.z"]
    found = study.exactness(model, made, tokens[:2])
    assert found["gap"] < 1e-12
    assert found["tree_gap"] < 1e-12
    assert found["latents"] > 50
    assert found["trees"] == 4
    attributed = study.attributed

    def shifted(*given):
        for one in attributed(*given):
            one.constant.add_(1e-6)
            yield one

    monkeypatch.setattr(study, "attributed", shifted)
    assert study.exactness(model, made, tokens[:1])["gap"] == pytest.approx(1e-6, rel=1e-3)


@pytest.mark.law("library.attention_completeness")
def test_completeness_is_judged_by_the_stated_limit():
    assert judged(study.COMPLETE, gap=9e-11, tree_gap=9e-11) == "supports"
    assert judged(study.COMPLETE, gap=2e-10) == "refutes"
    assert judged(study.COMPLETE, tree_gap=2e-10) == "refutes"


# C3


def planted_families() -> tuple[TopK, SourceRelations]:
    """Latents 0-9 are head 0's and look back by one, 10-19 head 1's and look at two sorts; 20 never fires."""
    dictionary = TopK(8, 21, k=4, site_in="blocks.0.attn.z", site_out="blocks.0.attn.z")
    rows = torch.zeros(21, 8)
    rows[:10, :4], rows[10:20, 4:], rows[20, :4] = 1.0, 1.0, 1.0
    with torch.no_grad():
        dictionary.W_dec.copy_(rows)
    shares = np.zeros((21, len(RELATIONS)))
    shares[:10, RELATIONS.index("previous")] = 1
    shares[10:15, RELATIONS.index("self")] = shares[15:20, RELATIONS.index("first")] = 1
    return dictionary, SourceRelations(shares, np.array([5] * 20 + [0]))


@pytest.mark.truth("library.attention_families")
def test_families_are_of_one_relation_or_of_several():
    dictionary, seen = planted_families()
    assert families.foremost_families(dictionary, 2, seen) == [False, True]


@pytest.mark.truth("library.attention_families")
def test_chance_is_the_share_of_families_with_two_relations():
    assert families.chance_of_several(np.zeros(30, dtype=int)) == 0
    assert families.chance_of_several(np.repeat([0, 1], 5)) == 1
    expected = 1 - (math.comb(12, 10) + math.comb(11, 10)) / math.comb(23, 10)
    assert families.chance_of_several(np.repeat([0, 1], [12, 11])) == pytest.approx(expected)


@pytest.mark.truth("library.attention_families")
def test_heads_are_counted_over_layers():
    layer = {"named": 3, "living": 4, "chance": 0.5, "sources": [0.5, 0.5, 0.0, 0.0, 0.0, 0.0]}
    rows = [
        {**layer, "verdict": [0, 0, 1], "foremost": [True, True, False]},
        {**layer, "verdict": [-1, 0, 0], "foremost": [True, True, True]},
    ]
    measures, arrays = families.family_measures(rows)
    found = values(measures)
    assert found["polysemantic"] == pytest.approx(4 / 6)
    assert found["possible"] == pytest.approx(5 / 6)
    assert (found["monosemantic"], found["open"], found["named"]) == (1, 1, 0.75)
    assert (found["foremost"], found["chance"]) == (pytest.approx(5 / 6), 0.5)
    assert arrays["verdict"].values.shape == (2, 3)
    assert arrays["sources"].values[:, RELATIONS.index("previous")].tolist() == [0.5, 0.5]


def test_a_layer_of_a_real_model_has_a_verdict_for_each_head(model, tokens):
    made = setting.trained(model, tokens, "attn.z", 0, 4)[0]
    found = families.family(model, made, tokens[:4], 0)
    assert len(found["verdict"]) == len(found["foremost"]) == 2
    assert 0 < found["living"] <= made.n_features


@pytest.mark.law("library.attention_families")
@pytest.mark.parametrize(
    ("several", "possible", "status"),
    [(0.95, 1.0, "supports"), (0.5, 0.95, "inconclusive"), (0.5, 0.8, "refutes")],
)
def test_open_heads_may_count_either_way(several, possible, status):
    assert judged(families.FAMILIES, polysemantic=several, possible=possible) == status


# C4


@pytest.mark.truth("library.attention_compiled")
def test_compiled_heads_are_what_was_planted(monkeypatch):
    """Float32 scores up to 24 carry 2e-6 into the exponent; times p (1 - p) <= 1/4 that stays under 1e-6."""
    monkeypatch.setattr(induction, "PAIR", SMALL)
    found = values(induction.compiled_measures(induction.compiled(0, 3)))
    assert (found["right"], found["wrong"], found["undecided"], found["plans"]) == (10, 0, 0, 2)
    assert found["distance"] < 1e-6
    assert found["short_one"] > 0.9
    assert found["long_one"] < 0.1
    assert found["long_two"] > 0.9
    assert found["long_drop"] > 0.9
    assert found["short_drop"] < 0.05


def test_every_plan_has_a_short_and_a_long_head_and_depends_on_its_seed():
    plans = [induction.drawn_plan(seed, 8) for seed in range(6)]
    for plan in plans:
        assert {"short", "long"} <= {head.role for head in plan.heads}
        assert len(plan.heads) == 8
    assert len(set(plans)) == 6
    assert induction.drawn_plan(3, 8) == plans[3]


@pytest.mark.law("library.attention_compiled")
def test_compiled_heads_are_judged_by_formula_class_and_drop():
    right = {"distance": 5e-7, "short_one": 0.99, "long_one": 0.01, "long_two": 0.99, "long_drop": 0.99}
    assert judged(induction.COMPILED, **right, wrong=0, undecided=0, short_drop=0.01) == "supports"
    assert judged(induction.COMPILED, **right, wrong=0, undecided=1, short_drop=0.01) == "inconclusive"
    assert judged(induction.COMPILED, **right, wrong=0, undecided=0, short_drop=0.2) == "inconclusive"
    assert judged(induction.COMPILED, **right, wrong=1, undecided=0, short_drop=0.01) == "refutes"
    assert judged(induction.COMPILED, **{**right, "distance": 1e-5}, wrong=0, undecided=0) == "refutes"


@pytest.mark.truth("library.attention_induction")
def test_networks_with_both_heads_are_told_from_those_without():
    """One network has a short and a long head, one a short head only."""
    plans = {"both": SMALL, "short": InductionPlan((HeadPlan("short"), HeadPlan("uniform")), 40, 36)}
    reports = {}
    for name, plan in plans.items():
        network = compiled_induction(plan)
        classes = adjudicate_induction(network, PrefixConfig(examples=200, batch=100))
        lost = corruption_test(network, config=CorruptionConfig(examples=40))
        reports[name] = (classes, lost)
    finding = induction.trained_finding(0, 200, reports)
    found = values(finding.measures.values())
    assert (found["specialised"], found["not_specialised"], found["undecided"]) == (1, 1, 0)
    assert (found["heads"], found["short"], found["long"]) == (8, 2, 1)
    assert (found["following"], found["dependent"], found["independent"]) == (3, 1, 2)
    assert finding.arrays["drop"].coords["head"] == ["both 1.0", "both 1.1", "short 1.0"]
    assert finding.arrays["scores"].values.shape == (8, 6)
    assert finding.provenance.parents == tuple(one.id for pair in reports.values() for one in pair)


@pytest.mark.law("library.attention_induction")
@pytest.mark.parametrize(
    ("specialised", "not_specialised", "status"),
    [(4, 1, "supports"), (5, 0, "supports"), (3, 2, "refutes"), (0, 5, "refutes"), (3, 1, "inconclusive")],
)
def test_four_of_five_networks_must_specialise(specialised, not_specialised, status):
    assert judged(induction.TRAINED, specialised=specialised, not_specialised=not_specialised) == status


# what the paper leaves open


def planted_agreement() -> np.ndarray:
    """Trained dictionaries agree at .8 and .6 in two layers, random ones at .2, mixed ones at .5."""
    centre = np.array([[0.8, 0.6], [0.2, 0.2], [0.5, 0.5]])[:, :, None, None]
    return centre + np.zeros((3, 2, 4, 1)) + np.array([0.0, -0.1, 0.1])


@pytest.mark.truth("library.attention_weights")
def test_agreements_are_means_over_layers():
    found = {one.name: one for one in weights.weight_measures(planted_agreement())}
    for way in weights.WAYS:
        trained, random = found[f"trained_{way}"], found[f"random_{way}"]
        assert (trained.value, trained.low, trained.high) == pytest.approx((0.7, 0.6, 0.8))
        assert random.value == pytest.approx(0.2)


@pytest.mark.truth("library.attention_weights")
def test_weights_that_copy_one_head_agree_with_every_ablation(model, tokens):
    """Latents that read and write one head only: all ways name that head first, the other has nothing."""
    made = setting.trained(model, tokens, "attn.z", 0, 1)[0]
    blocks = torch.zeros_like(made.W_dec).reshape(made.n_features, 2, -1)
    half, signs = made.n_features // 2, torch.randn(made.n_features, 8)
    blocks[:half, 0], blocks[half:, 1] = signs[:half], signs[half:]
    with torch.no_grad():
        made.W_dec.copy_(blocks.flatten(1))
        made.W_enc.copy_(made.W_dec)
    assert weights.agreement(model, made, tokens[:4], 0)[:, 0] == pytest.approx(1)


def test_a_random_dictionary_keeps_sizes_and_is_tied(model, tokens):
    made = setting.trained(model, tokens, "attn.z", 0, 1)[0]
    random = setting.random_like(made, 3)
    assert torch.equal(random.W_enc, random.W_dec)
    assert torch.allclose(random.W_dec.norm(dim=1), torch.ones(made.n_features))
    assert torch.equal(random.b_dec, made.b_dec)
    assert not torch.equal(random.W_dec, made.W_dec)
    assert torch.equal(random.W_dec, setting.random_like(made, 3).W_dec)


@pytest.mark.law("library.attention_weights")
def test_weights_are_judged_beside_random_ones():
    ways = ("zero", "mean", "resample")
    random = {f"random_{way}": (0.3, 0.2, 0.4) for way in ways}
    above = {f"trained_{way}": (0.8, 0.7, 0.9) for way in ways}
    assert judged(weights.WEIGHTS, **above, **random) == "supports"
    assert judged(weights.WEIGHTS, **{**above, "trained_mean": (0.5, 0.3, 0.7)}, **random) == "inconclusive"
    assert judged(weights.WEIGHTS, **{**above, "trained_zero": (0.1, 0.0, 0.15)}, **random) == "refutes"


@pytest.mark.truth("library.attention_mixing")
def test_both_sorts_of_dictionary_stand_beside_one_another():
    rows = {"attn.z": (0.9, 0.01), "attn_out": (0.7, 0.03)}
    evaluations = {
        part: [evaluation(ce_recovered=(kept, kept, kept), ce_increase=(added, added, added))] * 2
        for part, (kept, added) in rows.items()
    }
    measures, arrays = weights.mixing_measures(planted_agreement(), evaluations)
    found = values(measures)
    assert (found["apart"], found["mixed"]) == pytest.approx((0.9, 0.7))
    assert (found["apart_added"], found["mixed_added"]) == pytest.approx((0.01, 0.03))
    assert (found["apart_zero"], found["mixed_zero"]) == pytest.approx((0.7, 0.5))
    assert arrays["mixed"].values.shape == (2, 3)


@pytest.mark.law("library.attention_mixing")
def test_the_comparison_of_sites_takes_no_side():
    assert (weights.MIXING.supports, weights.MIXING.refutes) == ("", "")
    assert judged(weights.MIXING, apart=0.9, mixed=0.7) == judged(weights.MIXING, apart=0.7, mixed=0.9)


# all of it


def test_one_seed_gives_a_finding_for_every_claim_about_dictionaries(monkeypatch):
    """Bard on little text, for two steps: nothing is good, but everything is there and says where it is from."""
    whole = study.sequences
    monkeypatch.setattr(study, "sequences", lambda model, split: whole(model, split)[:16])
    monkeypatch.setattr(study, "steps_of", lambda profile: 2)
    monkeypatch.setattr(study, "judged_of", lambda profile: 4)
    monkeypatch.setattr(study, "READ", 4)
    monkeypatch.setattr(study, "EXACT", 1)
    with executor() as pool:
        findings = list(study.output_claims(Conditions("quick", (0,), None, pool, SILENT)))
    named = [one.provenance.parameters.get("claim") for one in findings]
    assert [name for name in named if name] == [f"attention-sae.C{number}" for number in (1, 2, 3)]
    assert all(catalogue().claim(name) for name in named if name)
    for finding in findings:
        finding.verify()
    kinds = {one.kind: one for one in findings}
    assert len(kinds["library.attention_loss"].provenance.parents) == 4
    assert len(kinds["library.attention_mixing"].provenance.parents) == 8
    assert kinds["library.attention_completeness"].status == "supports"
