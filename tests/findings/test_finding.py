"""The laws of the Finding."""

from __future__ import annotations

import json
import multiprocessing
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from finding_coins import KIND, toss
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pellucid import findings
from pellucid.findings import payload
from pellucid.findings.header import OUTSIDE_ID, PROVENANCE_OUTSIDE_ID, canonical
from pellucid.findings.numbers import format_interval

HEADS = findings.Measure(name="heads", value=0.5, low=0.4, high=0.6, n=10)


def test_a_saved_finding_is_the_same_byte_for_byte(coin, tmp_path):
    path = coin.save(tmp_path / "coin.safetensors")
    loaded = findings.load(path)
    assert loaded == coin
    assert loaded.to_bytes() == path.read_bytes() == coin.to_bytes()
    assert findings.from_bytes(coin.to_bytes()).to_bytes() == coin.to_bytes()
    loaded.verify()


def test_coordinates_come_back_as_they_were(coin, tmp_path):
    loaded = findings.load(coin.save(tmp_path / "coin.safetensors"))
    assert loaded.arrays["map"].coords == {"hand": ["left", "<b>rechts</b> é\n"], "hour": [8, 12, 16]}
    assert loaded.arrays["map"].axes == ("hand", "hour")
    assert "rechts" not in json.dumps(loaded.header.to_dict()), "coordinates belong to the payload"


def test_arrays_are_read_only_when_asked_for(coin, tmp_path, monkeypatch):
    path = coin.save(tmp_path / "coin.safetensors")
    read = []
    original = payload.read_tensor
    monkeypatch.setattr(payload, "read_tensor", lambda path, name: read.append(name) or original(path, name))
    loaded = findings.load(path)
    assert loaded.measures["heads"].value == 0.8
    assert read == []
    assert loaded.arrays["rates"].values.shape == (2, 3)
    assert read == ["rates"]


numbers = st.floats(allow_nan=True, allow_infinity=True, width=32)
shapes = st.tuples(st.integers(0, 3), st.integers(1, 4))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    value=st.none() | numbers,
    low=st.none() | numbers,
    text=st.text(st.characters(codec="utf-8"), max_size=8),
    words=st.lists(st.text(st.characters(codec="utf-8"), max_size=5), min_size=3, max_size=3),
    shape=shapes,
    kind=st.sampled_from(["float64", "float32", "int64", "uint8", "bool"]),
)
def test_any_content_round_trips(value, low, text, words, shape, kind):
    record = findings.start(toss, given={"text": text}, parameters={"value": value}, seed=1)
    measure = findings.Measure(name="heads", value=value, low=low, high=None, unit=text)
    array = findings.Array(np.zeros((*shape, 3), kind), ("a", "b", "word"), {"word": words})
    made = record.finding(KIND, measures=[measure.model_copy(update={"n": 3})], arrays={"x": array})
    again = findings.from_bytes(made.to_bytes())
    assert again == made
    assert again.id == again.header.identity() == made.id
    again.verify()


def test_the_id_forgets_clock_host_commit_versions_and_command(coin):
    made = coin.provenance
    other = made.model_copy(
        update={
            "started": "2030-01-01T00:00:00+00:00",
            "seconds": 9.0,
            "host": "elsewhere",
            "commit": "f" * 40,
            "packages": {"torch": "9"},
            "command": "pellucid audit x --out y",
        }
    )
    assert coin.header.model_copy(update={"provenance": other}).identity() == coin.id
    assert set(PROVENANCE_OUTSIDE_ID) == {"started", "seconds", "host", "commit", "packages", "command"}
    assert {"id", "notes", "retracted"} == OUTSIDE_ID


@pytest.mark.parametrize(
    "change",
    [
        {"heads": 81},
        {"n": 101},
        {"scale": 1.5},
        {"seed": 1},
        {"device": "cuda"},
        {"dtype": "float64"},
        {"parents": ("p" * 64,)},
        {"given": {"n": 7}},
        {"parameters": {"n": 7}},
    ],
)
def test_any_other_change_is_another_id(coin, change):
    assert toss(**change).id != coin.id


def test_the_id_does_not_depend_on_the_order_of_settings():
    assert toss(parameters={"a": 1, "b": 2}).id == toss(parameters={"b": 2, "a": 1}).id
    assert canonical({"b": 1, "a": 2}) == b'{"a":2,"b":1}'


def test_the_header_is_valid_json_even_with_nan():
    header = toss(parameters={"x": float("nan")}).header
    with_nan = header.model_copy(update={"rows": (findings.Measure(name="x", value=float("inf")),)})
    assert with_nan.to_dict()["measures"][0]["value"] == "Infinity"
    assert findings.Header.model_validate(with_nan.to_dict()).measures["x"].value == float("inf")
    canonical(with_nan.to_dict())


def identity(heads: int) -> str:
    return toss(heads).id


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_any_number_of_workers_gives_the_same_ids(workers):
    with multiprocessing.get_context("fork").Pool(workers) as pool:
        assert pool.map(identity, range(10)) == [toss(heads).id for heads in range(10)]


def test_the_sentence_cannot_disagree_with_the_numbers(coin):
    assert coin.statement.startswith("Heads in 0.800 of 100 tosses (0.800, 95\u2009% interval 0.711 to 0.867")
    lie = coin.header.model_copy(update={"statement": "Heads in 0.990 of 100 tosses"})
    forged = lie.model_copy(update={"id": lie.identity()})
    with pytest.raises(findings.InputError, match="was altered"):
        findings.Finding(forged, coin.arrays).verify()


@pytest.mark.parametrize(("old", "new"), [("Heads in 0.800", "Heads in 0.999"), ("supports", "opposing")])
def test_an_edited_header_is_refused_when_it_is_read(coin, tmp_path, old, new):
    path = tmp_path / "coin.safetensors"
    path.write_bytes(coin.to_bytes().replace(old.encode(), new.encode()))
    for read in (lambda: findings.load(path), lambda: findings.from_bytes(path.read_bytes())):
        with pytest.raises(findings.InputError, match=r"was altered|not a readable Finding"):
            read()


def test_a_field_added_later_would_leave_the_id(coin):
    class Later(findings.Header):
        added: str = "by a later version"

    later = Later.model_validate(coin.header.to_dict())
    assert later.to_dict() != coin.header.to_dict()
    assert later.identity() == coin.id


def test_a_changed_number_array_or_status_is_noticed(coin):
    for update in ({"status": "refutes"}, {"rows": (findings.Measure.of("heads", 0.9),)}):
        with pytest.raises(findings.InputError, match="was altered"):
            findings.Finding(coin.header.model_copy(update=update), coin.arrays).verify()
    arrays = {**coin.arrays, "rates": findings.Array(np.zeros((2, 3)), ("coin", "end"))}
    with pytest.raises(findings.InputError, match="altered"):
        findings.Finding(coin.header, arrays).verify()


def test_notes_are_appended_and_leave_the_id(coin):
    noted = coin.with_note("first", "Ada").with_note("second", "Grace")
    assert [note.text for note in noted.header.notes] == ["first", "second"]
    assert noted.id == coin.id == noted.header.identity()
    assert coin.header.notes == ()
    gone = noted.with_retraction("the coin was bent", "Ada")
    assert gone.id == coin.id
    assert findings.from_bytes(gone.to_bytes()).header.retracted.reason == "the coin was bent"


@pytest.mark.parametrize(("heads", "status"), [(80, "supports"), (20, "refutes"), (50, "inconclusive")])
def test_status_is_computed_by_the_predicates(heads, status):
    assert toss(heads).status == status


def test_a_needed_number_that_is_missing_fails(coin):
    for value in (None, float("nan")):
        record = findings.start(toss)
        made = record.finding(
            KIND, measures=[findings.Measure(name="heads", value=value, low=value, high=value)]
        )
        assert made.status == "failed"


@pytest.mark.parametrize("damage", ["truncated", "noise", "empty", "header"])
def test_a_damaged_file_is_one_clear_message(coin, tmp_path, damage):
    data = coin.to_bytes()
    spoiled = {
        "truncated": data[: len(data) // 2],
        "noise": b"\x00\x01" * 200,
        "empty": b"",
        "header": data.replace(b'\\"status\\"', b'\\"stauts\\"'),
    }[damage]
    path = tmp_path / "coin.safetensors"
    path.write_bytes(spoiled)
    with pytest.raises(findings.InputError, match="not a readable Finding") as caught:
        findings.load(path)
    assert caught.value.code == "FN20"
    assert "measure it again" in str(caught.value)
    with pytest.raises(findings.InputError):
        findings.from_bytes(spoiled)


def test_a_newer_schema_is_refused_by_name(coin, tmp_path):
    data = coin.to_bytes().replace(b'\\"schema\\":1', b'\\"schema\\":7')
    with pytest.raises(findings.InputError, match=r"newer pellucid \(schema 7; this one reads up to 1\)"):
        findings.from_bytes(data)


def test_a_missing_file_says_so(tmp_path):
    with pytest.raises(findings.MissingError, match="There is no Finding at"):
        findings.load(tmp_path / "nowhere.safetensors")


def test_a_failed_write_keeps_the_old_file(coin, tmp_path, monkeypatch):
    path = coin.save(tmp_path / "coin.safetensors")
    before = path.read_bytes()

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        toss(81).save(path)
    assert path.read_bytes() == before
    assert [child.name for child in tmp_path.iterdir()] == ["coin.safetensors"]


def test_a_kind_that_this_process_never_heard_of_shows_all_the_same(coin, tmp_path):
    path = coin.save(tmp_path / "coin.safetensors")
    code = f"""
from pellucid import findings
from pellucid.findings import show
found = findings.load({str(path)!r})
assert "test.coin" not in [kind.name for kind in findings.kinds()]
found.verify()
found.show()
assert "rechts" in show.html(found) and "<b>rechts" not in show.html(found)
assert show.figure(found, 0).data[0].type == "heatmap"
assert "Heads in" in show.markdown(found)
assert show.json(found)["arrays"]["map"]["values"][1] == [3.0, 4.0, 5.0]
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Heads in 0.800" in done.stdout


def test_registering_another_kind_of_the_same_name_is_refused():
    findings.register(KIND)
    with pytest.raises(findings.InputError, match=r"different kind 'test\.coin'"):
        findings.register(findings.Kind(name="test.coin", title="x", statement="y"))
    with pytest.raises(findings.MissingError, match=r"Did you mean 'test\.coin'"):
        findings.kind("test.coins")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.zeros((2, 2)), ("a",)), "Give one name for each axis"),
        ((np.zeros(2), ("a",), {"b": [1, 2]}), "Use one of"),
        ((np.zeros(2), ("a",), {"a": [1]}), "one coordinate for each position"),
        ((np.array(["x"]), ("a",)), "Keep numbers"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(arguments, message):
    with pytest.raises(findings.InputError, match=message):
        findings.Array(*arguments)


def test_code_digest_follows_the_source(tmp_path, monkeypatch):
    package = tmp_path / "pellucid_probe"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "method.py").write_text("def measure():\n    return 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    before = findings.code_digest("pellucid_probe.method.measure")
    assert before == findings.code_digest("pellucid_probe.method.measure")
    (package / "method.py").write_text("def measure():\n    return 2\n")
    assert findings.code_digest("pellucid_probe.method.measure") != before
    with pytest.raises(findings.MissingError, match="No module holds"):
        findings.code_digest("no_such_package.method")


def test_code_digest_covers_what_a_method_imports_and_not_how_it_is_shown():
    from pellucid.findings.digest import sources

    used = sources("pellucid.models.train")
    assert "pellucid.models.train" in used
    ours = {name for name in used if name.startswith("pellucid.findings")}
    assert ours == {"pellucid.findings.statistics"}, (
        "an estimator makes numbers; the rest of findings shows them"
    )


def test_code_digest_follows_a_re_exported_name_and_not_its_neighbours():
    from pellucid.findings.digest import module_of, sources

    assert module_of("pellucid.models", "open_model") == "pellucid.models.open"
    assert module_of("pellucid.cases", "checks") == "pellucid.cases.checks"
    assert module_of("pellucid.models", "__doc__") == "pellucid.models"
    used = sources("pellucid.audit.confirm")
    assert {"pellucid.audit.search", "pellucid.models.model"} <= used.keys()
    assert not {"pellucid.audit.template", "pellucid.cases.case", "pellucid.models"} & used.keys()


def test_how_a_case_is_drawn_is_no_code_of_a_measurement():
    from pellucid.findings.digest import sources

    used = sources("pellucid.library.studies.scheming")
    assert "pellucid.cases.evaluation.verdict" in used
    assert not [name for name in used if name.startswith("pellucid.cases.drawing")]


def test_code_digest_reads_sources_without_importing_them():
    code = """
import sys
from pellucid import findings
findings.code_digest("pellucid.models.train.train")
assert "torch" not in sys.modules and "pellucid.models" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_method_of_a_prompt_is_named_as_unreadable_and_one_of_a_file_is_not():
    made: dict = {"__name__": "typed"}
    exec("def measure(): return 1", made)
    with pytest.raises(findings.MissingError, match=r"typed\.measure' cannot be read. Put it into a file"):
        findings.start(made["measure"])
    assert findings.start(toss).provenance.code.digest == findings.code_digest("finding_coins.toss")


def test_names_for_type_checking_only_are_no_code(tmp_path):
    from pellucid.findings.digest import imports

    path = tmp_path / "probe.py"
    path.write_text(
        "from typing import TYPE_CHECKING\nimport pellucid.compute.jobs\nif TYPE_CHECKING:\n"
        "    import pellucid.models.train\ndef f():\n    from pellucid.models import transformer\n"
    )
    found = imports("probe", path, 0)
    assert "pellucid.models.train" not in found
    assert {"pellucid.compute.jobs", "pellucid.models.transformer"} <= set(found)


values = st.lists(st.floats(allow_nan=False, width=32), min_size=3, max_size=3)


@settings(max_examples=40, deadline=None)
@given(first=values, second=values, setting=st.integers(), other=st.integers())
def test_ids_are_equal_exactly_when_numbers_and_settings_are(first, second, setting, other):
    def made(array, number):
        record = findings.start(toss, parameters={"setting": number})
        return record.finding(KIND, measures=[HEADS], arrays={"x": findings.Array(array, ("a",))})

    same = np.array(first).tobytes() == np.array(second).tobytes() and setting == other
    assert (made(first, setting).id == made(second, other).id) is same


@settings(max_examples=150, deadline=None)
@given(at=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_any_damaged_byte_is_noticed_or_leaves_the_measurement(at, flip):
    coin = toss()
    data = bytearray(coin.to_bytes())
    data[int(at * len(data))] ^= flip
    try:
        read = findings.from_bytes(bytes(data))
        read.verify()
    except findings.PellucidError:
        return
    assert read.id == coin.id
    assert read.arrays == coin.arrays
    assert read.measures == coin.measures


def test_later_changes_to_the_callers_array_do_not_reach_the_finding():
    mine = np.zeros(3)
    made = findings.start(toss).finding(KIND, measures=[HEADS], arrays={"x": findings.Array(mine, ("a",))})
    mine[0] = 7
    assert made.arrays["x"].values.tolist() == [0, 0, 0]
    made.verify()
    for array in (made.arrays["x"], findings.from_bytes(made.to_bytes()).arrays["x"]):
        with pytest.raises(ValueError, match="read-only"):
            array.values[0] = 1


def test_settings_become_plain_and_repeatable():
    from pellucid.findings.record import plain

    setting = {"f": toss, "k": findings.Kind, "n": np.int64(3), "x": np.float32(0.5), "a": np.arange(2)}
    assert plain(setting) == {
        "f": "finding_coins.toss",
        "k": "pellucid.findings.kinds.Kind",
        "n": 3,
        "x": 0.5,
        "a": [0, 1],
    }
    assert plain({"s": {"b", "a"}, "p": Path("here/there")}) == {"s": ["a", "b"], "p": "there"}
    with pytest.raises(findings.InputError, match="A setting of type object has no text") as caught:
        plain({"o": object()})
    assert caught.value.code == "FN16"


def test_two_measures_of_one_name_are_refused():
    with pytest.raises(findings.InputError, match="Two measures are named 'heads'"):
        findings.start(toss).finding(KIND, measures=[HEADS, HEADS])


def test_an_array_name_with_the_coordinates_sign_is_refused():
    with pytest.raises(findings.InputError, match="'x@y'") as caught:
        findings.start(toss).finding(KIND, measures=[HEADS], arrays={"x@y": findings.Array([1], ("a",))})
    assert caught.value.code == "FN05"


@pytest.mark.parametrize("statement", ["{heads.vlaue}", "{heads", "heads}"])
def test_a_blank_that_cannot_be_filled_is_refused_at_once(statement):
    with pytest.raises(findings.InputError, match="blank that cannot be filled"):
        findings.register(findings.Kind(name="test.blank", title="x", statement=statement))
    assert "test.blank" not in [kind.name for kind in findings.kinds()]


def test_a_blank_without_measure_names_those_given():
    record = findings.start(toss)
    with pytest.raises(
        findings.InputError, match=r"'heads', which was not given\. Give it, or use one of: tails"
    ):
        record.finding(KIND, measures=[findings.Measure.of("tails", 1.0)])


def test_errors_cross_processes_whole():
    error = pickle.loads(pickle.dumps(findings.InputError("FN99", "No.", "Yes.")))
    assert (error.code, error.problem, error.remedy, str(error)) == ("FN99", "No.", "Yes.", "No. Yes.")
    assert isinstance(error, ValueError)
    assert isinstance(error, findings.PellucidError)


def test_a_diagnostic_says_level_place_code_and_remedy():
    made = findings.Diagnostic("C03", "error", "case.yaml:7", "G1 has no child.", "Add one.")
    assert str(made) == "error (case.yaml:7) (C03): G1 has no child. Add one."


def test_no_commit_without_git(monkeypatch):
    from pellucid.findings import record

    record.commit.cache_clear()
    monkeypatch.setenv("PATH", "")
    assert record.commit() == ""
    record.commit.cache_clear()


def test_the_level_of_an_interval_is_kept_and_said():
    made = findings.Measure.of("x", findings.wilson(5, 10, level=0.99))
    assert made.level == 0.99
    assert "99\u2009% interval" in format_interval(made)


def test_importing_is_light():
    code = "import sys, pellucid.findings; print(*{m.split('.')[0] for m in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not {"torch", "rich", "plotly", "scipy", "safetensors", "pandas"} & set(loaded.split())
