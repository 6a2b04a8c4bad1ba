"""Branching and generation equal the plain loops they replace."""

from __future__ import annotations

import pytest
import torch
from model_families import EVERY
from torch import nn

from pellucid.findings import InputError
from pellucid.models import branch_logits, each_branch, generate, open_model


@pytest.mark.parametrize("prefix", [1, 4, 12])
@pytest.mark.parametrize("name", EVERY)
def test_branches_equal_plain_forwards(name, prefix, models):
    """Prefixes shorter and longer than the sliding window of 5."""
    model, random = models[name], torch.Generator().manual_seed(prefix)
    prefixes = torch.randint(3, 97, (3, prefix), generator=random)
    branches = torch.randint(0, 97, (30,), generator=random)
    with torch.no_grad():
        logits = branch_logits(model, prefixes, branches)
        plain = torch.stack(
            [model.run(torch.cat([prefixes, one.expand(3, 1)], dim=1)).output[:, -1] for one in branches],
            dim=1,
        )
    assert logits.shape == (3, 30, 97)
    assert torch.allclose(logits, plain, atol=1e-5)


def test_branches_do_not_see_each_other(models):
    prefix = torch.tensor([[5, 6, 7]])
    with torch.no_grad():
        alone = branch_logits(models["gpt2"], prefix, torch.tensor([9]))
        among = branch_logits(models["gpt2"], prefix, torch.tensor([4, 9, 9, 8]))
    assert torch.allclose(alone[:, 0], among[:, 1], atol=1e-6)
    assert torch.allclose(among[:, 1], among[:, 2], atol=1e-6)


def test_more_branches_than_the_context_are_no_longer_text(models):
    """All branches stand at one position, so their number is not bounded by the context of 64."""
    with torch.no_grad():
        assert branch_logits(models["own"], torch.tensor([[3]]), torch.arange(97)).shape == (1, 97, 97)
    with pytest.raises(InputError, match="65 tokens exceed the context of 64"):
        branch_logits(models["own"], torch.zeros(1, 64, dtype=torch.long), torch.arange(3))


def test_pieces_are_the_whole(models):
    prefix, branches = torch.randint(3, 97, (5, 6)), torch.arange(20)
    with torch.no_grad():
        whole = branch_logits(models["llama"], prefix, branches)
        pieces = torch.full_like(whole, torch.nan)
        for rows, columns, logits in each_branch(models["llama"], prefix, branches, rows=2, at_once=7):
            pieces[rows, columns] = logits
    assert torch.allclose(pieces, whole, atol=1e-5)


def test_only_transformers_branch():
    with pytest.raises(InputError, match="Give a transformer and prefixes of one token at least"):
        branch_logits(open_model(nn.Linear(2, 2)), torch.zeros(1, 2, dtype=torch.long), torch.arange(2))


def naive(model, tokens, n):
    for _ in range(n):
        with torch.no_grad():
            tokens = torch.cat([tokens, model.run(tokens).output[:, -1].argmax(-1, keepdim=True)], dim=1)
    return tokens


@pytest.mark.parametrize("name", EVERY)
def test_generation_equals_the_plain_loop(name, models, tokens):
    assert torch.equal(generate(models[name], tokens, 20), naive(models[name], tokens, 20)[:, 12:])


@pytest.mark.parametrize("name", ["gpt2", "gemma3", "own"])
def test_generation_keeps_its_logits(name, models, tokens):
    """The kept keys and values give the logits of the whole sequence."""
    from pellucid.models.generate import Reader

    model, reader = models[name], Reader(models[name], tokens)
    with torch.no_grad():
        for _ in range(10):
            logits = reader.logits()
            assert torch.allclose(logits, model.run(reader.tokens).output[:, -1], atol=1e-5)
            reader.append(logits.argmax(-1, keepdim=True))


def test_samples_come_from_the_seed_and_the_distribution(models):
    model, prompt = models["own"], torch.tensor([[5, 6, 7]])
    many = generate(model, prompt.expand(4000, -1), 1, temperature=1.0, seed=3)
    assert torch.equal(many, generate(model, prompt.expand(4000, -1), 1, temperature=1.0, seed=3))
    assert not torch.equal(many, generate(model, prompt.expand(4000, -1), 1, temperature=1.0, seed=4))
    with torch.no_grad():
        chances = model.run(prompt).output[0, -1].softmax(-1)
    counted = torch.bincount(many[:, 0], minlength=97) / 4000
    # Total variation of 4,000 draws over 97 tokens is about sqrt(2 * 97 / (pi * 4000)) / 2 = 0.06 at most.
    assert (counted - chances).abs().sum() / 2 < 0.09


def test_low_temperature_is_greedy(models, tokens):
    greedy = generate(models["own"], tokens, 5)
    assert torch.equal(generate(models["own"], tokens, 5, temperature=1e-6, seed=1), greedy)


def test_prompts_that_outgrow_the_context_go_on(models):
    model, prompt = models["own"], torch.randint(3, 97, (1, 60), generator=torch.Generator().manual_seed(0))
    said, tokens = generate(model, prompt, 10), prompt
    for _ in range(10):
        with torch.no_grad():
            tokens = torch.cat(
                [tokens, model.run(tokens[:, -64:]).output[:, -1].argmax(-1, keepdim=True)], dim=1
            )
    assert torch.equal(said, tokens[:, 60:])


def test_nothing_and_less_than_nothing(models, tokens):
    assert generate(models["own"], tokens, 0).shape == (2, 0)
    for n, temperature in ((-1, 0.0), (1, -1.0)):
        with pytest.raises(InputError, match="Give 0 or more of both"):
            generate(models["own"], tokens, n, temperature=temperature)
