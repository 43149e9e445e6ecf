"""Hugging Face's own ``generate``, with taps that know which positions each step computes.

1. The model's generation settings are put aside: what is drawn, and how, is said by the caller; of
   the model's own only its end tokens are kept.
2. Before the first block runs, a step notes which positions of the text it computes: all of the
   prompt first, then one token after the other (or the whole text again, where a model keeps no
   keys and values).
3. Numbers are drawn from a generator of the caller's seed; torch's own state is put back.

It is the second place that calls the model (``forward.py`` is the first), and counts its passes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from pellucid.errors import NonFiniteError, UnsupportedArchitectureError
from pellucid.model.anatomy import Anatomy
from pellucid.model.running.changes import Changed, own_attribute
from pellucid.model.running.forward import undisturbed
from pellucid.model.running.hooks import hook_before
from pellucid.model.running.taps import Taps, tapped
from pellucid.passes import counter
from pellucid.results.passes import Passes
from pellucid.shapes import Tokens


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """How the next token is chosen: the likeliest at temperature 0, else drawn."""

    max_new_tokens: int
    temperature: float
    top_p: float
    seed: int


@dataclass
class Step:
    """The positions of the text that the running step computes: ``start`` up to ``end``."""

    start: int
    end: int


@dataclass(frozen=True)
class Generated:
    """Ids behind the prompt, and the model's own logits for each."""

    ids: Int[Tensor, " token"]
    logits: Float[Tensor, "token d_vocab"]
    ended: bool
    """Whether the last is an end token."""


def generated(
    module: nn.Module,
    anatomy: Anatomy,
    tokens: Tokens,
    drawing: Drawing,
    taps: Callable[[Step], Taps],
) -> Generated:
    """What ``module`` writes behind one prompt, ``taps`` open at every step.

    **Cost** 1 forward for each token.
    **Raises** ``UnsupportedArchitectureError`` for a model that cannot generate, and
    ``NonFiniteError`` where there is nothing to draw from.
    """
    generator = _owner(module)
    step = Step(0, tokens.shape[1])
    ends = _ends(generator)
    settings = own_attribute(generator, "generation_config", _settings(drawing, ends))
    begins = hook_before(anatomy.blocks[0].module, _noting(step, tokens.shape[1]), first=True)
    ours = Changed([RandomState(drawing.seed), settings, begins])
    with undisturbed(module), ours, tapped(module, anatomy, taps(step)), torch.no_grad():
        try:
            made = generator.generate(tokens.clone(), attention_mask=torch.ones_like(tokens))
        except RuntimeError as error:
            if "probability tensor" not in str(error):
                raise
            raise NonFiniteError(
                "The model's logits are not finite, so no token can be drawn. Load it with "
                "dtype='float32', or make the edits smaller."
            ) from error
    ids = made.sequences[0, tokens.shape[1] :]
    return Generated(ids, torch.cat(list(made.logits)), int(ids[-1]) in ends)


def _owner(module: nn.Module) -> Any:
    """The module whose ``generate`` runs: of a PEFT model, the one that it has adapted."""
    found: Any = module
    if hasattr(module, "get_base_model"):
        found = found.get_base_model()
    if not callable(getattr(found, "generate", None)) or not hasattr(found, "generation_config"):
        raise UnsupportedArchitectureError(
            f"{type(module).__name__} has no generate(): only models of transformers write text. "
            "Ask it for one next token instead, with pellucid.logit_lens, say."
        )
    return found


def _ends(generator: Any) -> list[int]:
    """The model's end tokens."""
    found = generator.generation_config.eos_token_id
    return [] if found is None else [found] if isinstance(found, int) else list(found)


def _settings(drawing: Drawing, ends: list[int]) -> Any:
    from transformers import GenerationConfig

    draws = drawing.temperature > 0
    drawn = {"temperature": drawing.temperature, "top_p": drawing.top_p, "top_k": 0}
    return GenerationConfig(
        max_new_tokens=drawing.max_new_tokens,
        do_sample=draws,
        **(drawn if draws else {}),
        eos_token_id=ends or None,
        pad_token_id=ends[0] if ends else None,
        use_cache=True,
        return_dict_in_generate=True,
        output_logits=True,
    )


def _noting(step: Step, length: int) -> Callable[..., None]:
    """A hook that counts the pass and says which positions it computes."""
    add, ends = counter(), iter(range(length, 1 << 62))

    def note(module: nn.Module, args: tuple, kwargs: dict) -> None:
        stream = args[0] if args else kwargs["hidden_states"]
        step.end = next(ends)
        step.start = step.end - stream.shape[1]
        add(Passes(forwards=1, calls=1))

    return note


class RandomState:
    """Torch's generators begin at a seed, and go on afterwards as if nothing had been drawn."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.before = torch.random.get_rng_state()
        self.devices = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []

    def make(self) -> None:
        """Set the seed."""
        torch.manual_seed(self.seed)

    def undo(self) -> None:
        """Put the states back."""
        torch.random.set_rng_state(self.before)
        if self.devices:
            torch.cuda.set_rng_state_all(self.devices)
