"""A steering vector: a direction for each layer, added to the stream."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.arguments import checks_kinds
from pellucid.errors import EditError
from pellucid.model.model import Model, opened
from pellucid.model.sites import Site
from pellucid.results.passes import Passes
from pellucid.results.result import Result
from pellucid.results.views import shown
from pellucid.run.edit import Edit
from pellucid.steering.applied import SteeredPositions, adding
from pellucid.steering.gguf_file import read_gguf, write_gguf


@dataclass(frozen=True, kw_only=True)
class SteeringVector(Result):
    """Directions ``[layer d_model]``; that of ``layers[i]`` is added to the stream entering it.

    Layer ``n_layers`` is the stream that the final norm reads, as in ``Site``.
    """

    layers: tuple[int, ...]
    directions: Float[Tensor, "layer d_model"]
    """At scale 1, what is added."""
    separation: Float[Tensor, " layer"]
    """AUROC of held-out examples along each direction; NaN where there are no examples."""
    method: str
    about: str
    """What it was made from, in words."""
    best_layer: int
    """The layer where examples are told apart best, the middle one among equals: where it is
    applied unless layers are named."""
    passes: Passes

    @checks_kinds
    def applied(
        self,
        model: Model,
        *,
        scale: float = 1.0,
        layers: int | Sequence[int] | None = None,
        positions: SteeredPositions | Sequence[int] = "all",
    ) -> AbstractContextManager[None]:
        """A block in which every forward of ``model`` is steered, Pellucid's own calls too.

        ``layers`` (default: ``best_layer``) are steered together. ``positions`` are ``"all"``, the
        ``"generated"`` ones (those read after the first forward of a text), or numbers counted from
        the start of the text. Positions from the end are for ``edits``.

        Inside, calls run whole prompts, as with any hook that a user puts on. Afterwards, however
        it ends, the model is as it was.

        **Raises** ``EditError`` for a layer that the vector or the model has not, another width, or
        a position below 0.
        """
        return adding(opened(model), self.chosen(model, layers, scale), positions)

    @checks_kinds
    def edits(
        self,
        *,
        scale: float = 1.0,
        layers: int | Sequence[int] | None = None,
        positions: int | tuple[int, ...] | None = None,
    ) -> tuple[Edit, ...]:
        """Edits for ``generate`` and ``run_edited``, whose positions may be counted from the end.

        **Raises** ``EditError`` for a layer that the vector has not.
        """
        return tuple(
            Edit(
                site=Site("resid_pre", layer),
                operation="add",
                value=scale * self._of(layer),
                positions=positions,
            )
            for layer in self._listed(layers)
        )

    def chosen(
        self, model: Model, layers: int | Sequence[int] | None, scale: float
    ) -> dict[Site, Tensor]:
        """What is added where, on the model's device.

        **Raises** ``EditError`` as ``applied`` does.
        """
        anatomy = model.anatomy
        listed = self._listed(layers)
        if self.directions.shape[1] != anatomy.d_model or max(listed) > anatomy.n_layers:
            raise EditError(
                f"The vector has directions of {self.directions.shape[1]} numbers for layers up to "
                f"{max(listed)}; the model has a stream of {anatomy.d_model} and layers 0 to "
                f"{anatomy.n_layers}. Use a vector that was made for this model."
            )
        return {
            Site("resid_pre", layer): (scale * self._of(layer)).to(model.device, model.dtype)
            for layer in listed
        }

    def _listed(self, layers: int | Sequence[int] | None) -> list[int]:
        listed = [layers] if isinstance(layers, int) else layers
        listed = [self.best_layer] if listed is None else list(map(int, listed))
        if not listed or (missing := [one for one in listed if one not in self.layers]):
            found = f"{missing[0]} among layers" if listed else "no layer"
            raise EditError(
                f"layers={layers!r}: the vector has no direction for {found}; it has layers "
                f"{', '.join(map(str, self.layers))}."
            )
        return listed

    def _of(self, layer: int) -> Tensor:
        return self.directions[self.layers.index(layer)]

    @checks_kinds
    def of_layers(self, layers: int | Sequence[int]) -> "SteeringVector":
        """The vector of these layers alone.

        **Raises** ``EditError`` for a layer that the vector has not.
        """
        listed = self._listed(layers)
        rows = [self.layers.index(layer) for layer in listed]
        best = self.best_layer if self.best_layer in listed else listed[len(listed) // 2]
        return replace(
            self,
            layers=tuple(listed),
            directions=self.directions[rows],
            separation=self.separation[rows],
            best_layer=best,
        )

    def to_gguf(self, path: str | Path, *, model_hint: str = "") -> Path:
        """Write a control vector that llama.cpp reads (``--control-vector``).

        llama.cpp adds ``direction.N`` to what block N gives, from N = 1: the stream entering layer
        N + 1. Vectors for layers 0 and 1 have no place there.

        **Raises** ``EditError`` for such layers, ``ResultFileError`` where nothing can be written.
        """
        rows = dict(zip(self.layers, self.directions, strict=True))
        return write_gguf(path, rows, about=self.about, model_hint=model_hint)

    @classmethod
    @checks_kinds
    def from_gguf(cls, path: str | Path) -> "SteeringVector":
        """Read a control vector of llama.cpp, repeng or ``to_gguf``.

        **Raises** ``ResultFileError`` for a file that is missing, damaged or no control vector.
        """
        found = read_gguf(path)
        layers = tuple(found)
        return cls(
            layers=layers,
            directions=torch.stack(list(found.values())),
            separation=torch.full((len(layers),), torch.nan),
            method="read",
            about=f"the control vector {Path(path).name}",
            best_layer=layers[len(layers) // 2],
            passes=Passes(),
        )

    def to_frame(self) -> pd.DataFrame:
        """One row a layer: ``layer length separation``."""
        return pd.DataFrame(
            {
                "layer": list(self.layers),
                "length": self.directions.double().norm(dim=1).tolist(),
                "separation": self.separation.double().tolist(),
            }
        )

    def __str__(self) -> str:
        return str(shown(self, "text"))
