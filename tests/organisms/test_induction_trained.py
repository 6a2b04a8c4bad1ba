"""The trained induction networks: their rows, their weights, and what the adjudicator says of them."""

import dataclasses

import numpy as np
import pytest
import torch

import pellucid
from pellucid.compute import SILENT
from pellucid.findings import load
from pellucid.models.transformer import load_transformer
from pellucid.organisms import describe, finding_path, folder, induction_trained, names
from pellucid.organisms.bard import generator
from pellucid.organisms.induction_trained import (
    AMBIGUOUS,
    BEGIN,
    CONTEXT,
    GO_ON,
    KEEP_ON,
    SHAPE,
    batch,
    quick_nats,
    rows,
)
from pellucid.organisms.recipes import RECIPES
from pellucid.organisms.training import follow, starting_weights

TRAINED = names("induction")


@pytest.fixture(scope="module")
def drawn():
    return rows(generator(99), 1_500, CONTEXT + 1)


def test_a_match_is_a_repetition_and_nothing_else_is(drawn):
    """A match of m tokens: the last m also stand somewhere before; of none: the token is new."""
    for row, matched in zip(drawn[0][:60].tolist(), drawn[1][:60].tolist(), strict=True):
        assert row[0] == BEGIN
        assert BEGIN not in row[1:]
        for t in range(1, len(row)):
            m = matched[t]
            if m == 0:
                assert row[t] not in row[:t]
            else:
                ends = range(m - 1, t)
                assert any(row[end - m + 1 : end + 1] == row[t - m + 1 : t + 1] for end in ends)


def test_walks_go_on_with_the_stated_chances(drawn):
    """Within four standard errors of each chance, over thousands of places."""
    tokens, matched = drawn
    before = np.zeros(matched.shape, dtype=np.int64)  # earlier places of the same token
    for t in range(tokens.shape[1]):
        before[:, t] = (tokens[:, :t] == tokens[:, t : t + 1]).sum(1)
    now, then = matched[:, :-1], matched[:, 1:]
    cases = (
        ((now == 1) & (before[:, :-1] == 1), GO_ON),
        ((now == 1) & (before[:, :-1] > 1), AMBIGUOUS),
        (now >= 2, KEEP_ON),
    )
    for where, chance in cases:
        went_on = (then == now + 1)[where]
        assert where.sum() > 3_000
        assert abs(went_on.mean() - chance) < 4 * np.sqrt(chance * (1 - chance) / where.sum())


def test_a_batch_is_a_pure_function_of_seed_and_step():
    assert torch.equal(batch(3, 7), batch(3, 7))
    assert not torch.equal(batch(3, 7), batch(3, 8))
    assert not torch.equal(batch(3, 7), batch(4, 7))
    assert batch(3, 7).shape == (induction_trained.ROWS, CONTEXT + 1)


class StopError(Exception):
    """Stands for a killed process."""


def test_an_interrupted_training_goes_on(monkeypatch, tmp_path):
    small = dataclasses.replace(SHAPE, n_layers=1, mlp_layers=(False,), spans=None, d_model=16)
    monkeypatch.setattr(induction_trained, "SHAPE", small)
    recipe = RECIPES["induction-1"]()
    config = dataclasses.replace(recipe.config, steps=4, warmup=1, checkpoint_every=2)
    recipe = dataclasses.replace(recipe, config=config)

    def until_three(step):
        if step == 3:
            raise StopError
        return recipe.batches(step)

    broken = dataclasses.replace(recipe, batches=until_three)
    with pytest.raises(StopError):
        follow(broken, starting_weights(broken), tmp_path / "a", SILENT)
    kept = follow(recipe, starting_weights(recipe), tmp_path / "a", SILENT)
    whole = follow(recipe, starting_weights(recipe), tmp_path / "b", SILENT)
    assert kept.losses == whole.losses
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in "ab"]
    assert weights[0] == weights[1]
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["config.json", "model.safetensors"]


def test_they_differ_by_seed_only():
    assert list(TRAINED) == [f"induction-{number}" for number in range(1, 6)]
    configs = {dataclasses.replace(RECIPES[name]().config, seed=0) for name in TRAINED}
    assert len(configs) == 1
    assert [RECIPES[name]().config.seed for name in TRAINED] == [1, 2, 3, 4, 5]
    assert len({describe(name).sha256["model.safetensors"] for name in TRAINED}) == 5


@pytest.mark.parametrize("name", TRAINED)
def test_a_folder_holds_config_and_weights(name):
    assert sorted(path.name for path in folder(name).iterdir()) == ["config.json", "model.safetensors"]
    module, config = load_transformer(folder(name))
    assert config == SHAPE
    for parameter in module.parameters():
        assert torch.equal(parameter, parameter.half().float())


def test_all_five_weigh_less_than_3_megabytes():
    assert sum(path.stat().st_size for name in TRAINED for path in folder(name).iterdir()) < 3e6


@pytest.mark.parametrize("name", TRAINED)
def test_the_shipped_curve_ends_where_the_shipped_weights_are(name):
    finding = load(finding_path(name, "training"))
    model = pellucid.open_model(f"organism:{name}")
    assert finding.status == "supports"
    assert finding.provenance.subject.sha256 == model.sha256
    for part, nats in quick_nats(model.module).items():
        # the curve was taken before the weights were rounded to float16
        assert finding.measures[f"held_out_{part}"].value == pytest.approx(nats, abs=2e-3)
