"""What all edges cost, and circuits of edges, in plain forwards; beside them TransformerLens 4.

    python benchmarks/edges.py [--threads 2] [--rounds 7] [--write benchmarks/README.md]

Where TransformerLens is installed its edge attribution runs in the same process, on the same
weights and prompts, in turn with the same plain forward (on a copy, for it changes the model that
it is given). It refuses grouped-query attention, so it
has no rows for SmolLM2.
"""

import copy
import tempfile
from collections.abc import Callable

import torch
from timing import Case, Row, main, plainly, timed

import pellucid
from pellucid.circuit.edges.measure import EdgeMeasure
from pellucid.circuit.edges.sets import top
from pellucid.run.record import record
from pellucid.run.setup import Setup
from pellucid.run.sites import node_sites, stream_sites

VARIANTS = 16


def measure(case: Case, rounds: int) -> list[Row]:
    """All edges by two methods, one circuit, and the peer."""
    model, contrast, plain = case.model, case.contrast, plainly(case)
    long, small = case.tokens.numel() > 100, case.name.startswith("GPT-2")
    bound = (4.2 if long else 2.9) if small else (5.0 if long else 3.4)
    rows = [
        timed(
            case,
            f"all {int(model.anatomy.edges.sum()):,} edges, eap",
            lambda: pellucid.attribute_edges(model, contrast, method="eap"),
            plain,
            rounds,
            bound,
        ),
        timed(
            case,
            "the same, mask-ig in 5 steps",
            lambda: pellucid.attribute_edges(model, contrast, method="mask-ig", steps=5),
            plain,
            max(3, rounds // 2),
            None,
        ),
    ]
    if long:
        return rows
    return [
        *rows,
        timed(case, "an edge circuit, per variant", variants(case), plain, rounds, 3, per=VARIANTS),
        *peer(case, plain),
    ]


def variants(case: Case) -> Callable[[], object]:
    """Sixteen circuits of 20 to 400 edges, measured anew each time."""
    model, contrast = case.model, case.contrast
    scores = pellucid.attribute_edges(model, contrast, method="eap").matrix
    sets = [top(model.anatomy, scores, 25 * (i + 1)) for i in range(VARIANTS)]
    trace = record(model, contrast, sites=[*node_sites(model), *stream_sites(model)])
    return lambda: EdgeMeasure(Setup(model=model, trace=trace)).metric(sets)


def peer(case: Case, plain: Callable[[], None]) -> list[Row]:
    """TransformerLens' edge attribution, where it is installed and takes the model."""
    try:
        from transformer_lens.model_bridge import TransformerBridge
        from transformer_lens.tools.analysis import attribution_patching as patching
    except ImportError:
        return []
    model = case.model
    if model.anatomy.blocks[0].attention.n_kv_heads != model.anatomy.blocks[0].attention.n_heads:
        return []
    encoded = case.contrast.encode(model.tokenizer)
    answer, foil = encoded.answers[0, 0], encoded.foils[0, 0]
    with tempfile.TemporaryDirectory() as folder:
        model.module.save_pretrained(folder)
        words(len(model.module.get_input_embeddings().weight)).save_pretrained(folder)
        from transformers import AutoTokenizer

        bridge = TransformerBridge.boot_transformers(
            folder,
            hf_model=copy.deepcopy(model.module),
            tokenizer=AutoTokenizer.from_pretrained(folder),
        ).eval()

    def run() -> object:
        return patching.attribution_patch(
            bridge,
            encoded.corrupted,
            encoded.clean,
            lambda logits: logits[0, -1, answer] - logits[0, -1, foil],
            patching.EdgeAttributionConfig(granularity="edge"),
        )

    return [timed(case, "TransformerLens, all edges", run, plain, 1, None)]


def words(count: int) -> object:
    """A tokenizer of one word an id, for the bridge does not go without."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(WordLevel({f"w{i}": i for i in range(count)}, unk_token="w0"))
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="w0", eos_token="w0", pad_token="w0"
    )


if __name__ == "__main__":
    torch.manual_seed(0)
    main(__doc__.splitlines()[0], measure, "<!-- edges -->")
