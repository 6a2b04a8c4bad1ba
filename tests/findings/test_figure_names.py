"""Pictures with many names: each name on its own line, counting names as numbers, tall enough to read."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid.findings import Array, Finding, Kind, Measure, View, show, start
from pellucid.findings.show.figure import FEW, LINE, counted, height


def _drawn(form: str, values: np.ndarray, axes: tuple[str, ...], coords: dict[str, list]) -> Finding:
    kind = Kind(
        name=f"test.names_{form}",
        title="Names",
        statement="{size.value} names",
        views=(View(form=form, array="named", title="Names", y="share"),),
        stance="observational",
        evidence="correlational",
        room="findings",
    )
    record = start(_drawn, parameters={"form": form}, seed=0)
    measures = [Measure(name="size", value=len(values))]
    return record.finding(kind, measures=measures, arrays={"named": Array(values, axes, coords)})


def _names(count: int) -> list[str]:
    return [f"name {at}" for at in range(count)]


@pytest.mark.parametrize(("count", "lies"), [(FEW, False), (FEW + 1, True), (164, True)])
def test_more_than_a_few_intervals_stand_below_each_other(count: int, lies: bool) -> None:
    values = np.tile([0.5, 0.4, 0.7], (count, 1))
    found = _drawn("interval", values, ("item", "end"), {"item": _names(count), "end": ["v", "l", "h"]})
    picture = show.figure(found, 0)
    trace, layout = picture.data[0], picture.layout
    names, numbers = (trace.y, trace.x) if lies else (trace.x, trace.y)
    assert list(names) == _names(count)
    assert np.allclose(np.array(numbers, float), 0.5)
    ends = trace.error_x if lies else trace.error_y
    assert np.allclose(np.array(ends.array, float), 0.2)
    assert np.allclose(np.array(ends.arrayminus, float), 0.1)
    titles = (layout.xaxis.title.text, layout.yaxis.title.text)
    assert titles == (("share", "item") if lies else ("item", "share"))
    assert layout.height >= (LINE * count if lies else 340)
    if lies:
        assert tuple(layout.yaxis.range) == (count - 0.5, -0.5), "the first name is the uppermost"


def test_bars_of_several_series_lie_down_with_room_for_each() -> None:
    values = np.arange(60.0).reshape(2, 30)
    found = _drawn("bar", values, ("group", "item"), {"group": ["a", "b"], "item": _names(30)})
    picture = show.figure(found, 0)
    assert [trace.orientation for trace in picture.data] == ["h", "h"]
    assert list(picture.data[1].x) == list(values[1])
    assert picture.layout.xaxis.side == "top"


def test_names_that_count_upwards_are_numbers_of_an_axis() -> None:
    assert counted(["1", "2", "10"]) == [1, 2, 10]
    assert counted(["2", "1"]) == counted(["1", "1"]) == counted(["1", "x"]) == counted(["²"]) == []
    values = np.arange(40.0)
    found = _drawn("line", values, ("factor",), {"factor": [str(at) for at in range(1, 41)]})
    assert list(show.figure(found, 0).data[0].x) == list(range(1, 41))


@pytest.mark.parametrize(("rows", "tall"), [(4, 340), (30, 650), (500, 1_100)])
def test_a_matrix_is_as_tall_as_its_rows_need(rows: int, tall: int) -> None:
    view = View(form="heatmap", array="m", title="M")
    assert height(view, Array(np.zeros((rows, 3)), ("row", "column"), {})) == tall
