"""Suites: one model pass, resumable anywhere, the same bits with any number of workers, nothing foreign read."""

from __future__ import annotations

import dataclasses
import json
import shutil

import pytest
import torch
from dictionary_models import small_model
from suite_worlds import BASE, SMALL, text_tokens

from pellucid.compute import Interrupted, executor
from pellucid.dictionaries import train
from pellucid.dictionaries.suites.folder import open_suite
from pellucid.dictionaries.suites.plan import SCOPE, SuiteConfig, llama_scope_training, short_name
from pellucid.dictionaries.suites.training import train_suite_from
from pellucid.findings import InputError, MissingError
from pellucid.models.shards import open_shards

SUITE = SuiteConfig(BASE, expansions=(2, 4))
NAMES = tuple(
    f"L{layer}{letters}-{times}x" for letters in ("R", "A", "M", "TC") for layer in (0, 1) for times in (2, 4)
)


@pytest.fixture
def tokens() -> torch.Tensor:
    return text_tokens()


def files(folder) -> dict[str, bytes]:
    """The index and the weights: everything of a finished suite that does not say how long it took."""
    found = sorted(folder.glob("dictionaries/*/weights.safetensors"))
    return {str(path.relative_to(folder)): path.read_bytes() for path in [folder / "index.json", *found]}


class Counter:
    """Counts the sequences that a module has seen."""

    def __init__(self, model) -> None:
        self.seen = 0
        model.module.register_forward_pre_hook(self.count)

    def count(self, module, given) -> None:
        self.seen += len(given[0])


class StopError(Exception):
    pass


class StopAfter:
    """Progress that fails, or answers Ctrl-C, at a step of one task."""

    def __init__(self, task: str, step: int, error: type[BaseException]) -> None:
        self.wanted, self.left, self.error, self.name = task, step, error, ""

    def task(self, name, total=None):
        self.name = name
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def advance(self, n=1):
        if self.name == self.wanted and n:
            self.left -= 1
            if self.left < 0:
                raise self.error

    def note(self, text):
        pass


def test_the_names_and_settings_of_a_plan():
    plan = SUITE.plan(small_model())
    assert tuple(plan) == NAMES
    assert len(plan) == SUITE.dictionaries_a_site * 8
    assert plan["L1TC-4x"].sites == ("blocks.1.mlp_in", "blocks.1.mlp_out")
    assert plan["L1TC-4x"].n_features == 32
    assert plan["L0R-2x"] == dataclasses.replace(BASE, site="blocks.0.resid_post")
    several = SuiteConfig(BASE, sites=("blocks.0.attn.z",), widths=(10, 20), ks=(1, 2), seeds=(3, 4))
    names = list(several.plan(small_model()))
    assert names[:3] == ["L0attn.z-10-k1-s3", "L0attn.z-10-k1-s4", "L0attn.z-10-k2-s3"]
    assert len(names) == several.dictionaries_a_site == 8
    priced = SuiteConfig(
        dataclasses.replace(BASE, variant="relu"), sites=("blocks.0.mlp_out",), widths=(8,), prices=(0.1, 1)
    )
    assert [(name, c.sparsity) for name, c in priced.plan(small_model()).items()] == [
        ("L0M-8-p0.1", 0.1),
        ("L0M-8-p1", 1),
    ]


def test_the_training_of_the_paper():
    """Section 4.1 of the specification: k from the width of the model, first rows of length sqrt(2 d / F)."""
    base = llama_scope_training(8, k=2, steps=100)
    plan = SuiteConfig(base, expansions=(8, 32), scaled_rows=True).plan(small_model())
    assert [plan["L0R-32x"].k_at(step) for step in (0, 5, 10, 99)] == [8, 5, 2, 2]
    assert plan["L0R-8x"].initial_length == pytest.approx((2 / 8) ** 0.5)
    assert plan["L0R-32x"].initial_length == pytest.approx((2 / 32) ** 0.5)
    assert (base.rank_score, base.unit_norm, base.auxiliary, base.subtract) == ("h_norm", False, 0, "none")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"expansions": ()}, "no site or no width"),
        ({"sites": ()}, "no site or no width"),
        ({"ks": (1, 1)}, "ks names something twice"),
        ({"prices": (0.1,)}, "prices have no effect on topk"),
        ({"scaled_rows": True}, "decoder rows are kept at length 1"),
    ],
)
def test_suites_that_cannot_be(change, words):
    with pytest.raises(InputError, match=words) as caught:
        dataclasses.replace(SUITE, **change)
    assert caught.value.code == "DI111"


def test_sites_that_do_not_pair():
    uneven = SuiteConfig(BASE, sites=(("blocks.0.mlp_in", "blocks.*.mlp_out"),), widths=(8,))
    with pytest.raises(
        InputError, match=r"blocks\.0\.mlp_in -> blocks\.\*\.mlp_out matches 1 and 2 sites"
    ) as caught:
        uneven.plan(small_model())
    assert caught.value.code == "DI111"
    twice = SuiteConfig(BASE, sites=("blocks.0.mlp_out", "blocks.*.mlp_out"), widths=(8,))
    with pytest.raises(InputError, match="two dictionaries are named 'L0M-8'"):
        twice.plan(small_model())
    with pytest.raises(InputError, match="it plans no dictionary"):
        train_suite_from(small_model(), torch.zeros(1, 4, dtype=torch.long), {}, "nowhere")
    assert short_name(("blocks.0.resid_mid", "blocks.1.mlp_out")) == "blocks.0.resid_mid_to_blocks.1.mlp_out"
    assert short_name(("blocks.0.resid_mid", "blocks.0.mlp_out")) == "L0resid_mid_to_mlp_out"
    assert len(SCOPE) == 4


def test_the_model_sees_every_token_once(tokens, tmp_path):
    """All sixteen dictionaries come from one pass; the first sequence also shows the widths of the sites."""
    model = small_model()
    counter = Counter(model)
    suite = train_suite_from(model, tokens, SUITE, tmp_path, **SMALL)
    assert counter.seen == len(tokens)
    assert suite.names == NAMES
    assert train_suite_from(model, tokens, SUITE, tmp_path, **SMALL).names == NAMES
    assert counter.seen == len(tokens)


def test_a_member_is_bit_for_bit_what_it_is_alone(tokens, tmp_path):
    suite = train_suite_from(small_model(), tokens, SUITE, tmp_path, **SMALL)
    plan = SUITE.plan(small_model())
    for name in ("L0R-2x", "L1TC-4x"):
        assert suite.load(name).sha256 == train(suite.activations(), plan[name]).sha256
        entry = suite.entries[name]
        assert (entry.n_features, entry.k, entry.variant) == (plan[name].n_features, 2, "topk")
        assert (entry.site_in, entry.site_out) == plan[name].sites
        last = suite.load(name).training_record["log"][-1]
        assert entry.metrics == {key: last[key] for key in ("fvu", "l0", "dead", "never_fired")}


def test_the_same_bits_with_two_workers(tokens, tmp_path):
    few = SuiteConfig(BASE, sites=("blocks.*.mlp_out",), widths=(12, 16))
    train_suite_from(small_model(), tokens, few, tmp_path / "one", **SMALL)
    with executor(2) as pool:
        train_suite_from(small_model(), tokens, few, tmp_path / "two", executor=pool, **SMALL)
    assert files(tmp_path / "one") == files(tmp_path / "two")


@pytest.mark.parametrize(
    ("task", "step", "error"),
    [
        ("harvest", 2, StopError),
        ("training the suite", 1, StopError),
        ("training the suite", 2, KeyboardInterrupt),
    ],
)
def test_an_interrupted_suite_ends_with_the_same_bits(tokens, tmp_path, task, step, error):
    few = SuiteConfig(BASE, sites=("blocks.*.mlp_out", "blocks.0.attn_out"), widths=(12,))
    train_suite_from(small_model(), tokens, few, tmp_path / "straight", **SMALL)
    broken = tmp_path / "broken"
    expected = Interrupted if error is KeyboardInterrupt else error
    with pytest.raises(expected):
        train_suite_from(small_model(), tokens, few, broken, progress=StopAfter(task, step, error), **SMALL)
    with pytest.raises(MissingError, match="is not finished") as caught:
        open_suite(broken)
    assert caught.value.code == "DI114"
    model = small_model()
    counter = Counter(model)
    train_suite_from(model, tokens, few, broken, **SMALL)
    assert files(broken) == files(tmp_path / "straight")
    # what is done again: the two shards after the finished one
    assert counter.seen == (12 if task == "harvest" else 0)
    assert not (broken / "unfinished").exists()


def test_a_training_goes_on_from_its_checkpoint(tokens, tmp_path, monkeypatch):
    """A crash in the middle of one dictionary: the next run begins at its last checkpoint."""
    from pellucid.dictionaries.training import loop

    few = SuiteConfig(BASE, sites=("blocks.0.mlp_out",), widths=(12,))
    train_suite_from(small_model(), tokens, few, tmp_path / "straight", **SMALL)
    steps: list[int] = []
    original = loop.advance_all

    def crash_at(limit):
        def advance(learners, batch):
            if len(steps) == limit:
                raise StopError
            steps.append(learners[0].done)
            original(learners, batch)

        return advance

    monkeypatch.setattr(loop, "advance_all", crash_at(9))
    with pytest.raises(StopError):
        train_suite_from(small_model(), tokens, few, tmp_path / "broken", **SMALL)
    steps.clear()
    monkeypatch.setattr(loop, "advance_all", crash_at(99))
    train_suite_from(small_model(), tokens, few, tmp_path / "broken", **SMALL)
    assert steps == [8, 9, 10, 11]
    assert files(tmp_path / "broken") == files(tmp_path / "straight")


@pytest.fixture
def begun(tokens, tmp_path):
    """A suite whose activations are there and whose training has not begun."""
    few = SuiteConfig(BASE, sites=("blocks.*.mlp_out",), widths=(12,))
    progress = StopAfter("training the suite", 0, StopError)
    with pytest.raises(StopError):
        train_suite_from(small_model(), tokens, few, tmp_path / "suite", progress=progress, **SMALL)
    shutil.rmtree(tmp_path / "suite" / "journal", ignore_errors=True)
    return few, tmp_path / "suite"


@pytest.mark.parametrize("way", ["flipped", "missing", "foreign"])
def test_a_shard_that_is_not_the_one_written_is_named_and_refused(begun, tokens, tmp_path, way):
    few, folder = begun
    shard = folder / "activations" / "shard-00001.safetensors"
    if way == "flipped":
        body = bytearray(shard.read_bytes())
        body[-1] ^= 1
        shard.write_bytes(bytes(body))
    elif way == "missing":
        shard.unlink()
    else:
        from pellucid.models import harvest

        sites = sorted(open_shards(folder / "activations").sites)
        harvest(small_model(seed=1), tokens, sites, tmp_path / "foreign", **SMALL)
        shutil.copy(tmp_path / "foreign" / shard.name, shard)
    with pytest.raises(
        InputError, match=r"shard-00001\.safetensors is missing, damaged, or of another model"
    ) as caught:
        train_suite_from(small_model(), tokens, few, folder, **SMALL)
    assert caught.value.code == "DI112"
    # the remedy that the message gives
    shutil.rmtree(folder / "activations")
    train_suite_from(small_model(), tokens, few, folder, **SMALL)
    train_suite_from(small_model(), tokens, few, tmp_path / "straight", **SMALL)
    assert files(folder) == files(tmp_path / "straight")


def test_activations_of_another_harvest_are_refused(begun, tokens):
    from pellucid.dictionaries.suites.training import train_group

    few, folder = begun
    with pytest.raises(InputError, match="those of another harvest") as caught:
        train_group(str(folder), "L0M", few.plan(small_model()), "0" * 64)
    assert caught.value.code == "DI112"


@pytest.mark.parametrize("what", ["model", "text", "trainings", "activations"])
def test_a_folder_of_another_suite_is_refused(begun, tokens, what):
    few, folder = begun
    model, text, suite, dtype = small_model(), tokens, few, "float32"
    if what == "model":
        model = small_model(seed=1)
    elif what == "text":
        text = tokens.flip(0)
    elif what == "trainings":
        suite = dataclasses.replace(few, widths=(13,))
    else:
        dtype = "float16"
    with pytest.raises(InputError, match=f"holds another suite: {what} differ") as caught:
        train_suite_from(model, text, suite, folder, dtype=dtype, **SMALL)
    assert caught.value.code == "DI113"
    (folder / "plan.json").write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match=r"plan\.json cannot be read"):
        train_suite_from(small_model(), tokens, few, folder, **SMALL)


def test_what_a_finished_suite_refuses(tokens, tmp_path):
    few = SuiteConfig(BASE, sites=("blocks.*.mlp_out",), widths=(12,))
    suite = train_suite_from(small_model(), tokens, few, tmp_path, keep_activations=False, **SMALL)
    assert not (tmp_path / "activations").exists()
    with pytest.raises(
        MissingError, match=r"no dictionary 'L0N-12'.*mean 'L0M-12'.* It has: L0M-12, L1M-12"
    ) as caught:
        suite.load("L0N-12")
    assert caught.value.code == "DI116"
    for name in ("dictionary.json", "weights.safetensors"):
        shutil.copy(tmp_path / "dictionaries" / "L1M-12" / name, tmp_path / "dictionaries" / "L0M-12" / name)
    with pytest.raises(InputError, match="'L0M-12' is not the one that the suite's index names") as caught:
        suite.load("L0M-12")
    assert caught.value.code == "DI115"
    index = json.loads((tmp_path / "index.json").read_text())
    for broken in ("{", json.dumps(index | {"schema": 9}), json.dumps({"dictionaries": [{}]})):
        (tmp_path / "index.json").write_text(broken, encoding="utf-8")
        with pytest.raises(InputError, match=r"index of the suite .* cannot be read") as caught:
            open_suite(tmp_path)
        assert caught.value.code == "DI115"
    # the remedy that the message gives
    (tmp_path / "index.json").unlink()
    assert train_suite_from(small_model(), tokens, few, tmp_path, **SMALL).names == suite.names
    with pytest.raises(MissingError, match="is none") as caught:
        open_suite(tmp_path / "nowhere")
    assert caught.value.code == "DI114"


def test_positions_are_left_out_as_the_harvest_leaves_them_out(tokens, tmp_path):
    few = SuiteConfig(BASE, sites=("blocks.0.mlp_out",), widths=(12,))
    suite = train_suite_from(small_model(), tokens, few, tmp_path / "skipped", skip=1, **SMALL)
    assert suite.load("L0M-12").convention.excluded_positions == (0,)
    other = dataclasses.replace(few, base=dataclasses.replace(BASE, excluded_positions=(0,)))
    with pytest.raises(InputError, match="The harvest left out positions") as caught:
        train_suite_from(small_model(), tokens, other, tmp_path / "other", **SMALL)
    assert caught.value.code == "DI10"
