"""The 25 entries: complete, consistent, and found by every name they have."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from pellucid.findings import MissingError
from pellucid.library import catalogue
from pellucid.library.vocabulary import CLAIM_KINDS, EVIDENCE, ROOMS, TAGS

# key, arXiv number, number of authors named, family name of the first, earlier title
ENTRIES = [
    ("aisi", "2409.11314", 1, "Fort", None),
    ("armageddon", "2405.19832", 3, "Cappelen", None),
    ("attention-sae", "2406.17759", 5, "Kissane", None),
    (
        "axioms",
        "2407.13594",
        6,
        "Palumbo",
        "Mechanistically Interpreting a Transformer-based 2-SAT Solver: An Axiomatic Approach",
    ),
    ("bilinear", "2410.08417", 5, "Pearce", "Weight-based Decomposition: A Case for Bilinear MLPs"),
    ("clymer", "2403.10462", 4, "Clymer", None),
    ("degeneracy", "2405.10927", 8, "Bushnaq", None),
    ("e2e-sae", "2405.12241", 4, "Braun", None),
    ("elephant", "2407.10254", 2, "Rostcheck", None),
    ("hallucination", "2403.18167", 4, "Yu", "Mechanisms of non-factual hallucinations in language models"),
    ("lib", "2405.10928", 10, "Bushnaq", None),
    ("livefeed", "", 1, "unsearch", None),
    ("llama-scope", "2410.20526", 4, "He", None),
    ("lookahead", "2406.16033", 6, "Men", None),
    ("maze", "2411.00867", 2, "Trim", None),
    ("moore", "2410.06045", 2, "Adriaensen", "Extracting Finite State Machines from Transformers"),
    ("othello-adc", "2402.12201", 6, "He", None),
    ("patching", "2404.15255", 2, "Heimersheim", None),
    ("polytope", "2211.12312", 11, "Black", None),
    ("review", "2404.14082", 2, "Bereska", None),
    ("safetywashing", "2407.21792", 12, "Ren", None),
    ("scheming", "2411.03336", 16, "Balesni", None),
    (
        "smnn",
        "2410.06074",
        5,
        "Chen",
        "Scalable Mechanistic Neural Networks for Differential Equations and Machine Learning",
    ),
    ("transcoders", "2406.11944", 3, "Dunefsky", None),
    ("unlearning", "2410.12949", 5, "Guo", None),
]
PAPERS = list(catalogue())


def test_there_are_25_entries():
    assert [paper.key for paper in PAPERS] == [key for key, *_ in ENTRIES]
    assert len(catalogue()) == 25


@pytest.mark.parametrize(("key", "arxiv", "count", "first", "earlier"), ENTRIES)
def test_the_bibliography_is_the_source_s(key, arxiv, count, first, earlier):
    paper = catalogue().get(key)
    assert (paper.arxiv, len(paper.authors), paper.authors[0].family) == (arxiv, count, first)
    assert earlier is None or earlier in paper.aliases
    assert all("et al" not in str(author) for author in paper.authors)
    assert paper.link == (f"https://arxiv.org/abs/{arxiv}" if arxiv else "https://papers.unsearch.org")


@pytest.mark.parametrize("paper", PAPERS, ids=lambda paper: paper.key)
def test_every_name_finds_exactly_its_paper(paper):
    get, search = catalogue().get, catalogue().search
    for name in (paper.key, paper.title, *paper.aliases, *([paper.arxiv] if paper.arxiv else [])):
        assert get(name) is get(name.upper()) is get(f"  {name} ") is paper
        assert search(name)[0] is paper
    if paper.arxiv:
        for form in (
            "{}v1",
            "{}v12",
            "arXiv:{}",
            "arxiv {}v2",
            "https://arxiv.org/abs/{}v3",
            "https://arxiv.org/pdf/{}.pdf",
        ):
            assert get(form.format(paper.arxiv)) is paper
            assert search(form.format(paper.arxiv)) == [paper]
    assert search(paper.tldr)[0] is paper


@pytest.mark.parametrize("paper", PAPERS, ids=lambda paper: paper.key)
def test_every_entry_is_written_out(paper):
    assert 30 < len(paper.tldr) < 160
    assert 150 < len(paper.summary) < 900
    assert set(paper.rooms) <= set(ROOMS)
    assert paper.rooms
    assert paper.needs
    assert paper.tags
    assert all(set(words) <= set(TAGS[axis]) for axis, words in paper.tags.items())
    assert all(code.repo.startswith("https://github.com/") for code in paper.code)
    for claim in paper.claims:
        assert claim.kind in CLAIM_KINDS
        assert claim.evidence in EVIDENCE
        assert claim.study == paper.key
        assert claim.here
        assert 15 < len(claim.text) < 140, claim.name


def test_there_are_at_least_sixty_claims():
    assert sum(len(paper.claims) for paper in PAPERS) >= 60


def test_what_is_not_confirmed_gives_no_value_of_the_paper():
    marked = [claim for paper in PAPERS for claim in paper.claims if claim.unconfirmed]
    assert {claim.name for claim in marked} == {"bilinear.C5", "hallucination.C3", "smnn.C4"}
    assert all(claim.paper_value == "" and "confirmed" in claim.scale_note for claim in marked)


def test_code_without_a_licence_says_so_or_is_only_linked():
    without = {paper.key for paper in PAPERS for code in paper.code if not code.licence and code.note}
    assert {"attention-sae", "bilinear", "hallucination", "transcoders", "unlearning"} <= without


def test_summaries_are_not_one_another_s():
    texts = [paper.summary for paper in PAPERS] + [paper.tldr for paper in PAPERS]
    runs = [run for text in texts for run in set(eight_word_runs(text))]
    assert len(runs) == len(set(runs))


def eight_word_runs(text):
    words = re.findall(r"\w+", text.lower())
    return [" ".join(words[i : i + 8]) for i in range(len(words) - 7)]


def test_some_authors_are_not_named_by_the_source():
    assert [paper.key for paper in PAPERS if paper.more_authors] == ["llama-scope"]


def test_accents_may_be_left_out_and_are_kept():
    assert "Kaarel Hänni" in map(str, catalogue().get("lib").authors)
    assert {paper.key for paper in catalogue().search("Hanni")} == {"lib", "degeneracy"}
    assert catalogue().search("jeremy scheurer")[0].key == "scheming"


def test_dashes_and_quotes_make_no_difference():
    title = "the elephant in the room — why ai safety demands diverse teams"
    assert catalogue().get(title).key == "elephant"
    assert catalogue().get("AI Safety - A Climb to Armageddon").key == "armageddon"


def test_an_unknown_name_gets_the_near_one():
    with pytest.raises(MissingError) as caught:
        catalogue().get("schemming")
    assert (caught.value.code, str(caught.value)) == (
        "LB05",
        "No paper 'schemming' in the library. Did you mean 'scheming'?",
    )
    with pytest.raises(MissingError, match="List them: pellucid library list"):
        catalogue().get("9999.99999")


def test_claims_are_found_by_name():
    claim = catalogue().claim("scheming.C4")
    assert (claim.name, claim.parts) == ("scheming.C4", 2)
    assert catalogue().claim("2411.03336.c4") is claim
    with pytest.raises(MissingError, match=r"Paper 'scheming' has no claim 'C9'\. It has C1, C2, C3, C4\."):
        catalogue().claim("scheming.C9")
    with pytest.raises(MissingError, match="No paper 'schemes'"):
        catalogue().claim("schemes.C1")


def test_the_library_never_loads_torch_nor_a_surface():
    code = (
        "import pellucid.library as l, sys; l.shelf(); l.studies(); "
        "assert not {'torch', 'rich', 'plotly', 'fastapi', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
