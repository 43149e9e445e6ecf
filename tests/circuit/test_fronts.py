"""Public calls show every keyword with its default, also those written once for several."""

import inspect
from dataclasses import replace

import pytest

import pellucid
from pellucid import EditError

RECORDING = {"metric": "logit_diff", "trace": None, "seed": 0, "memory_budget": 1 << 30}
GIVEN = {**RECORDING, "ablation": "corrupted"}
SHOWN = {
    "discover": {
        **GIVEN, "attribution": None, "measure": None, "method": "verified", "over": "heads",
        "opponents": "left", "target": 0.85, "budget": 150, "insist": False,
    },
    "faithfulness": {
        **GIVEN, "over": None, "curve": None, "random_sets": 0, "opponents": (), "measure": None,
    },
    "discover_edges": {
        **GIVEN, "scores": None, "method": "verified", "size": None, "target": 0.85, "tau": None,
        "budget": 400, "insist": False,
    },
    "edge_faithfulness": {**GIVEN, "random_sets": 0, "measure": None},
    "patch_edges": {**GIVEN, "edges": None},
    "backups": {
        **RECORDING, "ablations": ("zero", "mean", "corrupted"), "over": None, "share": 0.05,
        "controls": 39, "rounds": 5, "budget": 300,
    },
}  # fmt: skip


@pytest.mark.parametrize("name", SHOWN)
def test_every_keyword_is_shown_with_its_default(name):
    parameters = inspect.signature(getattr(pellucid, name)).parameters.values()
    shown = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
    assert shown == SHOWN[name]


def test_an_unknown_keyword_is_named_with_its_nearest(one_tiny, pair):
    with pytest.raises(TypeError, match=r"discover\(\).*'buget'. Did you mean 'budget'"):
        pellucid.discover(one_tiny, pair, buget=3)


@pytest.mark.parametrize(
    ("call", "options"),
    [
        ("discover", {"method": "guess"}),
        ("discover", {"target": 1.5}),
        ("discover_edges", {"method": "top"}),
        ("discover_edges", {"size": 3}),
        ("discover_edges", {"method": "acdc", "tau": -1.0}),
    ],
)
def test_options_that_mean_nothing_are_refused_before_anything_runs(one_tiny, pair, call, options):
    with pellucid.passes.metering() as meter, pytest.raises(EditError):
        getattr(pellucid, call)(one_tiny, pair, **options)
    assert meter.passes.calls == 0


def test_a_measure_names_its_own_ablation(one_tiny, pair):
    from pellucid.circuit.nodes.circuit import replaceable
    from pellucid.circuit.nodes.measure import SetMeasure
    from pellucid.run.setup import setup_of

    setup = setup_of(one_tiny, pair, ablation="mean")
    measure = SetMeasure(setup, replaceable(one_tiny, "heads"))
    given = {"measure": measure, "ablation": "mean"}
    assert pellucid.discover(one_tiny, pair, insist=True, **given).ablation == "mean"
    assert pellucid.faithfulness(one_tiny, pair, ["L0H1"], **given).ablation == "mean"
    own = SetMeasure(replace(setup, ablation=dict(setup.values())), measure.over)
    assert pellucid.faithfulness(one_tiny, pair, ["L0H1"], measure=own).ablation == "given"
