"""An opened model: the user's own module, its tokenizer, and its proved anatomy."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, ClassVar

import torch
from torch import nn

from pellucid.errors import PellucidError, TaskError, UnsupportedArchitectureError
from pellucid.model.anatomy import Anatomy, Node, Slot
from pellucid.model.context_length import longest_prompt, stated_length
from pellucid.model.detection.detect import detect
from pellucid.model.detection.peculiarities import peculiarities, refuse_packing, suspects
from pellucid.model.proof.apart import proved_apart, proved_as_it_is
from pellucid.model.proof.selfcheck import SelfCheck, check_detected, selfcheck
from pellucid.model.running.changes import leaves_nothing
from pellucid.model.weights import weight_hash


@dataclass(frozen=True)
class Model:
    """A causal language model as a residual stream with named readers and writers.

    ``module`` is the model object itself, never a copy: Pellucid reads and edits it through hooks
    that are gone when a call returns.
    """

    advice: ClassVar[str] = (
        "It has not been opened. Open it first: model = pellucid.load(model, tokenizer=...)."
    )
    """What to do with something else that is given as a model."""

    module: nn.Module
    tokenizer: Any
    origin: Any
    anatomy: Anatomy
    check: SelfCheck

    @classmethod
    @leaves_nothing
    def build(cls, module: nn.Module, tokenizer: Any = None, origin: Any = None) -> "Model":
        """Find the parts of ``module`` and prove that they add up.

        Hooks that others have on it do not run meanwhile (``apart.py``).

        **Cost** sixteen to twenty forwards of six or seven tokens.
        **Raises** ``UnsupportedArchitectureError`` naming the layer and the sum that failed, and
        what about the model may be why: quantised layers, adapters, hooks, code of its own;
        ``HookError`` for what others have put on the model and it cannot be tried with.
        """
        refuse_packing(module)
        with _explained(module):
            anatomy, check = proved_apart(module, lambda: _detected(module))
        return cls(module, tokenizer, origin, anatomy, check)

    @leaves_nothing
    def selfcheck(self) -> SelfCheck:
        """Run the proof of opening again, for instance after changing weights.

        With all hooks that are on the model now.
        """
        return proved_as_it_is(self.module, lambda: selfcheck(self.module, self.anatomy))

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Everything that writes into the stream: embedding, heads, MLPs."""
        return self.anatomy.nodes

    @property
    def slots(self) -> tuple[Slot, ...]:
        """Everything that reads the stream: q, k and v of heads, MLPs, logits."""
        return self.anatomy.slots

    @property
    def name(self) -> str:
        """What the model was opened as."""
        return str(getattr(self.origin, "name", None) or type(self.module).__name__)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.module.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """The weights' floating type."""
        return next(p for p in self.module.parameters() if p.is_floating_point()).dtype

    @property
    def max_positions(self) -> int | None:
        """The longest prompt that the model can read; None where it has no table of positions.

        Beyond ``trained_positions`` a rotary model reads on, and was not trained to.
        """
        return longest_prompt(self.module)

    @property
    def trained_positions(self) -> int | None:
        """How long the prompts are that the configuration states; None if it states nothing."""
        return stated_length(self.module)

    @property
    def weight_hash(self) -> str:
        """SHA-256 over every parameter and saved buffer: name, shape and bytes, in name order.

        Always that of the weights as they are now: it is computed again once one of them was
        written to or put in another's place, or an adapter was switched, merged or scaled.
        With dictionaries that were put in, it is over that hash and theirs.
        """
        found = weight_hash(self.module)
        put_in = [b.dictionary.digest for b in self.anatomy.blocks if b.dictionary is not None]
        return sha256("".join([found, *put_in]).encode()).hexdigest() if put_in else found

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of its numbers should know of the model; most models have none."""
        return (*getattr(self.origin, "notes", ()), *peculiarities(self.module))

    def describe(self) -> dict[str, Any]:
        """Sizes, tokenizer habits, dtype and weight hash, as plain values."""
        heads = [b.attention for b in self.anatomy.blocks if b.attention]
        habit = "no tokenizer"
        if self.tokenizer is not None:
            ids = self.tokenizer("a").input_ids
            bos = getattr(self.tokenizer, "bos_token_id", None)
            habit = "adds BOS" if ids and ids[0] == bos else "adds no BOS"
        return {
            "name": self.name,
            "architecture": type(self.module).__name__,
            "layers": self.anatomy.n_layers,
            "heads": heads[0].n_heads if heads else 0,
            "kv_heads": heads[0].n_kv_heads if heads else 0,
            "d_model": self.anatomy.d_model,
            "d_head": heads[0].d_head if heads else 0,
            "vocabulary": self.anatomy.d_vocab,
            "max_positions": self.max_positions,
            "trained_positions": self.trained_positions,
            "parameters": sum(p.numel() for p in self.module.parameters()),
            "nodes": len(self.nodes),
            "slots": len(self.slots),
            "idle": [site.name for site in self.check.idle],
            "notes": list(self.notes),
            "tokenizer": habit,
            "stored_dtype": getattr(self.origin, "stored_dtype", None) or "unknown",
            "dtype": str(self.dtype).removeprefix("torch."),
            "device": str(self.device),
            "weight_hash": self.weight_hash,
        }

    def __repr__(self) -> str:
        a = self.anatomy
        return f"<Model {self.name}: {a.n_layers} layers, {a.n_heads} heads, d_model {a.d_model}>"


@contextmanager
def _explained(module: nn.Module) -> Iterator[None]:
    """What is raised inside as one of our errors, with what about the module may be why."""
    name = type(module).__name__
    try:
        yield
    except UnsupportedArchitectureError as error:
        if told := " ".join(suspects(module)):
            raise error.adding(told) from None
        raise
    except (PellucidError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        told = " ".join([f"{type(error).__name__}: {error}"[:300], *suspects(module)])
        raise UnsupportedArchitectureError(
            f"{name} cannot be run on a few token ids and taken apart. It raised {told}"
        ) from error


def _detected(module: nn.Module) -> tuple[Anatomy, SelfCheck]:
    anatomy = detect(module)
    return anatomy, check_detected(module, anatomy)


def opened(model: Model) -> Model:
    """``model``, if it was opened by Pellucid.

    **Raises** ``TaskError`` for anything else, such as the transformers model itself.
    """
    if isinstance(model, Model):
        return model
    raise TaskError(f"The model is of type {type(model).__name__}. {Model.advice}")
