"""One forward pass that reads and writes sites: the one registrar of hooks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from pellucid.findings import InputError, MissingError
from pellucid.models import attention
from pellucid.models.frozen import freeze
from pellucid.models.points import Point, whole
from pellucid.models.sites import plain_name
from pellucid.models.writes import Write

if TYPE_CHECKING:
    from pellucid.models.model import Model

CURRENT: ContextVar[object | None] = ContextVar("pellucid_run", default=None)


class Stop(Exception):  # noqa: N818 (it is no error)
    """Raised inside the forward pass once the last wanted site was reached."""


class Run:
    """What a forward pass left: its output and the sites that were read.

    Example:
        >>> Run(None, {"embed": torch.ones(1)})["hook_embed"]
        tensor([1.])
    """

    def __init__(self, output: Tensor | None, sites: Mapping[str, Tensor]) -> None:
        self._output, self.sites = output, dict(sites)

    @property
    def output(self) -> Tensor:
        """The model's output (logits); InputError MD22 when the run stopped before it."""
        if self._output is None:
            raise InputError("MD22", "This run stopped early and has no output.", "Run again without until=.")
        return self._output

    def __contains__(self, site: object) -> bool:
        return isinstance(site, str) and plain_name(site) in self.sites

    def __getitem__(self, site: str) -> Tensor:
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
        inside: Mapping[tuple[int, str], list[str]],
    ) -> None:
        self.points, self.read, self.write, self.until = points, set(read), write, until
        self.values: dict[str, Tensor] = {}
        self.written: set[str] = set()
        self.inside = inside
        self.differentiated = torch.is_grad_enabled()

    def visit(self, name: str, tensor: Tensor) -> Tensor:
        """Write to and read a site as its tensor passes; the tensor that goes on."""
        point = self.points[name]
        if name in self.write:
            tensor = self.change(name, point, tensor)
        if name in self.read:
            value = point.take(tensor)
            if self.differentiated and point.take is not whole and value.requires_grad:
                tensor = point.put(tensor, value)  # what was read must lie on the way to the output
            self.values[name] = value
        if name == self.until:
            raise Stop
        return tensor

    def change(self, name: str, point: Point, tensor: Tensor) -> Tensor:
        """The tensor after this site's writes, in their order."""
        # A shared tensor is overwritten below: what functions save of it for gradients must be a copy.
        value = point.take(tensor.clone() if point.shared else tensor)
        with outside():
            for write in self.write[name]:
                value = write.apply(name, value)
        self.written.add(name)
        made = point.put(tensor, value)
        if point.shared:
            return tensor.copy_(made)  # the stream itself is meant, not only this module's view of it
        return made

    def attend(self, module: nn.Module, side: str, tensor: Tensor) -> Tensor:
        """Visit the scores or the pattern of an attention module."""
        for name in self.inside.get((id(module), side), ()):
            tensor = self.visit(name, tensor)
        return tensor


@contextmanager
def outside() -> Iterator[None]:
    """No run is active: what a user's function calls is none of the run that called the function."""
    current, active = CURRENT.set(None), attention.ACTIVE.set(None)
    try:
        yield
    finally:
        attention.ACTIVE.reset(active)
        CURRENT.reset(current)


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
    groups, inside = grouped(model, {*read, *write} | ({until} if until else set()))
    state = Pass(model.family_points, read, write, until, inside)
    output: Any = None
    with ExitStack() as stack:
        stack.callback(CURRENT.reset, CURRENT.set(state))
        function = attention_function(state, attend, "pattern" in frozen)
        stack.callback(attention.ACTIVE.reset, attention.ACTIVE.set(function))
        for handle in freeze(model, frozen, state, CURRENT):
            stack.callback(handle.remove)
        for module, side, names in groups:
            stack.callback(register(module, side, names, state).remove)
        with suppress(Stop):
            output = call(inputs)
    refuse_unreached(state)
    return Run(tensor_of(output) if output is not None else None, state.values)


Groups = list[tuple[nn.Module, str, list[str]]]


def grouped(model: Model, wanted: set[str]) -> tuple[Groups, dict[tuple[int, str], list[str]]]:
    """The wanted sites by the module and side whose hook serves them; scores and patterns apart."""
    hooked: dict[tuple[str, str], list[str]] = {}
    for name in sorted(wanted, key=model.sites.place):
        point = model.family_points[name]
        hooked.setdefault((point.module, point.side), []).append(name)
    served = [(model.submodule(path), side, names) for (path, side), names in hooked.items()]
    inside = {(id(module), side): names for module, side, names in served if side in ("scores", "pattern")}
    return [group for group in served if group[1] in ("in", "out")], inside


def register(module: nn.Module, side: str, names: list[str], state: Pass) -> Any:
    """One hook on one side of one module; it acts only for the run of its own context."""

    def _before(_: nn.Module, args: tuple[Any, ...]) -> Any:
        if CURRENT.get() is not state:
            return None
        tensor = visit_all(state, names, args[0])
        return None if tensor is args[0] else (tensor, *args[1:])

    def _after(_: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
        if CURRENT.get() is not state:
            return None
        given = tensor_of(output)
        tensor = visit_all(state, names, given)
        return None if tensor is given else with_tensor(output, tensor)

    if side == "in":
        return module.register_forward_pre_hook(_before)
    return module.register_forward_hook(_after)


def visit_all(state: Pass, names: list[str], tensor: Tensor) -> Tensor:
    """Every site that this tensor holds, in order."""
    for name in names:
        tensor = state.visit(name, tensor)
    return tensor


def tensor_of(output: Any) -> Tensor:
    """The tensor of a module's output: itself, the logits, or the first of a tuple or mapping."""
    if isinstance(output, Tensor):
        return output
    if isinstance(output, Mapping):
        found: Any = output["logits"] if "logits" in output else next(iter(output.values()))
    else:
        found = output[0] if isinstance(output, list | tuple) and output else output
    if not isinstance(found, Tensor):
        raise InputError(
            "MD26",
            f"A module returned {type(found).__name__} where a tensor was wanted.",
            "Read a site whose module returns a tensor, or a tuple that starts with one.",
        )
    return found


def with_tensor(output: Any, tensor: Tensor) -> Any:
    """The output with its tensor replaced."""
    if isinstance(output, Tensor):
        return tensor
    if isinstance(output, Mapping):
        key = "logits" if "logits" in output else next(iter(output))
        return type(output)(**{**output, key: tensor})
    return type(output)((tensor, *output[1:]))


def attention_function(
    state: Pass, given: attention.AttentionFunction | None, freeze_pattern: bool
) -> attention.AttentionFunction | None:
    """The run's attention: its own, the explicit one where scores or pattern are wanted, or none (fused)."""
    if not (state.inside or freeze_pattern):
        return given
    if given is not None:
        raise InputError(
            "MD27",
            "A run with an attention function of its own shows no scores or patterns.",
            "Leave out attention=, or the sites attn.scores and attn.pattern.",
        )

    def _visit(module: nn.Module, side: str, tensor: Tensor) -> Tensor:
        tensor = state.attend(module, side, tensor)
        return tensor.detach() if freeze_pattern and side == "pattern" else tensor

    return attention.explicit(_visit)


def refuse_unreached(state: Pass) -> None:
    """InputError MD24 for a write or read that the pass never came to."""
    written = {name for name in state.write if name not in state.written}
    missed = written | {name for name in state.read if name not in state.values}
    if missed:
        where = f" before until={state.until!r}" if state.until else ""
        names = [repr(name) for name in state.points if name in missed]
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        raise InputError(
            "MD24",
            f"The run never reached {', '.join(names[:3])}{more}{where}.",
            "Choose a site that the computation passes, or a later until=.",
        )
