"""End-to-end quality at a lower price: the recipe, and the Finding that says what it keeps and costs."""

from __future__ import annotations

import contextlib
import dataclasses

import numpy as np
import pytest
import torch
from dictionary_models import small_model
from scipy.stats import t as student

from pellucid.dictionaries import TrainConfig, train
from pellucid.dictionaries.judging.objective_cost import Way, objective_cost, ratio
from pellucid.dictionaries.training.end_to_end import EndToEnd
from pellucid.dictionaries.training.functional import Finish, train_functional
from pellucid.dictionaries.training.objectives import LOCAL
from pellucid.findings import DataRef, Finding, InputError, Kind, Measure, register, start

KIND = register(Kind(name="test.objective_cost", title="A test", statement="{l0.value}"))
SITE = "blocks.0.resid_post"
CONFIG = TrainConfig(
    n_features=16, k=2, steps=20, batch=21, lr=2e-3, site=SITE, checkpoint_every=3, log_every=1
)


def judged(ce: float, l0: float = 16.0, text: str = "a") -> Finding:
    record = start(judged, parameters={"ce": ce, "l0": l0}, data=DataRef(id="text", sha256=text))
    return record.finding(KIND, measures=[Measure.of("ce_increase", ce), Measure.of("l0", l0)])


def way(ces: list[float], seconds: list[float], **details: object) -> Way:
    return Way([judged(ce, **details) for ce in ces], seconds)


LOCALLY = way([0.30, 0.32, 0.31], [10.0, 11.0, 9.0])
WHOLLY = way([0.10, 0.11, 0.12], [30.0, 33.0, 27.0])
CHEAPLY = way([0.12, 0.13, 0.14], [12.0, 13.0, 11.0])


@pytest.mark.truth("dictionaries.objective_cost")
def test_planted_losses_and_seconds_give_the_share_and_the_price():
    """0.18 of 0.20 nats are kept on average, for 36 seconds instead of 30."""
    finding = objective_cost(LOCALLY, CHEAPLY, WHOLLY)
    found = finding.measures
    assert found["gain_kept"].value == pytest.approx(0.18 / 0.20)
    assert found["cost_ratio"].value == pytest.approx(1.2)
    assert found["end_to_end_cost_ratio"].value == pytest.approx(3.0)
    assert found["gain"].value == pytest.approx(0.2)
    assert found["ce_increase_cheap"].value == pytest.approx(0.13)
    assert finding.status == "supports"
    dear = way([0.12, 0.13, 0.14], [20.0, 22.0, 18.0])
    assert objective_cost(LOCALLY, dear, WHOLLY).status == "refutes"
    poor = way([0.25, 0.26, 0.27], [12.0, 13.0, 11.0])
    assert objective_cost(LOCALLY, poor, WHOLLY).status == "refutes"


@pytest.mark.law("dictionaries.objective_cost")
def test_local_training_keeps_nothing_and_end_to_end_training_all():
    nothing = objective_cost(LOCALLY, LOCALLY, WHOLLY).measures
    assert (nothing["gain_kept"].value, nothing["cost_ratio"].value) == (0, 1)
    all_of_it = objective_cost(LOCALLY, WHOLLY, WHOLLY).measures
    assert all_of_it["gain_kept"].value == pytest.approx(1)
    assert all_of_it["gain_kept"].high == pytest.approx(1)  # the same seeds above and below: no spread
    assert all_of_it["cost_ratio"].value == all_of_it["end_to_end_cost_ratio"].value


def test_the_interval_of_a_ratio_is_the_means_where_the_bottom_is_constant():
    top = np.array([1.0, 2.0, 4.0, 3.0])
    made = ratio(top, np.full(4, 2.0))
    half = student.ppf(0.975, 3) * top.std(ddof=1) / 2 / 2
    assert (made.value, made.high) == pytest.approx((1.25, 1.25 + half))


def test_ratios_cover_what_they_estimate():
    """200 draws of 6 trainings whose true ratio is 0.8: the 95 % interval holds it about as often."""
    generator = np.random.default_rng(0)
    held = 0
    for _ in range(200):
        bottom = generator.normal(0.2, 0.02, 6)
        top = 0.8 * bottom + generator.normal(0, 0.01, 6)
        made = ratio(top, bottom)
        held += made.low <= 0.8 <= made.high
    assert 180 <= held <= 199  # four standard errors of a binomial around 190


@pytest.mark.parametrize(
    ("ways", "words"),
    [
        ((LOCALLY, way([0.1] * 3, [1.0] * 3, l0=17.0), WHOLLY), "they have 16 to 17 active latents"),
        ((LOCALLY, CHEAPLY, way([0.1] * 3, [1.0] * 3, text="b")), "judged on different texts"),
        ((LOCALLY, way([0.1] * 3, [1.0] * 2), WHOLLY), r"\[2, 3\] trainings and costs"),
        ((LOCALLY, way([0.1] * 3, [1.0, 1.0, 0.0]), WHOLLY), "a training costs nothing"),
        ((WHOLLY, CHEAPLY, LOCALLY), r"gains nothing over local training \(-0\.2 nats\)"),
    ],
)
def test_ways_that_cannot_be_compared(ways, words):
    with pytest.raises(InputError, match=words) as caught:
        objective_cost(*ways)
    assert caught.value.code == "DI103"


def test_too_few_trainings_say_nothing():
    with pytest.raises(InputError) as caught:
        objective_cost(way([0.3], [1.0]), way([0.2], [1.0]), way([0.1], [1.0]))
    assert caught.value.code == "DI52"


# The recipe


def text() -> torch.Tensor:
    return torch.randint(0, 12, (20, 7), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("site", [SITE, "blocks.0.mlp_out"])
def test_it_is_local_training_and_then_end_to_end_training_on_the_same_text(site):
    """By hand the clean passes begin at the tokens, which rounds differently: 1e-4 after 15 Adam steps."""
    model, tokens, finish = small_model(), text(), Finish(local=0.75, share=0.25, split=3)
    config = dataclasses.replace(CONFIG, site=site)
    made = train_functional(model, tokens, config, finish)
    first, last = finish.configs(config)
    assert (first.steps, first.batch, last.steps, last.batch) == (15, 21, 15, 7)
    assert (first.objective, last.objective) == (LOCAL, EndToEnd())
    begun = train((model, tokens[:15]), first)
    by_hand = train((model, tokens[:5]), last, start=begun)
    for a, b in zip(made.parameters(), by_hand.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)
    assert made.training_record["source"] == by_hand.training_record["source"]
    assert made.training_record["first"]["log"] == begun.training_record["log"]


def test_the_blocks_before_the_site_are_run_once():
    """15 of 20 sequences are read once; block 0 sees no token again."""
    model, seen = small_model(), []
    hook = model.module.blocks[0].register_forward_hook(lambda m, i, o: seen.append(o.shape[:2].numel()))
    train_functional(model, text(), CONFIG, Finish(local=0.75, share=0.25))
    hook.remove()
    assert sum(seen) == 15 * 7


def test_left_out_positions_stay_left_out():
    made = train_functional(small_model(), text(), dataclasses.replace(CONFIG, excluded_positions=(0,)))
    assert made.convention.excluded_positions == (0,)


def test_the_rate_of_the_last_part_is_a_multiple_of_the_first():
    first, last = Finish(rate=3.0).configs(dataclasses.replace(CONFIG, steps=1000))
    assert max(last.rate(step) for step in range(last.steps)) == pytest.approx(3 * CONFIG.lr)
    assert first.rate(first.steps - 1) == pytest.approx(CONFIG.lr)  # it does not fall before the end
    automatic = dataclasses.replace(CONFIG, lr=None, n_features=2**14, steps=1000)
    assert Finish(rate=3.0).configs(automatic)[1].lr == pytest.approx(6e-4)


@pytest.mark.parametrize("variant", ["batchtopk", "relu", "jumprelu"])
def test_other_variants_finish_end_to_end_too(variant):
    price = {} if variant == "batchtopk" else {"sparsity": 0.01}
    made = train_functional(small_model(), text(), dataclasses.replace(CONFIG, variant=variant, **price))
    assert made.training_record["config"]["objective"]["name"] == "e2e"


class StopError(Exception):
    pass


class StopAfter:
    """Progress that fails at a step, as a crash would."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def task(self, name: str, total: int | None = None):
        return contextlib.nullcontext(self)

    def advance(self, n: int = 1) -> None:
        if n and self.left <= 0:
            raise StopError
        self.left -= n

    def note(self, text: str) -> None:
        pass


@pytest.mark.parametrize("crash", [5, 18])
def test_an_interrupted_recipe_ends_with_the_same_bits(tmp_path, crash):
    straight = train_functional(small_model(), text(), CONFIG)
    with pytest.raises(StopError):
        train_functional(small_model(), text(), CONFIG, checkpoint=tmp_path, progress=StopAfter(crash))
    resumed = train_functional(small_model(), text(), CONFIG, checkpoint=tmp_path)
    for a, b in zip(straight.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(
    "given", [{"share": 0.0}, {"share": 0.7}, {"local": 1.1}, {"rate": 0.0}, {"split": 0}]
)
def test_parts_that_are_none_are_refused(given):
    with pytest.raises(InputError, match="Give local up to 1, a share above 0 up to local") as caught:
        Finish(**given)
    assert caught.value.code == "DI102"


def test_too_little_text_and_variants_without_this_form_are_refused():
    with pytest.raises(InputError, match="holds 7 rows, fewer than one batch of 21"):
        train_functional(small_model(), text()[:1], CONFIG)
    with pytest.raises(InputError, match="gated is a local one"):
        train_functional(small_model(), text(), dataclasses.replace(CONFIG, variant="gated"))
