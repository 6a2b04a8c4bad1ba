"""End-to-end losses: their identities, their gradients by finite differences, and what training keeps."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools

import numpy as np
import pytest
import torch
from dictionary_models import identity, small_model
from scipy.special import rel_entr

from pellucid.dictionaries import ReLU, TrainConfig, evaluate, splice, train, train_suite
from pellucid.dictionaries.convention import Convention
from pellucid.dictionaries.training.end_to_end import EndToEnd, divergence, joint_step
from pellucid.dictionaries.training.learner import Learner
from pellucid.dictionaries.training.resuming import Beginning, beginning
from pellucid.dictionaries.training.sources import source_of
from pellucid.findings import InputError

EARLY, LATE = "blocks.0.resid_post", "blocks.1.resid_post"
BASE = TrainConfig(
    n_features=20, k=3, steps=6, batch=40, lr=1e-3, site=EARLY, normalise=False, objective=EndToEnd()
)
DOWNSTREAM = EndToEnd(downstream=("blocks.1.resid_mid", LATE), kl_weight=0.5, downstream_weight=2.5)


def exact_model(norm: str = "layer", scale: float = 2.0):
    """The small model in float64."""
    model = small_model(norm=norm, scale=scale)
    model.module.double()
    return model


@pytest.fixture
def text() -> torch.Tensor:
    return torch.randint(0, 12, (6, 10), generator=torch.Generator().manual_seed(3))


def with_random_weights(learner: Learner, seed: int = 0) -> None:
    """Weights for which every tensor matters."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in learner.parameters():
            drawn = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            parameter.copy_(0.4 * drawn)


# The loss once more, written by hand with dense codes and whole passes.


def codes_by_hand(config: TrainConfig, weights: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    shifted = x - weights["b_dec"] if config.convention.subtract == "b_dec" else x
    h = shifted @ weights["W_enc"].T + weights["b_enc"]
    if config.variant == "relu":
        return h.relu()
    if config.variant == "topk":
        least = h.topk(config.k, dim=1).values[:, -1:]
        return torch.where(h >= least, h.relu(), 0.0)
    least = h.flatten().topk(config.k * len(h)).values[-1]
    return torch.where(h >= least, h.relu(), 0.0)


def loss_by_hand(model, tokens, keep, configs, weights) -> torch.Tensor:
    """w KL + sum_k beta/K mean (a_hat_k - a_k)^2 + lambda E sum z, all dictionaries spliced at once."""
    objective, held, prices = configs[0].objective, {}, []

    def remember(site):
        return lambda activation: held.setdefault(site, activation)

    def change(config, own):
        def write(activation):
            source = held.get(config.sites[0], activation) if config.transcoder else activation
            x = source[keep].flatten(1)
            z = codes_by_hand(config, own, x)
            prices.append(config.pressure(0) * z.sum(1).mean())
            y = z @ own["W_dec"] + own["b_dec"]
            y = y + x @ own["W_skip"].T if "W_skip" in own else y
            made = activation.clone()
            made[keep] = y.reshape(made[keep].shape)
            return made

        return write

    writes: dict[str, list] = {}
    for config, own in zip(configs, weights, strict=True):
        if config.transcoder:
            writes.setdefault(config.sites[0], []).append(remember(config.sites[0]))
        writes.setdefault(config.sites[1], []).append(change(config, own))
    later = list(objective.downstream)
    with torch.no_grad():
        clean = model.run(tokens, read=later)
    run = model.run(tokens, read=later, write=writes)
    p, q = clean.output[keep].softmax(-1), run.output[keep].softmax(-1)
    if objective.direction == "spliced_clean":
        p, q = q, p
    loss = objective.kl_weight * (p * (p / q).log()).sum(-1).mean()
    for site in later:
        error = (run[site][keep] - clean[site][keep]).square().mean()
        loss = loss + objective.downstream_weight / len(later) * error
    return loss + sum(prices)


def check_gradients(model, tokens, configs, *, active: float = 0.0) -> list[Learner]:
    """Each tensor's gradient along a random direction against central differences of the loss by hand."""
    source = source_of((model, tokens), configs)
    learners = [Learner(source, config) for config in configs]
    for number, learner in enumerate(learners):
        with_random_weights(learner, number)
        learner.active = active
    sites = sorted({site for learner in learners for site in learner.sites})
    rows = next(source.batches(sites, configs[0].batch, 0, 0))
    results = joint_step(learners, rows, [learner.demand() for learner in learners])
    keep = rows["keep"]
    weights = [
        {name: p.detach().clone() for name, p in learner.dictionary.named_parameters()}
        for learner in learners
    ]

    def loss() -> float:
        return float(loss_by_hand(model, rows["tokens"], keep, configs, weights).detach())

    paid = sum(result.loss for result in results) - (len(results) - 1) * shared_part(results, configs)
    assert paid == pytest.approx(loss(), rel=1e-9)
    generator, step = torch.Generator().manual_seed(9), 1e-6
    for learner, own in zip(learners, weights, strict=True):
        for name, parameter in learner.dictionary.named_parameters():
            direction = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            ends = []
            for sign in (1, -1):
                own[name] += sign * step * direction
                ends.append(loss())
                own[name] -= sign * step * direction
            measured = (ends[0] - ends[1]) / (2 * step)
            # rounding of the loss (1e-15) over the step, and the step's own third order
            assert float((parameter.grad * direction).sum()) == pytest.approx(measured, rel=1e-6, abs=2e-9), (
                name
            )
            assert float(parameter.grad.abs().max()) > 0, name
    return learners


def shared_part(results, configs) -> float:
    """What all dictionaries of one pass have in common."""
    objective, parts = configs[0].objective, results[0].parts
    errors = [value for name, value in parts.items() if name.startswith("error at")]
    return objective.kl_weight * parts["kl"] + objective.downstream_weight * sum(errors) / max(1, len(errors))


SITES = [
    {},
    {"site": "blocks.1.resid_pre"},
    {"site": "blocks.1.resid_mid"},
    {"site": "blocks.0.attn.z"},
    {"site": "blocks.0.mlp_in", "site_out": "blocks.0.mlp_out"},
    {"site": "blocks.0.mlp_in", "site_out": "blocks.0.mlp_out", "skip": True},
    {"site": EARLY, "site_out": LATE, "skip": True},
]


@pytest.mark.parametrize("variant", ["topk", "relu", "batchtopk"])
@pytest.mark.parametrize("place", SITES, ids=lambda place: place.get("site", EARLY))
def test_gradients_are_those_of_finite_differences(text, variant, place):
    """Every tensor of every loss; sparse codes, dense codes, from the middle of the model and from its start."""
    model = exact_model()
    before = model.sha256
    price = {"sparsity": 0.02, "sparsity_warmup": 0.0} if variant == "relu" else {}
    plain = dataclasses.replace(BASE, variant=variant, **price, **place)
    check_gradients(model, text, [plain])
    assert model.sha256 == before
    assert all(parameter.grad is None for parameter in model.module.parameters())


@pytest.mark.parametrize("active", [0.0, float("inf")], ids=["sparse", "dense"])
@pytest.mark.parametrize(
    "objective",
    [EndToEnd(direction="spliced_clean"), DOWNSTREAM, EndToEnd(kl_weight=0.0, downstream=(LATE,))],
    ids=["reversed", "downstream", "downstream alone"],
)
def test_gradients_of_every_objective(text, objective, active):
    price = {"sparsity": 0.02, "sparsity_warmup": 0.0}
    config = dataclasses.replace(BASE, variant="relu", objective=objective, **price)
    check_gradients(exact_model(), text, [config], active=active)


def test_gradients_with_excluded_positions(text):
    config = dataclasses.replace(BASE, excluded_positions=(0, 4), excluded_tokens=(7,), objective=DOWNSTREAM)
    check_gradients(exact_model(), text, [config])


@pytest.mark.parametrize("variant", ["topk", "relu"])
def test_dictionaries_spliced_together_have_the_gradients_of_the_joint_loss(text, variant):
    price = {"sparsity": 0.02, "sparsity_warmup": 0.0} if variant == "relu" else {}
    objective = EndToEnd(together=True)
    config = dataclasses.replace(BASE, variant=variant, objective=objective, **price)
    check_gradients(exact_model(), text, [config, dataclasses.replace(config, site=LATE, seed=2)])


def test_local_training_has_none_of_this_gradient(text):
    """The two losses pull differently: end to end is not local in disguise."""
    source = source_of((exact_model(), text), [BASE])
    learner = Learner(source, BASE)
    with_random_weights(learner)
    rows = next(source.batches([EARLY], 40, 0, 0))
    found = []
    for config in (BASE, dataclasses.replace(BASE, objective=TrainConfig(n_features=1, k=1).objective)):
        config.objective.step(learner, rows, learner.demand())
        found.append(learner.dictionary.W_dec.grad.flatten().clone())
    assert float(torch.cosine_similarity(*found, dim=0)) < 0.9


# Law 1


def test_the_identity_dictionary_loses_nothing(tokens):
    """W_enc = [I; -I] = W_dec: ReLU(a) - ReLU(-a) = a."""
    model = small_model()
    found = evaluate(model, identity(8, EARLY), tokens)
    for name in ("kl", "kl_reverse", "ce_increase", "downstream_mse"):
        assert abs(found.measures[name].value) <= 1e-6  # float32 rounding of the logits


def identity_relu(site: str) -> ReLU:
    made = ReLU(8, 16, site_in=site, convention=Convention(subtract="none"))
    both = torch.cat([torch.eye(8), -torch.eye(8)])
    with torch.no_grad():
        made.W_enc.copy_(both)
        made.W_dec.copy_(both)
    return made


def test_the_identity_is_where_training_without_a_price_comes_to_rest(text):
    """No loss, and no gradient that would lead away from it."""
    config = dataclasses.replace(
        BASE, variant="relu", n_features=16, subtract="none", objective=DOWNSTREAM, log_every=1, steps=1
    )
    trained = train((exact_model(), text), config, start=identity_relu(EARLY))
    log = trained.training_record["log"][0]
    assert log["loss"] < 1e-14
    assert log["gradient_norm"] < 1e-14  # float64 rounding; Adam's steps are then far below rounding too
    both = torch.cat([torch.eye(8), -torch.eye(8)])
    torch.testing.assert_close(trained.W_dec.float(), both, rtol=0, atol=1e-7)


# Law 2


def shift(model, site: str, delta: torch.Tensor, tokens: torch.Tensor) -> float:
    """KL(clean || spliced) of the identity dictionary whose output is moved by delta."""
    moved = identity(8, site).double()
    with torch.no_grad():
        moved.b_dec.copy_(delta)
    clean = model.run(tokens).output.log_softmax(-1)
    spliced = splice(model, moved).run(tokens).output.log_softmax(-1)
    return float(divergence(clean.flatten(0, 1), spliced.flatten(0, 1), "clean_spliced").detach())


def test_the_loss_is_the_fisher_form_to_second_order(text):
    """Last residual, linear unembedding, no norm: KL = 1/2 d^T W_U^T (diag p - p p^T) W_U d + O(|d|^3)."""
    model = exact_model(norm="none", scale=0.7)  # predictions without certainties, which bend sooner
    generator = torch.Generator().manual_seed(1)
    delta = torch.randn(8, generator=generator, dtype=torch.float64)
    p = model.run(text).output.softmax(-1).detach().flatten(0, 1)
    felt = model.module.unembed.weight.detach() @ delta
    form = float(((p * felt.square()).sum(1) - (p @ felt).square()).mean()) / 2
    delta *= (1e-4 / form) ** 0.5  # so that the second-order loss is 1e-4
    whole, half = shift(model, LATE, delta, text), shift(model, LATE, delta / 2, text)
    assert whole / half == pytest.approx(4, rel=0.02)
    assert whole == pytest.approx(1e-4, rel=0.02)


# Law 3


def test_a_direction_that_nobody_reads_costs_nothing_end_to_end(text):
    """The all-ones direction before a centring norm that is the only reader."""
    model = exact_model()
    ones = torch.full((8,), 3.0, dtype=torch.float64)
    assert shift(model, LATE, ones, text) < 1e-12
    assert shift(model, EARLY, torch.arange(8.0, dtype=torch.float64), text) > 1e-3  # others do cost
    moved = identity(8, LATE).double()
    with torch.no_grad():
        moved.b_dec.copy_(ones)
    x = model.run(text, read=LATE)[LATE].flatten(0, 1)
    assert float((moved(x) - x).square().sum(1).mean().detach()) == pytest.approx(72)


# Law 4


def test_an_endless_price_leaves_the_bias_alone(tokens):
    model = small_model()
    config = dataclasses.replace(
        BASE, variant="relu", sparsity=1e3, steps=150, lr=0.03, clip=0.0, excluded_positions=(0,)
    )
    trained = train((model, tokens), config)
    x = model.run(tokens, read=EARLY)[EARLY]
    assert int((trained.encode(x[:, 1:].flatten(0, 1)) != 0).sum()) == 0
    spliced = splice(model, trained).run(tokens).output

    def bias(activation):
        return torch.cat([activation[:, :1], trained.b_dec.expand_as(activation[:, 1:])], 1)

    assert torch.equal(spliced, model.run(tokens, write={EARLY: bias}).output)


# Law 6


class Counting:
    """How often a module is called."""

    def __init__(self, module: torch.nn.Module) -> None:
        self.calls = 0
        self.handle = module.register_forward_pre_hook(self.count)

    def count(self, *_: object) -> None:
        self.calls += 1


def test_local_training_stops_the_model_after_its_site(tokens):
    model = small_model()
    local = TrainConfig(n_features=16, k=2, steps=5, batch=32, site=EARLY)
    whole = model.run(tokens, read=EARLY)[EARLY].detach().flatten(0, 1)
    later, site = Counting(model.module.blocks[1]), Counting(model.module.blocks[0])
    truncated = train((model, tokens), local)
    assert (later.calls, site.calls) == (0, 1)
    given = train({EARLY: whole}, local)
    for a, b in zip(truncated.parameters(), given.parameters(), strict=True):
        assert torch.equal(a, b)


def test_the_spliced_pass_begins_at_the_dictionary(tokens):
    model = small_model()
    earlier, later = Counting(model.module.blocks[0]), Counting(model.module.blocks[1])
    train((model, tokens), dataclasses.replace(BASE, steps=4))
    samples = 1
    assert (earlier.calls, later.calls) == (4 + samples, 8)


def test_where_a_pass_may_begin():
    model = small_model()
    assert beginning(model, [LATE, EARLY]) == Beginning(1, EARLY)
    assert beginning(model, [LATE]) == Beginning(2, LATE)
    assert beginning(model, ["blocks.1.mlp_in", "blocks.1.mlp_out"]) == Beginning(1, "blocks.1.resid_pre")
    assert beginning(model, ["embed", LATE]) is None
    assert beginning(splice(model, identity(8, EARLY)), [LATE]) is None


def test_from_the_middle_and_from_the_inputs_the_training_is_the_same(tokens, monkeypatch):
    config = dataclasses.replace(BASE, objective=DOWNSTREAM)
    middle = train((small_model(), tokens), config)
    monkeypatch.setattr(type(small_model()), "resumable", False)
    whole = train((small_model(), tokens), config)
    for a, b in zip(middle.parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


# Directions


@pytest.mark.parametrize("direction", ["clean_spliced", "spliced_clean"])
def test_both_directions_of_the_divergence(direction):
    generator = torch.Generator().manual_seed(0)
    clean, spliced = torch.randn((2, 5, 9), generator=generator, dtype=torch.float64).log_softmax(-1)
    p, q = (clean, spliced) if direction == "clean_spliced" else (spliced, clean)
    by_hand = rel_entr(p.exp().numpy(), q.exp().numpy()).sum(1).mean()
    assert float(divergence(clean, spliced, direction)) == pytest.approx(by_hand, rel=1e-12)
    assert not np.isclose(by_hand, rel_entr(q.exp().numpy(), p.exp().numpy()).sum(1).mean())


# Training


def same(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    pairs = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    return all(torch.equal(x, y) for x, y in pairs)


MEMBERS = [
    BASE,
    dataclasses.replace(BASE, site=LATE, seed=1),
    dataclasses.replace(BASE, objective=DOWNSTREAM, variant="relu", sparsity=0.01),
    dataclasses.replace(BASE, site="blocks.0.mlp_in", site_out="blocks.0.mlp_out", skip=True),
    dataclasses.replace(BASE, variant="jumprelu", sparsity=0.01),
]


def test_a_member_of_an_end_to_end_suite_is_what_it_is_alone(tokens):
    suite = train_suite((small_model(), tokens), MEMBERS)
    for config, member in zip(MEMBERS, suite, strict=True):
        assert same(member, train((small_model(), tokens), config))


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


def together() -> list[TrainConfig]:
    both = dataclasses.replace(BASE, objective=EndToEnd(together=True))
    return [both, dataclasses.replace(both, site=LATE)]


@pytest.mark.parametrize("crash", [3, 7, 9])
@pytest.mark.parametrize("configs", [MEMBERS[:3], together()], ids=["apart", "together"])
def test_an_interrupted_end_to_end_suite_ends_with_the_same_bits(tokens, tmp_path, crash, configs):
    often = [dataclasses.replace(config, checkpoint_every=2, log_every=1) for config in configs]
    straight = train_suite((small_model(), tokens), often)
    with pytest.raises(StopError):
        train_suite((small_model(), tokens), often, progress=StopAfter(crash), checkpoint=tmp_path)
    resumed = train_suite((small_model(), tokens), often, checkpoint=tmp_path)
    for a, b in zip(straight, resumed, strict=True):
        assert same(a, b)
        assert a.training_record["log"] == b.training_record["log"]


def test_training_end_to_end_lowers_what_the_output_loses(tokens):
    config = dataclasses.replace(BASE, steps=60, lr=5e-3, log_every=1)
    for objective in (EndToEnd(), DOWNSTREAM):
        log = train((small_model(), tokens), dataclasses.replace(config, objective=objective)).training_record
        first, last = (np.mean([line["kl"] for line in part]) for part in (log["log"][:5], log["log"][-5:]))
        assert last < 0.5 * first


def test_dead_latents_are_revived_end_to_end_too(tokens):
    """The auxiliary loss of the local error is added, by sparse codes as by dense ones."""
    found = []
    for sparse, weight in itertools.product((True, False), (0.0, 1.0)):
        config = dataclasses.replace(BASE, auxiliary=weight, dead_after=1)
        source = source_of((exact_model(), tokens), [config])
        learner = Learner(source, config)
        with_random_weights(learner)
        learner.silent += 5
        rows = next(source.batches([EARLY], 40, 0, 0))
        if not sparse:
            learner.dictionary.training_codes = lambda *_: None
        result = config.objective.step(learner, rows, learner.demand())
        found.append((result.loss, [parameter.grad.clone() for parameter in learner.parameters()]))
    assert found[0][0] < found[1][0] == pytest.approx(found[3][0], rel=1e-9)
    for a, b in zip(found[1][1], found[3][1], strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)


# Refusals


def test_objectives_that_run_the_model_need_one():
    with pytest.raises(InputError, match="runs the model, but only activations were given") as caught:
        train(torch.randn(64, 8), dataclasses.replace(BASE, site=""))
    assert caught.value.code == "DI100"


@pytest.mark.parametrize("variant", ["matryoshka", "gated"])
def test_variants_without_an_end_to_end_loss_are_refused(tokens, variant):
    with pytest.raises(InputError, match=f"The loss of {variant} is a local one") as caught:
        train((small_model(), tokens), dataclasses.replace(BASE, variant=variant))
    assert caught.value.code == "DI101"
    assert "Choose relu, topk, batchtopk or jumprelu" in str(caught.value)
