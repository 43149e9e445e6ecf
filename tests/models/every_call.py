"""Every public call that runs a model, on a tiny one, and what of a model must be as it was."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import _get_current_dispatch_mode_stack
from transformers import LlamaConfig, LlamaForCausalLM

import pellucid
from pellucid import Contrast, Edit, Model, Site

QUESTION = Contrast([1, 2, 3, 4, 5, 6], [1, 2, 9, 4, 5, 6], 11, 13)
IDS = torch.tensor([QUESTION.clean])


def tiny_llama(seed: int = 0, **more: Any) -> LlamaForCausalLM:
    """Two layers, grouped queries; every attention kernel of transformers."""
    sizes = {
        "vocab_size": 50,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 64,
    }
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        hf = LlamaForCausalLM(LlamaConfig(**{**sizes, **more})).eval()
        for parameter in hf.parameters():
            nn.init.normal_(parameter, std=0.3)
    return hf


PAIRS = [([1, 2, 3], [1, 2, 9]), ([4, 5, 6], [4, 5, 9]), ([7, 8], [9, 8])]
STEERED = {"scales": (1.0,), "neutral": [[1, 2, 3]], "task": None, "random_directions": 1}
LABELLED = [[1, n, 5 + n % 2] for n in range(12)], ["a", "b"] * 6
PROBED = {"sites": "L1 resid_pre", "sizes": (1,), "shuffles": 1, "random_model": False}


def probe_of(model: Model, **more: Any) -> pellucid.Probe:
    return pellucid.probe(model, *LABELLED, **{**PROBED, **more})


def dictionary_of(model: Model, latents: int = 24) -> pellucid.Dictionary:
    """Random directions of the stream in front of the second layer."""
    width, generator = model.anatomy.d_model, torch.Generator().manual_seed(0)
    W_dec = nn.functional.normalize(torch.randn(latents, width, generator=generator)).to(
        model.dtype
    )
    return pellucid.Dictionary(
        W_enc=W_dec.T.contiguous(),
        b_enc=torch.zeros(latents, dtype=model.dtype),
        W_dec=W_dec,
        b_dec=torch.zeros(width, dtype=model.dtype),
        activation="relu",
        hook_in="blocks.1.hook_resid_pre",
        hooks_out=("blocks.1.hook_resid_pre",),
    )


TEXTS = [[1, n, 5, 2, n + 1] for n in range(6)]
FOUR = pellucid.ContrastBatch(tuple(Contrast([n, 2, 3], [n, 4, 3], 11, 13) for n in range(4, 8)))
LEARNED: dict[str, Any] = {"steps": 2, "draws": 1, "random_model": False}
EDGES = [("L0H1", "logits"), ("L0H1", "M1")]


def _eap(model: Model) -> pellucid.EdgeScores:
    return pellucid.attribute_edges(model, QUESTION, method="eap")


CALLS: dict[str, Callable[[Model], Any]] = {
    "load": lambda m: pellucid.load(m.module),
    "selfcheck": lambda m: m.selfcheck(),
    "record": lambda m: pellucid.record(m, QUESTION),
    "run_edited": lambda m: pellucid.run_edited(
        m, QUESTION.clean, [Edit(site=Site("pattern", 1), heads=1, value=0.0)]
    ),
    "generate": lambda m: pellucid.generate(
        m,
        QUESTION.clean,
        max_new_tokens=3,
        temperature=1.0,
        edits=[Edit(site=Site("z", 1), heads=1)],
        sites="L1 z",
    ),
    "probe": lambda m: probe_of(m),
    "probe_effect": lambda m: pellucid.probe_effect(m, probe_of(m), QUESTION, random_directions=1),
    "interchange": lambda m: pellucid.interchange(m, QUESTION, "L1 z", draws=1),
    "das": lambda m: pellucid.das(m, FOUR, "L1 z", **LEARNED),
    "steering_vector": lambda m: pellucid.steering_vector(m, PAIRS),
    "steer": lambda m: pellucid.steer(
        m, pellucid.steering_vector(m, PAIRS), [[1, 2]], 3, 4, instruction=[5, 6], **STEERED
    ),
    "activations": lambda m: pellucid.activations(m, [[1, 2, 3], [4, 5]], ["L0 z", "L0 pattern"]),
    "attribute": lambda m: pellucid.attribute(m, QUESTION),
    "attribute mask-ig": lambda m: pellucid.attribute(m, QUESTION, method="mask-ig", steps=2),
    "attribute_edges": lambda m: pellucid.attribute_edges(m, QUESTION, method="eap"),
    "attribute_edges relp": lambda m: pellucid.attribute_edges(m, QUESTION, method="relp"),
    "attribute_edges atp*": lambda m: pellucid.attribute_edges(m, QUESTION, method="atp*"),
    "attribute_edges slot-ig": lambda m: pellucid.attribute_edges(
        m, QUESTION, method="slot-ig", steps=1
    ),
    "patch": lambda m: pellucid.patch(m, QUESTION),
    "patch_edges": lambda m: pellucid.patch_edges(m, QUESTION, edges=EDGES),
    "attention": lambda m: pellucid.attention(m, QUESTION.clean),
    "composition": lambda m: pellucid.composition(m),
    "head_roles": lambda m: pellucid.head_roles(m, length=6),
    "direct_effects": lambda m: pellucid.direct_effects(m, QUESTION),
    "logit_lens": lambda m: pellucid.logit_lens(m, QUESTION.clean),
    "neurons": lambda m: pellucid.neurons(m, QUESTION, 0),
    "attribute_features": lambda m: pellucid.attribute_features(
        m, QUESTION, dictionary_of(m), top=2
    ),
    "describe_latents": lambda m: pellucid.describe_latents(m, dictionary_of(m), TEXTS, top=2),
    "evaluate_dictionary": lambda m: pellucid.evaluate_dictionary(m, dictionary_of(m), TEXTS),
    "token_attribution": lambda m: pellucid.token_attribution(m, QUESTION),
    "faithfulness": lambda m: pellucid.faithfulness(m, QUESTION, ["L0H1", "M1"]),
    "discover": lambda m: pellucid.discover(m, QUESTION, insist=True),
    "backups": lambda m: pellucid.backups(m, QUESTION, ["L0H0"]),
    "edge_faithfulness": lambda m: pellucid.edge_faithfulness(m, QUESTION, EDGES),
    "edge_curve": lambda m: pellucid.edge_curve(
        m, QUESTION, _eap(m), fractions=(0.5, 1.0), random_sets=1
    ),
    "discover_edges": lambda m: pellucid.discover_edges(
        m, QUESTION, scores=_eap(m), method="top", size=5, insist=True
    ),
    "analyze": lambda m: pellucid.analyze(m, QUESTION, insist=True),
    "study": lambda m: pellucid.study(m, {"one": QUESTION}),
}


def state_of(module: nn.Module) -> list[Any]:
    """Everything that a call may change for a while: hooks, forwards, flags, modes, gradients."""
    state: list[Any] = [
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        len(_get_current_dispatch_mode_stack()),
        getattr(module.config, "_attn_implementation", None),
    ]
    for part in module.modules():
        state += [
            part.training,
            part.__dict__.get("forward"),
            part._compiled_call_impl,
            sorted(vars(part)),
            [list(value) for name, value in vars(part).items() if "_hooks" in name],
            [(name, id(buffer)) for name, buffer in part._buffers.items()],
        ]
    for parameter in module.parameters():
        state += [parameter.requires_grad, parameter.grad, parameter._version]
    return state


def logits_of(module: nn.Module) -> torch.Tensor:
    """A plain forward."""
    with torch.no_grad():
        return module(IDS).logits.clone()
