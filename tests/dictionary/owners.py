"""Dictionaries as each library lays out its own, with what that library computes."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

D, N, K = 6, 11, 3
GENERATOR = torch.Generator().manual_seed(3)


def draw(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=GENERATOR)


W_ENC, W_DEC, B_ENC, B_DEC = draw(D, N), draw(N, D), draw(N), draw(D)
THRESHOLD, R_MAG, B_MAG, SKIP = draw(N).abs(), draw(N) / 4, draw(N), draw(D, D)
X = 2 * draw(40, D)

Computed = tuple[Tensor, Tensor]
"""Latents and outputs of X."""


@dataclass(frozen=True)
class Owned:
    """One layout: how its owner writes it, what the owner computes, and how it is recognised."""

    write: Callable[[Path], Path]
    computes: Callable[[], Computed]
    format: str
    hook_in: str
    activation: str
    options: dict[str, int]


def top(pre: Tensor, k: int = K) -> Tensor:
    kept = pre.relu().topk(k, dim=-1)
    return torch.zeros_like(pre).scatter(-1, kept.indices, kept.values)


def jump(pre: Tensor, threshold: Tensor | float) -> Tensor:
    return pre.relu() * (pre > threshold)


def plain(acts: Tensor) -> Computed:
    return acts, acts @ W_DEC + B_DEC


def into(folder: Path, tensors: dict[str, Tensor], name: str, **settings: dict) -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    kept = {key: value.contiguous() for key, value in tensors.items()}
    if name.endswith(".npz"):
        np.savez(file, **{key: value.numpy() for key, value in kept.items()})
    elif name.endswith(".pt"):
        torch.save(kept, file)
    else:
        save_file(kept, file)
    for stem, body in settings.items():
        (folder / f"{stem}.json").write_text(json.dumps(body))
    return folder


SAELENS = {"W_enc": W_ENC, "W_dec": W_DEC, "b_enc": B_ENC, "b_dec": B_DEC}


def saelens(architecture: str, more: dict[str, Tensor], **cfg: object) -> Callable[[Path], Path]:
    meta = {"hook_name": "blocks.4.hook_resid_post", "model_name": "gpt2"}
    body = {"d_in": D, "d_sae": N, "architecture": architecture, "dtype": "float32",
            "apply_b_dec_to_input": True, "normalize_activations": "none", "metadata": meta,
            **cfg}  # fmt: skip
    return lambda folder: into(folder, {**SAELENS, **more}, "sae_weights.safetensors", cfg=body)


def early_saelens(folder: Path) -> Path:
    body = {"hook_point": "blocks.9.hook_resid_pre", "hook_point_layer": 9, "d_in": D, "d_sae": N,
            "model_name": "gpt2-small", "dtype": "torch.float32"}  # fmt: skip
    return into(folder, SAELENS, "sae_weights.safetensors", cfg=body)


def gated(folder: Path) -> Path:
    cfg = {"d_in": D, "d_sae": N, "architecture": "gated", "apply_b_dec_to_input": False,
           "metadata": {"hook_name": "blocks.4.hook_mlp_out"}}  # fmt: skip
    more = {"b_gate": B_ENC, "b_mag": B_MAG, "r_mag": R_MAG}
    kept = {name: value for name, value in SAELENS.items() if name != "b_enc"}
    return into(folder, {**kept, **more}, "sae_weights.safetensors", cfg=cfg)


def gated_acts() -> Tensor:
    gate = (X @ W_ENC + B_ENC > 0).float()
    return gate * (X @ (W_ENC * R_MAG.exp()) + B_MAG).relu()


def layer_norm() -> Computed:
    shift, std = X.mean(-1, keepdim=True), X.std(-1, keepdim=True)
    acts = top(((X - shift) / (std + 1e-5) - B_DEC) @ W_ENC + B_ENC)
    return acts, (acts @ W_DEC + B_DEC) * std + shift


def gemma_scope(folder: Path) -> Path:
    place = folder / "layer_3" / "width_16k" / "average_l0_71"
    names = {"W_enc": W_ENC, "W_dec": W_DEC, "b_enc": B_ENC, "b_dec": B_DEC}
    return into(place, {**names, "threshold": THRESHOLD}, "params.npz")


GEMMA_2 = {"w_enc": W_ENC, "w_dec": W_DEC, "b_enc": B_ENC, "b_dec": B_DEC, "threshold": THRESHOLD}


def gemma_scope_2(folder: Path) -> Path:
    return into(folder / "resid_post" / "layer_7_width_16k_l0_big", GEMMA_2, "params.safetensors")


def gemma_scope_2_skip(folder: Path) -> Path:
    place = folder / "transcoder" / "layer_5_width_16k_l0_big_affine"
    return into(place, {**GEMMA_2, "affine_skip_connection": SKIP}, "params.safetensors")


def skipping(acts: Tensor) -> Computed:
    return acts, acts @ W_DEC + B_DEC + X @ SKIP


def learned(dict_class: str, tensors: dict[str, Tensor], **trainer: int) -> Callable[[Path], Path]:
    body = {"trainer": {"dict_class": dict_class, "layer": 2, "lm_name": "EleutherAI/pythia-70m",
                        **trainer}}  # fmt: skip
    return lambda folder: into(folder, tensors, "ae.pt", config=body)


LINEAR = {"encoder.weight": W_ENC.T, "encoder.bias": B_ENC, "decoder.weight": W_DEC.T}
MATRYOSHKA = {**SAELENS, "threshold": torch.tensor(0.7), "k": torch.tensor(K),
              "group_sizes": torch.tensor([4, N - 4])}  # fmt: skip
NORMS = W_DEC.norm(dim=1)


def learned_gated() -> Computed:
    enc = (X - B_DEC) @ W_ENC
    acts = (enc + B_ENC > 0) * (R_MAG.exp() * enc + B_MAG).relu() * NORMS
    return acts, (acts / NORMS) @ W_DEC + B_DEC


def learned_jump() -> Computed:
    acts = jump(X @ W_ENC + B_ENC, THRESHOLD) * NORMS
    return acts, (acts / NORMS) @ W_DEC + B_DEC


def qwen_scope(folder: Path) -> Path:
    tensors = {"W_enc": W_ENC.T, "W_dec": W_DEC.T, "b_enc": B_ENC, "b_dec": B_DEC}
    place = folder / f"SAE-Res-Qwen3-1.7B-Base-W32K-L0_{K}"
    return into(place, tensors, "layer6.sae.pt") / "layer6.sae.pt"


def llama_scope(folder: Path) -> Path:
    hyper = {"d_model": D, "d_sae": N, "jump_relu_threshold": 0.3,
             "hook_point_in": "blocks.8.hook_resid_post",
             "dataset_average_activation_norm": {"in": 5.0, "out": 5.0}}  # fmt: skip
    weights = {**LINEAR, "decoder.bias": B_DEC}
    return into(folder, weights, "checkpoints/final.safetensors", hyperparams=hyper)


def llama_scope_computes() -> Computed:
    factor = D**0.5 / 5.0
    acts = jump(factor * X @ W_ENC + B_ENC, 0.3 * factor)
    return acts, (acts @ W_DEC + B_DEC) / factor


def sparsify(transcode: bool) -> Callable[[Path], Path]:
    tensors = {"encoder.weight": W_ENC.T, "encoder.bias": B_ENC, "W_dec": W_DEC, "b_dec": B_DEC}
    if transcode:
        tensors["W_skip"] = SKIP.T
    body = {"d_in": D, "k": K, "transcode": transcode, "expansion_factor": 2}
    name = "layers.5.mlp" if transcode else "layers.5"
    return lambda folder: into(folder / name, tensors, "sae.safetensors", cfg=body)


def circuit_tracer(skip: bool) -> Callable[[Path], Path]:
    tensors = {"W_enc": W_ENC.T, "W_dec": W_DEC, "b_enc": B_ENC, "b_dec": B_DEC}
    if skip:
        tensors["W_skip"] = SKIP.T
    else:
        tensors["activation_function.threshold"] = THRESHOLD

    def write(folder: Path) -> Path:
        for layer in (0, 1):
            into(folder, tensors, f"layer_{layer}.safetensors")
        text = "feature_input_hook: mlp.hook_in\nfeature_output_hook: hook_mlp_out\n"
        (folder / "config.yaml").write_text(f"model_name: google/gemma-2-2b\n{text}")
        return folder

    return write


CROSS = draw(N, 3, D)


def cross_layer(folder: Path) -> Path:
    for layer in (0, 1):
        encoder = {f"W_enc_{layer}": W_ENC.T, f"b_enc_{layer}": B_ENC, f"b_dec_{layer}": B_DEC,
                   f"threshold_{layer}": THRESHOLD}  # fmt: skip
        into(folder, encoder, f"W_enc_{layer}.safetensors")
        into(folder, {f"W_dec_{layer}": CROSS[:, layer:]}, f"W_dec_{layer}.safetensors")
    return folder


def crossing() -> Computed:
    acts = jump(X @ W_ENC + B_ENC, THRESHOLD)
    out = torch.stack([acts @ CROSS[:, site] for site in (1, 2)], dim=1)
    out[:, 0] += B_DEC
    return acts, out


def owned(write, computes, format, hook_in, activation, **options: int) -> Owned:
    return Owned(write, computes, format, hook_in, activation, options)


IN = (X - B_DEC) @ W_ENC + B_ENC
"""Pre-activations of inputs less the decoder's bias, and of inputs as they are."""
RAW = X @ W_ENC + B_ENC
POST = "blocks.4.hook_resid_post"
OWNERS: dict[str, Owned] = {
    "SAELens": owned(saelens("standard", {}), lambda: plain(IN.relu()), "saelens", POST, "relu"),
    "SAELens early": owned(early_saelens, lambda: plain(IN.relu()), "saelens",
                           "blocks.9.hook_resid_pre", "relu"),
    "SAELens jumprelu": owned(saelens("jumprelu", {"threshold": THRESHOLD}),
                              lambda: plain(jump(IN, THRESHOLD)), "saelens", POST, "jumprelu"),
    "SAELens gated": owned(gated, lambda: plain(gated_acts()), "saelens",
                           "blocks.4.hook_mlp_out", "gated"),
    "SAELens topk, layer norm": owned(
        saelens("topk", {}, k=K, normalize_activations="layer_norm"), layer_norm, "saelens", POST,
        "topk"),
    "Gemma Scope": owned(lambda f: gemma_scope(f), lambda: plain(jump(RAW, THRESHOLD)),
                         "gemma-scope", "blocks.3.hook_resid_post", "jumprelu"),
    "Gemma Scope 2": owned(gemma_scope_2, lambda: plain(jump(RAW, THRESHOLD)), "gemma-scope",
                           "blocks.7.hook_resid_post", "jumprelu"),
    "Gemma Scope 2 skip": owned(gemma_scope_2_skip, lambda: skipping(jump(RAW, THRESHOLD)),
                                "gemma-scope", "blocks.5.hook_mlp_in", "jumprelu"),
    "dictionary_learning": owned(learned("AutoEncoder", {**LINEAR, "bias": B_DEC}),
                                 lambda: plain(IN.relu()), "dictionary_learning",
                                 "blocks.2.hook_resid_post", "relu"),
    "dictionary_learning topk": owned(
        learned("AutoEncoderTopK", {**LINEAR, "b_dec": B_DEC, "k": torch.tensor(K)}, k=K),
        lambda: plain(top(IN)), "dictionary_learning", "blocks.2.hook_resid_post", "topk"),
    "dictionary_learning matryoshka": owned(
        learned("MatryoshkaBatchTopKSAE", MATRYOSHKA, k=K), lambda: plain(jump(IN, 0.7)),
        "dictionary_learning", "blocks.2.hook_resid_post", "batchtopk"),
    "dictionary_learning gated": owned(
        learned("GatedAutoEncoder", {"encoder.weight": W_ENC.T, "decoder.weight": W_DEC.T,
                "decoder_bias": B_DEC, "gate_bias": B_ENC, "mag_bias": B_MAG, "r_mag": R_MAG}),
        learned_gated, "dictionary_learning", "blocks.2.hook_resid_post", "gated"),
    "dictionary_learning jumprelu": owned(
        learned("JumpReluAutoEncoder", {**SAELENS, "threshold": THRESHOLD}), learned_jump,
        "dictionary_learning", "blocks.2.hook_resid_post", "jumprelu"),
    "Qwen Scope": owned(qwen_scope, lambda: plain(top(RAW)), "qwen_scope",
                        "blocks.6.hook_resid_post", "topk"),
    "Llama Scope": owned(llama_scope, llama_scope_computes, "llama_scope",
                         "blocks.8.hook_resid_post", "jumprelu"),
    "sparsify": owned(sparsify(False), lambda: plain(top(IN)), "sparsify",
                      "blocks.5.hook_resid_post", "topk"),
    "sparsify transcoder": owned(sparsify(True), lambda: skipping(top(RAW)), "sparsify",
                                 "blocks.5.mlp.hook_in", "topk"),
    "circuit-tracer": owned(circuit_tracer(False), lambda: plain(jump(RAW, THRESHOLD)),
                            "circuit-tracer", "blocks.1.mlp.hook_in", "jumprelu", layer=1),
    "circuit-tracer skip": owned(circuit_tracer(True), lambda: skipping(RAW.relu()),
                                 "circuit-tracer", "blocks.1.mlp.hook_in", "relu", layer=1),
    "circuit-tracer cross-layer": owned(cross_layer, crossing, "circuit-tracer cross-layer",
                                        "blocks.1.hook_resid_mid", "jumprelu", layer=1),
}  # fmt: skip
