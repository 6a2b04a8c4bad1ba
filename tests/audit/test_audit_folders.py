"""The audit of other people's folders: a model in Hugging Face layout, with and without a reference."""

from __future__ import annotations

import audit_planted
import pytest
import torch

from pellucid.audit import AuditConfig, audit
from pellucid.models import open_model


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A small random GPT-2 and a copy of it that was moved a little."""
    from transformers import GPT2Config, GPT2LMHeadModel

    root = tmp_path_factory.mktemp("gpt2")
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=64, n_positions=64, n_embd=32, n_layer=2, n_head=4, bos_token_id=0, eos_token_id=0
    )
    model = GPT2LMHeadModel(config)
    for name in ("base", "tuned"):
        model.save_pretrained(root / name)
        (root / name / "tokenizer.json").write_text(audit_planted.tokenizer_json())
        with torch.no_grad():
            for value in model.parameters():
                value += 0.002 * torch.randn_like(value)
    return root


def test_a_folder_in_another_layout_goes_through_the_whole_audit(folders, world, settings):
    config = AuditConfig(**{**vars(settings), "confirm_contexts": 12, "honeypots": 40, "pairs_kept": 8})
    tuned, base = open_model(folders / "tuned"), open_model(folders / "base")
    report = audit(tuned, config, against=base, text=world.text)
    assert report.finding("audit.reference").status == "supports"
    assert report.finding("audit.weight_spectrum").measures["G"].value > 4
    assert report.finding("audit.candidates").measures["coverage"].value == 1
    assert report.verdict.word == "stands"


def test_a_folder_alone_is_opened_and_decomposed(folders, world, settings):
    report = audit(open_model(folders / "base"), settings, text=world.text)
    assert {finding.kind.split(".")[0] for finding in report.findings} == {"audit", "dictionaries"}
    assert report.verdict.word == "undecided"
    assert report.advice[0].startswith("No reference was given")
