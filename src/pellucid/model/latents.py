"""A sparse dictionary put into a model: its latents and its error as parts, the model as it was.

With x what stands at a place, and a = encode(x) of what the dictionary reads,

    x = W_dec a + bias + error

holds by the definition of the error. A write of latents a' or of an error e' puts

    x + W_dec (a' - a) + (e' - e)

there, so that what is not written stays as it is, bit for bit. Site ``latents`` is ``[row pos
latent]``, site ``error`` ``[row pos d]``; both are of the layer at whose place the dictionary
writes.
"""

from collections.abc import Callable
from typing import Any, Protocol

from torch import Tensor

from pellucid.errors import EditError


class Latents(Protocol):
    """What is asked of a dictionary that is put into a model."""

    @property
    def site_in(self) -> Any:
        """The ``Site`` that it reads."""

    @property
    def site_out(self) -> Any:
        """The ``Site`` that it writes."""

    @property
    def n_latents(self) -> int:
        """How many latents there are."""

    @property
    def digest(self) -> str:
        """A hash of weights and settings."""

    def encode(self, x: Tensor) -> Tensor:
        """Latents of what it reads."""

    def written(self, latents: Tensor, inputs: Tensor) -> Tensor:
        """What latents add to the output."""

    def reconstruct(self, x: Tensor) -> Tensor:
        """Its output for what it reads."""


DICTIONARY_SITES = ("latents", "error")
_Tap = Callable[[Tensor], Tensor | None]


def writing(
    dictionary: Latents, taps: dict[str, _Tap], read: Callable[[], Tensor] | None
) -> Callable[[Tensor], Tensor | None]:
    """A tap of the place that the dictionary writes, from taps of its latents and its error.

    ``read`` gives what it reads, where that is another place.
    """

    def tap(value: Tensor) -> Tensor | None:
        flat = value.flatten(2)  # a site by head, as the dictionary sees it
        inputs = flat if read is None else read()
        new = None
        if "latents" in taps:
            latents = dictionary.encode(inputs)
            given = taps["latents"](latents)
            if given is not None:
                new = flat + dictionary.written(given - latents, inputs).to(flat.dtype)
        if "error" in taps:
            error = flat - dictionary.reconstruct(inputs).to(flat.dtype)
            given = taps["error"](error)
            if given is not None:
                new = (flat if new is None else new) + (given - error)
        return None if new is None else new.reshape(value.shape)

    return tap


def demand_dictionary(dictionary: Latents | None, name: str) -> Latents:
    """**Raises** ``EditError`` where no dictionary was put into that layer."""
    if dictionary is None:
        raise EditError(
            f"{name}: no dictionary was put into this layer. Put one in first: "
            "model = pellucid.with_dictionaries(model, dictionary)."
        )
    return dictionary
