"""The training loop: it resumes bit for bit, follows its schedule and decays matrices only."""

import dataclasses
import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from pellucid.findings import InputError
from pellucid.models.train import TrainingConfig, matrices_and_vectors, train
from pellucid.models.transformer import Transformer, TransformerConfig

TINY = TransformerConfig(d_vocab=11, context=8, n_layers=1, d_model=8, n_heads=2, d_mlp=16)
CONFIG = TrainingConfig(steps=12, peak=1e-2, warmup=3, checkpoint_every=5, evaluate_every=4)


def rows(step):
    return torch.randint(0, 11, (4, 9), generator=torch.Generator().manual_seed(step))


def loss(module, batch):
    return functional.cross_entropy(module(batch[:, :-1]).flatten(0, 1), batch[:, 1:].flatten())


def evaluate(module):
    with torch.no_grad():
        return {"nats": float(loss(module, rows(999)))}


class Stopped(Exception):  # noqa: N818
    """Stands for a killed process."""


def stopped_at(last):
    def batches(step):
        if step == last:
            raise Stopped
        return rows(step)

    return batches


def test_resumed_training_ends_with_the_same_weights_bit_for_bit(tmp_path):
    whole, broken, resumed = (Transformer(TINY, seed=3) for _ in range(3))
    log = train(whole, rows, loss, CONFIG, evaluate=evaluate)
    kept = tmp_path / "checkpoint.safetensors"
    with pytest.raises(Stopped):
        train(broken, stopped_at(8), loss, CONFIG, checkpoint=kept, evaluate=evaluate)
    again = train(resumed, rows, loss, CONFIG, checkpoint=kept, evaluate=evaluate)
    for (name, one), other in zip(whole.state_dict().items(), resumed.state_dict().values(), strict=True):
        assert torch.equal(one, other), name
    assert log.losses == again.losses
    assert log.evaluations == again.evaluations


def test_resuming_does_not_repeat_finished_steps(tmp_path):
    kept = tmp_path / "checkpoint.safetensors"
    with pytest.raises(Stopped):
        train(Transformer(TINY), stopped_at(11), loss, CONFIG, checkpoint=kept)
    seen = []
    train(Transformer(TINY), lambda step: seen.append(step) or rows(step), loss, CONFIG, checkpoint=kept)
    assert seen == [10, 11]


def test_two_runs_are_equal_and_the_loss_falls():
    first, second = Transformer(TINY, seed=1), Transformer(TINY, seed=1)
    config = TrainingConfig(steps=60, peak=1e-2)
    same = lambda step: rows(0)  # noqa: E731
    logs = [train(module, same, loss, config) for module in (first, second)]
    assert logs[0].losses == logs[1].losses
    assert logs[0].losses[-1] < 0.7 * logs[0].losses[0]
    assert len(logs[0].losses) == 60


def test_training_does_not_read_the_global_random_state():
    modules = [Transformer(TINY, seed=1), Transformer(TINY, seed=1)]
    train(modules[0], rows, loss, CONFIG)
    torch.rand(1_000)
    train(modules[1], rows, loss, CONFIG)
    assert torch.equal(modules[0].embed.weight, modules[1].embed.weight)


def test_rate_warms_up_to_the_peak_and_ends_at_the_floor():
    config = TrainingConfig(steps=100, peak=2.0, warmup=10, floor=0.05)
    rates = [config.rate(step) for step in range(100)]
    assert rates[:10] == pytest.approx([0.2 * n for n in range(1, 11)])
    assert rates[10] == max(rates) == 2.0
    assert rates == sorted(rates[:10]) + sorted(rates[10:], reverse=True)
    assert config.rate(100) == pytest.approx(0.1)
    assert config.rate(55) == pytest.approx(2.0 * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi / 2))))


def test_first_step_is_adamw_by_hand():
    module = nn.Linear(3, 2)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    config = TrainingConfig(steps=1, peak=0.1, decay=0.5, clip=0.0)

    def squares(model, batch):
        return model(batch).square().sum()

    batch = torch.tensor([[1.0, 2.0, 3.0]])
    grads = torch.autograd.grad(squares(module, batch), list(module.parameters()))
    train(module, lambda step: batch, squares, config)
    for (name, old), gradient in zip(before.items(), grads, strict=True):
        decayed = old * (1 - 0.1 * 0.5) if old.ndim == 2 else old
        expected = decayed - 0.1 * gradient / (gradient.abs() + 1e-8)
        torch.testing.assert_close(module.state_dict()[name], expected, atol=1e-6, rtol=1e-5)


def test_only_matrices_decay():
    groups = matrices_and_vectors(Transformer(TINY), 0.1)
    assert [group["weight_decay"] for group in groups] == [0.1, 0.0]
    assert all(parameter.ndim >= 2 for parameter in groups[0]["params"])
    assert all(parameter.ndim < 2 for parameter in groups[1]["params"])


def test_frozen_parameters_stay():
    module = Transformer(TINY)
    module.embed.weight.requires_grad_(False)
    before = module.embed.weight.clone()
    train(module, rows, loss, CONFIG)
    assert torch.equal(module.embed.weight, before)


def test_clipping_bounds_the_step():
    module = nn.Linear(2, 1, bias=False)
    seen = []

    def steep(model, batch):
        value = 1e6 * model(batch).sum()
        model.weight.register_post_accumulate_grad_hook(lambda p: seen.append(float(p.grad.norm())))
        return value

    config = TrainingConfig(steps=1, clip=1.0)
    train(module, lambda step: torch.ones(1, 2), steep, config)
    assert seen[0] > 1e5
    assert float(module.weight.grad.norm()) == pytest.approx(1.0, rel=1e-4)


def test_evaluations_come_when_due_and_at_the_end():
    log = train(Transformer(TINY), rows, loss, dataclasses.replace(CONFIG, steps=10), evaluate=evaluate)
    assert [step for step, _ in log.evaluations] == [4, 8, 10]


def test_progress_hears_every_step():
    heard = []

    class Listener:
        def task(self, name, total=None):
            heard.append((name, total))
            return self

        def __enter__(self):
            return self

        def __exit__(self, *problem):
            return None

        def advance(self, n=1):
            heard.append(n)

        def note(self, text):
            heard.append(text)

    train(Transformer(TINY), rows, loss, CONFIG, progress=Listener(), evaluate=evaluate)
    assert heard[0] == ("training", 12)
    assert sum(item for item in heard if isinstance(item, int)) == 12
    assert any(isinstance(item, str) and item.startswith("nats 2.") for item in heard)


def test_a_checkpoint_of_another_configuration_is_refused(tmp_path):
    kept = tmp_path / "checkpoint.safetensors"
    train(Transformer(TINY), rows, loss, CONFIG, checkpoint=kept)
    other = dataclasses.replace(CONFIG, peak=1e-3)
    with pytest.raises(
        InputError, match=r"checkpoint.safetensors was begun with another configuration. Delete it"
    ):
        train(Transformer(TINY), rows, loss, other, checkpoint=kept)


def test_a_checkpoint_of_another_module_is_refused(tmp_path):
    kept = tmp_path / "checkpoint.safetensors"
    train(Transformer(TINY), rows, loss, CONFIG, checkpoint=kept)
    wider = Transformer(dataclasses.replace(TINY, d_mlp=32))
    with pytest.raises(InputError, match="holds another module's weights"):
        train(wider, rows, loss, CONFIG, checkpoint=kept)


@pytest.mark.parametrize("change", [{"steps": 0}, {"peak": 0.0}, {"warmup": 20}])
def test_impossible_recipes_are_refused(change):
    with pytest.raises(InputError, match="Give steps >= 1, peak > 0 and a warm-up of at most all steps"):
        TrainingConfig(**{"steps": 10, **change})
