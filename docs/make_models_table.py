"""Writes ``docs/models.md`` from what opening a tiny model of every family comes to.

Run ``python docs/make_models_table.py`` after changing detection or the transformers version.
"""

import sys
from pathlib import Path

import torch
import transformers

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from tests.models.families import CLASSES, attention_families, left_out  # noqa: E402
from tests.models.verdict import Verdict, judge  # noqa: E402

HEAD = """# Models that open

Made by `docs/make_models_table.py` with transformers {transformers} and torch {torch}; do not edit.

A model opens when its parts are found by structure and *proved* on a real forward: in every layer
the input plus what attention and the MLP write is the output; heads sum to the output projection's
result; changing one query, key, value or pattern moves the heads it belongs to and no others;
nothing but attention carries information between positions. A model that fails is refused with the
layer and the reason. The figures below are of tiny random models, built from each family's
configuration with scales and biases moved off one and zero.

**{opened} of {counted} attention families open.** An attention family is a model type in
transformers' causal-LM mapping ({types} in all) that is one language model rather than a wrapper of
several, is neither an encoder-decoder nor an encoder trained on masked words, and mixes positions
by softmax attention in every layer.

Some layers multiply the stream by constants before they add to it: {multiplying}.
The constants are found and proved on other tokens, and a term's way to the logits counts them.
Layers that know of the tokens past the stream, by embeddings of their own: {past}. There,
replacing the embedding replaces less than the tokens, and edges into the MLP miss a part.

- *stream*: largest relative error of input + terms = output over layers; *heads*: of the sum over
  heads. Single precision.
- *not there*: sites that this family does not have. Experts of mixtures have no
  neurons; multi-head latent attention has no query, key or value per head that reads the stream;
  `pattern` is missing where attention bypasses transformers' attention registry.
- *late*, *prefix*: whether starting at a later layer, and sharing a cached prefix, were exact.
"""


def row(verdict: Verdict) -> str:
    """One family as a line of the table."""
    name = f"| `{verdict.family}` | {verdict.class_name} "
    check = verdict.check
    if check is None:
        return f"{name}| no | | | | | | {short(verdict.reason)} |"
    missing = ", ".join(check.missing) or "–"
    late, prefix = ("yes" if able else "no" for able in abilities(verdict))
    errors = f"{check.stream_error:.0e} | {check.heads_error:.0e}"
    return f"{name}| yes | {errors} | {missing} | {late} | {prefix} | |"


def abilities(verdict: Verdict) -> tuple[bool, bool]:
    """Late start and shared prefix."""
    assert verdict.check is not None
    return verdict.check.can_start_late, verdict.check.can_share_prefix


def short(reason: str) -> str:
    """The reason up to where it says what follows from it."""
    told = reason.partition(", so the residual stream")[0].partition(". Pellucid")[0]
    return told.partition("; Pellucid")[0].rpartition("(block output - block input). ")[2]


def left_out_table() -> str:
    """Model types that are not counted, with the rule that leaves them out."""
    lines = ["| model type | why it is not counted |", "|---|---|"]
    for family in sorted(CLASSES):
        reason = left_out(family)
        if reason is not None:
            lines.append(f"| `{family}` | {reason} |")
    return "\n".join(lines)


def page() -> str:
    """The whole page."""
    verdicts = [judge(family) for family in sorted(attention_families())]
    head = HEAD.format(
        transformers=transformers.__version__,
        torch=torch.__version__,
        opened=sum(v.opens for v in verdicts),
        counted=len(verdicts),
        types=len(CLASSES),
        past=", ".join(
            f"`{v.family}`" for v in verdicts if v.check and not v.check.embedding_is_all
        ),
        multiplying=", ".join(f"`{v.family}`" for v in verdicts if v.multiplies),
    )
    table = [
        "| family | class | opens | stream | heads | not there | late | prefix | refused because |",
        "|---|---|---|---|---|---|---|---|---|",
        *map(row, verdicts),
    ]
    tail = "## Not counted\n\nMany of these open all the same, or say why they don't.\n"
    return "\n".join([head, *table, "", tail, left_out_table(), ""])


if __name__ == "__main__":
    (ROOT / "docs" / "models.md").write_text(page())
