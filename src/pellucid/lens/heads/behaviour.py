"""How strongly each head behaves like each role, on probe sequences and on their nulls.

    previous, duplicate, induction, sink
                 mean attention to that target (``targets.py``; sink is the first position) on
                 repeated random tokens
    copying, suppressing
                 does the OV circuit raise, or lower, the token it moves (``copying.py``)
    name_mover   attention from the last token of an IOI prompt to the indirect object, times the
                 copying score (after Wang et al. 2022)

The nulls keep everything but the reason for the role. For duplicate, induction and name_mover, the
same pairs of positions are read on shuffled sequences, where no such token stands there. Previous
and sink go by position, which shuffling leaves; their null is attention to a random other position.
For copying and suppressing, tokens are paired at random.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.errors import TaskError
from pellucid.lens.heads.copying import TokenStreams, copying_scores, sample_streams
from pellucid.lens.heads.knockout import Baseline
from pellucid.lens.heads.sequences import Sequences, prefix_ids, shuffle, token_losses
from pellucid.lens.heads.targets import Where, shares, targets
from pellucid.model.model import Model
from pellucid.model.running.taps import Tap
from pellucid.model.sites import Site
from pellucid.options import Role
from pellucid.run.prompts import run_tapped
from pellucid.run.question import encode_contrast
from pellucid.shapes import Tokens
from pellucid.task.builtin import ioi
from pellucid.task.contrast import ContrastBatch
from pellucid.task.encode import Encoded

ROLES: tuple[Role, ...] = get_args(Role)
IOI_PROMPTS = 16
Scores: TypeAlias = dict[Role, Float[Tensor, " node"]]
LayerScores: TypeAlias = dict[Role, Float[Tensor, " head"]]


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """Scores by role, one null a draw, and the plain run that they came from."""

    scores: Scores
    nulls: list[Scores]
    baseline: Baseline
    sampled: int
    """Tokens that the copying score is taken over."""
    unmeasured: dict[Role, str]
    """Roles that this model could not be asked for, and why."""


def measure(
    model: Model, sequences: Sequences, *, nulls: int, generator: torch.Generator
) -> Behaviour:
    """Every role's score for every head.

    **Cost** 1 + ``nulls`` forwards of the sequences and as many of the IOI prompts.
    """
    where = _by_role(targets(sequences.repeated))
    attended, baseline = _plain_run(model, sequences, where)
    runs = [attended]
    for _ in range(nulls):
        wrong = _anywhere_else(sequences.repeated, generator)
        null_where = {**where, "previous": wrong, "sink": wrong}
        runs.append(attention_to(model, sequences.shuffled(generator), null_where))
    streams = _streams_of_tokens(sequences, baseline)
    copying = copying_scores(model, streams, nulls=nulls, generator=generator)
    to_name, unmeasured = _to_the_indirect_object(model, nulls, generator)
    if bool(copying.isnan().all()):
        reason = "no head's values could be followed from the stream to the logits"
        unmeasured |= {"copying": reason, "suppressing": reason, "name_mover": reason}
    for index, run in enumerate(runs):
        run |= {"copying": copying[index], "suppressing": -copying[index]}
        run |= {"name_mover": to_name[index] * copying[0]}
    return Behaviour(
        scores=runs[0],
        nulls=runs[1:],
        baseline=baseline,
        sampled=len(streams.ids),
        unmeasured=unmeasured,
    )


def _streams_of_tokens(sequences: Sequences, baseline: Baseline) -> TokenStreams:
    """The tokens of the first halves; the first position's stream is like no other token's."""
    columns = slice(max(1, sequences.prefix), sequences.prefix + sequences.length)
    return sample_streams(sequences.repeated, baseline.streams[0], baseline.streams[1], columns)


def attention_to(model: Model, tokens: Tokens, where: dict[Role, Where]) -> Scores:
    """Mean attention of every head to each kind of target.

    **Cost** 1 forward, its logits read at one position only.
    """
    found: dict[int, LayerScores] = {}
    taps = _pattern_taps(model, where, found)
    reads = torch.zeros(len(tokens), 1, dtype=torch.long, device=tokens.device)
    run_tapped(model, tokens, taps, reads=reads)
    return _joined(found)


def _plain_run(
    model: Model, sequences: Sequences, where: dict[Role, Where]
) -> tuple[Scores, Baseline]:
    found: dict[int, LayerScores] = {}
    streams: dict[int, Tensor] = {}
    means: dict[int, Tensor] = {}
    taps = _pattern_taps(model, where, found)
    for layer in range(model.anatomy.n_layers + 1):
        taps[Site("resid_pre", layer)] = _keep(streams, layer, torch.clone)
    for site in [site for site in taps if site.kind == "pattern"]:
        taps[Site("z", site.layer)] = _keep(means, site.layer, lambda z: z.mean((0, 1)))
    logits = run_tapped(model, sequences.repeated, taps)
    loss = token_losses(logits, sequences.repeated)
    baseline = Baseline(sequences=sequences, loss=loss, streams=streams, means=means)
    return _joined(found), baseline


def _keep(
    kept: dict[int, Tensor], layer: int, view: Callable[[Tensor], Tensor]
) -> Callable[[Tensor], None]:
    def keep(value: Tensor) -> None:
        kept[layer] = view(value)

    return keep


def _pattern_taps(
    model: Model, where: dict[Role, Where], found: dict[int, LayerScores]
) -> dict[Site, Tap]:
    def score(layer: int) -> Tap:
        def tap(pattern: Tensor) -> None:
            found[layer] = {
                role: shares(pattern, mask).nanmean((0, 2)).cpu() for role, mask in where.items()
            }

        return tap

    layers = [i for i, block in enumerate(model.anatomy.blocks) if block.attention]
    return {Site("pattern", layer): score(layer) for layer in layers}


def _joined(found: dict[int, LayerScores]) -> Scores:
    layers = sorted(found)
    return {role: torch.cat([found[layer][role] for layer in layers]) for role in found[layers[0]]}


def _by_role(where: dict) -> dict[Role, Where]:
    """Attention targets under the roles' names; the sink without its trivial first queries."""
    first = where["first"].clone()
    first[:, :2] = False  # query 1 has two keys only, of which one is itself
    return {
        "previous": where["previous"],
        "duplicate": where["duplicate"],
        "induction": where["induction"],
        "sink": first,
    }


def _anywhere_else(tokens: Tokens, generator: torch.Generator) -> Where:
    """For each query one key at random that is not the first, the one before, nor itself."""
    rows, length = tokens.shape
    where = torch.zeros(rows, length, length, dtype=torch.bool)
    for query in range(3, length):
        key = torch.randint(1, query - 1, (rows,), generator=generator)
        where[torch.arange(rows), query, key] = True
    return where


def _to_the_indirect_object(
    model: Model, nulls: int, generator: torch.Generator
) -> tuple[Float[Tensor, "run node"], dict[Role, str]]:
    """Attention from the last token to the name that is the answer; then the same, shuffled."""
    try:
        prompts = _ioi_prompts(model)
    except TaskError as error:
        unknown = torch.full((nulls + 1, model.anatomy.n_heads), torch.nan, dtype=torch.float32)
        return unknown, {"name_mover": str(error)}
    tokens = prompts.clean
    where = torch.zeros(*tokens.shape, tokens.shape[1], dtype=torch.bool)
    for row, (answer, last) in enumerate(
        zip(prompts.answers[:, 0].tolist(), prompts.reads[:, 0].tolist(), strict=True)
    ):
        where[row, last] = tokens[row].cpu() == answer
    start, end = len(prefix_ids(model)), int(prompts.reads.min())
    runs = [tokens, *(shuffle(tokens, start, end, generator) for _ in range(nulls))]
    found = [attention_to(model, run, {"name_mover": where})["name_mover"] for run in runs]
    return torch.stack(found), {}


def _ioi_prompts(model: Model) -> Encoded:
    if model.tokenizer is None:
        raise TaskError("there is no tokenizer to read IOI prompts with")
    batch: ContrastBatch = ioi(model.tokenizer, IOI_PROMPTS)
    return encode_contrast(model, batch)
