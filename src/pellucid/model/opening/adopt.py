"""Reading models that somebody already holds, in this library's form or another's.

Objects are recognised by the names of their classes, so no other library is imported, and none is
changed. What each becomes:

    transformers model       itself, exactly as it is
    torch.compile(model)     the model inside; Pellucid runs models uncompiled
    PeftModel                the model inside, its active adapters in place (`adapters.py`)
    a torch module           itself, if it says what it is (`plain.py`)
    nnsight model            a plain model around the same weights (nnsight replaces `forward`)
    TransformerBridge        a plain model around the same weights (a bridge replaces submodules)
    HookedTransformer        a transformers model with a copy of its weights (`transformer_lens.py`)

"Around the same weights" means new module objects whose parameters share memory with the ones that
the other library holds: nothing is copied, and hooks set on one are not seen by the other. For the
last two, both models are run on eight tokens and must agree.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Literal

from pellucid.errors import ModelError, UnsupportedArchitectureError
from pellucid.model.opening import plain
from pellucid.model.opening.integrity import check_finite, encoder_decoder

if TYPE_CHECKING:
    import torch

HeldKind = Literal["object", "bridge", "hooked", "nnsight", "compiled", "peft", "module"]

_CLASSES: dict[tuple[str, str], HeldKind] = {
    ("transformer_lens", "TransformerBridge"): "bridge",
    ("transformer_lens", "HookedTransformer"): "hooked",
    ("torch", "OptimizedModule"): "compiled",
    ("peft", "PeftModel"): "peft",
    ("nnsight", "Envoy"): "nnsight",
    ("nnsight", "NNsight"): "nnsight",
    ("transformers", "PreTrainedModel"): "object",
    ("torch", "Module"): "module",
}


def kind_of(model: object) -> HeldKind | None:
    """Say which kind of model object this is, or None when it is not one."""
    for ancestor in type(model).__mro__:
        if found := _CLASSES.get((ancestor.__module__.split(".")[0], ancestor.__name__)):
            return found
    return None


def adopt(kind: HeldKind, model: Any) -> tuple[Any, Any]:
    """Return the plain model in `model`, and the tokenizer it holds or None.

    Assumes: the model's `training` flag is the caller's wish; it is kept. The tokenizer is the one
    it holds: TransformerLens gives its own a beginning token for every prompt.
    Cost: none for a transformers or nnsight model; two forwards on eight tokens for the others.

    Raises:
        UnsupportedArchitectureError: no language-model head, or no way back to transformers.
        ModelError: weights that were processed or are not loaded; says what to pass instead.
    """
    if kind == "object":
        return _with_head(model), None
    if kind == "module":
        return plain.taken(model), None
    if kind == "compiled":
        return _from_compiled(model)
    if kind == "peft":
        return _from_peft(model)
    if kind == "nnsight":
        return _from_nnsight(model)
    if kind == "bridge":
        return _from_bridge(model)
    from pellucid.model.opening.transformer_lens import rebuilt

    refuse_hooks(model)
    hf = rebuilt(model)
    check_agreement(lambda tokens: model(tokens, return_type="logits"), hf)
    return hf, getattr(model, "tokenizer", None)


def refuse_hooks(model: Any) -> None:
    """Refuse a TransformerLens model with hooks: what it computes is not what its weights say."""
    for name, module in model.named_modules():
        if getattr(module, "fwd_hooks", None) or getattr(module, "bwd_hooks", None):
            raise ModelError(
                f"The TransformerLens model has a hook at {name}. Call reset_hooks() on it first."
            )


def check_agreement(theirs: "Callable[[torch.Tensor], torch.Tensor]", hf: Any) -> None:
    """Check that two models give the same logits on eight tokens, to the precision of the dtype.

    Raises:
        UnsupportedArchitectureError: they differ; gives by how much.
    """
    import torch

    check_finite(hf)  # NaN agrees with nothing, and has an error of its own
    vocabulary = hf.get_input_embeddings().weight.shape[0]
    tokens = (torch.arange(8, device=hf.device) * 7919 % vocabulary)[None]
    with torch.no_grad():
        ours = hf(tokens).logits.double()
        difference = (theirs(tokens).double() - ours).abs().max()
    allowed = (1e-3 if hf.dtype in (torch.float32, torch.float64) else 5e-2) * ours.abs().max()
    if not difference <= allowed:
        raise UnsupportedArchitectureError(
            f"Rebuilt as {type(hf).__name__}, the model gives logits that differ by "
            f"{float(difference):.2g}. Open the model by its hub name or folder instead."
        )


def _from_compiled(model: Any) -> tuple[Any, Any]:
    inside = model._orig_mod
    _refuse_own_hooks(model)
    kind = kind_of(inside)
    assert kind is not None  # torch compiles modules alone
    return adopt(kind, inside)


def _from_peft(model: Any) -> tuple[Any, Any]:
    from pellucid.model.opening import adapters

    _refuse_own_hooks(model, model.base_model)
    return _with_head(adapters.inside(model)), None


def _refuse_own_hooks(*wrappers: Any) -> None:
    """Refuse a wrapper with hooks of its own: the model inside would run without them."""
    for wrapper in wrappers:
        if wrapper._forward_hooks or wrapper._forward_pre_hooks:
            raise ModelError(
                f"A hook is set on the {type(wrapper).__name__} itself, and Pellucid runs the "
                "model inside it. Set the hook on the model inside, or remove it."
            )


def _with_head(hf: Any) -> Any:
    if getattr(hf.config, "is_encoder_decoder", False):
        raise encoder_decoder(type(hf).__name__)
    if any(parameter.is_inference() for parameter in hf.parameters()):
        raise ModelError(
            f"This {type(hf).__name__} was made inside torch.inference_mode(), so torch refuses "
            "to differentiate through its weights. Make it outside, or pass "
            "copy.deepcopy(model), called outside of inference mode."
        )
    if hf.get_output_embeddings() is None:
        raise UnsupportedArchitectureError(
            f"{type(hf).__name__} has no language-model head, so it makes no predictions. "
            "Load it with AutoModelForCausalLM."
        )
    return hf


def _from_nnsight(model: Any) -> tuple[Any, Any]:
    held = vars(model)
    module = held.get("_module", held.get("_model"))
    if kind_of(module) != "object":
        raise UnsupportedArchitectureError(
            f"The nnsight model holds a {type(module).__name__}, not a transformers model."
        )
    _with_head(module)
    if any(value.is_meta for value in module.parameters()):
        raise ModelError(
            "The nnsight model has not loaded its weights yet. Call its dispatch() first, or make "
            "it with dispatch=True."
        )
    plain = _plain_copy(module, attention=module.config._attn_implementation)
    return plain, held.get("tokenizer")


def _from_bridge(bridge: Any) -> tuple[Any, Any]:
    if getattr(bridge, "_weights_processed", False):
        raise ModelError(
            "The TransformerBridge has processed its weights (folding or centring), so they are no "
            "longer the model's own. Pass a bridge on which enable_compatibility_mode() was not "
            "called, or was called with no_processing=True."
        )
    refuse_hooks(bridge)
    hf = _plain_copy(bridge.original_model, attention=None)
    if not bridge.original_model.training:  # dropout would make the two differ
        check_agreement(bridge, hf)
    return _with_head(hf), getattr(bridge, "tokenizer", None)


def _plain_copy(wrapped: Any, *, attention: str | None) -> Any:
    """Build the model's own class anew around the tensors that `wrapped` holds."""
    import torch

    tensors = _named_tensors(wrapped)
    config = type(wrapped.config).from_dict(wrapped.config.to_dict())
    config._attn_implementation = attention
    with torch.device("meta"):
        plain = type(wrapped)(config)
    if not _ties_hold(plain, tensors):
        config.tie_word_embeddings = False
        with torch.device("meta"):
            plain = type(wrapped)(config)
    for name, empty in [*plain.named_parameters(), *plain.named_buffers()]:
        if name not in tensors:
            raise UnsupportedArchitectureError(
                f"The wrapped {type(wrapped).__name__} has no tensor {name}, so it cannot be "
                "unwrapped. Pass the transformers model itself."
            )
        owner, _, leaf = name.rpartition(".")
        value = tensors[name].detach()
        if isinstance(empty, torch.nn.Parameter):
            value = torch.nn.Parameter(value, requires_grad=tensors[name].requires_grad)
        setattr(plain.get_submodule(owner), leaf, value)
    plain.tie_weights()
    plain.generation_config = getattr(wrapped, "generation_config", None)
    return plain.train(wrapped.training)


def _named_tensors(wrapped: Any) -> "dict[str, torch.Tensor]":
    # A bridge puts itself where a submodule was, and keeps that submodule under this name.
    everything: Iterable[tuple[str, torch.Tensor]] = [
        *wrapped.named_parameters(remove_duplicate=False),
        *wrapped.named_buffers(remove_duplicate=False),
    ]
    return {name.replace("._original_component", ""): value for name, value in everything}


def _ties_hold(plain: Any, tensors: "dict[str, torch.Tensor]") -> bool:
    import torch

    embedding, head = plain.get_input_embeddings(), plain.get_output_embeddings()
    if head is None or head.weight is not embedding.weight:
        return True
    names = {id(module): name for name, module in plain.named_modules()}
    tied = [tensors.get(f"{names[id(module)]}.weight") for module in (embedding, head)]
    if tied[0] is None or tied[1] is None or tied[0] is tied[1]:
        return True
    return torch.equal(tied[0], tied[1])
