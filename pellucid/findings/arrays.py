"""Arrays with named axes, read only when asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid.findings.errors import InputError

if TYPE_CHECKING:
    import pandas
    import xarray

Values = np.ndarray[Any, Any]


class Array:
    """Values with one name per axis and, where known, coordinates along it."""

    def __init__(
        self,
        values: Values | Sequence[Any] | Callable[[], Values],
        axes: Sequence[str],
        coords: Mapping[str, Sequence[Any] | Callable[[], Sequence[Any]]] | None = None,
    ) -> None:
        self._values = values if callable(values) else contiguous(values)
        self.axes = tuple(axes)
        self._coords = dict(coords or {})
        if not callable(self._values):
            self._check(self._values)

    def _check(self, values: Values) -> None:
        """Refuse axes or coordinates that do not fit the shape."""
        if values.ndim != len(self.axes):
            raise InputError(
                "FN01",
                f"An array of shape {values.shape} got {len(self.axes)} axis names {self.axes}.",
                "Give one name for each axis.",
            )
        for axis, along in self._coords.items():
            if axis not in self.axes:
                raise InputError("FN02", f"Coordinates name the axis {axis!r}.", f"Use one of {self.axes}.")
            size = values.shape[self.axes.index(axis)]
            if not callable(along) and len(along) != size:
                raise InputError(
                    "FN03",
                    f"{len(along)} coordinates were given for the axis {axis!r} of length {size}.",
                    "Give one coordinate for each position.",
                )

    @property
    def values(self) -> Values:
        """The numbers, loaded on first use."""
        if callable(self._values):
            self._values = frozen(self._values())
        return self._values

    @property
    def coords(self) -> dict[str, list[Any]]:
        """Coordinates by axis, loaded on first use."""
        for axis, along in self._coords.items():
            self._coords[axis] = along() if callable(along) else along
        return {axis: list(along) for axis, along in self._coords.items() if not callable(along)}

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Array)
            and self.axes == other.axes
            and self.coords == other.coords
            and self.values.dtype == other.values.dtype
            and self.values.tobytes() == other.values.tobytes()
        )

    __hash__ = None  # type: ignore[assignment]

    def to_xarray(self) -> xarray.DataArray:
        """The array as ``xarray.DataArray`` (needs the extra ``frames``)."""
        import xarray

        return xarray.DataArray(self.values, dims=self.axes, coords=self.coords)

    def to_pandas(self) -> pandas.DataFrame:
        """The array as a long table: a column per axis and one of values (needs the extra ``frames``)."""
        import pandas

        coords = self.coords
        along = [
            coords.get(axis, range(size)) for axis, size in zip(self.axes, self.values.shape, strict=True)
        ]
        index = pandas.MultiIndex.from_product(along, names=self.axes)
        return pandas.DataFrame({"value": self.values.ravel()}, index=index).reset_index()


def contiguous(values: Values | Sequence[Any]) -> Values:
    """A frozen copy of numbers in the machine's order; InputError FN04 for what is no number."""
    array = np.asarray(values)
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
        raise InputError(
            "FN04",
            f"An array of type {array.dtype} cannot be kept.",
            "Keep numbers; put words into coordinates.",
        )
    # a copy: what the caller does to theirs later must not change a measurement that has its id
    return frozen(np.array(array, dtype=array.dtype.newbyteorder("="), order="C"))


def frozen(values: Values) -> Values:
    """The same numbers, no longer writable."""
    values.setflags(write=False)
    return values
