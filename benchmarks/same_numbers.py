"""Every number that the main calls give, written down, to be compared bit for bit after a change.

    python benchmarks/same_numbers.py record before.json
    (change the code)
    python benchmarks/same_numbers.py compare before.json

Fields may be added; a number, word or name that was there must still be there, to the last bit. One
thread, one machine: floats differ in their last digits between CPUs. Takes two minutes.
"""

import argparse
import dataclasses
import hashlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import pellucid
from pellucid.model.tiny import TinyConfig, TinyTransformer

VOLATILE = {"created", "command", "threads", "provenance", "seconds"}
"""Fields that may differ without a number having changed."""
IOI = pellucid.Contrast(
    "When Mary and John went to the store, John gave a drink to",
    "When Mary and John went to the store, Mary gave a drink to",
    " Mary",
    " John",
)
IDS = pellucid.Contrast([3, 7, 11, 2, 9, 4], [3, 7, 5, 2, 9, 4], 6, 8)
SEVERAL = pellucid.ContrastBatch(
    (
        IDS,
        pellucid.Contrast([1, 2, 3, 4, 5, 6, 7, 8], [1, 2, 9, 4, 5, 6, 7, 8], 10, 11),
        pellucid.Contrast([12, 13, 14], [15, 13, 14], 1, 2),
    )
)
TINY = {
    "grouped": TinyConfig(num_key_value_heads=2, num_hidden_layers=3),
    "layer": TinyConfig(norm="layer"),
    "parallel": TinyConfig(parallel=True),
    "attention-only": TinyConfig(d_mlp=0, norm="none"),
}
Call = Callable[[], Any]


def main() -> int:
    """Record, or compare; exit code 1 when a number differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("verb", choices=["record", "compare"])
    parser.add_argument("file", type=Path)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    found = {name: said for name, call in every_call() for said in [told(name, call)]}
    if chosen.verb == "record":
        chosen.file.write_text(json.dumps(found, indent=0, sort_keys=True))
        return 0
    before = json.loads(chosen.file.read_text())
    differing = list(differences(before, found))
    print("\n".join(differing[:60]) or "every number is the same")
    if differing:
        print(f"{len(differing)} differences")
    return bool(differing)


def every_call() -> Iterator[tuple[str, Call]]:
    """Names and calls."""
    for variety, config in TINY.items():
        model = pellucid.Model.build(TinyTransformer(config).eval())
        for name, call in tiny_calls(model, config):
            yield f"{variety} {name}", call
    smol = pellucid.load("smollm2-135m")
    yield from (("smol " + name, call) for name, call in real_calls(smol))


def tiny_calls(model: pellucid.Model, config: TinyConfig) -> Iterator[tuple[str, Call]]:
    """Every public call on a model that takes milliseconds."""
    p, m = pellucid, model
    for word, asked in (("one", IDS), ("several", SEVERAL)):
        for method in ("atp", "ig", "mask-ig"):
            yield f"{word} nodes {method}", lambda a=asked, x=method: p.attribute(m, a, method=x)
        for sites in ("nodes", "attn", "resid", "q", "k", "v"):
            yield f"{word} patch {sites}", lambda a=asked, x=sites: p.patch(m, a, sites=x)
        for method in ("eap", "clean-corrupted", "eap-ig", "mask-ig", "slot-ig", "relp", "exact"):
            yield (
                f"{word} edges {method}",
                lambda a=asked, x=method: p.attribute_edges(m, a, method=x),
            )
        for over in ("heads", "heads+mlps") if config.d_mlp else ("heads",):
            yield (
                f"{word} analyze {over}",
                lambda a=asked, x=over: p.analyze(m, a, over=x, random_sets=5, insist=True),
            )
        for ablation in ("mean", "zero"):
            yield (
                f"{word} analyze {ablation}",
                lambda a=asked, x=ablation: p.analyze(m, a, search="mfc", ablation=x, insist=True),
            )
        for method in ("verified", "automatic", "nested", "greedy", "acdc"):
            extra = {"greedy": {"size": 12}, "acdc": {"tau": 0.01}}.get(method, {})
            yield (
                f"{word} edge circuit {method}",
                lambda a=asked, x=method, e=extra: p.discover_edges(
                    m, a, method=x, insist=True, **e
                ),
            )
        yield (
            f"{word} edge curve",
            lambda a=asked: p.edge_curve(
                m, a, p.attribute_edges(m, a, method="eap"), random_sets=3
            ),
        )
        yield (
            f"{word} backups",
            lambda a=asked: p.backups(m, a, p.discover(m, a, insist=True), controls=3),
        )
        yield f"{word} direct effects", lambda a=asked: p.direct_effects(m, a)
    yield "edges positions", lambda: p.attribute_edges(m, IDS, method="eap", positions="each")
    yield "patch each position", lambda: p.patch(m, IDS, positions="each", direction="denoising")
    yield "direct by source", lambda: p.direct_effects(m, IDS, split="source")
    yield "lens", lambda: p.logit_lens(m, IDS.clean, targets=[6, 8])
    yield "attention", lambda: p.attention(m, IDS.clean)
    yield "composition", lambda: p.composition(m)
    yield "roles", lambda: p.head_roles(m, sequences=4, length=20)
    for method in ("gradient", "ig", "occlusion", "rollout"):
        yield (
            f"tokens {method}",
            lambda x=method: p.token_attribution(m, IDS, method=x),
        )
    if config.d_mlp:
        yield "neurons", lambda: p.neurons(m, IDS, 1)
    yield "study", lambda: p.study(m, {"a": IDS, "b": SEVERAL}, insist=True)


def real_calls(model: pellucid.Model) -> Iterator[tuple[str, Call]]:
    """The main calls on SmolLM2."""
    p, m = pellucid, model
    yield "analyze", lambda: p.analyze(m, IOI, random_sets=10)
    yield (
        "analyze, corrupted prompt made here",
        lambda: p.analyze(m, prompt=IOI.clean, answer=IOI.answer, foil=IOI.foil, over="heads+mlps"),
    )
    yield "edges eap", lambda: p.attribute_edges(m, IOI, method="eap")
    yield "edges slot-ig", lambda: p.attribute_edges(m, IOI, steps=1)
    yield "patch", lambda: p.patch(m, IOI)
    yield "lens", lambda: p.logit_lens(m, IOI.clean, targets=[" Mary", " John"])
    yield "direct effects", lambda: p.direct_effects(m, IOI)
    yield "attention", lambda: p.attention(m, IOI.clean, heads=["L18H6", "L17H3"])
    yield "neurons", lambda: p.neurons(m, IOI, 20)
    yield "roles", lambda: p.head_roles(m, sequences=2, length=20, nulls=1, controls=1)
    yield "tokens", lambda: p.token_attribution(m, IOI, method="gradient")


def told(name: str, call: Call) -> dict[str, str]:
    """Every value of a result by its place; a refusal by its text."""
    print(name, file=sys.stderr)
    try:
        result = call()
    except pellucid.PellucidError as error:
        return {"raised": f"{type(error).__name__}: {error}"}
    return dict(leaves(result, ""))


def leaves(value: Any, place: str) -> Iterator[tuple[str, str]]:
    """Places and what stands there, exactly; large tensors by their hash."""
    if isinstance(value, Tensor):
        body = value.detach().cpu().numpy().tobytes()
        digest = hashlib.sha256(body).hexdigest()[:24]
        yield place, f"{value.dtype} {list(value.shape)} {digest}"
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            if field.name not in VOLATILE:
                yield from leaves(getattr(value, field.name), f"{place}.{field.name}")
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from leaves(one, f"{place}[{key}]")
    elif isinstance(value, list | tuple):
        yield f"{place}.length", str(len(value))
        for i, one in enumerate(value):
            yield from leaves(one, f"{place}[{i}]")
    else:
        yield place, value.hex() if isinstance(value, float) else repr(value)


def differences(
    before: Mapping[str, Mapping[str, str]], after: Mapping[str, Mapping[str, str]]
) -> Iterator[str]:
    """What was there and is not, or is another."""
    for name, values in before.items():
        for place, value in values.items():
            now = after.get(name, {}).get(place, "nothing")
            if now != value:
                yield f"{name} {place}: {value} is now {now}"


if __name__ == "__main__":
    sys.exit(main())
