"""Tables of scores: every form that is read, and every fault that is refused with its place and remedy."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetywashing_reference import read, write

from pellucid.findings import InputError, MissingError
from pellucid.metascience.families import clusters, family_of
from pellucid.metascience.score_cells import number_of
from pellucid.metascience.table import SHIPPED, ScoreTable, as_table, base_models, read_table

TEXT = "model,mmlu,bbh\na,0.1,0.2\nb,0.3,0.1\nc,,0.5\n"


@pytest.fixture
def table_file(tmp_path):
    def make(text, encoding="utf-8"):
        path = tmp_path / "scores.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
        return path

    return make


def test_the_shipped_table_is_the_published_one():
    table = base_models()
    models, columns, beside = read(SHIPPED)
    assert table.models == tuple(models)
    assert table.benchmarks == tuple(columns)
    assert len(table.benchmarks) == 176
    for name, values in columns.items():
        assert np.array_equal(table.column(name), values, equal_nan=True), name
    assert np.array_equal(table.compute, beside["FLOP"], equal_nan=True)
    assert np.array_equal(table.size, beside["model_size"])
    gaps = {name for name in columns if np.isnan(columns[name]).any()}
    assert gaps == {"cyberseceval2_autocomplete"}
    assert set(table.types) == {"base"}
    assert table.data.id == "benchmarks_base_models.csv"
    assert len(table.data.sha256) == 64


def test_families_of_the_shipped_table():
    counts = Counter(base_models().families)
    assert sorted(counts.values(), reverse=True) == [8, 3, 3, 3, 3, 2, 2, 2, 1]
    assert counts["qwen-1.5"] == 8
    assert counts["mistral"] == 3
    assert len(clusters(base_models().families)) == 9


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("meta-llama/Llama-2-7b-hf", "llama-2"),
        ("Llama 2 70B", "llama-2"),
        ("Meta-Llama-3.1-8B", "llama-3.1"),
        ("Qwen 1.5 72B", "qwen-1.5"),
        ("Qwen2.5-0.5B", "qwen-2.5"),
        ("gpt-3.5-turbo", "gpt-3.5"),
        ("Mixtral-8x7B-v0.1", "mistral"),
        ("Yi-1.5-9B", "yi-1.5"),
        ("gemma-2b", "gemma"),
        ("gemma-2-9b", "gemma-2"),
        ("model_17", "model-17"),
        ("7B", "7B"),
        ("Σ-1", "σ-1"),
    ],
)
def test_family_of_a_name(name, family):
    assert family_of(name) == family


@given(st.text(min_size=1, max_size=20))
@settings(max_examples=200, deadline=None)
def test_any_name_has_a_family(name):
    assert family_of(name)


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_separators_and_encodings(tmp_path, separator, encoding):
    columns = {"mmlu": np.array([0.1, 0.25, np.nan]), "power.Σ": np.array([1.0, -2.0, 3e-5])}
    names = ["one, with comma", 'two "quoted"', "three; four"]
    path = write(tmp_path / "t.csv", names, columns, separator, encoding, {"note": ["x", "", "y"]})
    table = read_table(path)
    assert table.models == tuple(names)
    assert table.benchmarks == ("mmlu", "power.Σ")
    assert table.text == ("note",)
    for name, values in columns.items():
        assert np.array_equal(table.column(name), values, equal_nan=True)


def test_decimal_commas_where_semicolons_separate(table_file):
    table = read_table(table_file("model;mmlu;bbh\na;0,25;1\nb;-1,5e-1;2\n"))
    assert table.column("mmlu").tolist() == [0.25, -0.15]


@pytest.mark.parametrize("gap", ["", " ", "NA", "n/a", "NaN", "null", "None", "-", "?", "—"])
def test_what_counts_as_a_gap(table_file, gap):
    table = read_table(table_file(f"model,mmlu,bbh\na,{gap},1\nb,2,2\n"))
    assert np.isnan(table.column("mmlu")[0])


def test_percentages_in_a_whole_column(table_file):
    table = read_table(table_file("model,mmlu,bbh\na,45%,1\nb,,2\nc,50.5 %,2\n"))
    assert table.column("mmlu")[[0, 2]].tolist() == [45, 50.5]


@given(st.floats(allow_nan=False, allow_infinity=False))
@settings(max_examples=300, deadline=None)
def test_any_number_is_read_back(number):
    assert number_of(repr(number)) == number


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("part", [" ", "\u00a0", "\u2009", "\u202f", "'", "\u2019"])
@given(st.integers(-(10**12), 10**12))
@settings(max_examples=20, deadline=None)
def test_thousands_parted_by_spaces_are_read_back(separator, part, number):
    assert number_of(f"{number:,}".replace(",", part), separator) == number
    assert number_of(f"{number:,}.25".replace(",", part), separator) == float(f"{number}.25")


@given(st.integers(-(10**12), 10**12), st.sampled_from(["", ".5", ".125"]))
def test_thousands_parted_by_commas_are_read_back_in_quotes(number, rest):
    assert number_of(f"{number:,}{rest}") == float(f"{number}{rest}")


def test_a_comma_is_read_by_what_separates_the_columns(table_file):
    assert read_table(table_file('model,mmlu\na,"1,234"\nb,987\n')).column("mmlu").tolist() == [1234, 987]
    assert read_table(table_file("model;mmlu\na;1,234\nb;9\n")).column("mmlu").tolist() == [1.234, 9]


@pytest.mark.parametrize("cell", ["0,250", "1,23,456", "1,2345", "12 34", "1 234'567", "1.234.567", ",123"])
def test_what_looks_like_thousands_and_is_none(cell):
    assert number_of(cell) is None


@pytest.mark.parametrize("cell", ["1_000", "0x10", "inf", "1e999", "1,5", "half", "1 2", "１２"])
def test_what_is_no_number(cell):
    assert number_of(cell) is None


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        ("", "MS03", "empty"),
        ("model\na\n", "MS03", "one column"),
        (b"model,a\n\xff\xfe,1\n", "MS02", "line 2"),
        ("model,a\nx,\x00\n", "MS02", "line 2"),
        ('model,a\n"x,1\n', "MS04", "line 2"),
        ("model,a,b\nx,1\n", "MS05", "line 2 (row 'x'): 2 cells under a header of 3"),
        ("model,a,b\nx,1,2\ny,1,2,3\n", "MS05", "line 3"),
        ("model,a,,b\nx,1,2,3\n", "MS06", "column 3"),
        ("model,a,a\nx,1,2\n", "MS07", "columns 2 and 3 are both named 'a'"),
        ("model,a\n", "MS09", "no models"),
        ("model,a\nx,word\n", "MS09", "no column of numbers"),
        ("a,b\n1,2\n3,4\n", "MS09", "no column of model names"),
        ("model,a,b\nx,1,2\ny,high,3\nz,2,2\n", "MS10", "line 3 (model 'y'), column 'a': 'high'"),
        ("model,a,b\nx,1,2\ny,inf,3\nz,2,2\n", "MS10", "'inf'"),
        ("model,a\nx,1\nx,2\n", "MS12", "line 3: the model 'x' was named before in line 2"),
        ("model,a\n,1\n", "MS12", "no model name"),
    ],
)
def test_faults_of_a_file(table_file, text, code, says):
    with pytest.raises(InputError) as fault:
        read_table(table_file(text))
    assert fault.value.code == code
    assert says in str(fault.value)
    assert fault.value.remedy


def test_a_missing_file_and_a_folder(tmp_path):
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(MissingError, match=r"does not exist|is a folder") as fault:
            read_table(path)
        assert fault.value.code == "MS01"


def test_extra_empty_cells_and_empty_lines_do_no_harm(table_file):
    table = read_table(table_file("model,a,b\n\nx,1,2,,\n,,\ny,3,4\n\n"))
    assert table.models == ("x", "y")
    assert table.scores.tolist() == [[1, 2], [3, 4]]


def test_columns_without_a_score_are_named(table_file):
    table = read_table(table_file("model,a,gone,b,words\nx,1,,2,u\ny,3,NA,4,\n"))
    assert table.benchmarks == ("a", "b")
    assert table.empty == ("gone",)
    assert table.text == ("words",)


def test_an_index_column_is_no_benchmark(table_file):
    assert read_table(table_file(",model,a\n0,x,1\n1,y,2\n")).benchmarks == ("a",)
    assert read_table(table_file(",a,b\nx,1,2\ny,3,4\n")).models == ("x", "y")


def test_roles_in_any_case_and_by_name(table_file):
    text = "Name,Type,flop,Params,lab,mmlu,bbh\nx,base,1e20,7,A,1,2\ny,base,,8,A,3,1\nz,chat,2e20,9,,2,2\n"
    table = read_table(table_file(text), family="lab")
    assert table.models == ("x", "y", "z")
    assert table.types == ("base", "base", "chat")
    assert table.families == ("A", "A", "z")
    assert table.compute[0] == 1e20
    assert np.isnan(table.compute[1])
    assert table.size.tolist() == [7, 8, 9]
    assert table.benchmarks == ("mmlu", "bbh")


def test_a_column_can_be_left_out(table_file):
    path = table_file("model,year,mmlu,bbh\nx,2020,1,2\ny,2021,3,1\n")
    assert read_table(path, exclude=["year"]).benchmarks == ("mmlu", "bbh")
    with pytest.raises(MissingError, match="Did you mean 'year'") as fault:
        read_table(path, exclude=["yeer"])
    assert fault.value.code == "MS08"


def test_an_unknown_benchmark_names_the_nearest(table_file):
    with pytest.raises(MissingError, match="Did you mean 'mmlu'") as fault:
        read_table(table_file(TEXT)).column("mmlv")
    assert fault.value.code == "MS13"


def test_a_table_in_memory_equals_the_file(table_file):
    table = ScoreTable.of(["a", "b", "c"], {"mmlu": [0.1, 0.3, None], "bbh": [0.2, 0.1, 0.5]})
    read = read_table(table_file(TEXT))
    assert table.models == read.models
    assert np.array_equal(table.scores, read.scores, equal_nan=True)


def test_the_digest_follows_every_part():
    base = {"models": ["a", "b"], "columns": {"x": [1, 2]}}
    tables = [
        ScoreTable.of(**base),
        ScoreTable.of(["a", "c"], {"x": [1, 2]}),
        ScoreTable.of(["a", "b"], {"x": [1, 3]}),
        ScoreTable.of(["a", "b"], {"y": [1, 2]}),
        ScoreTable.of(**base, families=["f", "f"]),
        ScoreTable.of(**base, types=["base", "chat"]),
        ScoreTable.of(**base, compute=[1e20, None]),
    ]
    assert len({table.sha256 for table in tables}) == len(tables)
    assert tables[0].sha256 == ScoreTable.of(**base).sha256


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"columns": {"x": [1]}}, "MS11"),
        ({"columns": {"x": [1, float("inf")]}}, "MS10"),
        ({"columns": {"x": [1, 2]}, "families": ["f"]}, "MS11"),
        ({"columns": {"x": [1, 2]}, "types": ["base"]}, "MS11"),
        ({"columns": {"x": [1, 2]}, "compute": [1]}, "MS11"),
        ({"models": ["a", "a"], "columns": {"x": [1, 2]}}, "MS12"),
    ],
)
def test_faults_of_a_table_in_memory(given, code):
    with pytest.raises(InputError) as fault:
        ScoreTable.of(**{"models": ["a", "b"], **given})
    assert fault.value.code == code


def test_a_new_benchmark_is_matched_by_name():
    table = ScoreTable.of(["a", "b", "c"], {"x": [1, 2, 3]}).with_benchmark("new", {"c": 0.3, "a": 0.1})
    assert table.column("new")[[0, 2]].tolist() == [0.1, 0.3]
    assert np.isnan(table.column("new")[1])
    with pytest.raises(InputError, match="has a benchmark 'x'"):
        table.with_benchmark("x", {})
    with pytest.raises(MissingError, match="no model 'd'"):
        table.with_benchmark("other", {"d": 1.0})


def test_families_can_be_given():
    table = ScoreTable.of(["a-7b", "b-7b"], {"x": [1, 2]})
    assert table.families == ("a", "b")
    assert table.with_families({"b-7b": "a"}).families == ("a", "a")
    with pytest.raises(MissingError, match="no model 'c'"):
        table.with_families({"c": "a"})


def test_rows_keep_everything_together():
    table = base_models().rows(np.arange(27) >= 20)
    assert len(table.models) == len(table.families) == len(table.types) == 7
    assert table.scores.shape == (7, 176)
    assert len(table.compute) == len(table.size) == 7


class Frame:
    """What of a pandas data frame is read."""

    def __init__(self, records: list, index: list) -> None:
        self.records, self.index, self.columns = records, index, list(records[0])

    def to_dict(self, orient: str) -> list:
        assert orient == "records"
        return self.records


def test_rows_in_memory_are_the_table_of_a_file(tmp_path):
    rows = [
        {"model": "a-7b", "family": "a", "mmlu": 0.1 + 0.2, "arc": None, "flop": 1e21},
        {"model": "b-7b", "family": "b", "mmlu": float("nan"), "arc": np.float64(0.5), "flop": 2e21},
        {"model": "c-7b", "family": "b", "mmlu": 1, "flop": 3e21, "arc": 0.25},
    ]
    table = as_table(rows)
    path = tmp_path / "t.csv"
    cells = [[row[name] for name in rows[0]] for row in rows]
    path.write_text(
        "\n".join(
            [",".join(rows[0]), *(",".join("" if c is None else str(c) for c in line) for line in cells)]
        )
    )
    read = read_table(path)
    np.testing.assert_array_equal(table.scores, read.scores)
    assert (table.models, table.benchmarks, table.families) == (read.models, read.benchmarks, read.families)
    np.testing.assert_array_equal(table.compute, read.compute)
    assert table.sha256 == as_table(tuple(rows)).sha256 != as_table(rows[:2]).sha256
    framed = as_table(Frame(rows, [0, 1, 2]))
    assert framed.sha256 == table.sha256
    nameless = [{name: row[name] for name in ("mmlu", "arc")} for row in rows]
    assert as_table(Frame(nameless, ["a", "b", "c"])).models == ("a", "b", "c")


def test_the_gap_of_a_data_frame_is_a_gap():
    class Gap:
        """As pandas.NA: neither a number nor text."""

        def __repr__(self) -> str:
            return "<NA>"

    table = as_table([{"model": "a", "x": Gap()}, {"model": "b", "x": 0.5}])
    np.testing.assert_array_equal(table.scores[:, 0], [np.nan, 0.5])


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (None, "is None"),
        ([], "an empty list"),
        ([1, 2], "is list"),
        (7, "is int"),
        ({"model": ["a"]}, "is dict"),
    ],
)
def test_what_is_no_table(given, words):
    with pytest.raises(InputError, match=words) as fault:
        as_table(given)
    assert fault.value.code == "MS81"
    assert "path of a CSV file" in fault.value.remedy


def test_faults_of_rows_in_memory():
    for rows, code in (
        ([{"model": "a", "x": 1}, {"model": "a", "x": 2}], "MS12"),
        ([{"model": "a", "x": 1}, {"model": "b", "x": float("inf")}], "MS10"),
        ([{"x": 1}], "MS09"),
        ([{"model": "a"}], "MS09"),
    ):
        with pytest.raises(InputError) as fault:
            as_table(rows)
        assert fault.value.code == code
