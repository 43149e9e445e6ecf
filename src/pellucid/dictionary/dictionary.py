"""A sparse dictionary: activations as sums of a few of many directions.

    latents = activation((x - b_dec) W_enc + b_enc)                  x - b_dec where ``centred``
    output  = latents W_dec + b_dec (+ x W_skip)

A *sparse autoencoder* gives back what it reads; a *transcoder* gives what an MLP makes of it, a
*skip transcoder* adds a linear map of it, a *cross-layer* one writes into several layers. (Bricken
et al. 2023; Dunefsky et al. 2024; Paulo et al. 2025; Ameisen et al. 2025)
"""

from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.dictionary.activation import above, k_largest
from pellucid.dictionary.normalise import normed
from pellucid.errors import DictionaryError, EditError
from pellucid.model.sites import Site, site_named
from pellucid.options import DICTIONARY_FORMAT, DictionaryActivation, DictionaryFormat, InputNorm
from pellucid.results.result import Result
from pellucid.results.views import shown

Floats = Float[Tensor, "..."]
_READ_AS = {"hook_resid_mid": "hook_mlp_in"}
"""Names of the stream as one sublayer reads it, for what only reads it."""
TENSORS = ("W_enc", "b_enc", "W_dec", "b_dec", "W_skip", "threshold", "r_mag", "b_mag")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Dictionary(Result):
    """Weights, and where in a model they belong. Computes in the dtype of its weights.

    **Raises** ``DictionaryError`` for shapes that do not go together, a missing threshold or k, and
    weights that are not finite.
    """

    # Shapes are demanded by name in __post_init__: files hold what they hold.
    W_enc: Floats
    """``[d_in latent]``"""
    b_enc: Floats
    """``[latent]``; of a gated one, the bias of the gate."""
    W_dec: Floats
    """``[latent *site d_out]``: directions that the latents write; a cross-layer one has an axis of
    sites written to."""
    b_dec: Floats
    """``[d_out]``; of a cross-layer one, that of its first site."""
    W_skip: Floats | None = None
    """``[d_in d_out]``"""
    threshold: Floats | None = None
    """``[latent]``"""
    r_mag: Floats | None = None
    """``[latent]``, of a gated one: the magnitude's weights are W_enc exp(r_mag)."""
    b_mag: Floats | None = None
    """``[latent]``, of a gated one."""
    activation: DictionaryActivation
    k: int | None = None
    """Latents at a time of ``topk``; of ``batchtopk``, those on average in training."""
    prefixes: tuple[int, ...] = ()
    """Of a Matryoshka dictionary, the numbers of first latents that are dictionaries themselves."""
    centred: bool = False
    """Whether b_dec is subtracted from the input first."""
    normalise: InputNorm = "none"
    """What is done to each input, and undone in the output."""
    hook_in: str
    """The place that is read, by TransformerLens' hook name; empty where it is not known."""
    hooks_out: tuple[str, ...]
    """The places that are written; of an autoencoder, the one that is read."""
    model: str = ""
    """The model it was made for; empty where that is not known."""
    weight_hash: str = ""
    """Of the model's weights, where it was trained here."""
    source: str = ""
    """Where it was read from."""
    format: str = ""
    """The layout in which it was found."""
    notes: tuple[str, ...] = ()
    """What a reader of its numbers should know."""

    def __post_init__(self) -> None:
        _demand_shapes(self)
        for name in TENSORS:
            tensor = getattr(self, name)
            if tensor is not None and not all(map(torch.isfinite, tensor.aminmax())):
                raise DictionaryError(f"{name} holds NaN or infinity. Take an undamaged copy.")

    @property
    def n_latents(self) -> int:
        """How many directions there are."""
        return self.W_enc.shape[1]

    @property
    def d_in(self) -> int:
        """Width of what is read."""
        return self.W_enc.shape[0]

    @property
    def d_out(self) -> int:
        """Width of what is written, at each place."""
        return self.W_dec.shape[-1]

    @property
    def kind(self) -> str:
        """``autoencoder``, ``transcoder``, ``skip transcoder`` or ``cross-layer transcoder``."""
        if self.W_dec.ndim == 3:
            return "cross-layer transcoder"
        if self.W_skip is not None:
            return "skip transcoder"
        return "autoencoder" if self.hooks_out == (self.hook_in,) else "transcoder"

    @property
    def site_in(self) -> Site:
        """Where it reads.

        **Raises** ``EditError`` for a place that Pellucid does not read.
        """
        name = self.hook_in
        if self.kind != "autoencoder":
            for theirs, ours in _READ_AS.items():
                name = name.replace(theirs, ours)
        return _site(name, "reads")

    @property
    def site_out(self) -> Site:
        """Where it writes; of a cross-layer one, the first place.

        **Raises** ``EditError`` for a place that Pellucid does not write.
        """
        return _site(self.hooks_out[0], "writes")

    @cached_property
    def digest(self) -> str:
        """SHA-256 over weights and settings: equal for dictionaries that compute the same."""
        found = sha256()
        settings = (self.activation, self.k, self.centred, self.normalise, self.hook_in)
        found.update(repr((*settings, self.hooks_out)).encode())
        for name in TENSORS:
            tensor = getattr(self, name)
            if tensor is not None:
                plain = tensor.detach().cpu().contiguous()
                found.update(f"{name}{tuple(plain.shape)}{plain.dtype}".encode())
                found.update(plain.flatten().view(torch.uint8).numpy().data)
        return found.hexdigest()

    def pre_activations(self, x: Float[Tensor, "... d"]) -> Float[Tensor, "... latent"]:
        """What the activation function is applied to."""
        value = normed(self._flat(x), self.normalise).value
        return (value - self.b_dec if self.centred else value) @ self.W_enc + self.b_enc

    def encode(self, x: Float[Tensor, "... d"]) -> Float[Tensor, "... latent"]:
        """Latents of inputs, each row by itself; never negative.

        A site by head may be given as ``[... head d_head]``.

        **Raises** ``DictionaryError`` for another width.
        """
        pre = self.pre_activations(x)
        if self.activation == "topk":
            assert self.k is not None
            return k_largest(pre, self.k)
        if self.activation == "gated":
            assert self.r_mag is not None
            assert self.b_mag is not None
            return ((pre - self.b_enc) * self.r_mag.exp() + self.b_mag).relu() * (pre > 0)
        return pre.relu() if self.threshold is None else above(pre, self.threshold)

    def decode(
        self,
        latents: Float[Tensor, "*row latent"],
        inputs: Float[Tensor, "... d"] | None = None,
    ) -> Float[Tensor, "... d_out"]:
        """Outputs of latents; of a cross-layer one ``[... site d_out]``.

        ``inputs`` are needed where ``needs_inputs``: by a skip connection, and to bring the output
        back to the scale of its input.

        **Raises** ``DictionaryError`` when they are needed and not given.
        """
        if inputs is None and self.needs_inputs:
            raise DictionaryError(
                f"This {self.kind} (normalise={self.normalise!r}) needs the inputs to decode: "
                "decode(latents, inputs)."
            )
        if self.W_dec.ndim == 3:
            written = torch.einsum("...l,lsd->...sd", latents.to(self.W_dec.dtype), self.W_dec)
            written[..., 0, :] += self.b_dec
        else:
            written = latents.to(self.W_dec.dtype) @ self.W_dec + self.b_dec
        if inputs is None:
            return written
        read = self._flat(inputs)
        if self.W_skip is not None:
            written = written + read @ self.W_skip
        same = self.kind == "autoencoder"
        return normed(read, self.normalise).undone(written) if same else written

    def written(
        self, latents: Float[Tensor, "*row latent"], inputs: Float[Tensor, "... d"]
    ) -> Float[Tensor, "... d_out"]:
        """What latents add to the output, biases and skip connection left out."""
        written = latents.to(self.W_dec.dtype) @ self.W_dec
        scale = normed(self._flat(inputs), self.normalise).scale
        return written if scale is None or self.kind != "autoencoder" else written * scale

    @property
    def needs_inputs(self) -> bool:
        """Whether ``decode`` needs what was encoded."""
        return self.W_skip is not None or (self.normalise != "none" and self.kind == "autoencoder")

    def reconstruct(self, x: Float[Tensor, "... d"]) -> Float[Tensor, "... d_out"]:
        """``decode(encode(x))``."""
        return self.decode(self.encode(x), x)

    def error(
        self,
        x: Float[Tensor, "... d"],
        target: Float[Tensor, "... d_out"] | None = None,
    ) -> Float[Tensor, "... d_out"]:
        """What it leaves unexplained: the target (of an autoencoder ``x``) less its output.

        **Raises** ``DictionaryError`` for a transcoder without a target.
        """
        if target is None and self.kind != "autoencoder":
            raise DictionaryError(f"The error of a {self.kind} is of what it should give: target=.")
        wanted = self._flat(x) if target is None else target.to(self.W_dec.dtype)
        return wanted - self.reconstruct(x)

    def first(self, n: int) -> "Dictionary":
        """Its first ``n`` latents as a dictionary; for Matryoshka dictionaries a ``prefix``.

        **Raises** ``DictionaryError`` for more than there are, and for ``topk``, where latents
        compete with those that would be left out.
        """
        if not 0 < n <= self.n_latents or self.activation == "topk":
            raise DictionaryError(
                f"first({n}): there are {self.n_latents} latents, and activation="
                f"{self.activation!r}. Latents of topk compete, so none can be left out."
            )
        cut = {
            name: value[:n].clone()
            for name in ("b_enc", "threshold", "r_mag", "b_mag", "W_dec")
            if (value := getattr(self, name)) is not None
        }
        kept = tuple(one for one in self.prefixes if one <= n)
        return replace(self, W_enc=self.W_enc[:, :n].contiguous(), prefixes=kept, **cut)

    def to(
        self, dtype: torch.dtype | None = None, device: torch.device | str | None = None
    ) -> "Dictionary":
        """With weights in that dtype, on that device."""
        moved = {
            name: value.to(device=device, dtype=dtype)
            for name in TENSORS
            if (value := getattr(self, name)) is not None
        }
        return replace(self, **moved)

    def export(self, folder: str | Path, *, format: DictionaryFormat = DICTIONARY_FORMAT) -> Path:
        """Write it as another library reads it, into a new folder; gives its absolute path.

        ``saelens`` is ``cfg.json`` and ``sae_weights.safetensors``; ``circuit-tracer`` is
        ``config.yaml`` and ``layer_N.safetensors`` (``W_enc_N`` and ``W_dec_N`` of a cross-layer
        one). Several layers go into one folder with ``export_dictionaries``.

        **Raises** ``DictionaryError`` for what the format cannot hold, ``ResultFileError`` when the
        folder exists or cannot be written.
        """
        return Path(shown(self, "file", folder, format=format))

    def to_frame(self) -> pd.DataFrame:
        """Columns ``latent bias threshold encoder_norm decoder_norm``, one row per latent."""
        threshold = self.threshold if self.threshold is not None else torch.zeros_like(self.b_enc)
        columns = {
            "bias": self.b_enc,
            "threshold": threshold,
            "encoder_norm": self.W_enc.norm(dim=0),
            "decoder_norm": self.W_dec.flatten(1).norm(dim=1),
        }
        table = {name: value.double().cpu().numpy() for name, value in columns.items()}
        return pd.DataFrame({"latent": range(self.n_latents), **table})

    def _flat(self, x: Tensor) -> Tensor:
        if x.shape[-1] != self.d_in and x.ndim > 1 and x.shape[-1] * x.shape[-2] == self.d_in:
            x = x.flatten(-2)
        if x.shape[-1] != self.d_in:
            raise DictionaryError(
                f"This dictionary reads {self.hook_in or 'vectors'} of width {self.d_in}, and was "
                f"given {list(x.shape)}. Give activations of the place that it was made for.",
                found=(f"width {x.shape[-1]}",),
                expected=(f"width {self.d_in}",),
            )
        return x.to(self.W_enc.dtype)

    def __str__(self) -> str:
        where = self.hook_in or "a place that is not known"
        to = "" if self.kind == "autoencoder" else f" to {', '.join(self.hooks_out)}"
        how = self.activation if self.k is None else f"{self.activation} {self.k}"
        of = f" of {self.model}" if self.model else ""
        lines = [f"{self.kind.capitalize()} of {self.n_latents} latents ({how}) at {where}{to}{of}"]
        return "\n".join([*lines, *self.notes])

    def __repr__(self) -> str:
        return f"<{str(self).splitlines()[0]}>"


def _site(name: str, does: str) -> Site:
    try:
        return site_named(name)
    except EditError as error:
        raise EditError(
            f"The dictionary {does} {name or 'a place that is not known'!r}, which is no site of "
            "Pellucid's. encode() and decode() work on what you read there yourself. Where the "
            f"name is wrong, say dataclasses.replace(dictionary, hook_in=...). {error}"
        ) from error


def _demand_shapes(of: Dictionary) -> None:
    """**Raises** ``DictionaryError`` unless all tensors and settings go together."""
    d_in, n = of.W_enc.shape
    d_out = of.W_dec.shape[-1]
    sites = () if of.W_dec.ndim == 2 else (len(of.hooks_out),)
    wanted = {
        "b_enc": (n,), "W_dec": (n, *sites, d_out), "b_dec": (d_out,), "W_skip": (d_in, d_out),
        "threshold": (n,), "r_mag": (n,), "b_mag": (n,),
    }  # fmt: skip
    wrong = [
        (name, f"{list(found.shape)}", f"{list(shape)}")
        for name, shape in wanted.items()
        if (found := getattr(of, name)) is not None and tuple(found.shape) != shape
    ]
    if of.centred and d_in != d_out:
        wrong.append(("b_dec", f"width {d_out}", f"width {d_in}, since it is subtracted first"))
    if of.activation == "topk" and not (of.k and of.k > 0):
        wrong.append(("k", repr(of.k), "a positive number for activation='topk'"))
    if of.activation in ("jumprelu", "batchtopk") and of.threshold is None:
        wrong.append(("threshold", "None", f"one per latent for activation={of.activation!r}"))
    if of.activation == "gated" and (of.r_mag is None or of.b_mag is None):
        wrong.append(("r_mag, b_mag", "None", "one per latent for activation='gated'"))
    if not of.hooks_out:
        wrong.append(("hooks_out", "()", "at least one place"))
    if wrong:
        told = "; ".join(f"{name} is {is_}, and should be {should}" for name, is_, should in wrong)
        raise DictionaryError(
            f"With W_enc {[d_in, n]} (width, latents): {told}.",
            found=tuple(f"{name} {is_}" for name, is_, _ in wrong),
            expected=tuple(f"{name} {should}" for name, _, should in wrong),
        )
