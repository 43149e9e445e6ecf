"""The weights while they are trained: where they begin, and what is put right after each step."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from pellucid.dictionary.training.batches import ROWS_SEEN_FIRST, TrainingRows

LEAVES = ("W_enc", "b_enc", "W_dec", "b_dec", "log_threshold")
FIRST_THRESHOLD = 1e-2


@dataclass(frozen=True)
class Weights:
    """Leaves that are trained, for inputs and outputs scaled to the norm sqrt(d) on average."""

    W_enc: Float[Tensor, "d_in latent"]
    b_enc: Float[Tensor, " latent"]
    W_dec: Float[Tensor, "latent d_out"]
    b_dec: Float[Tensor, " d_out"]
    log_threshold: Float[Tensor, " latent"]
    """Of jumprelu alone."""
    centred: bool
    scale_in: float
    scale_out: float

    @property
    def leaves(self) -> dict[str, Tensor]:
        """Every tensor, by name."""
        return {name: getattr(self, name) for name in LEAVES}

    def pre_activations(self, x: Tensor) -> Tensor:
        """What the activation function is applied to."""
        return (x - self.b_dec if self.centred else x) @ self.W_enc + self.b_enc

    @torch.no_grad()
    def keep_unit_norm(self) -> None:
        """Every direction of the decoder has the length one."""
        self.W_dec.div_(self.W_dec.norm(dim=1, keepdim=True).clamp_min(1e-12))

    @torch.no_grad()
    def leave_length_alone(self) -> None:
        """Take from the decoder's gradient what would only change the length of a direction."""
        gradient = self.W_dec.grad
        assert gradient is not None
        gradient -= (gradient * self.W_dec).sum(1, keepdim=True) * self.W_dec


def first_weights(rows: TrainingRows, n_latents: int, seed: int) -> Weights:
    """Random directions; the encoder is their transpose, and the bias the outputs' mean.

    A transcoder begins with what tokens drawn read and write.
    """
    x, y = rows.sample(ROWS_SEEN_FIRST, seed)
    scale_in, scale_out = (
        value.shape[1] ** 0.5 / float(value.norm(dim=1).mean().clamp_min(1e-12)) for value in (x, y)
    )
    generator = torch.Generator().manual_seed(seed)
    W_dec = normalize(torch.randn(n_latents, y.shape[1], generator=generator))
    W_enc = W_dec.T.clone()
    if rows.transcodes:
        tokens = torch.randint(len(x), (n_latents,), generator=generator)
        W_enc, W_dec = normalize((x - x.mean(0))[tokens]).T, normalize((y - y.mean(0))[tokens])
    leaves = {
        "W_enc": W_enc,
        "b_enc": torch.zeros(n_latents),
        "W_dec": W_dec,
        "b_dec": scale_out * y.mean(0),
        "log_threshold": torch.full((n_latents,), FIRST_THRESHOLD).log(),
    }
    return Weights(
        **{name: leaf.contiguous().requires_grad_() for name, leaf in leaves.items()},
        centred=not rows.transcodes,
        scale_in=scale_in,
        scale_out=scale_out,
    )
