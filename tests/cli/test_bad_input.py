"""Used wrongly: one clear message with the remedy, exit status 2, no traceback, and nothing stored is lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from safetensors.torch import load_file, save_file


def refused(pellucid, *arguments: object) -> str:
    status, _, err = pellucid(*arguments)
    assert status == 2, err
    assert "Traceback" not in err
    assert err.startswith("error (")
    assert len(err.strip().splitlines()) == 1
    return err


def audit_of(place, model, text=None):
    return [
        "audit",
        model,
        "--against",
        place.base,
        "--text",
        text or place.text,
        "--store",
        place.store,
        "--workers",
        "1",
    ]


def copied(place, name: str):
    folder = place.folder / name
    folder.mkdir()
    for path in place.copy.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def test_a_missing_folder(place, pellucid):
    assert "no model folder at" in refused(pellucid, *audit_of(place, "nowhere"))


def test_an_unknown_organism(place, pellucid):
    assert "Did you mean 'bard-twin'?" in refused(pellucid, "models", "show", "organism:bard-twn")


def test_a_folder_that_is_no_model(place, pellucid):
    (place.folder / "empty").mkdir()
    assert "no config.json" in refused(pellucid, *audit_of(place, place.folder / "empty"))


def test_an_unreadable_config(place, pellucid):
    folder = copied(place, "broken")
    (folder / "config.json").write_text("{not json")
    assert "cannot be read" in refused(pellucid, *audit_of(place, folder))


def test_damaged_weights(place, pellucid):
    folder = copied(place, "broken")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:200])
    assert "cannot be read" in refused(pellucid, *audit_of(place, folder))


def test_nan_weights_are_named(place, pellucid):
    folder = copied(place, "nan")
    weights = load_file(folder / "model.safetensors")
    weights["blocks.0.attn.q.weight"][0, 0] = torch.nan
    save_file(weights, folder / "model.safetensors")
    assert "blocks.0.attn.q.weight" in refused(pellucid, *audit_of(place, folder))


def test_a_model_without_tokenizer(place, pellucid):
    folder = copied(place, "mute")
    (folder / "tokenizer.json").unlink()
    assert "tokenizer" in refused(pellucid, *audit_of(place, folder))


def test_a_text_shorter_than_a_context(place, pellucid):
    short = place.folder / "short.txt"
    short.write_text("too short")
    message = refused(pellucid, *audit_of(place, place.copy, short))
    assert "9 tokens" in message or "tokens" in message


def test_a_text_that_is_missing_or_no_text(place, pellucid):
    assert "no text file" in refused(pellucid, *audit_of(place, place.copy, place.folder / "no.txt"))
    binary = place.folder / "binary.txt"
    binary.write_bytes(b"\xff\xfe\x00" * 100)
    assert "not UTF-8" in refused(pellucid, *audit_of(place, place.copy, binary))


def test_no_text_for_a_folder(place, pellucid):
    assert "--text FILE" in refused(pellucid, "audit", place.copy, "--against", place.base)


def test_a_site_that_does_not_exist(place, pellucid):
    message = refused(pellucid, "models", "sites", place.base, "--match", "blocks.9.mlp_out")
    assert "No site 'blocks.9.mlp_out'. This model has blocks 0-1" in message
    assert "did you mean 'blocks.1.mlp_out'?" in message.lower()


def test_an_unknown_profile(place, pellucid):
    assert "profile" in refused(pellucid, *audit_of(place, place.copy), "--profile", "slow")


def test_a_corrupt_store(place, pellucid):
    path = place.folder / "p.db"
    path.write_bytes(b"this is no database" * 100)
    before = path.read_bytes()
    refused(pellucid, "findings", "list", "--store", place.store)
    assert path.read_bytes() == before


def test_a_store_of_a_newer_version(place, pellucid):
    import sqlite3

    assert pellucid("findings", "list", "--store", place.store)[0] == 0
    with sqlite3.connect(place.folder / "p.db") as database:
        database.execute("update schema_version set number = 999")
    database.close()
    assert "Upgrade Pellucid" in refused(pellucid, "findings", "list", "--store", place.store)


def test_a_finding_that_does_not_exist(place, pellucid):
    refused(pellucid, "findings", "show", "abcdef123456", "--store", place.store)


def test_an_export_to_an_unknown_ending(place, pellucid):
    from pellucid.findings import load
    from pellucid.organisms import finding_path
    from pellucid.store import open_store

    with open_store(place.store) as kept:
        identity = kept.put(load(finding_path("bard", "training")))
    assert ".safetensors, .json, .md, .html" in refused(
        pellucid, "findings", "export", identity, "x.docx", "--store", place.store
    )


def test_a_case_that_is_no_case(place, pellucid):
    broken = place.folder / "case.yaml"
    broken.write_text("G1: [unclosed")
    assert "case.yaml" in refused(pellucid, "case", "check", broken)


def test_programs_get_the_error_as_json(place, pellucid):
    status, out, _ = pellucid("models", "show", "nowhere", "--json")
    assert status == 2
    error = json.loads(out)["error"]
    assert error["code"] == "MD01"
    assert error["remedy"]


def test_a_bug_keeps_its_traceback(monkeypatch):
    from pellucid.cli import main

    def broken(*_, **__):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(main, "app", broken)
    with pytest.raises(ZeroDivisionError):
        main.run(["models"])


def test_a_full_disk_is_one_message(monkeypatch, capsys):
    from pellucid.cli import main

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(main, "app", full)
    assert main.run(["audit"]) == 2
    assert "The disk is full. Free some space" in capsys.readouterr().err


def test_ctrl_c_in_any_command_is_one_message(monkeypatch, capsys):
    from pellucid.cli import main
    from pellucid.cli.commands import doctor

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(doctor, "examine", stop)
    assert main.run(["doctor"]) == 2
    assert "run the same command again to go on" in capsys.readouterr().err


def test_an_interrupted_audit_keeps_what_it_has_and_goes_on(place, pellucid):
    arguments = [
        *map(str, audit_of(place, place.copy)),
        "--out",
        str(place.folder / "r"),
        "--accept",
        "A0,A2,A2b,A3",
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "pellucid.cli.main", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # ignored in a shell's background
    )  # fmt: skip
    deadline = time.monotonic() + 90
    while process.poll() is None and not stored(place, pellucid) and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    kept = stored(place, pellucid)
    assert kept
    if process.returncode != 0:
        assert process.returncode == 2, err
        assert "Traceback" not in err
        assert "run the same command again" in err.lower()
    assert pellucid(*arguments)[0] == 0
    assert set(kept) <= set(stored(place, pellucid))


def stored(place, pellucid) -> list[str]:
    if not (place.folder / "p.db").exists():
        return []
    status, out, _ = pellucid("findings", "list", "--limit", 1000, "--store", place.store, "--json")
    return [finding["id"] for finding in json.loads(out)] if status == 0 else []
