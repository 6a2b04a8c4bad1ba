"""A slip in a paper's file is named with its place and its remedy."""

from __future__ import annotations

import pytest
from library_samples import PAPER, write_paper

from pellucid.findings import InputError
from pellucid.library import read_catalogue
from pellucid.library.reading import read_paper


def refused(tmp_path, text):
    with pytest.raises(InputError) as caught:
        read_paper(write_paper(tmp_path, text))
    return caught.value


def test_a_paper_is_read_as_written(tmp_path):
    paper = read_paper(write_paper(tmp_path))
    assert (paper.key, paper.title, paper.year) == ("mazes", "A Paper on Mazes", 2024)
    assert [(author.family, author.given) for author in paper.authors] == [
        ("Ramón Guevara", "Carlos"),
        ("unsearch", ""),
    ]
    assert [str(author) for author in paper.authors] == ["Carlos Ramón Guevara", "unsearch"]
    assert paper.link == "https://arxiv.org/abs/2401.00001"
    assert paper.tags == {"use": ("control",)}
    assert paper.built
    (claim,) = paper.claims
    assert (claim.name, claim.study, claim.share, claim.parts) == ("mazes.C1", "mazes", 1.0, 1)
    assert (claim.source, claim.paper_value, claim.unconfirmed) == ("the paper", "", False)
    assert paper.claim("c1") is claim
    assert paper.claim("C2") is None


def test_a_paper_is_plain_data_for_programs(tmp_path):
    import json

    data = read_paper(write_paper(tmp_path)).to_dict()
    assert json.loads(json.dumps(data)) == data
    assert data["authors"][0] == {"family": "Ramón Guevara", "given": "Carlos"}


@pytest.mark.parametrize(
    ("before", "after", "code", "said"),
    [
        ('venue = "arXiv"', "venue = ", "LB01", "mazes.toml is no TOML file"),
        (
            'venue = "arXiv"\n',
            "",
            "LB02",
            "mazes.toml: the field 'venue' is missing or not of type str. Add it.",
        ),
        (
            'rooms = ["probes"]',
            'rooms = "probes"',
            "LB02",
            "the field 'rooms' is missing or not of type list",
        ),
        ('tldr = "Says something about mazes."', 'tldr = ""', "LB02", "the field 'tldr' is missing"),
        ('venue = "arXiv"', 'venue = "arXiv"\nvenu = "x"', "LB02", "no field 'venu'. Did you mean 'venue'?"),
        ('rooms = ["probes"]', 'rooms = ["probs"]', "LB03", "no room 'probs'. Did you mean 'probes'?"),
        (
            'use = ["control"]',
            'use = ["magic"]',
            "LB03",
            "no use tag 'magic'. Use one of: understanding, control",
        ),
        ('use = ["control"]', 'zest = ["good"]', "LB03", "no axis 'zest'. Use one of: concept, stance"),
        (
            'kind = "quantitative"',
            'kind = "quantative"',
            "LB03",
            "no kind of claim 'quantative'. Did you mean",
        ),
        ('evidence = "causal"', 'evidence = "causall"', "LB03", "claim C1: no kind of evidence 'causall'"),
        (
            'id = "C1"',
            'id = "C2"',
            "LB04",
            "the claims are numbered C2. Number them C1, C2, ... without gaps",
        ),
        ('id = "C1"', 'id = "C1"\nwhere = "x"', "LB02", "claim C1: no field 'where'. Did you mean 'here'?"),
        (
            'id = "C1"',
            'id = "C1"\npaper_value = "0.9"\nunconfirmed = true',
            "LB04",
            "states a value of the paper that is not confirmed. Leave paper_value out",
        ),
    ],
)
def test_slips_are_named(tmp_path, before, after, code, said):
    assert before in PAPER
    error = refused(tmp_path, PAPER.replace(before, after, 1))
    assert error.code == code
    assert said in str(error)


def test_a_predicate_with_a_slip_is_refused_before_any_run(tmp_path):
    error = refused(tmp_path, PAPER.replace('id = "C1"', 'id = "C1"\npredicate = "score >> 2"'))
    assert error.code.startswith("FN")


def test_a_paper_without_claims_is_refused(tmp_path):
    error = refused(tmp_path, PAPER[: PAPER.index("[[claims]]")])
    assert "the field 'claims' is missing" in str(error)
    empty = PAPER[: PAPER.index("[ids]")] + "claims = []\n"
    assert "numbered not at all" in str(refused(tmp_path, empty))


@pytest.mark.parametrize("shared", ["title", "alias", "number"])
def test_two_papers_may_not_share_a_name(tmp_path, shared):
    write_paper(tmp_path)
    other = {
        "title": PAPER.replace("2401.00001", "2401.00002").replace("Mazes, an earlier title", "Else"),
        "alias": PAPER.replace("2401.00001", "2401.00002").replace(
            "A Paper on Mazes", "Mazes: An Earlier Title!"
        ),
        "number": PAPER.replace("A Paper on", "Another Paper on").replace("Mazes, an earlier title", "Else"),
    }[shared]
    write_paper(tmp_path, other, "others")
    with pytest.raises(InputError, match="The papers 'mazes' and 'others' share the name") as caught:
        read_catalogue(tmp_path)
    assert caught.value.code == "LB07"


def test_a_folder_of_papers_is_a_catalogue(tmp_path):
    write_paper(tmp_path)
    found = read_catalogue(tmp_path)
    assert found.get("mazes an earlier title").key == "mazes"
    assert [paper.key for paper in found] == ["mazes"]
