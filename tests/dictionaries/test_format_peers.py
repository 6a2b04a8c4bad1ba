"""Beside the peers themselves: their files decode to their own outputs, and they read what we write.

It needs a Python that has SAELens, dictionary_learning and sparsify: the one named by
PELLUCID_DICTIONARY_PEERS_PYTHON, or the environment that scripts/install-dictionary-peers.sh makes.

Every comparison is of float32 sums of some dozens of terms of size 1 to 10, whose order differs between programs:
1e-5 is some ten units in the last place of the outputs.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from pellucid.dictionaries import Dictionary, load_dictionary, save_dictionary
from pellucid.dictionaries.formats.pickles import read_tensors
from pellucid.findings import InputError

ROOT = Path(__file__).resolve().parents[2]
PLACE = ROOT / ".venv-peers" / "dictionaries" / "bin" / "python"
PEER = Path(os.environ.get("PELLUCID_DICTIONARY_PEERS_PYTHON", PLACE))
QUIET = {"OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1", "WANDB_MODE": "disabled", "HF_HUB_OFFLINE": "1"}
TOLERANCE = 1e-5

pytestmark = pytest.mark.skipif(
    not PEER.exists() and "CI" not in os.environ,
    reason="no Python with the peers: run scripts/install-dictionary-peers.sh",
)

SAELENS = [
    *(
        "standard",
        "standard_plain",
        "standard_layer_norm",
        "standard_norm",
        "standard_heads",
        "standard_half",
    ),
    *("topk", "topk_norm", "topk_layer_norm", "flat_topk", "jumprelu", "jumprelu_subtract", "gated"),
    *("transcoder", "skip_transcoder", "jumprelu_transcoder", "jumprelu_skip_transcoder"),
    *("transcoder_layer_norm", "trained_topk", "trained_batchtopk", "trained_matryoshka", "trained_gated"),
    "trained_jumprelu",
]
LEARNING = [
    *("AutoEncoder", "AutoEncoderNew", "AutoEncoderTopK", "AutoEncoderTopK_threshold", "BatchTopKSAE"),
    *("BatchTopKSAE_threshold", "GatedAutoEncoder", "JumpReluAutoEncoder", "MatryoshkaBatchTopKSAE"),
    *("MatryoshkaBatchTopKSAE_threshold", "trainer_0", "trainer_1", "trainer_2"),
]
SPARSIFY = ["layers.1", "layers.2", "layers.3.mlp", "layers.4.mlp"]
NAMES = {"saelens": SAELENS, "dictionary_learning": LEARNING, "sparsify": SPARSIFY}
CASES = [(peer, name) for peer, names in NAMES.items() for name in names]


def ask(way: str, folder: Path) -> None:
    script = Path(__file__).with_name("peer_writers.py")
    done = subprocess.run(
        [str(PEER), "-W", "ignore", str(script), way, str(folder)],
        env={**os.environ, **QUIET},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """What the peers wrote."""
    folder = tmp_path_factory.mktemp("peers")
    ask("write", folder)
    return folder


def put(dictionary: Dictionary, folder: Path, peer: str, name: str, x: torch.Tensor) -> str:
    """Write for a peer, with the inputs that it is to answer; the code of a refusal, or nothing."""
    try:
        save_dictionary(dictionary, folder / peer / name, format=peer)
    except InputError as refused:
        return refused.code
    heads = peer == "saelens" and dictionary.convention.reshape == "heads"
    save_file({"x": x.reshape(len(x), 3, -1) if heads else x}, folder / peer / f"{name}.safetensors")
    return ""


@pytest.fixture(scope="module")
def exchanged(files, tmp_path_factory):
    """Every dictionary in every format that holds it, read by that format's own program; and the refusals."""
    folder, refused = tmp_path_factory.mktemp("ours"), {}
    for peer, name in CASES:
        dictionary, x = load_dictionary(files / peer / name), outputs(files, peer, name)["x"].flatten(1)
        for target in NAMES:
            code = put(dictionary, folder, target, f"{peer}-{name}", x)
            refused |= {(peer, name, target): code} if code else {}
    ask("read", folder)
    return folder, refused


def outputs(folder: Path, peer: str, name: str, suffix: str = "safetensors") -> dict[str, torch.Tensor]:
    return load_file(folder / peer / f"{name}.{suffix}")


def close(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    assert theirs.abs().max() > 0.1
    assert (ours - theirs.reshape(ours.shape)).abs().max() <= TOLERANCE


def test_every_file_of_theirs_is_a_case(files):
    for peer, names in NAMES.items():
        assert sorted(path.name for path in (files / peer).iterdir() if path.is_dir()) == sorted(names)


@pytest.mark.parametrize(("peer", "name"), CASES)
def test_their_files_decode_to_their_own_outputs(files, peer, name):
    dictionary, theirs = load_dictionary(files / peer / name), outputs(files, peer, name)
    x = theirs["x"].flatten(1)
    codes = dictionary.encode(x)
    close(codes, theirs["codes"])
    close(dictionary.decode(codes, x), theirs["y"])
    close(dictionary(x), theirs["y"])
    apart = (codes != 0) != (theirs["codes"] != 0)
    assert codes.abs()[apart].sum() + theirs["codes"].abs()[apart].sum() <= TOLERANCE
    sparse = dictionary.codes(x).dense()
    scale = dictionary.lengths() if dictionary.convention.code_units == "h_norm" else 1.0
    close(sparse * scale, theirs["codes"])


def stored(folder: Path) -> tuple[dict[str, torch.Tensor], dict]:
    """Tensors and configuration of a folder."""
    weights = [path for path in folder.iterdir() if path.suffix in (".safetensors", ".pt")]
    (config,) = folder.glob("*.json")
    read = read_tensors if weights[0].suffix == ".pt" else load_file
    return read(weights[0]), json.loads(config.read_text(encoding="utf-8"))


@pytest.mark.parametrize(("peer", "name"), [case for case in CASES if case[1] != "flat_topk"])
def test_written_again_every_tensor_and_setting_is_the_same(files, exchanged, peer, name):
    before, config = stored(files / peer / name)
    after, written = stored(exchanged[0] / peer / f"{peer}-{name}")
    assert list(after) == list(before) or set(after) == set(before)
    for key, tensor in before.items():
        assert after[key].dtype == tensor.dtype
        assert torch.equal(after[key], tensor)
    added = {key: value for key, value in written.items() if key not in config}
    assert {key: written[key] for key in config} == config
    assert set(added) <= {"pellucid"}  # a site that only the folder's name said


def test_a_flat_configuration_is_written_as_version_6_with_all_that_it_said(files, exchanged):
    before, flat = stored(files / "saelens" / "flat_topk")
    after, written = stored(exchanged[0] / "saelens" / "saelens-flat_topk")
    assert torch.equal(before.pop("scaling_factor"), torch.ones(40))
    assert all(torch.equal(after[key], before[key]) for key in before)
    assert (written["architecture"], written["k"], written["apply_b_dec_to_input"]) == ("topk", 4, True)
    meta = written["metadata"]
    assert meta["hook_name"] == flat["hook_point"]
    assert {key: meta[key] for key in ("lr_warm_up_steps", "dataset_path", "model_name")} == {
        key: flat[key] for key in ("lr_warm_up_steps", "dataset_path", "model_name")
    }


@pytest.mark.parametrize("target", NAMES)
@pytest.mark.parametrize(("peer", "name"), CASES)
def test_what_we_write_they_read_as_the_same_dictionary(files, exchanged, peer, name, target):
    folder, refused = exchanged
    if (peer, name, target) in refused:
        assert refused[peer, name, target] == "DI84"
        return
    theirs = outputs(files, peer, name)
    read = outputs(folder, target, f"{peer}-{name}", "peer.safetensors")
    close(read["y"].flatten(1), theirs["y"])
    back = load_dictionary(folder / target / f"{peer}-{name}")
    close(back(theirs["x"].flatten(1)), theirs["y"])
    close(read["codes"], theirs["codes"])


TOPK = {"topk", "topk_norm", "topk_layer_norm", "flat_topk", "trained_topk", "trainer_0", *SPARSIFY}
TOPK |= {"AutoEncoderTopK", "AutoEncoderTopK_threshold"}
MOVED = {"standard_layer_norm", "standard_norm", "topk_layer_norm", "transcoder_layer_norm"}


def test_what_is_refused_is_exactly_what_cannot_be_held(exchanged):
    """dictionary_learning: transcoders and transformed inputs. SAELens: TopK transcoders. sparsify: all but TopK."""
    expected = set()
    for peer, name in CASES:
        transcoder = "transcoder" in name or "mlp" in name
        held = {
            "dictionary_learning": not transcoder and name not in MOVED,
            "saelens": not (transcoder and name in TOPK),
            "sparsify": name in TOPK - MOVED,
        }
        expected |= {(peer, name, target) for target, fits in held.items() if not fits}
    assert set(exchanged[1]) == expected


def test_sites_and_sources_are_said(files):
    lens = load_dictionary(files / "saelens" / "jumprelu_transcoder")
    assert (lens.site_in, lens.site_out) == ("blocks.1.resid_pre", "blocks.1.mlp_out")
    sources = lens.training_record["origin"]["sources"]
    assert (sources["subtract"], sources["gate"], sources["rank_score"]) == ("file", "file", "rule")
    assert load_dictionary(files / "saelens" / "standard_heads").convention.reshape == "heads"
    assert load_dictionary(files / "dictionary_learning" / "AutoEncoder").site_in == "blocks.3.resid_post"
    assert load_dictionary(files / "sparsify" / "layers.3.mlp").site_in == "blocks.3.mlp_in"
    assert set(sources.values()) <= {"file", "rule", "unsaid"}


def test_short_runs_of_theirs_carry_thresholds_that_keep_too_much(files):
    """SAELens averages from 0 without a correction: after 30 steps of rate 0.01 its threshold is a quarter of what
    it should be. dictionary_learning starts from -1, which is a plain ReLU."""
    x = outputs(files, "saelens", "trained_batchtopk")["x"]
    for peer, name in (("saelens", "trained_batchtopk"), ("dictionary_learning", "BatchTopKSAE")):
        assert (load_dictionary(files / peer / name).encode(x) != 0).sum(1).float().mean() > 4 * 4


def test_a_step_of_their_training_loop_is_read_with_the_configuration_above_it(files):
    place = files / "dictionary_learning" / "trainer_1"
    early = load_dictionary(place / "checkpoints" / "ae_30.pt", format="dictionary_learning")
    assert early.convention.gate == "batchtopk"
    assert early.k == 4
    assert early.sha256 != load_dictionary(place).sha256


def test_their_multi_topk_forward_returns_another_reconstruction(files):
    """sparsify's forward with multi_topk gives what 4k latents make, without the skip path: its encode and decode
    are what the dictionary is."""
    theirs = outputs(files, "sparsify", "layers.4.mlp")
    assert (theirs["other"] - theirs["y"]).abs().max() > 1
    assert (
        outputs(files, "sparsify", "layers.1")["other"] - outputs(files, "sparsify", "layers.1")["y"]
    ).abs().max() < 1e-5


def test_sixteen_bits_are_kept_and_computed_with_in_32(files):
    half = load_dictionary(files / "saelens" / "standard_half")
    assert half.W_enc.dtype == torch.float32
    assert half.training_record["origin"]["dtypes"]["W_enc"] == "bfloat16"
