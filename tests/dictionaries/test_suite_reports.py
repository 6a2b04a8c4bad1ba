"""Reports of a suite: exact dictionaries lose nothing, and every number is the one of a plain computation."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from dictionary_models import identity, small_model

from pellucid.dictionaries import Convention, TopK, evaluate, save_dictionary
from pellucid.dictionaries.suites.contexts import long_context
from pellucid.dictionaries.suites.fine_tuning import fine_tuned
from pellucid.dictionaries.suites.folder import Suite, entry_of, open_suite, write_index
from pellucid.dictionaries.suites.report import suite_report
from pellucid.findings import InputError, MissingError
from pellucid.models import harvest

SITE = "blocks.1.resid_post"
LINE = {"fvu": 0.0, "l0": 8.0, "dead": 0, "never_fired": 0}


def values(finding) -> dict[str, float]:
    return {name: measure.value for name, measure in finding.measures.items()}


def some(seed: int = 0, site: str = SITE, **convention: object) -> TopK:
    made = TopK(8, 24, 3, site_in=site, convention=Convention(**convention), seed=seed)
    return made.requires_grad_(False)


def suite_of(folder: Path, model, tokens, dictionaries: dict[str, TopK]) -> Suite:
    """A suite of given dictionaries."""
    entries = []
    for name, dictionary in dictionaries.items():
        dictionary.training_record = {"log": [LINE]}
        save_dictionary(dictionary, folder / "dictionaries" / name)
        entries.append(entry_of(name, dictionary))
    write_index(folder, harvest(model, tokens, SITE), entries)
    return open_suite(folder)


def permuted(model, seed: int = 3):
    """The same function by other weights: the 16 hidden units of every MLP in another order."""
    other = copy.deepcopy(model)
    order = torch.randperm(16, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        for weight in other.module.parameters():
            for axis in [axis for axis, size in enumerate(weight.shape) if size == 16]:
                weight.copy_(weight.index_select(axis, order))
    return other


@pytest.mark.truth("dictionaries.suite")
def test_a_suite_of_identities_explains_all_and_costs_nothing(model, tokens, tmp_path):
    exact = {f"L{n}R-2x": identity(8, f"blocks.{n}.resid_post") for n in (0, 1)}
    suite = suite_of(tmp_path, model, tokens, exact)
    finding = suite_report(model, suite, tokens, resamples=20)
    found = values(finding)
    assert found["dictionaries"] == 2
    assert found["ev"] == pytest.approx(1, abs=1e-10)
    assert found["l0"] == 8
    assert found["ce_increase"] == pytest.approx(0, abs=1e-6)
    assert finding.status == "supports"
    assert finding.arrays["l0"].coords["dictionary"] == ["L0R-2x", "L1R-2x"]


@pytest.mark.law("dictionaries.suite")
def test_the_grid_holds_what_evaluate_says(model, tokens, tmp_path):
    suite = suite_of(tmp_path, model, tokens, {"a": some(0), "b": some(1), "c": some(2)})
    finding = suite_report(model, suite, tokens, names=("b", "c"), resamples=20, seed=4)
    for row, seed in enumerate((1, 2)):
        alone = evaluate(model, some(seed), tokens, resamples=20, seed=4).measures
        for name in ("l0", "ce_increase"):
            ends = [finding.arrays[f"{name}{end}"].values[row] for end in ("", "_low", "_high")]
            assert ends == [alone[name].value, alone[name].low, alone[name].high]
        fvu = alone["fvu"]
        ends = [finding.arrays[f"ev{end}"].values[row] for end in ("", "_low", "_high")]
        assert ends == [1 - fvu.value, 1 - fvu.high, 1 - fvu.low]
        assert finding.arrays["alive"].values[row] == alone["alive"].value
    assert values(finding)["worst_ev"] == finding.arrays["ev"].values.min()
    assert values(finding)["l0"] == pytest.approx(finding.arrays["l0"].values.mean())
    with pytest.raises(MissingError, match="no dictionary 'd'"):
        suite_report(model, suite, tokens, names=("d",))


@pytest.mark.truth("dictionaries.long_context")
@pytest.mark.parametrize("excluded", [(), (0,)])
def test_error_and_sparsity_by_position_are_those_of_a_plain_loop(model, tokens, excluded):
    dictionary = some(excluded_positions=excluded)
    y = model.run(tokens, read=[SITE])[SITE].detach()
    error = (y - dictionary(y)).double().square().sum(-1)
    active = (dictionary.encode(y) != 0).sum(-1).double()
    first = len(excluded)
    finding = long_context(model, dictionary, tokens, trained=4, block=2, resamples=20)
    found = values(finding)
    sides = {"within": slice(first, 4), "beyond": slice(4, None)}
    kept = y[:, first:].double()
    mean = kept.reshape(-1, 8).mean(0)
    for side, part in sides.items():
        assert found[f"mse_{side}"] == pytest.approx(float(error[:, part].mean()), rel=1e-6)
        assert found[f"l0_{side}"] == float(active[:, part].mean())
        spread = (y[:, part].double() - mean).square().sum()
        assert found[f"fvu_{side}"] == pytest.approx(float(error[:, part].sum() / spread), rel=1e-6)
    assert found["mse_ratio"] == pytest.approx(found["mse_beyond"] / found["mse_within"], rel=1e-12)
    blocks = finding.arrays["mse"]
    assert blocks.coords["position"] == [0, 2, 4, 6]  # seven positions: the last block is short
    edges = [(first, 2), (2, 4), (4, 6), (6, 7)]
    expected = [float(error[:, a:b].mean()) for a, b in edges]
    assert blocks.values == pytest.approx(expected, rel=1e-6)


@pytest.mark.law("dictionaries.long_context")
def test_both_sides_together_are_the_whole_text(model, tokens):
    """Weighted by their positions, the two errors are the error that evaluate finds."""
    dictionary = some()
    found = values(long_context(model, dictionary, tokens, trained=3, resamples=20))
    whole = values(evaluate(model, dictionary, tokens, resamples=20))
    for name in ("mse", "l0"):
        together = (3 * found[f"{name}_within"] + 4 * found[f"{name}_beyond"]) / 7
        assert together == pytest.approx(whole[name], rel=1e-6)


def test_contexts_without_a_beyond_are_refused(model, tokens):
    for dictionary, trained in ((some(), 7), (some(excluded_positions=(0, 1)), 2)):
        with pytest.raises(
            InputError, match=f"Sequences of 7 tokens cannot be compared .* position {trained}"
        ) as caught:
            long_context(model, dictionary, tokens, trained)
        assert caught.value.code == "DI117"


@pytest.mark.truth("dictionaries.fine_tuned")
def test_another_model_of_the_same_function_changes_nothing(model, tokens):
    other = permuted(model)
    assert other.sha256 != model.sha256
    apart = other.run(tokens).output.detach() - model.run(tokens).output.detach()
    assert float(apart.abs().max()) < 1e-4
    finding = fine_tuned(model, other, some(), tokens, resamples=20)
    found = values(finding)
    for name in ("fvu_ratio", "mse_ratio", "l0_ratio"):
        assert found[name] == pytest.approx(1, abs=1e-4), name
    assert found["ce_increase_difference"] == pytest.approx(0, abs=1e-4)
    assert finding.status == "supports"


@pytest.mark.law("dictionaries.fine_tuned")
def test_each_side_is_what_evaluate_says(model, tokens):
    other = small_model(seed=1)
    finding = fine_tuned(model, other, some(), tokens, resamples=20)
    found = values(finding)
    for side, opened in (("base", model), ("other", other)):
        alone = values(evaluate(opened, some(), tokens, resamples=20))
        for name in ("fvu", "mse", "l0", "ce_increase"):
            assert found[f"{name}_{side}"] == pytest.approx(alone[name], rel=1e-12), name
    assert found["fvu_ratio"] == pytest.approx(found["fvu_other"] / found["fvu_base"], rel=1e-12)
    assert finding.arrays["fvu"].values.tolist() == [found["fvu_base"], found["fvu_other"]]
    assert np.isfinite([measure.low for measure in finding.measures.values()]).all()


def test_the_same_model_twice_is_refused(model, tokens):
    with pytest.raises(InputError, match="have the same weights") as caught:
        fine_tuned(model, small_model(), some(), tokens)
    assert caught.value.code == "DI118"
