"""All instruments in one call: from arrays, CSV files and Inspect logs, and from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import typer
from made_up_answers import NAN, answers, normals, one_trait
from typer.testing import CliRunner

from pellucid.cli.commands.metascience_instruments import instruments as command
from pellucid.findings import InputError, MissingError
from pellucid.metascience.instruments import InstrumentsConfig, crossed, instruments
from pellucid.metascience.reliability import cronbach_alpha
from pellucid.metascience.responses import (
    Responses,
    accepted_logs,
    read_groups,
    responses,
    rows_of,
    table_of_logs,
)
from pellucid.store import open_store

B = np.linspace(-1.2, 1.2, 10)
COMMON = ["reliability", "factors", "item_response", "agreement", "generalisability"]


def kinds(findings) -> list[str]:
    return [finding.kind.removeprefix("metascience.") for finding in findings]


def by_kind(findings) -> dict:
    return dict(zip(kinds(findings), findings, strict=True))


def write_csv(path: Path, table: np.ndarray) -> Path:
    """Items in lines, respondents in columns; gaps are empty."""
    lines = ["item," + ",".join(f"m{at}" for at in range(len(table)))]
    for at, item in enumerate(table.T):
        lines.append(f"q{at}," + ",".join("" if np.isnan(score) else f"{score:g}" for score in item))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def write_log(
    path: Path,
    model: str,
    scores: np.ndarray,
    *,
    status: str = "success",
    scorer: str = "match",
    task: str = "sums",
) -> Path:
    """A log of one model: items x epochs, scores as Inspect's letters where they are 0 or 1."""
    letters = {0.0: "I", 1.0: "C"}
    samples = [
        {
            "id": f"q{item}",
            "epoch": epoch + 1,
            "input": "?",
            "target": "!",
            "scores": {scorer: {"value": letters.get(float(value), float(value))}},
        }
        for item, row in enumerate(scores)
        for epoch, value in enumerate(row)
        if not np.isnan(value)
    ]
    total = scores.size
    log = {
        "version": 2,
        "status": status,
        "eval": {
            "eval_id": model,
            "run_id": "r",
            "created": "2026-01-02T03:04:05+00:00",
            "task": task,
            "task_id": "t",
            "model": model,
            "dataset": {"name": "sums", "samples": len(scores)},
            "config": {"epochs": scores.shape[1]},
            "scorers": [{"name": scorer}],
        },
        "results": {"total_samples": total, "completed_samples": total, "scores": []},
        "samples": samples,
    }
    path.write_text(json.dumps(log), encoding="utf-8")
    return path


@pytest.fixture
def folder(tmp_path):
    """Logs of twelve models on ten prompts, one epoch each."""
    place = tmp_path / "logs"
    place.mkdir()
    table = answers(1, 1.5 * normals(1, 12), B)
    for at, row in enumerate(table):
        write_log(place / f"log{at:02}.json", f"mock/m{at:02}", row[:, None])
    return place, table


# One table


def test_every_instrument_that_applies():
    table = answers(0, 1.5 * normals(0, 60), B)
    assert kinds(instruments(table)) == COMMON
    groups = ["a", "b"] * 30
    assert kinds(instruments(table, groups)) == [*COMMON, "differential_items", "invariance"]
    assert kinds(instruments(table, [*"abc"] * 20)) == [
        *COMMON,
        "differential_items",
        "differential_items",
        "invariance",
    ]
    graded = one_trait(0, 30, 6)
    assert kinds(instruments(graded)) == [
        "reliability",
        "factors",
        "agreement",
        "intraclass",
        "generalisability",
    ]
    lenient = instruments(graded, config=InstrumentsConfig(threshold=0.0))
    assert "item_response" in kinds(lenient)
    for finding in instruments(table, groups):
        finding.verify()


def test_the_numbers_are_those_of_the_methods():
    table = answers(2, 1.5 * normals(2, 40), B)
    found = by_kind(instruments(table, config=InstrumentsConfig(benchmark="made-up")))
    assert found["reliability"].measures["alpha"].value == pytest.approx(cronbach_alpha(table))
    assert found["reliability"].provenance.parameters["benchmark"] == "made-up"
    assert found["generalisability"].measures["g"].value == pytest.approx(cronbach_alpha(table))
    assert found["item_response"].provenance.data == found["agreement"].provenance.data


def test_same_table_same_ids_from_every_form(tmp_path):
    table = answers(3, normals(3, 20), B)
    path = write_csv(tmp_path / "table.csv", table)
    one = [finding.id for finding in instruments(path)]
    assert one == [finding.id for finding in instruments(str(path))]
    read = responses(path)
    again = Responses(read.scores, read.respondents, read.items, "table.csv", rows="items")
    assert one == [finding.id for finding in instruments(again)]
    with_command = instruments(path, command="pellucid metascience instruments table.csv")
    assert one == [finding.id for finding in with_command]
    assert with_command[0].provenance.command.endswith("table.csv")


def test_sixty_items_and_thirty_respondents_give_every_instrument():
    table = answers(4, normals(4, 30), np.linspace(-2, 2, 60))
    kinds = {finding.kind for finding in instruments(table, ["a", "b"] * 15)}
    assert {"metascience.reliability", "metascience.item_response"} < kinds


def test_gaps_and_constant_items_are_left_out_and_counted():
    table = answers(5, normals(5, 30), B)
    table[:, 3] = 1
    table[4, 6] = NAN
    found = by_kind(instruments(table))
    measures = found["reliability"].measures
    assert measures["left_out_constant_items"].value == 1
    assert measures["left_out_respondents_with_gaps"].value == 1
    assert measures["alpha"].n == 29
    # neither item response nor agreement needs to leave anything out
    assert found["item_response"].measures["items"].value == 10
    assert found["item_response"].measures["extreme_items"].value == 1
    assert found["agreement"].measures["raters"].value == 30
    table[:8, 6] = NAN
    assert by_kind(instruments(table))["reliability"].measures["left_out_items_with_gaps"].value == 1


@pytest.mark.parametrize(
    ("table", "groups", "config", "code"),
    [
        ([[1, 0, 1], [0, 1, 1]], None, InstrumentsConfig(), "MS46"),
        ([[1], [0], [1]], None, InstrumentsConfig(), "MS46"),
        ([[1, 1], [1, 1], [1, 1]], None, InstrumentsConfig(), "MS48"),
        ([[1, 200], [0, 100], [1, 300]], None, InstrumentsConfig(), "MS49"),
        ([[1, 0], [0, NAN], [1, 1]], None, InstrumentsConfig(missing="refuse"), "MS47"),
        ([[NAN, 0], [0, NAN], [NAN, 1]], None, InstrumentsConfig(), "MS47"),
        ([[1, 0, 0], [0, 1, 0], [1, 1, 0]], ["a", "b"], InstrumentsConfig(), "MS51"),
        ([[1, 0, 0], [0, 1, 0], [1, 1, 0]], ["a", "a", "a"], InstrumentsConfig(), "MS66"),
        ([[1, 0, 0], [0, 1, 0], [1, 1, 0]], ["a", "a", "b"], InstrumentsConfig(), "MS66"),
        ([[1, 0, 0], [0, 1, 0], [1, 1, 0]], None, InstrumentsConfig(seed=-1), "MS20"),
        ([[1, 0, 0], [0, 1, 0], [1, 1, 0]], None, InstrumentsConfig(threshold=NAN), "MS79"),
        ([[1, 0, 1e200], [0, 1, 0], [1, 1, 0]], None, InstrumentsConfig(), "MS40"),
        ([[0.1, 0.4, 0.2], [0.5, 0.3, 0.3], [0.6, 0.1, 0.7]], ["a", "b", "a"], InstrumentsConfig(), "MS78"),
    ],
)
def test_bad_tables(table, groups, config, code):
    with pytest.raises(InputError) as raised:
        instruments(table, groups, config)
    assert raised.value.code == code
    assert raised.value.remedy
    assert "np." not in str(raised.value)


# Files


def test_csv_is_read_as_written(tmp_path):
    table = answers(6, normals(6, 5), B)
    table[2, 3] = NAN
    read = responses(write_csv(tmp_path / "t.csv", table))
    np.testing.assert_array_equal(read.scores, table)
    assert read.respondents == tuple(f"m{at}" for at in range(5))
    assert read.items[3] == "q3"
    assert (read.name, read.gaps, read.binary) == ("t.csv", 1, True)
    turned = responses(tmp_path / "t.csv", rows="respondents")
    np.testing.assert_array_equal(turned.scores, table.T)


def test_names_may_hold_commas_quotes_and_lines(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('item,"a, b",c\n"what ""is""\n1 + 1?",1,0\nq2,0,1\n', encoding="utf-8")
    read = responses(path)
    assert read.respondents == ("a, b", "c")
    assert read.items == ('what "is"\n1 + 1?', "q2")


def test_words_for_scores(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_text("\ufeffitem\tone\ttwo\nq1\tC\ttrue\nq2\tI\t0.25\n\nq3\tNA\t.\n", encoding="utf-8")
    np.testing.assert_array_equal(responses(path).scores, [[1, 0, NAN], [1, 0.25, NAN]])


@pytest.mark.parametrize(
    ("separator", "ending"), [(",", "csv"), (";", "csv"), ("\t", "csv"), ("|", "csv"), ("\t", "tsv")]
)
@pytest.mark.parametrize("rows", ["items", "respondents"])
def test_files_of_other_separators_in_both_orientations(tmp_path, separator, ending, rows):
    lines = [["name", "a", "b, c"], ["x", "0.25", "C"], ["y", "", "1"]]
    text = "\n".join(separator.join(f'"{cell}"' for cell in line) for line in lines)
    path = tmp_path / f"table.{ending}"
    path.write_text(text.replace("0.25", "0,25") if separator == ";" else text, encoding="utf-8-sig")
    read = responses(path, rows=rows)
    expected = np.array([[0.25, 1], [np.nan, 1]])
    np.testing.assert_array_equal(read.scores, expected if rows == "respondents" else expected.T)
    assert read.respondents == (("x", "y") if rows == "respondents" else ("a", "b, c"))


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("item,a,b\nq1,1,1_000\n", "MS44", "'1_000' is not a finite number"),
        ("", "MS43", "is empty"),
        ("item,a,b\n", "MS43", "line 1 has 3 cells"),
        ("item,a,b\nq1,1,0\nq2,1\n", "MS43", "line 3 has 2 cells; expected 3"),
        ("item,a,b\nq1,1,maybe\n", "MS44", "line 2, column 'b': 'maybe'"),
        ("item,a,b\nq1,1,inf\n", "MS44", "'inf' is not a finite number"),
        ("item,a,a\nq1,1,0\n", "MS45", "Two respondents are named 'a'"),
        ("item,a,b\nq1,1,0\nq1,0,0\n", "MS45", "Two items are named 'q1'"),
        ('item,a,b\nq1,1,"0\n', "MS42", "not a CSV table"),
    ],
)
def test_bad_files(tmp_path, text, code, words):
    path = tmp_path / "bad.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=words) as raised:
        responses(path)
    assert raised.value.code == code
    assert raised.value.remedy


@pytest.mark.parametrize(
    ("corner", "columns", "names", "rows"),
    [
        *((word, "ab", "xy", "respondents") for word in ("name", "Model", "RESPONDENT", "seeds", " rater ")),
        *((word, "ab", "xy", "items") for word in ("item", "Prompt", "questions", "ID", "sample")),
        ("model_name", "ab", "xy", "respondents"),
        ("model id", "ab", "xy", "respondents"),
        ("item name", "ab", "xy", "items"),
        ("sample_id", "ab", "xy", "items"),
        ("", ["q0", "q1"], "xy", "respondents"),
        ("", ["Item 1", "Item 2"], ["a", "b"], "respondents"),
        ("", ["rater1", "rater2"], "xy", "items"),
        ("", "ab", ["q1", "q2"], "items"),
        ("", "ab", ["seed-1", "seed-2"], "respondents"),
        ("name", ["q0", "q1"], ["m0", "m1"], "respondents"),
        ("question", ["model 1", "model 2"], ["q1", "q2"], "items"),
    ],
)
def test_what_rows_are_is_said_by_header_and_names(corner, columns, names, rows):
    assert rows_of("t.csv", corner, list(columns), list(names)) == rows


@pytest.mark.parametrize(
    ("corner", "columns", "names", "why"),
    [
        ("", "ab", "xy", "nothing in it tells"),
        ("what", "ab", "xy", "nothing in it tells"),
        ("", ["q1", "b"], "xy", "nothing in it tells"),
        ("item by model", "ab", "xy", "nothing in it tells"),
        ("id", ["q0", "q1"], "xy", "contradict"),
        ("item", "ab", ["seed 1", "seed 2"], "contradict"),
        ("", ["q0", "q1"], ["q0", "q1"], "contradict"),
    ],
)
def test_rows_that_nothing_or_two_things_tell_are_asked_for(tmp_path, corner, columns, names, why):
    path = tmp_path / "t.csv"
    lines = [[corner, *columns], [names[0], "1", "0"], [names[1], "0", "1"]]
    path.write_text("\n".join(map(",".join, lines)), encoding="utf-8")
    with pytest.raises(InputError, match=why) as raised:
        responses(path)
    assert raised.value.code == "MS80"
    assert "rows='respondents' or rows='items'" in raised.value.remedy
    assert responses(path, rows="items").items == tuple(names)
    assert responses(path, rows="respondents").items == tuple(columns)
    with pytest.raises(InputError, match="rows is 'columns'"):
        responses(path, rows="columns")


def test_many_models_and_few_items_are_not_turned(tmp_path):
    table = answers(3, normals(3, 300), np.linspace(-1, 1, 15))
    path = tmp_path / "it.csv"
    lines = ["name," + ",".join(f"q{at}" for at in range(15))]
    lines += [f"m{at}," + ",".join(f"{score:g}" for score in row) for at, row in enumerate(table)]
    path.write_text("\n".join(lines), encoding="utf-8")
    found = by_kind(instruments(path))
    reliability = found["reliability"]
    assert reliability.measures["alpha"].value == pytest.approx(cronbach_alpha(table), abs=1e-12)
    assert "of 15 items over 300 respondents" in reliability.statement
    assert [found[kind].provenance.parameters["rows"] for kind in ("reliability", "agreement")] == [
        "respondents",
        "respondents",
    ]
    turned = instruments(path, rows="items")[0]
    assert (turned.measures["alpha"].n, turned.provenance.parameters["rows"]) == (15, "items")
    configured = instruments(path, config=InstrumentsConfig(rows="items"))[0]
    assert configured.id == turned.id
    assert "rows" not in instruments(table)[0].provenance.parameters


def test_no_text_and_no_file(tmp_path):
    path = tmp_path / "bytes.csv"
    path.write_bytes(b"item,a\nq1,\xff\xfe\n")
    with pytest.raises(InputError, match="UTF-8") as raised:
        responses(path)
    assert raised.value.code == "MS42"
    with pytest.raises(MissingError, match=r"nowhere\.csv") as missing:
        responses(tmp_path / "nowhere.csv")
    assert missing.value.code == "MS41"


def test_groups_of_a_table_that_is_turned(tmp_path):
    path = write_csv(tmp_path / "t.csv", answers(1, normals(1, 30), B))
    groups = {f"q{at}": "ab"[at % 2] for at in range(10)}
    with pytest.raises(InputError, match="for the respondent 'm0'") as raised:
        instruments(path, groups)
    assert (raised.value.code, "other way round" in raised.value.remedy) == ("MS51", True)
    with pytest.raises(InputError, match=r"for the respondent 'm0'. Give each one its group"):
        instruments(path, {"someone": "a"})


def test_groups_of_a_file(tmp_path):
    path = tmp_path / "groups.csv"
    path.write_text("respondent,group\nm0,base\nm1,chat\n", encoding="utf-8")
    assert read_groups(path) == {"m0": "base", "m1": "chat"}
    path.write_text("m0,base\nm0,chat\n", encoding="utf-8")
    with pytest.raises(InputError, match="line 2") as raised:
        read_groups(path)
    assert raised.value.code == "MS75"
    with pytest.raises(MissingError):
        read_groups(tmp_path / "none.csv")


def test_a_table_is_the_same_whatever_bits_its_gaps_have():
    one = np.array([[1.0, NAN], [0.0, 1.0]])
    other = one.copy()
    other[0, 1] = -np.float64("nan")
    other[1, 0] = -0.0
    assert responses(one).data == responses(other).data
    assert responses(one).data != responses(np.nan_to_num(one)).data


# Logs


def test_a_folder_of_logs(folder):
    place, table = folder
    read = responses(place)
    np.testing.assert_array_equal(read.scores, table)
    assert read.respondents[0] == "mock/m00"
    assert read.items[0] == "q0"
    found = by_kind(instruments(place))
    assert set(COMMON) <= set(found)
    assert found["reliability"].measures["alpha"].value == pytest.approx(cronbach_alpha(table))
    files = sorted(place.iterdir())
    assert [f.id for f in instruments(files)] == [f.id for f in instruments(place)]


def test_a_case_finds_the_reliability_of_logs_by_their_task(folder):
    place, _ = folder
    found = by_kind(instruments(place))
    assert found["reliability"].provenance.parameters["benchmark"] == "sums"
    named = by_kind(instruments(place, config=InstrumentsConfig(benchmark="adding")))
    assert named["reliability"].provenance.parameters["benchmark"] == "adding"
    assert [f.id for f in instruments(accepted_logs([place]))] == [f.id for f in instruments(place)]


def test_logs_of_several_tasks_are_measured_task_by_task(folder):
    place, table = folder
    other = answers(4, 1.5 * normals(4, 12), B[:6])
    for at, row in enumerate(other):
        write_log(place / f"other{at:02}.json", f"mock/m{at:02}", row[:, None], task="words")
    found = [finding for finding in instruments(place) if finding.kind == "metascience.reliability"]
    assert [finding.provenance.parameters["benchmark"] for finding in found] == ["sums", "words"]
    assert [finding.measures["alpha"].value for finding in found] == pytest.approx(
        [cronbach_alpha(table), cronbach_alpha(other)]
    )
    (both,) = (
        finding
        for finding in instruments(place, config=InstrumentsConfig(benchmark="all"))
        if finding.kind == "metascience.reliability"
    )
    assert both.measures["alpha"].value == pytest.approx(cronbach_alpha(np.hstack([table, other])))
    with pytest.raises(InputError, match="2 respondents") as raised:
        instruments([place, *few_logs(place.parent / "few")])
    assert raised.value.code == "MS46"
    assert "'letters'" in raised.value.problem


def few_logs(place: Path) -> list[Path]:
    place.mkdir()
    return [
        write_log(place / f"{at}.json", f"mock/{at}", np.eye(4)[at][:, None], task="letters") for at in (0, 1)
    ]


def test_logs_of_one_task_with_different_scorers_are_not_mixed(folder):
    place, table = folder
    write_log(place / "z.json", "mock/z", table[0][:, None], scorer="includes")
    with pytest.raises(InputError, match=r"'log00.json' by 'match', 'z.json' by 'includes'") as raised:
        instruments(place)
    assert raised.value.code == "FN79"


def test_an_evaluation_in_both_formats_is_no_second_respondent(folder):
    place, table = folder
    write_log(place / "again.json", "mock/m00", 1 - table[0][:, None])
    with pytest.raises(InputError, match=r"given 2 times: 'again.json' and 'log00.json'") as raised:
        instruments(place)
    assert raised.value.code == "FN80"


def test_logs_in_error_are_left_out_and_counted(folder):
    place, table = folder
    write_log(place / "z_error.json", "mock/broken", table[0][:, None], status="error")
    (place / "z_torn.json").write_text('{"version": 2, "sta', encoding="utf-8")
    logs = accepted_logs([place])
    assert len(logs.logs) == 12
    assert {problem.code for problem in logs.problems} >= {"MS77"}
    reliability = by_kind(instruments(place))["reliability"]
    assert reliability.measures["left_out_logs"].value == 2
    assert reliability.measures["alpha"].value == pytest.approx(cronbach_alpha(table))


def test_only_bad_logs(tmp_path):
    path = write_log(tmp_path / "one.json", "mock/m", np.ones((3, 1)), status="cancelled")
    with pytest.raises(InputError, match="No log can be used") as raised:
        responses(path)
    assert raised.value.code == "MS77"
    assert "cancelled" in str(raised.value)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(MissingError, match="eval"):
        responses(empty)


def test_epochs_are_a_facet_and_the_respondents_of_few_models(tmp_path):
    random = np.random.default_rng(7)
    ability = normals(7, 2)
    tables = {}
    for at in range(2):
        chance = 1 / (1 + np.exp(-(ability[at] - B)))
        tables[at] = (random.random((10, 6)) < chance[:, None]).astype(float)
        write_log(tmp_path / f"m{at}.json", f"mock/m{at}", tables[at])
    found = by_kind(instruments(tmp_path))
    # two models: each epoch is a respondent
    assert found["reliability"].measures["alpha"].n == 12
    design = found["generalisability"]
    assert "variance_model_x_prompt_x_seed" in design.measures
    epochs = table_of_logs(accepted_logs([tmp_path]), None, "epoch")
    np.testing.assert_array_equal(crossed(epochs), np.stack([tables[0], tables[1]]))


def test_epochs_that_are_not_crossed(tmp_path):
    scores = answers(8, normals(8, 8), B)
    for at in range(4):
        part = scores[2 * at : 2 * at + (1 if at == 3 else 2)].T
        write_log(tmp_path / f"m{at}.json", f"mock/m{at}", part)
    assert crossed(table_of_logs(accepted_logs([tmp_path]), None, "epoch")) is None
    found = by_kind(instruments(tmp_path))
    # means over epochs are graded, so item response takes the epochs
    assert found["reliability"].measures["alpha"].n == 4
    assert found["item_response"].measures["reliability"].n == 7


# Command


@pytest.fixture
def invoke(tmp_path):
    app = typer.Typer()
    app.command()(command)

    def run(*arguments: str):
        store = f"sqlite:///{tmp_path / 'p.db'}"
        return CliRunner().invoke(app, [*arguments, "--store", store]), store

    return run


def test_command_on_logs_with_groups(folder, invoke, tmp_path):
    place, _ = folder
    groups = tmp_path / "groups.csv"
    groups.write_text("".join(f"mock/m{at:02},{'ab'[at % 2]}\n" for at in range(12)), encoding="utf-8")
    done, store = invoke(str(place), "--groups", str(groups), "--benchmark", "sums", "--json")
    assert done.exit_code == 0, done.output
    headers = json.loads(done.output)
    names = [header["kind"].removeprefix("metascience.") for header in headers]
    assert names == [*COMMON, "differential_items"]
    assert headers[0]["provenance"]["parameters"]["benchmark"] == "sums"
    assert "metascience instruments" in headers[0]["provenance"]["command"]
    with open_store(store) as kept:
        assert {kept.get(header["id"]).id for header in headers} == {header["id"] for header in headers}


def test_command_names_the_logs_that_it_leaves_out(folder, invoke):
    place, table = folder
    write_log(place / "z_error.json", "mock/broken", table[0][:, None], status="error")
    done, _ = invoke(str(place), "--json")
    assert done.exit_code == 0, done.output
    assert "MS77" in done.stderr
    assert "z_error.json" in done.stderr
    assert json.loads(done.stdout)[0]["kind"] == "metascience.reliability"


def test_command_on_a_csv(invoke, tmp_path):
    path = write_csv(tmp_path / "t.csv", answers(9, normals(9, 20), B))
    done, _ = invoke(str(path))
    assert done.exit_code == 0, done.output
    for word in ("Instruments", "Cronbach", "supports"):
        assert word in done.output


def test_command_takes_lines_for_what_the_header_or_the_option_says(invoke, tmp_path):
    path = write_csv(tmp_path / "t.csv", answers(9, normals(9, 20), B))
    for text, options, n in (("item", [], 20), ("", [], 20), ("", ["--rows", "respondents"], 10)):
        lines = path.read_text(encoding="utf-8").partition(",")[2]
        path.write_text(f"{text},{lines}", encoding="utf-8")
        done, _ = invoke(str(path), *options, "--json")
        assert done.exit_code == 0, done.output
        measures = {measure["name"]: measure for measure in json.loads(done.stdout)[0]["measures"]}
        assert measures["alpha"]["n"] == n


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["nowhere.csv"], "MS41"),
        (["{csv}", "--rows", "columns"], "MS76"),
        (["{csv}", "--model", "9PL"], "MS65"),
    ],
)
def test_command_refuses(invoke, tmp_path, arguments, code):
    path = write_csv(tmp_path / "t.csv", answers(9, normals(9, 20), B))
    done, _ = invoke(*[argument.replace("{csv}", str(path)) for argument in arguments])
    assert isinstance(done.exception, (InputError, MissingError))
    assert done.exception.code == code
