"""The derivative of a norm, in closed form where the norm is proved to be an ordinary one.

An ordinary norm is, at each position,

    y = gain * (x - c mean(x)) / s + shift        s^2 = mean((x - c mean(x))^2) + eps

with c = 1 for layer norm and c = 0 for RMS norm, so that with n = (x - c mean(x)) / s

    dy/dx = diag(gain) (I - c 1 1^T / d - n n^T / d) / s

Which form a module computes is found by running it on a few vectors, not by its name: the gain is
one of its own parameters, or that plus one, or absent. What fits no form is differentiated by
autograd instead.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Literal, TypeAlias
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pellucid.model.detection.probe import TOLERANCE

NormScale: TypeAlias = Literal["differentiated", "held"]
"""Whether a norm's scale s moves with what is normed, or is taken for a constant."""
PROBES = 4
_SMALL = 1e-2
"""Size of the probe from which eps is read: its mean square is near the usual eps of 1e-5."""


@dataclass(frozen=True)
class NormForm:
    """An ordinary norm; ``gain`` is ``parameter + offset``, read anew each time."""

    parameter: Tensor | None
    offset: float
    centred: bool
    eps: float

    def gain(self) -> Tensor | float:
        """The factor of each feature."""
        if self.parameter is None:
            return 1.0
        return self.parameter + self.offset if self.offset else self.parameter

    def normalise(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """n and s of the module's note."""
        if self.centred:
            x = x - x.mean(-1, keepdim=True)
        s = (x.square().mean(-1, keepdim=True) + self.eps).sqrt()
        return x / s, s

    def centre(self, vector: Tensor) -> Tensor:
        """(I - c 1 1^T / d) times ``vector``: all there is while the scale is held."""
        return vector - vector.mean(-1, keepdim=True) if self.centred else vector

    def project(self, n: Tensor, vector: Tensor) -> Tensor:
        """(I - c 1 1^T / d - n n^T / d) times ``vector``, which is symmetric."""
        return self.centre(vector) - (vector * n).mean(-1, keepdim=True) * n

    def through(self, n: Tensor, vector: Tensor, scale: NormScale) -> Tensor:
        """The part of the Jacobian between the gain and the division by s."""
        return self.project(n, vector) if scale == "differentiated" else self.centre(vector)


_FORMS: WeakKeyDictionary[nn.Module, NormForm | None] = WeakKeyDictionary()


def norm_form(norm: nn.Module, like: Tensor) -> NormForm | None:
    """The form of ``norm`` on vectors like those of ``like``; None when it is no ordinary one.

    **Cost** two runs of the norm on four vectors, once in the module's life.
    """
    if norm not in _FORMS:
        _FORMS[norm] = _found_form(norm, like.shape[-1], like.dtype, like.device)
    return _FORMS[norm]


def pulled_back(
    norm: nn.Module | None,
    x: Float[Tensor, "row pos d_model"],
    outer: Float[Tensor, "row pos head d_head"],
    weight: Float[Tensor, "head d_head d_model"],
    scale: NormScale = "differentiated",
) -> Float[Tensor, "head row pos d_model"]:
    """Gradients at what each matrix gives, turned into those at what the norm before them reads.

    Gain and centring are put into the matrices, 1/s into the gradients; what is left is n n^T / d.
    A norm of no known form is differentiated also where the scale is to be held.
    """
    form = None if norm is None else norm_form(norm, x)
    if form is not None:
        n, s = form.normalise(x)
        outer = outer / s[..., None]
        weight = form.centre(weight * form.gain())
    heads, (rows, length, d_model) = outer.shape[2], x.shape
    flat = outer.permute(2, 0, 1, 3).flatten(1, 2)  # head (row pos) d_head
    gradient = torch.bmm(flat, weight.to(flat.dtype)).view(heads, rows, length, d_model)
    if norm is None:
        return gradient
    if form is not None:
        if scale == "differentiated":
            along = torch.linalg.vecdot(gradient, n) / d_model  # head row pos
            gradient.addcmul_(along[..., None], n, value=-1)
        return gradient
    with torch.enable_grad():
        spread = x.expand_as(gradient).detach().clone().requires_grad_()
        out = norm.forward(spread.flatten(0, 1)).reshape(gradient.shape)
        (found,) = torch.autograd.grad(out, spread, gradient)
    return found


def pushed_forward(
    norms: Sequence[nn.Module],
    x: Float[Tensor, "row pos d_model"],
    change: Float[Tensor, "row node pos d_model"],
    scale: NormScale = "differentiated",
) -> Float[Tensor, "row node pos d_model"]:
    """Small changes of what the first norm reads, turned into those of what the last returns."""
    for norm in norms:
        form = norm_form(norm, x)
        if form is not None:
            n, s = form.normalise(x[:, None])
            change = form.through(n, change, scale) * form.gain() / s
        else:
            spread = x[:, None].expand_as(change).flatten(0, 1).contiguous()
            moved = torch.autograd.functional.jvp(norm, spread, change.flatten(0, 1))[1]
            change = moved.reshape(change.shape)
        x = norm.forward(x)
    return change


def _found_form(
    norm: nn.Module, width: int, dtype: torch.dtype, device: torch.device
) -> NormForm | None:
    generator = torch.Generator().manual_seed(0)
    probes = torch.randn(PROBES, width, generator=generator) + 0.5
    probes[-1] *= _SMALL
    probes = probes.to(device, dtype)
    try:
        with torch.no_grad():
            shift = norm.forward(torch.zeros_like(probes)[None])[0]
            given = norm.forward(probes[None])[0] - shift
    except (RuntimeError, TypeError, ValueError, IndexError):
        return None
    if given.shape != probes.shape:
        return None
    parameters = [p for p in norm.parameters() if p.shape == (width,)]
    gains = [(None, 0.0), *product(parameters, (0.0, 1.0))]
    # Many norms compute in single precision whatever they are given.
    rounding = 64 * max(torch.finfo(dtype).eps, torch.finfo(torch.float32).eps)
    limit = min(rounding, TOLERANCE.get(dtype, 1e-4))
    for (parameter, offset), centred in product(gains, (False, True)):
        bare = NormForm(parameter, offset, centred, 0.0)
        form = replace(bare, eps=_eps(bare, probes[-1], given[-1]))
        n, _ = form.normalise(probes)
        off = (n * form.gain() - given).detach().norm(dim=-1) / given.norm(dim=-1).clamp_min(1e-30)
        if float(off.max()) <= limit:
            return form
    return None


def _eps(form: NormForm, probe: Tensor, given: Tensor) -> float:
    """What has to be added to the mean square for ``probe`` to give ``given``; 0 if nothing."""
    x = (probe - probe.mean() if form.centred else probe).double()
    wanted = (x * form.gain()).detach()
    scale = float((wanted @ given.double()) / (wanted @ wanted).clamp_min(1e-300))
    if scale <= 0:
        return 0.0
    return max(0.0, scale**-2 - float(x.square().mean()))
