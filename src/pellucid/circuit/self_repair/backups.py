"""Self-repair: which nodes step in once a circuit is replaced (conditional attribution).

1. Replace the circuit, run once forward and once backward, and estimate every other node there
   (``conditional.py``). What grew against the intact model is proposed; what then takes over is
   replaced as well, and so on until nothing more grows.
2. Measure each proposal by running. Its growth is what replacing it costs with the circuit
   replaced, less what it costs with the circuit whole. Where that shows nothing, because one
   backup covers for another, both are measured again with all other proposals replaced.
3. A backup's measured growth exceeds ``share`` of the effect of the corrupted prompt, and what
   rounding alone can make; from five examples on it is beyond chance over examples (test of
   symmetry about zero); and its estimate grows more than that of any node when random sets like the
   circuit are replaced instead (``controls.py``). Without such ``controls`` growths are told, and
   no backup is claimed.

What is seen depends on the ablation. A backup held back by the *presence* of a signal shows when
the signal is taken away (zero), not where it is only exchanged (corrupted); one held back by its
*content* shows under both. So every ablation is reported for itself. (McGrath et al. 2023, the
Hydra effect; Wang et al. 2022, backup name movers; Rushing & Nanda 2024: part of the growth is the
final norm's, which scales what is left; McDougall et al. 2023: heads that suppress what the circuit
wrote oppose less once it is gone, here ``opposes less``.)

``share`` is what a reader should care about and not a test: a growth below a twentieth of the
effect could not change what is said of the circuit.
"""

from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import replace
from typing import Unpack

import torch

from pellucid.callbacks import expect
from pellucid.circuit.nodes.circuit import Circuit, replaceable, resolve_nodes
from pellucid.circuit.self_repair.controls import compared
from pellucid.circuit.self_repair.options import BackupKeywords, BackupOptions
from pellucid.circuit.self_repair.result import Backups
from pellucid.circuit.self_repair.search import BUDGET_ENDED, Search, first_looks
from pellucid.errors import EditError, TaskError
from pellucid.keywords import keywords_of
from pellucid.model.anatomy import Node
from pellucid.model.model import Model, opened
from pellucid.passes import metering
from pellucid.run.identity import demand_made_of
from pellucid.run.provenance import with_provenance
from pellucid.task.contrast import Contrasts
from pellucid.task.metrics import Metric, Nearness


@with_provenance
@keywords_of(BackupOptions)
def backups(
    model: Model,
    contrast: Contrasts,
    circuit: Circuit | Iterable[Node | str],
    **options: Unpack[BackupKeywords],
) -> Backups:
    """The nodes that do more for the answer once ``circuit`` is replaced.

    ``over`` says which nodes may be backups: those of the circuit's own search, else heads.
    ``BackupOptions`` says what each option is.

    **Assumes** that gradients in the ablated run find what steps in; a node whose gradient
    vanishes there, though replacing it would matter, is not looked at.
    **Cost** 2 forwards + 1 backward to record (none with ``trace``); then at most ``budget``
    forwards: for every ablation 1 and a backward a round, 2 for each of at most eight proposals a
    round; and where some grew 1 and a backward for each control under every ablation. Where the
    budget of an ablation ends, nothing is claimed of it.
    **Raises** ``EditError`` for a circuit of no nodes, or of nodes that cannot be replaced;
    ``TaskError`` for a metric whose gradient vanishes on the clean run (kl), ``MismatchError`` for
    a circuit or trace of other weights or another question (the circuit's ``nodes`` pass).
    """
    if isinstance(circuit, Circuit):
        demand_made_of(opened(model), contrast, circuit, "Circuit")
    members = members_of(opened(model), circuit)
    chosen = BackupOptions(**options)
    ablations = chosen.ablations
    of_circuit = circuit.over if isinstance(circuit, Circuit) else "heads"
    over = of_circuit if chosen.over is None else chosen.over
    with metering() as meter, torch.inference_mode(False), torch.no_grad():
        refuse_kl(chosen.metric)
        setup = chosen.setup(model, contrast)
        trace = setup.trace
        # A growth is a difference of two differences: rounding twice.
        effect = abs(float(trace.difference.double().mean()))
        least = max(chosen.share * effect, 2 * trace.noise)
        searches = [
            Search(
                replace(setup, ablation=ablation),
                replaceable(model, over),
                least=least,
            )
            for ablation in ablations
        ]
        replaced = frozenset(members)
        expect(chosen.budget)
        with ExitStack() as limits:
            for search in searches:
                limits.enter_context(search.measure.limited_to(chosen.budget // len(ablations)))
            firsts = first_looks(searches, replaced)
            growths = [
                growth
                for search, first in zip(searches, firsts, strict=True)
                for growth in search.look_for(replaced, chosen.rounds, first)
            ]
            beside = compared(searches, growths, chosen.controls, chosen.seed)
            repairs = tuple(search.what_is_left(replaced, beside.growths) for search in searches)
    cut_off = {one.ablation for one in repairs if one.note == BUDGET_ENDED}
    return Backups(
        primaries=members,
        looked_at=tuple(one for one in beside.growths if one.ablation not in cut_off),
        repairs=repairs,
        metric_all=float(trace.metric_clean.double().mean()),
        share=chosen.share,
        controls=chosen.controls,
        passes=meter.passes,
        sets=beside.sets,
        p_by_sets=beside.p,
    )


def members_of(model: Model, circuit: Circuit | Iterable[Node | str]) -> tuple[Node, ...]:
    """The nodes to replace first."""
    members = resolve_nodes(model, circuit.nodes if isinstance(circuit, Circuit) else circuit)
    fixed = [node.name for node in members if node not in set(replaceable(model, "heads+mlps"))]
    if not members or fixed:
        found = f"{', '.join(fixed)} cannot be replaced" if fixed else "The circuit has no nodes"
        raise EditError(
            f"{found}: self-repair is what happens when heads or MLPs are replaced. Name some."
        )
    return members


def refuse_kl(metric: str | Metric) -> None:
    """**Raises** ``TaskError`` for the metric that cannot be differentiated on the clean run."""
    if metric == "kl" or isinstance(metric, Nearness):
        raise TaskError(
            "metric='kl' has no gradient on the clean run, its minimum, so no growth can be told "
            "from it. Use metric='logit_diff'."
        )
