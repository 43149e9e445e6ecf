"""Timing operations as ratios to one plain forward, and the cases that they are timed on.

Plain forward and operation run in turn, on the same threads, in one process; every figure is the
median over rounds of the ratio within a round. Peak memory is what the process needed above what it
held before (Linux; elsewhere the column is empty). Random weights where no trained model has the
shape: the arithmetic does not depend on the values.
"""

import argparse
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import transformers

import pellucid
from pellucid import Contrast, ContrastBatch, Model


@dataclass(frozen=True)
class Case:
    """One model with prompts of one shape, and how many positions both prompts share."""

    name: str
    model: Model
    contrast: Contrast | ContrastBatch

    @property
    def tokens(self) -> torch.Tensor:
        """The clean prompts, ``[row pos]``."""
        return self.contrast.encode(self.model.tokenizer).clean


@dataclass(frozen=True)
class Row:
    """One measured operation."""

    case: str
    operation: str
    ratio: float
    low: float
    high: float
    bound: float | None
    peak_mb: float | None
    note: str = ""


Measure = Callable[[Case, int], list[Row]]


def main(description: str, measure: Measure, mark: str) -> None:
    """Measure every case, print the table, and write it between two marks if asked."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    rows = [row for case in cases() for row in measure(case, arguments.rounds)]
    text = table(rows, arguments.threads, arguments.rounds)
    print(text)
    if arguments.write:
        page = arguments.write.read_text()
        before, _, rest = page.partition(mark)
        arguments.write.write_text(f"{before}{mark}\n{text}\n{mark}{rest.partition(mark)[2]}")


def cases() -> list[Case]:
    """GPT-2 small's shape at two sizes, and SmolLM2 on the IOI prompt and at the larger size."""
    torch.manual_seed(0)
    gpt2 = Model.build(transformers.GPT2LMHeadModel(transformers.GPT2Config()).eval())
    smol = pellucid.load("smollm2-135m")
    ioi = Contrast(
        "When Mary and John went to the store, John gave a drink to",
        "When Mary and John went to the store, Mary gave a drink to",
        " Mary",
        " John",
    )
    return [
        Case("GPT-2 shape, 1 x 16", gpt2, random_prompts(gpt2, 1, 16)),
        Case("GPT-2 shape, 8 x 64", gpt2, random_prompts(gpt2, 8, 64)),
        Case("SmolLM2, IOI prompt, 1 x 14", smol, ioi),
        Case("SmolLM2, 1 x 16", smol, random_prompts(smol, 1, 16)),
        Case("SmolLM2, 8 x 64", smol, random_prompts(smol, 8, 64)),
    ]


def random_prompts(model: Model, examples: int, length: int) -> ContrastBatch:
    """Random tokens; the second one differs, so that almost nothing is shared."""
    generator = torch.Generator().manual_seed(1)
    clean = torch.randint(5, 5000, (examples, length), generator=generator)
    corrupted = clean.clone()
    corrupted[:, 1] = torch.randint(5000, 9000, (examples,), generator=generator)
    with torch.no_grad():
        last = [model.module(input_ids=ids[None]).logits[0, -1] for ids in (*clean, *corrupted)]
    pairs = []
    for i in range(examples):
        order = (last[i] - last[examples + i]).argsort(descending=True)
        foil = int(last[i].argsort()[len(last[i]) // 2])
        pairs.append(Contrast(clean[i].tolist(), corrupted[i].tolist(), int(order[0]), foil))
    return ContrastBatch(tuple(pairs))


def plainly(case: Case) -> Callable[[], None]:
    """One forward as Hugging Face runs it."""
    tokens = case.tokens

    def plain() -> None:
        with torch.no_grad():
            case.model.module(input_ids=tokens, use_cache=False)

    return plain


def timed(
    case: Case,
    operation: str,
    run: Callable[[], object],
    plain: Callable[[], object],
    rounds: int,
    bound: float | None,
    per: int = 1,
) -> Row:
    """Median ratio of ``run`` to ``plain``, the two in turn, after one warm-up of each."""
    plain()
    reset_peak()
    before = resident_mb("VmRSS")
    note = cost(run())
    after = resident_mb("VmHWM")
    ratios = []
    for _ in range(rounds):
        # The plain forward is short: the mean of three around the operation is steadier.
        base = [seconds(plain) for _ in range(2)]
        took = seconds(run)
        base.append(seconds(plain))
        ratios.append(took / statistics.median(base) / per)
    peak = after - before if after is not None and before is not None else None
    return Row(
        case.name,
        operation,
        statistics.median(ratios),
        min(ratios),
        max(ratios),
        bound,
        peak,
        note,
    )


def seconds(run: Callable[[], object]) -> float:
    """Wall time of one call."""
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def cost(result: object) -> str:
    """The passes that a result says it took."""
    return str(getattr(result, "passes", ""))


def reset_peak() -> None:
    """Let Linux start its record of peak memory again."""
    path = Path("/proc/self/clear_refs")
    if path.exists():
        path.write_text("5")


def resident_mb(field: str) -> float | None:
    """A memory figure of this process, where the system tells it."""
    path = Path("/proc/self/status")
    if not path.exists():
        return None
    line = next(line for line in path.read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) / 1024


def table(rows: list[Row], threads: int, rounds: int) -> str:
    """The figures as Markdown."""
    lines = [
        f"Pellucid {pellucid.__version__}, torch {torch.__version__}, transformers "
        f"{transformers.__version__}, Python {platform.python_version()}, {threads} threads, "
        f"medians of {rounds} rounds.",
        "",
        "| model and prompts | operation | plain forwards | min-max | wanted | peak MB | passes |",
        "|---|---|---:|---:|---:|---:|---|",
    ]
    for row in rows:
        bound = "" if row.bound is None else f"{row.bound:g}"
        peak = "" if row.peak_mb is None else f"{row.peak_mb:.0f}"
        digits = 3 if row.ratio < 1 else 2
        spread = f"{row.low:.{digits}f}-{row.high:.{digits}f}"
        lines.append(
            f"| {row.case} | {row.operation} | {row.ratio:.{digits}f} | {spread} | {bound} | "
            f"{peak} | {row.note} |"
        )
    return "\n".join(lines)
