"""``pellucid dictionaries``: every command answers programs, and says each mistake once, with a remedy."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from pellucid.cli.main import run
from pellucid.cli.settings import settings_of
from pellucid.dictionaries import TrainConfig, load_dictionary
from pellucid.dictionaries.training import loop
from pellucid.findings import InputError
from pellucid.models import Transformer, TransformerConfig, save_transformer

STREAM, HEADS = "blocks.1.resid_post", "blocks.0.attn.z"
SMALL = ("--features", "24", "--k", "2", "--steps", "6", "--set", "batch=64")


@pytest.fixture(scope="module")
def trained(models, tmp_path_factory) -> Path:
    """Dictionaries of the base model: `sae` at the stream, `wider` there too, `z` at an attention output."""
    base, _, text = models
    folder = tmp_path_factory.mktemp("dictionaries")
    few = folder / "few.txt"
    few.write_text(text.read_text(encoding="utf-8")[: 96 * 12], encoding="utf-8")
    for name, site, *more in (("sae", STREAM), ("wider", STREAM, "--features", "32"), ("z", HEADS)):
        words = ["train", base, "--text", few, "--site", site, "--out", folder / name, *SMALL, *more]
        assert run(["dictionaries", *map(str, words)]) == 0
    wide = TransformerConfig(d_vocab=32, context=96, n_layers=2, d_model=48, n_heads=4, d_mlp=64)
    words = (base / "tokenizer.json").read_text(encoding="utf-8")
    save_transformer(Transformer(wide, seed=1), folder / "wide-model", words)
    return folder


@pytest.fixture
def asked(pellucid, place, trained):
    """Run a command of dictionaries on a dictionary, with model, text and store filled in."""

    def call(command: str, dictionary: str, *more: object, model: Path | None = None, text: bool = True):
        given = ["--model", model or place.base, "--store", place.store]
        words = ["--text", trained / "few.txt"] if text else []
        return pellucid("dictionaries", command, trained / dictionary, *given, *words, *more)

    return call


def only_error(err: str) -> str:
    """The one message on the error stream, which is no traceback."""
    assert "Traceback" not in err
    (line,) = [line for line in err.splitlines() if line.startswith("error (")]
    return line


@pytest.mark.parametrize(
    ("command", "dictionary", "more", "kinds"),
    [
        ("evaluate", "sae", [], ["dictionaries.evaluation"]),
        ("describe", "sae", ["--latents", "0,3"], ["dictionaries.dashboard"]),
        ("compare", "sae", ["OTHER"], ["dictionaries.matching", "dictionaries.splitting"]),
        (
            "heads",
            "z",
            ["--sequences", "2"],
            ["dictionaries.head_attribution", "dictionaries.head_ablation"],
        ),
        ("attribute", "z", ["--prompt", "the cat", "--latents", "0,1"], None),
        ("trace", "z", ["--prompt", "the cat", "--latent", "1"], None),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_programs_get_findings(asked, trained, command, dictionary, more, kinds):
    words = [trained / "wider" if word == "OTHER" else word for word in more]
    status, out, _ = asked(command, dictionary, *words, "--json", text="--prompt" not in more)
    data = json.loads(out)
    found = [one["kind"] for one in (data if isinstance(data, list) else [data])]
    assert status == 0
    assert all(kind.startswith("dictionaries.") for kind in found)
    assert kinds is None or found == kinds


def test_geometry_needs_no_model(pellucid, place, trained):
    status, out, _ = pellucid("dictionaries", "geometry", trained / "sae", "--store", place.store, "--json")
    assert status == 0
    assert json.loads(out)["kind"].startswith("dictionaries.")


@pytest.mark.parametrize(
    "variant",
    ["topk", "batchtopk", "matryoshka", "relu", "jumprelu", "gated"],
)
def test_every_variant_trains(pellucid, place, trained, variant):
    price = [] if variant in ("topk", "batchtopk", "matryoshka") else ["--sparsity", "0.1"]
    out = place.folder / variant
    status, text, err = pellucid(
        "dictionaries", "train", place.base, "--text", trained / "few.txt", "--site", STREAM, "--out", out,
        *SMALL, "--variant", variant, *price, "--json",
    )  # fmt: skip
    assert status == 0, err
    assert json.loads(text)["variant"] == variant
    assert json.loads(text)["last"]["step"] == 6
    assert load_dictionary(out).site_in == STREAM


def test_a_transcoder_trains_end_to_end_or_not(pellucid, place, trained):
    words = [place.base, "--text", trained / "few.txt", "--site", "blocks.1.mlp_in", *SMALL, "--json"]
    more = ["--site-out", "blocks.1.mlp_out", "--skip"]
    assert pellucid("dictionaries", "train", *words, "--out", place.folder / "t", *more)[0] == 0
    assert load_dictionary(place.folder / "t").convention.skip == "linear"
    for objective in ("e2e", "fisher"):
        out = place.folder / objective
        assert pellucid("dictionaries", "train", *words, "--out", out, "--objective", objective)[0] == 0


def test_names_of_the_peers_are_taken(pellucid, place, trained):
    """TransformerLens' hook_ names a site too."""
    status, _, err = pellucid(
        "dictionaries", "train", place.base, "--text", trained / "few.txt", "--site", "blocks.0.hook_mlp_out",
        "--out", place.folder / "hook", *SMALL,
    )  # fmt: skip
    assert status == 0, err
    assert load_dictionary(place.folder / "hook").site_in == "blocks.0.mlp_out"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--site", "blocks.9.mlp_out"], "(MD10): No site 'blocks.9.mlp_out'"),
        (["--site-out", "blocks.9.mlp_out"], "(MD10): No site 'blocks.9.mlp_out'"),
        (["--site", "blocks.0.attn.pattern"], "(MD56): Site 'blocks.0.attn.pattern' has shape"),
        (["--variant", "nope"], "(DI07): Training configuration: there is no variant 'nope'"),
        (["--objective", "nope"], "(CL19): There is no objective 'nope'. There are: local"),
        (["--objective", "e2e", "--variant", "gated"], "(DI101): The loss of gated is a local one"),
        (["--sparsity", "-1", "--variant", "relu"], "(DI07): Training configuration: sparsity is -1.0"),
        (["--sparsity", "nan", "--variant", "relu"], "(DI07): Training configuration: sparsity is nan"),
        (["--set", "k=3"], "(CL22): k has an option of its own. Give --k instead of --set k."),
        (["--set", "objective=e2e"], "(CL22): objective has an option of its own. Give --objective"),
        (["--set", "batch=32"], "(CL23): batch is set twice. Leave out all but one."),
        (["--set", "bach=32"], "(CL20): 'bach=32' sets nothing. Did you mean 'batch'?"),
        (["--set", "lr"], "(CL20): 'lr' sets nothing"),
        (["--set", "lr=abc"], "(CL21): lr cannot be 'abc': it is a number, or none."),
        (["--set", "lr=nan"], "(DI07): Training configuration: lr is nan. Give lr as a number above 0."),
        (["--set", "unit_norm=maybe"], "(CL21): unit_norm cannot be 'maybe': it is true or false."),
        (["--set", "initial=best"], "it is one of random, orthogonal, active_subspace."),
        (["--set", "widths=3,x"], "(CL21): widths cannot be '3,x': it is a whole number, several by comma."),
        (["--set", "widths=9,3", "--variant", "matryoshka"], "(DI27): Nested widths [9, 3] for 24 latents."),
        (["--set", "betas=0.9"], "betas is (0.9,). Give betas as two numbers from 0 to below 1."),
        (["--set", "resample_at=99", "--variant", "relu"], "resample_at names step 99 of a training of 6"),
        (["--text", "no.txt"], "(MD31): There is no text file at 'no.txt'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes_in_a_training_are_said_before_it(pellucid, place, trained, more, words):
    out = place.folder / "unmade"
    status, _, err = pellucid(
        "dictionaries", "train", place.base, "--text", trained / "few.txt", "--site", STREAM, "--out", out,
        *SMALL, *more,
    )  # fmt: skip
    assert status == 2
    assert words in only_error(err)
    assert not out.exists()


def test_a_text_too_short_and_a_batch_too_large(pellucid, place, trained):
    short = place.folder / "short.txt"
    short.write_text("too short", encoding="utf-8")
    words = ["dictionaries", "train", place.base, "--site", STREAM, "--out", place.folder / "x"]
    assert "9 tokens, fewer than one context of 96" in pellucid(*words, "--text", short)[2]
    status, _, err = pellucid(*words, "--text", trained / "few.txt", "--set", "batch=9999")
    assert status == 2
    assert "(DI12): The source holds 1152 rows, fewer than one batch of 9999." in only_error(err)


def test_a_place_that_cannot_be_written_is_said_before_the_training(pellucid, place, trained):
    taken = place.folder / "taken"
    taken.write_text("a file", encoding="utf-8")
    for out in (taken, taken / "below"):
        status, _, err = pellucid(
            "dictionaries", "train", place.base, "--text", trained / "few.txt", "--site", STREAM, "--out", out
        )
        assert status == 2
        assert "(CL24): No dictionary can be written to" in only_error(err)
        assert "harvest" not in err
    assert taken.read_text(encoding="utf-8") == "a file"


def test_an_interrupted_training_goes_on_and_ends_the_same(pellucid, place, trained, monkeypatch):
    words = [
        "dictionaries", "train", place.base, "--text", trained / "few.txt", "--site", STREAM, *SMALL,
        "--set", "checkpoint_every=2", "--out",
    ]  # fmt: skip
    assert pellucid(*words, place.folder / "straight")[0] == 0
    kept = loop.keep_when_due

    def stopped(learner):
        kept(learner)
        if learner.done == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(loop, "keep_when_due", stopped)
    status, _, err = pellucid(*words, place.folder / "resumed")
    assert status == 2
    assert "(CL01): The run was interrupted." in only_error(err)
    assert not (place.folder / "resumed" / "dictionary.json").exists()
    monkeypatch.setattr(loop, "keep_when_due", kept)
    assert pellucid(*words, place.folder / "resumed")[0] == 0
    straight, resumed = (load_dictionary(place.folder / name) for name in ("straight", "resumed"))
    assert straight.sha256 == resumed.sha256


def test_a_second_training_does_not_go_on_from_the_first(pellucid, place, trained):
    words = ["dictionaries", "train", place.base, "--text", trained / "few.txt", "--site", STREAM, *SMALL]
    out = place.folder / "once"
    assert pellucid(*words, "--out", out)[0] == 0
    before = load_dictionary(out).sha256
    status, _, err = pellucid(*words, "--out", out, "--k", "3")
    assert status == 2
    assert "belongs to another training (k was 2, is 3)" in only_error(err)
    words[2] = place.copy
    status, _, err = pellucid(*words, "--out", out)
    assert status == 2
    assert "belongs to another training (another data; another model)" in only_error(err)
    assert load_dictionary(out).sha256 == before


@pytest.mark.parametrize(
    ("command", "more", "text"),
    [
        ("evaluate", [], True),
        ("describe", ["--latents", "0"], True),
        ("compare", ["OTHER"], True),
    ],
)
def test_another_model_is_noted_and_another_width_refused(asked, place, trained, command, more, text):
    words = [trained / "wider" if word == "OTHER" else word for word in more]
    status, out, err = asked(command, "sae", *words, "--json", model=place.copy)
    assert status == 0
    assert json.loads(out)
    notes = [line for line in err.splitlines() if line.startswith("note: ")]
    assert notes[0].startswith("note: sae was trained on another model (weights ")
    assert len(notes) == 1 + len(words[: command == "compare"])
    assert "note: " not in asked(command, "sae", *words)[2]
    status, _, err = asked(command, "sae", *words, model=trained / "wide-model")
    assert status == 2
    assert "(DI04): The dictionary has width 32 at 'blocks.1.resid_post', where" in only_error(err)
    assert "note: " not in err


def test_a_dictionary_of_excluded_positions_knows_its_model_too(pellucid, place, trained, asked):
    out = place.folder / "excluding"
    words = ["--text", trained / "few.txt", "--site", STREAM, "--set", "excluded_positions=0", *SMALL]
    assert pellucid("dictionaries", "train", place.base, *words, "--out", out)[0] == 0
    assert "note: " in asked("evaluate", str(out), model=place.copy)[2]
    assert "note: " not in asked("evaluate", str(out))[2]


def spoilt(trained: Path, folder: Path, what: str) -> Path:
    """A copy of a dictionary, damaged in one way."""
    made = folder / what.replace(" ", "-")
    shutil.copytree(trained / "sae", made)
    record, weights = made / "dictionary.json", made / "weights.safetensors"
    data = json.loads(record.read_text(encoding="utf-8"))
    if what == "short weights":
        weights.write_bytes(weights.read_bytes()[:100])
    elif what == "no weights":
        weights.unlink()
    elif what == "no json":
        record.write_text("{not json", encoding="utf-8")
    else:
        change = {
            "newer": {"schema": 99},
            "unknown variant": {"settings": {"variant": "future"}},
            "no training": {"training": None},
        }
        record.write_text(json.dumps(data | change[what]), encoding="utf-8")
    return made


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("short weights", "(DI22): The dictionary in short-weights cannot be read: weights.safetensors is"),
        ("no weights", "(DI22): The dictionary in no-weights cannot be read"),
        ("no json", "(DI22): The dictionary in no-json cannot be read"),
        ("newer", "(DI23): The dictionary in newer has schema 99"),
        ("unknown variant", "(DI26): There is no dictionary variant 'future'"),
        ("no training", "(DI22): The dictionary in no-training cannot be read: its record of the training"),
    ],
)
def test_damaged_dictionaries(asked, trained, tmp_path, what, words):
    status, _, err = asked("evaluate", str(spoilt(trained, tmp_path, what)))
    assert status == 2
    assert words in only_error(err)


def test_what_is_no_dictionary(asked, tmp_path):
    for place in (tmp_path / "absent", tmp_path):
        status, _, err = asked("evaluate", str(place))
        assert status == 2
        assert "(DI21): No dictionary in" in only_error(err)
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "cfg.json").write_text("{}", encoding="utf-8")
    (foreign / "sae_weights.safetensors").write_bytes(b"x")
    status, _, err = asked("evaluate", str(foreign))
    assert status == 2
    assert "SAELens" in only_error(err)
    evil = tmp_path / "evil.pt"
    evil.write_bytes(b"\x80\x04cposix\nsystem\n(X\x04\x00\x00\x00truetR.")
    assert asked("evaluate", str(evil))[0] == 2


@pytest.mark.parametrize(
    ("command", "dictionary", "more", "words"),
    [
        ("describe", "sae", ["--latents", "24"], "(DI24): No latent 24. This dictionary has latents 0-23."),
        ("describe", "sae", ["--latents", "-1"], "(CL17): '-1' is no number of a latent"),
        ("heads", "sae", [], "(DI30): A dictionary that reads 'blocks.1.resid_post' reads no attention"),
        ("attribute", "z", ["--prompt", "a b", "--latents", "24"], "(DI24): No latent 24"),
        ("attribute", "z", ["--prompt", "", "--latents", "1"], "(DI32): Tokens of shape (1, 0)"),
        ("attribute", "z", ["--prompt", "a" * 99, "--latents", "1"], "(MD36): 99 tokens exceed the context"),
        ("trace", "z", ["--prompt", "a b", "--latent", "24"], "(DI24): No latent 24"),
        (
            "trace",
            "z",
            ["--prompt", "a b", "--latent", "1", "--upstream", "no"],
            "(DI21): No dictionary in no",
        ),
        (
            "explain",
            "sae",
            ["--latents", "1", "--url", "ftp://x", "--judge", "j"],
            "(DI73): The endpoint's URL",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and " " not in value else "",
)
def test_other_mistakes(asked, command, dictionary, more, words):
    status, _, err = asked(command, dictionary, *more, text="--prompt" not in more)
    assert status == 2
    assert words in only_error(err)


def test_a_closed_store_is_said_before_the_work(asked):
    status, _, err = asked("evaluate", "sae", "--store", "sqlite:////nowhere/x.db")
    assert status == 2
    assert "(ST01): The folder /nowhere of the store does not exist" in only_error(err)
    assert "evaluating" not in err


def test_programs_get_the_error_as_json(asked):
    status, out, _ = asked("describe", "sae", "--latents", "99", "--json")
    error = json.loads(out)["error"]
    assert status == 2
    assert error["code"] == "DI24"
    assert error["remedy"]


def test_settings_are_read_by_their_type():
    given = ["lr=none", "betas=0.9, 0.99", "unit_norm=No", "initial=orthogonal", "excluded_positions=0,3"]
    assert settings_of(TrainConfig, given) == {
        "lr": None,
        "betas": (0.9, 0.99),
        "unit_norm": False,
        "initial": "orthogonal",
        "excluded_positions": (0, 3),
    }
    with pytest.raises(InputError, match="objective cannot be 'e2e': it is not given by --set") as caught:
        settings_of(TrainConfig, ["objective=e2e"])
    assert caught.value.code == "CL21"
