"""One short forward, recorded: what goes into and comes out of every module of every block."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from pellucid.errors import UnsupportedArchitectureError
from pellucid.model.running.changes import Changed
from pellucid.model.running.forward import parameters_of
from pellucid.model.running.hooks import Hook, hook_after, hook_before

TOLERANCE = {torch.float64: 1e-6, torch.float32: 1e-4, torch.bfloat16: 5e-2, torch.float16: 1e-2}
"""Largest relative error of a sum of parts that still counts as equal, by dtype."""

PROBE_LENGTH = 6


@dataclass(frozen=True, eq=False)
class Call:
    """One module's call: copies of its first input and output, taken before anyone adds in place.

    Falcon adds attention's output into the MLP's, so the tensors themselves can't be kept.
    """

    name: str
    module: nn.Module
    given: Tensor | None
    out: Tensor | None
    carries: int
    """How many values the module returned: 0 for a bare tensor, else the length of the tuple."""
    order: int


@dataclass(eq=False)
class Record:
    """The calls in one block, in order of completion."""

    calls: list[Call] = field(default_factory=list)

    def of(self, module: nn.Module) -> Call | None:
        """The last call of ``module``, or None if it did not run."""
        return next((c for c in reversed(self.calls) if c.module is module), None)

    def ran_once(self, call: Call) -> bool:
        """Whether the call's module ran only then; a hook on another would see several tensors."""
        return sum(c.module is call.module for c in self.calls) == 1

    def within(self, module: nn.Module) -> list[Call]:
        """Calls of ``module`` and of everything inside it."""
        inside = set(module.modules())
        return [c for c in self.calls if c.module in inside]


def text_config(model: nn.Module) -> Any:
    """The configuration of the language part."""
    config: Any = model.config
    return config.get_text_config() if hasattr(config, "get_text_config") else config


def find_blocks(model: nn.Module) -> list[nn.Module]:
    """The decoder's layers: the outermost module list as long as the configuration says."""
    wanted = getattr(text_config(model), "num_hidden_layers", None)
    lists = {n: m for n, m in model.named_modules() if isinstance(m, nn.ModuleList) and len(m) > 0}
    outer = {n: m for n, m in lists.items() if not any(n.startswith(f"{o}.") for o in lists)}
    fitting = [name for name, items in outer.items() if len(items) == wanted]
    if not fitting:
        sizes = {name: len(items) for name, items in outer.items()}
        raise UnsupportedArchitectureError(
            f"{type(model).__name__} has no list of {wanted} layers; its module lists are {sizes}. "
            "Its layers run several times, or each holds several sublayers; Pellucid opens models "
            "in which each of the configuration's layers is one module that runs once."
        )
    return list(outer[min(fitting, key=lambda name: name.count("."))])


def probe_tokens(model: nn.Module) -> Tensor:
    """A short row of ordinary token ids, spread over the vocabulary."""
    usual = ordinary_tokens(model)
    return as_row(model, usual[:: max(1, len(usual) // PROBE_LENGTH)], PROBE_LENGTH)


def proof_tokens(model: nn.Module) -> Tensor:
    """Another row, of other ids where there are enough, one longer: what was found must hold."""
    usual = ordinary_tokens(model)
    return as_row(model, usual[1 :: max(1, len(usual) // PROBE_LENGTH)] or usual, PROBE_LENGTH + 1)


def ordinary_tokens(model: nn.Module) -> list[int]:
    """Token ids that are neither special nor likely to be unused."""
    config = text_config(model)
    special = {0, 1, 2}
    for kind in ("pad", "bos", "eos"):
        ids: Any = getattr(config, f"{kind}_token_id", None)  # Llama 3 lists several ends
        special.update(ids if isinstance(ids, list) else [ids])
    vocab = config.vocab_size
    # Up to three quarters: the last ids of a vocabulary are often reserved or never trained.
    spread = range(vocab) if vocab < 64 else torch.linspace(7, vocab * 3 // 4, 16).long().tolist()
    return [i for i in spread if i not in special] or [0]


def as_row(model: nn.Module, ids: list[int], length: int) -> Tensor:
    """``ids``, repeated to ``length`` or as many as the model reads, as one row on its device."""
    limit = min(length, getattr(text_config(model), "max_position_embeddings", None) or length)
    repeated = (ids * length)[:limit]
    return torch.tensor([repeated], device=next(model.parameters()).device)


def record_calls(model: nn.Module, blocks: list[nn.Module], tokens: Tensor) -> list[Record]:
    """Run ``tokens`` once: the calls inside each block, and in the last record those outside.

    **Assumes** evaluation mode (``undisturbed``).
    **Raises** ``UnsupportedArchitectureError`` when a block does not run exactly once.
    """
    cacheless = {"use_cache": False} if "use_cache" in parameters_of(model) else {}
    records = [Record() for _ in (*blocks, model)]
    parts = dict(zip(records, (*blocks, model), strict=True))
    with Changed(_recording(parts)), torch.no_grad():
        model(input_ids=tokens.clone(), **cacheless)
    for layer, (block, record) in enumerate(zip(blocks, records, strict=False)):
        times = sum(c.module is block for c in record.calls)
        if times != 1:
            raise UnsupportedArchitectureError(
                f"{type(model).__name__}, layer {layer} runs {times} times in one forward, so it "
                "is not one term of one residual stream. Pellucid opens models in which every "
                "layer runs once.",
                layer=layer,
            )
    return records


def _recording(parts: dict[Record, nn.Module]) -> Iterator[Hook]:
    """Hooks on every module of every part.

    What lies inside an adapted layer is left out: base, A and B are one matrix product together.
    """
    seen = {inner for part in parts.values() for inner in _inside_adapted(part)}
    for record, part in parts.items():
        for name, module in part.named_modules():
            if module not in seen:
                seen.add(module)
                yield from _hooks(record, name, module)


def _inside_adapted(part: nn.Module) -> Iterator[nn.Module]:
    """Modules within PEFT's layers, each of which keeps the one that it adapts as base_layer."""
    for module in part.modules():
        if isinstance(getattr(module, "base_layer", None), nn.Module):
            yield from (inner for inner in module.modules() if inner is not module)


def _hooks(record: Record, name: str, module: nn.Module) -> list[Hook]:
    """Two hooks that put every call of ``module`` into ``record``."""
    waiting: list[Tensor | None] = []

    def before(module: nn.Module, args: tuple, kwargs: dict) -> None:
        given = first_tensor(args)
        if given is None:
            given = first_tensor((kwargs.get("hidden_states"), *kwargs.values()))
        waiting.append(None if given is None else given.detach().clone())

    def after(module: nn.Module, args: tuple, kwargs: dict, output: Any) -> None:
        given = waiting.pop()
        out = first_tensor(output)
        record.calls.append(
            Call(
                name=name,
                module=module,
                given=given,
                out=None if out is None else out.detach().clone(),
                carries=len(output) if isinstance(output, tuple) else 0,
                order=len(record.calls),
            )
        )

    return [hook_before(module, before), hook_after(module, after)]


def first_tensor(value: Any) -> Tensor | None:
    """The first floating tensor in ``value``, looking into tuples."""
    if isinstance(value, Tensor):
        return value if value.is_floating_point() else None
    if isinstance(value, tuple | list):
        return next((t for t in map(first_tensor, value) if t is not None), None)
    return None


def same_values(one: Tensor | None, other: Tensor | None) -> bool:
    """Whether two recorded tensors hold the same numbers, whatever their leading axes."""
    if one is None or other is None or one.numel() != other.numel():
        return False
    return bool(torch.equal(one.flatten().to(other.dtype), other.flatten()))
