"""ScaledAdam: Adam whose step is proportional to the size of each tensor, and which also learns that size.

Method: Yao et al. 2023, "Zipformer" (section 3.5). The details follow the public GPT-SoVITS training code, because the
public recipe's constants only make sense with them. One of them is surprising and kept: the clipping factor scales
the gradient of the size update only, the main update uses the gradient as it is.

Tensors of equal shape are stacked and updated together; their state lives with the first of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

FIRST_LEARNING_RATE = 0.01
LEARNING_RATE = 0.002


def semantic_learning_rate(update: int) -> float:
    """Return the learning rate of the text-to-semantic model's update number `update`, counted from 0.

    The public configuration describes a warm-up and a cosine; what its code does is 0.01 once and 0.002 ever after.
    """
    return FIRST_LEARNING_RATE if update == 0 else LEARNING_RATE


@dataclass(frozen=True, slots=True)
class ScaledAdamOptions:
    """Constants of the method; the defaults are those of the public text-to-semantic recipe."""

    lr: float = FIRST_LEARNING_RATE
    betas: tuple[float, float] = (0.9, 0.95)
    clipping_scale: float = 2.0
    """Gradients above this many times their median norm are clipped (in the size update)."""
    clipping_update_period: int = 1000
    """Steps between two estimates of that median; there is no clipping before the first one."""
    scalar_lr_scale: float = 0.1
    """Learning rate of sizes and one-element tensors, as a share of `lr`."""
    eps: float = 1e-8
    param_min_rms: float = 1e-5
    param_max_rms: float = 3.0
    scalar_max: float = 10.0
    size_update_period: int = 4


State = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Stack:
    """Parameters of one shape: values and gradients [N, ...], and the state they share."""

    parameters: list[nn.Parameter]
    values: Tensor
    gradients: Tensor
    state: State

    @property
    def is_scalar(self) -> bool:
        """Whether each parameter has a single element."""
        return self.parameters[0].numel() == 1

    @property
    def inner(self) -> list[int]:
        """The dimensions within one parameter."""
        return list(range(1, self.values.dim()))


class ScaledAdam(Optimizer):
    """See the module's docstring."""

    def __init__(self, params: Iterable[nn.Parameter], options: ScaledAdamOptions | None = None) -> None:
        super().__init__(params, asdict(options or ScaledAdamOptions()))

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Update all parameters once; a parameter without gradient counts as one with a gradient of zero."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            stacks = self._stacks(group["params"])
            clipping = _clipping_factor(group, stacks)
            for stack in stacks:
                self._update(group, stack, clipping)
        return loss

    def _stacks(self, parameters: list[nn.Parameter]) -> list[_Stack]:
        by_shape: dict[tuple[int, ...], list[nn.Parameter]] = {}
        for parameter in parameters:
            by_shape.setdefault(tuple(parameter.shape), []).append(parameter)
        return [
            _Stack(
                members,
                torch.stack([member.detach() for member in members]),
                torch.stack([torch.zeros_like(m) if m.grad is None else m.grad for m in members]),
                self.state[members[0]],
            )
            for members in by_shape.values()
        ]

    def _update(self, group: State, stack: _Stack, clipping: Tensor | float) -> None:
        state = stack.state
        if not state:
            _initialise(group, stack)
        state["delta"].mul_(group["betas"][0])
        if stack.is_scalar:
            _move_scalars(group, stack)
        else:
            _update_sizes(group, stack, clipping)
            _move(group, stack)
        state["step"] += 1
        for parameter, value in zip(stack.parameters, stack.values.unbind(0), strict=True):
            parameter.copy_(value)


def _initialise(group: State, stack: _Stack) -> None:
    state = stack.state
    state["step"] = 0
    state["delta"] = torch.zeros_like(stack.values)
    state["exp_avg_sq"] = torch.zeros_like(stack.values)
    if not stack.is_scalar:
        state["param_rms"] = _rms(stack)
        state["scale_exp_avg_sq"] = torch.zeros_like(state["param_rms"])
        state["scale_grads"] = torch.zeros(
            group["size_update_period"], *state["param_rms"].shape, device=stack.values.device
        )


def _rms(stack: _Stack) -> Tensor:
    """Return the root mean square of each parameter: [N, 1, ...]."""
    return stack.values.square().mean(dim=stack.inner, keepdim=True).sqrt()


def _clipping_factor(group: State, stacks: list[_Stack]) -> Tensor | float:
    """Record this step's gradient norm, and return the factor that brings it under the threshold.

    The norm is taken over gradients times the sizes of their tensors. The first step is not recorded.
    """
    first = stacks[0].state
    if not first:
        return 1.0
    period, step = group["clipping_update_period"], first["step"]
    squares = [
        (stack.gradients if stack.is_scalar else stack.gradients * stack.state["param_rms"]).square().sum()
        for stack in stacks
    ]
    norm = torch.stack(squares).sum().sqrt()
    if "norms" not in first:
        first["norms"] = torch.zeros(period, device=norm.device)
    first["norms"][step % period] = norm
    if step % period == 0:
        median = first["norms"].sort().values[period // 4 * 2]
        first["threshold"] = group["clipping_scale"] * median
    if "threshold" not in first:
        return 1.0
    factor: Tensor = (first["threshold"] / (norm + 1e-20)).clamp(max=1.0)
    return factor


def _update_sizes(group: State, stack: _Stack, clipping: Tensor | float) -> None:
    """Note how the loss depends on each tensor's size; at the end of a period, move the sizes."""
    state, period = stack.state, group["size_update_period"]
    place = state["step"] % period
    state["scale_grads"][place] = (stack.values * stack.gradients * clipping).sum(dim=stack.inner, keepdim=True)
    if place != period - 1:
        return
    state["param_rms"] = _rms(stack)
    decay = group["betas"][1] ** period
    squares = state["scale_exp_avg_sq"]
    squares.mul_(decay).add_(state["scale_grads"].square().mean(dim=0), alpha=1 - decay)
    correction = 1 - decay ** ((state["step"] + 1) // period)
    size_rate = group["lr"] * group["scalar_lr_scale"]
    change = state["scale_grads"].sum(dim=0) / (squares.sqrt() + group["eps"]) * (-size_rate * correction**0.5)
    change = change.masked_fill(state["param_rms"] < group["param_min_rms"], 0.0)
    change = change.masked_fill(state["param_rms"] > group["param_max_rms"], -size_rate * period)
    state["delta"].add_(stack.values * change, alpha=1 - group["betas"][0])


def _move(group: State, stack: _Stack) -> None:
    """Move tensors by Adam's direction times their size."""
    state, (beta1, beta2) = stack.state, group["betas"]
    squares = state["exp_avg_sq"].mul_(beta2).addcmul_(stack.gradients, stack.gradients, value=1 - beta2)
    correction = 1 - beta2 ** (state["step"] + 1)
    if correction < 0.99:
        squares = squares / correction
    size = state["param_rms"].clamp(min=group["param_min_rms"])
    direction = stack.gradients / (squares.sqrt() + group["eps"])
    state["delta"].add_(direction * size, alpha=-group["lr"] * (1 - beta1))
    stack.values.add_(state["delta"])


def _move_scalars(group: State, stack: _Stack) -> None:
    """Move one-element tensors by Adam without correction of the first moment, keeping them in bounds."""
    state, (beta1, beta2) = stack.state, group["betas"]
    squares = state["exp_avg_sq"].mul_(beta2).addcmul_(stack.gradients, stack.gradients, value=1 - beta2)
    correction = 1 - beta2 ** (state["step"] + 1)
    direction = stack.gradients / ((squares / correction).sqrt() + group["eps"])
    rate = group["lr"] * group["scalar_lr_scale"]
    state["delta"].add_(direction, alpha=-rate * (1 - beta1))
    stack.values.clamp_(-group["scalar_max"], group["scalar_max"]).add_(state["delta"])
