"""The study of end-to-end dictionaries: what each claim's Finding says of planted numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import pellucid
from pellucid.dictionaries import TopK
from pellucid.dictionaries.splicing import splice
from pellucid.findings import (
    Array,
    DataRef,
    Finding,
    InputError,
    Kind,
    Measure,
    Subject,
    register,
    start,
    wilson,
)
from pellucid.library import catalogue
from pellucid.library.studies import e2e
from pellucid.library.studies import e2e_agreement as agreeing
from pellucid.library.studies.e2e import ACTIVE, ALIVE, KS, MIDDLE, OBJECTIVES, OTHER, PATH, SEEDS, Trained

KIND = register(Kind(name="test.e2e", title="A test", statement="{l0.value}"))
SETTINGS = {"steps": 5, "seed": 0}


def one(**values: float) -> Trained:
    """A dictionary of which only the evaluation is known."""
    record = start(
        one,
        parameters=values,
        subject=Subject(id="bard", sha256="a"),
        data=DataRef(id="text", sha256="b"),
    )
    given = {"l0": 8.0, **values}
    measures = [Measure.of(name, value, n=100) for name, value in given.items()]
    return Trained(None, record.finding(KIND, measures=measures))  # type: ignore[arg-type]


def line(factor: float) -> list[Trained]:
    """Losses that fall linearly in log L0, at `factor` times the latents."""
    return [one(ce_increase=0.1 - 0.02 * np.log(k / 8), l0=factor * k) for k in KS]


def of(kind: Kind, measures: list[Measure]) -> Finding:
    return e2e.claimed("C1", kind, measures, [one()], SETTINGS)


@pytest.mark.truth("library.e2e_active")
def test_planted_lines_give_the_planted_ratio():
    lines = {"local": line(1.0), "e2e": line(0.4), "downstream": line(0.6)}
    found = of(ACTIVE, e2e.active_measures(lines))
    assert found.measures["ratio"].value == pytest.approx(0.4)
    assert found.measures["ratio_downstream"].value == pytest.approx(0.6)
    assert found.measures["l0_local"].value == pytest.approx(16)
    assert found.status == "supports"
    more = {"local": line(1.0), "e2e": line(1.2), "downstream": line(0.6)}
    assert of(ACTIVE, e2e.active_measures(more)).status == "refutes"


@pytest.mark.law("library.e2e_active")
def test_a_line_is_level_with_itself_and_lines_apart_say_nothing():
    same = {name: line(1.0) for name in OBJECTIVES}
    assert e2e.active_measures(same)[1].value == pytest.approx(1)
    apart = {**same, "e2e": [one(ce_increase=5.0, l0=4.0), one(ce_increase=4.0, l0=8.0)]}
    found = of(ACTIVE, e2e.active_measures(apart))
    assert found.measures["ratio"].value is None
    assert found.status not in ("supports", "refutes")


@pytest.mark.truth("library.e2e_alive")
def test_planted_shares_of_living_latents():
    middle = {"local": one(alive=0.9), "e2e": one(alive=0.7), "downstream": one(alive=0.6)}
    found = of(ALIVE, e2e.alive_measures(middle))
    assert found.measures["downstream_less"].value == pytest.approx(0.3)
    assert found.status == "supports"


@pytest.mark.law("library.e2e_alive")
def test_turned_round_the_shares_refute():
    middle = {"local": one(alive=0.5), "e2e": one(alive=0.7), "downstream": one(alive=0.6)}
    assert of(ALIVE, e2e.alive_measures(middle)).status == "refutes"


@pytest.mark.truth("library.e2e_path")
def test_planted_errors_of_later_activations():
    middle = {
        "local": one(downstream_mse=0.5),
        "e2e": one(downstream_mse=2.0),
        "downstream": one(downstream_mse=0.6),
    }
    found = of(PATH, e2e.path_measures(middle))
    assert (found.measures["e2e"].value, found.measures["downstream"].value) == pytest.approx((4, 1.2))
    assert found.status == "supports"


@pytest.mark.law("library.e2e_path")
def test_the_unit_of_the_errors_does_not_matter():
    for unit in (1.0, 1e6):
        middle = {
            name: one(downstream_mse=unit * size) for name, size in zip(OBJECTIVES, (1, 2, 3), strict=True)
        }
        found = of(PATH, e2e.path_measures(middle))
        assert (found.measures["e2e"].value, found.measures["downstream"].value) == pytest.approx((2, 3))
        assert found.status == "refutes"


@pytest.mark.truth("library.e2e_seeds")
def test_planted_agreement():
    found = of(SEEDS, e2e.seed_measures({"local": 0.8, "e2e": 0.5, "downstream": 0.7}))
    assert found.measures["local_above"].value == pytest.approx(0.3)
    assert found.status == "supports"


@pytest.mark.law("library.e2e_seeds")
def test_equal_agreement_decides_nothing():
    assert of(SEEDS, e2e.seed_measures(dict.fromkeys(OBJECTIVES, 0.6))).status == "inconclusive"


PAIRS = 40


def planted_curves(
    e2e_more: np.ndarray, downstream_more: np.ndarray
) -> tuple[list[Measure], dict[str, Array]]:
    """Local latents keep half of the difference; the others so much more, pair by pair."""
    clean, without = np.linspace(1, 3, len(e2e_more)), np.zeros(len(e2e_more))
    half = 0.5 * clean
    lines = {"local": half, "e2e": half + e2e_more, "downstream": half + downstream_more}
    curves = {name: {"1": m, "all": m} for name, m in lines.items()}
    measures, arrays = agreeing.kept_measures(clean, without, curves, seed=0)
    right = [Measure.of(f"right_{part}", wilson(3, 4)) for part in ("simple", "nounpp")]
    return [*right, *measures], arrays


def judged(e2e_more: np.ndarray, downstream_more: np.ndarray) -> Finding:
    measures, arrays = planted_curves(e2e_more, downstream_more)
    return e2e.claimed("C5", agreeing.AGREEMENT, measures, [one()], SETTINGS, arrays)


@pytest.mark.truth("library.e2e_agreement")
def test_planted_faithfulness_and_what_it_says():
    """m is 2 on average, 1 with local latents; 0.4 more is 0.2 of it."""
    spread = np.linspace(-0.2, 0.2, PAIRS)
    found = judged(spread, 0.4 + spread)
    assert found.measures["local"].value == pytest.approx(0.5)
    assert found.measures["e2e_above"].value == pytest.approx(0, abs=1e-12)
    assert found.measures["downstream_above"].value == pytest.approx(0.2)
    assert found.status == "refutes"
    assert found.arrays["faithfulness"].values[2].tolist() == pytest.approx([0.7, 0.7])
    assert judged(spread, spread).status == "supports"
    assert judged(-1 + spread, spread).status == "supports"
    wild = np.where(np.arange(PAIRS) % 2, 9.0, -9.0)
    assert judged(wild, wild).status == "inconclusive"  # as likely twice as good as not: nothing is known


@pytest.mark.law("library.e2e_agreement")
def test_the_unit_of_logits_does_not_matter_and_one_line_is_level_with_itself():
    clean, without, m = np.linspace(1, 3, PAIRS), np.linspace(-1, 0, PAIRS), np.linspace(0, 2, PAIRS)
    for unit in (1.0, 1e3):
        curves = {name: {"1": unit * m, "all": unit * clean} for name in OBJECTIVES}
        measures, _ = agreeing.kept_measures(unit * clean, unit * without, curves, seed=0)
        found = {measure.name: measure for measure in measures}
        assert found["e2e_above"].value == 0 == found["half_width"].value
        assert found["local_all"].value == pytest.approx(1)
        assert found["local"].value == pytest.approx((1 + 1.5 / 2.5) / 2)


class Letters:
    """A tokenizer of single characters."""

    def encode(self, text: str) -> list[int]:
        return [ord(letter) for letter in text]


def pair(prefix: str, right: str, wrong: str) -> dict[str, str]:
    return {"clean_prefix": prefix, "clean_answer": right, "patch_answer": wrong}


def test_answers_are_asked_where_they_part():
    given = [pair("ab", " has", " have"), pair("ab", " has", " have"), pair("abc", " is", " are")]
    found = agreeing.asked(Letters(), [*given, pair("ab", " go", " goes")])
    assert len(found) == 2  # once each, and none that begins with the other
    assert [bytes(row[: n + 1].tolist()) for row, n in zip(found.tokens, found.last, strict=True)] == [
        b"ab ha",
        b"abc ",
    ]
    assert bytes(found.right.tolist()) + bytes(found.wrong.tolist()) == b"siva"
    assert found.real.sum(1).tolist() == [5, 4]
    with pytest.raises(InputError, match="answers of none of the 1 prompt pairs apart") as caught:
        agreeing.asked(Letters(), [pair("ab", " go", " goes")])
    assert caught.value.code == "DI104"


@pytest.fixture(scope="module")
def bard():
    return pellucid.open_model("organism:bard")


@pytest.fixture(scope="module")
def simple(bard):
    return agreeing.prompts(bard.tokenizer, "simple")


def dictionary() -> TopK:
    """Untrained: 96 latents, too few to keep everything."""
    made = TopK(128, 96, k=8, site_in=e2e.SITE)
    with torch.no_grad():
        random = torch.Generator().manual_seed(0)
        made.W_dec.copy_(torch.nn.functional.normalize(torch.randn(96, 128, generator=random), dim=1))
        made.W_enc.copy_(made.W_dec)
    return made


def test_padding_changes_no_difference(bard, simple):
    which = torch.zeros(len(simple), dtype=torch.bool)
    which[0] = True
    alone = simple.chosen(which)
    short = agreeing.Prompts(alone.tokens[:, : int(alone.last) + 1], alone.last, alone.right, alone.wrong)
    with torch.no_grad():
        padded, plain = agreeing.difference(bard, simple)[0], agreeing.difference(bard, short)[0]
    assert float(padded) == pytest.approx(float(plain), abs=1e-4)


def test_with_all_latents_kept_the_curve_ends_at_the_spliced_model(bard, simple):
    made = dictionary()
    line = agreeing.curve(bard, made, simple)
    assert list(line) == ["1", "4", "16", "64", "all"]
    with torch.no_grad():
        spliced = agreeing.difference(splice(bard, made), simple).double().numpy()
    np.testing.assert_allclose(line["all"], spliced, atol=1e-4)
    order, mean = agreeing.ranked(bard, made, simple)
    assert sorted(order.tolist()) == list(range(96))
    assert (mean >= 0).all()


def test_bard_makes_verbs_agree_next_to_the_subject_but_not_across_a_phrase(bard):
    made = dictionary()
    measures, arrays = agreeing.agreement_measures(bard, dict.fromkeys(OBJECTIVES, made), seed=0)
    found = {measure.name: measure for measure in measures}
    assert found["right_simple"].low > 0.5 > found["right_nounpp"].low
    assert found["e2e_above"].value == 0
    assert arrays["faithfulness"].values.shape == (3, 5)


def test_a_model_that_is_never_right_has_nothing_to_keep(bard, monkeypatch):
    monkeypatch.setattr(agreeing, "difference", lambda model, given, *_: -torch.ones(len(given)))
    with pytest.raises(InputError, match=r"answers none of .* prompt pairs right") as caught:
        agreeing.agreement_measures(bard, dict.fromkeys(OBJECTIVES, dictionary()), seed=0)
    assert caught.value.code == "DI105"


def test_every_claim_of_the_paper_gets_its_finding(monkeypatch):
    values = {"ce_increase": 0.1, "alive": 0.9, "downstream_mse": 0.5}
    grid = {(name, k, 0): one(**values, l0=float(k)) for name in OBJECTIVES for k in KS}
    grid |= {(name, MIDDLE, OTHER): one(**values) for name in OBJECTIVES}
    monkeypatch.setattr(e2e, "agreement", lambda *_: 0.5)
    monkeypatch.setattr(e2e, "agreement_measures", lambda *_: planted_curves(np.zeros(20), np.zeros(20)))
    found = list(e2e.claims(None, grid, 0, 5))
    claims = [finding.provenance.parameters["claim"] for finding in found]
    assert claims == [f"e2e-sae.{claim.id}" for claim in catalogue().get("e2e-sae").claims]
    assert all(finding.provenance.parents for finding in found)
