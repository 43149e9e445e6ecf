"""What stands out about a model's modules: quantised layers, adapters, hooks, code of one's own.

None of it is wrong by itself. ``peculiarities`` says what a reader of the numbers should know;
``suspects`` says what may be behind it when a model's parts do not add up, and what to do.
"""

from collections import Counter
from collections.abc import Iterator

from torch import Tensor, nn

from pellucid.errors import UnsupportedArchitectureError
from pellucid.model.running.foreign import foreign_hooks

QUANTISED = {
    "Linear4bit": "bitsandbytes 4-bit",
    "Linear8bitLt": "bitsandbytes int8",
    "HQQLinear": "HQQ",
    "FP8Linear": "FP8",
    "BitLinear": "BitNet",
    "EetqLinear": "EETQ",
    "SpQRLinear": "SpQR",
    "VptqLinear": "VPTQ",
    "QuantizedLinear": "AQLM",
}
"""Classes of quantised layers that do not say so in their name, by what they are called."""


def quantised(module: nn.Module) -> dict[str, int]:
    """How many layers hold quantised weights, by what quantised them."""
    found: Counter[str] = Counter()
    for part in module.modules():
        kind, weight = type(part), getattr(part, "weight", None)
        if isinstance(weight, Tensor) and type(weight).__module__.startswith("torchao."):
            found[f"torchao {type(weight).__name__}"] += 1
        elif kind.__module__.startswith("peft."):
            continue  # the layer that it adapts is counted
        elif kind.__name__ in QUANTISED:
            found[QUANTISED[kind.__name__]] += 1
        elif "quant" in kind.__name__.lower() and "linear" in kind.__name__.lower():
            found[kind.__name__] += 1  # GPTQ, AWQ and others
    return dict(found)


def refuse_packing(module: nn.Module) -> None:
    """Refuse 4-bit layers that would be packed at their first forward, before there is one.

    **Raises** ``UnsupportedArchitectureError`` for bitsandbytes' on a CPU with AVX512-BF16.
    """
    packing = [
        name
        for name, part in module.named_modules()
        if getattr(part, "support_avx512bf16_for_cpu", False)
        and next(part.parameters()).device.type == "cpu"
    ]
    if packing:
        raise UnsupportedArchitectureError(
            f"{type(module).__name__}: on this CPU bitsandbytes packs 4-bit layers ({packing[0]} "
            f"and {len(packing) - 1} others) at their first forward, and packed layers pass no "
            "gradient on, without a word. Load the model anew, and before anything is run set "
            "layer.support_avx512bf16_for_cpu = False on each of them, for layer in "
            "model.modules(). Or load it without quantisation."
        )


def adapters(module: nn.Module) -> dict[str, int]:
    """How many layers run with each adapter that is on (PEFT)."""
    found: Counter[str] = Counter()
    for part in module.modules():
        names = getattr(part, "active_adapters", None)
        if isinstance(names, list) and not getattr(part, "disable_adapters", False):
            if getattr(part, "merged_adapters", None):
                continue  # in the weights already
            found.update(str(name) for name in names)
    return dict(found)


def hooked(module: nn.Module) -> list[str]:
    """The hooks and replaced forwards that somebody has put on it, in words."""
    return [str(hook) for hook in foreign_hooks(module)]


def peculiarities(module: nn.Module) -> tuple[str, ...]:
    """What a reader of the model's numbers should know of it, in sentences."""
    told = []
    if kinds := quantised(module):
        told.append(f"The model's weights are quantised ({_counted(kinds)}).")
    if live := adapters(module):
        told.append(f"The model runs with an adapter in place ({_counted(live)}).")
    if on := hooked(module):
        told.append(
            f"The model was opened with hooks of its owner ({_named(on)}): numbers are those of "
            "the model as these hooks leave it."
        )
    return tuple(told)


def suspects(module: nn.Module) -> Iterator[str]:
    """What may be why the parts of a model do not add up, and the next step."""
    if kinds := quantised(module):
        yield (
            f"Its weights are quantised ({_counted(kinds)}): layers that round what they read, "
            "too, or compute in another dtype than the model's, are no plain matrix products. Load "
            "the model without quantisation, call model.dequantize() where transformers quantised "
            "it, or use the dtype in which its layers compute (bfloat16 for bitsandbytes' 4-bit)."
        )
    if live := adapters(module):
        yield (
            f"It runs with an adapter in place ({_counted(live)}). If the model opens without it, "
            "merge it (merge_and_unload) and pass what this returns."
        )
    if on := hooked(module):
        yield (
            f"Hooks were set before it was opened ({_named(on)}). What a hook changes must add up, "
            "too, and for prompts of any length: remove it (handle.remove()), and make the change "
            "with run_edited, or in the weights."
        )
    kind = type(module)
    if "transformers" not in kind.__module__ and kind.__mro__[1].__module__.startswith("transform"):
        yield (
            f"{kind.__name__} is code of its own ({kind.__module__}) on top of transformers' "
            f"{kind.__mro__[1].__name__}; look there for what it does differently."
        )


def _counted(kinds: dict[str, int]) -> str:
    return ", ".join(f"{name} in {count} layers" for name, count in kinds.items())


def _named(names: list[str]) -> str:
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"
