"""One forward pass that reads and writes sites: the one registrar of hooks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from pellucid.findings import InputError, MissingError
from pellucid.models import attention
from pellucid.models.frozen import freeze
from pellucid.models.points import Point
from pellucid.models.writes import Write

if TYPE_CHECKING:
    from pellucid.models.model import Model

CURRENT: ContextVar[object | None] = ContextVar("pellucid_run", default=None)


class Stop(Exception):  # noqa: N818 (it is no error)
    """Raised inside the forward pass once the last wanted site was reached."""


class Run:
    """What a forward pass left: its output and the sites that were read."""

    def __init__(self, output: Tensor | None, sites: Mapping[str, Tensor]) -> None:
        self._output, self.sites = output, dict(sites)

    @property
    def output(self) -> Tensor:
        """The model's output (logits); InputError MD22 when the run stopped before it."""
        if self._output is None:
            raise InputError("MD22", "This run stopped early and has no output.", "Run again without until=.")
        return self._output

    def __getitem__(self, site: str) -> Tensor:
        from pellucid.models.sites import plain_name

        name = plain_name(site)
        if name not in self.sites:
            raise MissingError(
                "MD23",
                f"The site {site!r} was not read.",
                f"This run read: {', '.join(self.sites) or 'nothing'}.",
            )
        return self.sites[name]


class Pass:
    """One forward pass under way."""

    def __init__(
        self,
        points: Mapping[str, Point],
        read: Sequence[str],
        write: Mapping[str, Sequence[Write]],
        until: str | None,
    ) -> None:
        self.points, self.read, self.write, self.until = points, set(read), write, until
        self.values: dict[str, Tensor] = {}
        self.written: set[str] = set()
        self.wanted = [name for name in points if name in self.read or name in write or name == until]

    def visit(self, name: str, tensor: Tensor) -> Tensor:
        """Write to and read a site as its tensor passes; the tensor that goes on."""
        point = self.points[name]
        if name in self.write:
            tensor = self.change(name, point, tensor)
        if name in self.read:
            self.values[name] = point.take(tensor)
        if name == self.until:
            raise Stop
        return tensor

    def change(self, name: str, point: Point, tensor: Tensor) -> Tensor:
        """The tensor after this site's writes, in their order."""
        value = point.take(tensor)
        for write in self.write[name]:
            value = write.apply(name, value)
        self.written.add(name)
        made = point.put(tensor, value)
        if point.shared:
            # the stream itself is meant, not only this module's view of it
            return tensor.copy_(made)
        return made

    def attend(self, module: nn.Module, side: str, tensor: Tensor) -> Tensor:
        """Visit the scores or the pattern of an attention module."""
        for name in self.inside.get((id(module), side), ()):
            tensor = self.visit(name, tensor)
        return tensor

    inside: dict[tuple[int, str], list[str]]


def forward(
    model: Model,
    inputs: Any,
    read: Sequence[str],
    write: Mapping[str, Sequence[Write]],
    until: str | None,
    frozen: Sequence[str],
    call: Callable[[Any], Any],
    attend: attention.AttentionFunction | None,
) -> Run:
    """Run ``call`` with hooks for what is wanted; every hook is gone afterwards, whatever happens."""
    state = Pass(model.family_points, read, write, until)
    output: Any = None
    with ExitStack() as stack:
        stack.callback(CURRENT.reset, CURRENT.set(state))
        function = attention_function(model, state, attend, "pattern" in frozen)
        stack.callback(attention.ACTIVE.reset, attention.ACTIVE.set(function))
        for module, side, names in grouped(model, state):
            stack.callback(register(module, side, names, state).remove)
        for handle in freeze(model, frozen, state, CURRENT):
            stack.callback(handle.remove)
        with suppress(Stop):
            output = call(inputs)
    refuse_unreached(state)
    return Run(tensor_of(output) if output is not None else None, state.values)


def grouped(model: Model, state: Pass) -> list[tuple[nn.Module, str, list[str]]]:
    """The wanted sites by the module and side whose hook serves them."""
    groups: dict[tuple[str, str], list[str]] = {}
    for name in state.wanted:
        point = state.points[name]
        if point.side in {"in", "out"}:
            groups.setdefault((point.module, point.side), []).append(name)
    return [(model.module.get_submodule(path), side, names) for (path, side), names in groups.items()]


def register(module: nn.Module, side: str, names: list[str], state: Pass) -> Any:
    """One hook on one side of one module; it acts only for the run of its own context."""
    changes = any(name in state.write for name in names)

    def before(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if CURRENT.get() is not state:
            return None
        key = None if args else "hidden_states" if "hidden_states" in kwargs else next(iter(kwargs))
        tensor = visit_all(state, names, args[0] if key is None else kwargs[key])
        if not changes:
            return None
        return ((tensor, *args[1:]), kwargs) if key is None else (args, {**kwargs, key: tensor})

    def after(_: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
        if CURRENT.get() is not state:
            return None
        tensor = visit_all(state, names, tensor_of(output))
        return with_tensor(output, tensor) if changes else None

    if side == "in":
        return module.register_forward_pre_hook(before, with_kwargs=True)
    return module.register_forward_hook(after)


def visit_all(state: Pass, names: list[str], tensor: Tensor) -> Tensor:
    """Every site that this tensor holds, in order."""
    for name in names:
        tensor = state.visit(name, tensor)
    return tensor


def tensor_of(output: Any) -> Tensor:
    """The tensor of a module's output: itself, the logits, or the first of a tuple."""
    if isinstance(output, Tensor):
        return output
    logits = getattr(output, "logits", None)
    found: Tensor = logits if logits is not None else output[0]
    return found


def with_tensor(output: Any, tensor: Tensor) -> Any:
    """The output with its tensor replaced."""
    if isinstance(output, Tensor):
        return tensor
    if isinstance(output, tuple):
        return (tensor, *output[1:])
    output[next(iter(output))] = tensor
    return output


def attention_function(
    model: Model, state: Pass, given: attention.AttentionFunction | None, freeze_pattern: bool
) -> attention.AttentionFunction | None:
    """The run's attention: its own, the explicit one where scores or pattern are wanted, or none (fused)."""
    state.inside = {}
    for name in state.wanted:
        point = state.points[name]
        if point.side in {"scores", "pattern"}:
            module = model.module.get_submodule(point.module)
            state.inside.setdefault((id(module), point.side), []).append(name)
    if given is not None or not (state.inside or freeze_pattern):
        return given

    def visit(module: nn.Module, side: str, tensor: Tensor) -> Tensor:
        tensor = state.attend(module, side, tensor)
        return tensor.detach() if freeze_pattern and side == "pattern" else tensor

    return attention.explicit(visit)


def refuse_unreached(state: Pass) -> None:
    """InputError MD24 for a write or read that the pass never came to."""
    missed = [name for name in state.write if name not in state.written]
    missed += [name for name in state.read if name not in state.values]
    if missed:
        where = f" before until={state.until!r}" if state.until else ""
        raise InputError(
            "MD24",
            f"The run never reached {', '.join(map(repr, missed))}{where}.",
            "Choose a site that the computation passes, or a later until=.",
        )
