"""What was made before is taken only for the weights and the question that it was made of.

Every public call that takes something made before is found by its signature, and is given things
that differ in one respect from what it is asked.
"""

import inspect
import typing
from dataclasses import dataclass, replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import pellucid
from pellucid import Attribution, Circuit, Contrast, ContrastBatch, EdgeCircuit, EdgeScores
from pellucid.circuit.edges.measure import EdgeMeasure
from pellucid.circuit.nodes.circuit import replaceable
from pellucid.circuit.nodes.measure import SetMeasure
from pellucid.errors import MismatchError
from pellucid.lens.direct.direct_versus_total import Measured
from pellucid.run.identity import same_metric
from pellucid.run.record import Trace
from pellucid.run.setup import setup_of
from pellucid.task.encode import Resolved, pack
from pellucid.task.metrics import KL, Checked, logit_diff
from pellucid.task.metrics import metric as resolve
from tests.models.questions import VARIETIES, tiny_model

LONG = Contrast([1, 2, 3, 4, 5, 6, 7, 8], [1, 2, 9, 4, 5, 6, 7, 8], 10, 11)
SHORT = Contrast([3, 7, 11, 2, 9, 4], [3, 7, 5, 2, 9, 4], 6, 8)  # padded in the batch


@dataclass(frozen=True)
class Asked:
    """A question, of a model, in a way."""

    model: object
    short: Contrast = SHORT
    long: Contrast = LONG
    metric: object = "logit_diff"
    ablation: str = "corrupted"
    seed: int = 0

    @property
    def contrast(self):
        return ContrastBatch((self.long, self.short))

    @property
    def measured(self):
        return {"metric": self.metric, "ablation": self.ablation, "seed": self.seed}


def setup(asked, options=("metric", "ablation", "seed")):
    given = {name: asked.measured[name] for name in options}
    return setup_of(asked.model, asked.contrast, **given)


MAKE = {
    Trace: lambda a: pellucid.record(a.model, a.contrast, metric=a.metric),
    SetMeasure: lambda a: SetMeasure(setup(a), replaceable(a.model, "heads")),
    EdgeMeasure: lambda a: EdgeMeasure(setup(a)),
    Attribution: lambda a: pellucid.attribute(a.model, a.contrast, metric=a.metric),
    EdgeScores: lambda a: pellucid.attribute_edges(
        a.model, a.contrast, metric=a.metric, method="eap"
    ),
    Circuit: lambda a: replace(
        pellucid.discover(a.model, a.contrast, **a.measured),
        nodes=a.model.nodes[1:3],
        estimates=(1.0, 0.5),
    ),
    EdgeCircuit: lambda a: pellucid.discover_edges(
        a.model,
        a.contrast,
        scores=MAKE[EdgeScores](a),
        method="top",
        size=5,
        insist=True,
        **a.measured,
    ),
    Measured: lambda a: pellucid.patch(a.model, a.contrast, metric=a.metric),
}
WITH = {  # what a call takes beside the thing itself
    "attribute": ("metric",),
    "patch": ("metric",),
    "edge_curve": ("metric", "ablation", "seed"),
    "backups": ("metric", "seed"),
    "token_attribution": ("metric", "seed"),
}
MORE = {  # arguments without which a call would be long, or refuse for another reason
    "patch_edges": {"edges": [("L0H1", "M1")]},
    "faithfulness": {"over": "heads"},
    "discover": {"insist": True},
    "discover_edges": {"method": "top", "size": 5, "insist": True},
    "edge_curve": {"fractions": (0.1, 1.0)},
    "backups": {"controls": 0, "rounds": 1},
}
NODES, EDGES = ["L0H1"], [("L0H1", "M1")]


def kinds_in(hint):
    """The kinds of made things that an annotation names."""
    if any(hint is kind for kind in MAKE):
        return {hint}
    return {kind for part in typing.get_args(hint) for kind in kinds_in(part)}


def takers():
    """Every public function with each parameter, and each kind of made thing that it takes."""
    for name in pellucid.__all__:
        function = getattr(pellucid, name)
        if not inspect.isfunction(function):
            continue
        for parameter in inspect.signature(function).parameters.values():
            for kind in kinds_in(parameter.annotation):
                yield name, parameter.name, kind


TAKERS = sorted(takers(), key=str)
QUESTION = {
    "clean": replace(SHORT, clean=[3, 7, 11, 2, 9, 12]),
    "corrupted": replace(SHORT, corrupted=[3, 7, 1, 2, 9, 4]),
    "answer": replace(SHORT, answer=12),
    "foil": replace(SHORT, foil=12),
    "both swapped": replace(SHORT, answer=8, foil=6),
    "longer": replace(SHORT, clean=[3, 7, 11, 2, 9, 4, 1], corrupted=[3, 7, 5, 2, 9, 4, 1]),
    "several tokens": replace(SHORT, answer=[6, 1]),
}


def call(name, parameter, asked, made):
    """The public call for the question ``asked``, with ``made`` as its argument ``parameter``."""
    more = dict(MORE.get(name, {}))
    names = WITH.get(name, ("metric", "ablation", "seed"))
    more |= {option: asked.measured[option] for option in names}
    if name in ("faithfulness", "backups"):
        more["circuit"] = NODES
    elif name == "edge_faithfulness":
        more["circuit"] = EDGES
    elif name == "edge_curve":
        more["scores"] = torch.rand(asked.model.anatomy.edges.shape)
    return getattr(pellucid, name)(asked.model, asked.contrast, **more | {parameter: made})


@pytest.fixture(scope="module")
def asked():
    return Asked(tiny_model(VARIETIES["grouped"]))


@pytest.fixture(scope="module")
def made(asked):
    """Things made of the question, or of another one, each made once."""
    kept = {}

    def make(kind, one=asked):
        key = (kind, id(one.model), one.short, one.long, one.metric, one.ablation, one.seed)
        if key not in kept:
            kept[key] = MAKE[kind](one)
        return kept[key]

    return make


def test_the_calls_that_take_something_made_before_are_these():
    assert [(name, parameter) for name, parameter, _ in TAKERS] == [
        ("attribute", "trace"),
        ("backups", "circuit"),
        ("backups", "trace"),
        ("discover", "attribution"),
        ("discover", "measure"),
        ("discover", "trace"),
        ("discover_edges", "scores"),
        ("discover_edges", "trace"),
        ("edge_curve", "scores"),
        ("edge_curve", "scores"),
        ("edge_curve", "trace"),
        ("edge_faithfulness", "circuit"),
        ("edge_faithfulness", "measure"),
        ("edge_faithfulness", "trace"),
        ("faithfulness", "circuit"),
        ("faithfulness", "measure"),
        ("faithfulness", "trace"),
        ("patch", "trace"),
        ("patch_edges", "trace"),
        ("token_attribution", "trace"),
    ]


def test_the_methods_that_take_a_question_or_effects_are_these():
    found = set()
    for name in pellucid.__all__:
        kind = getattr(pellucid, name)
        for own, method in vars(kind).items() if inspect.isclass(kind) else ():
            if inspect.isfunction(method) and not own.startswith("_"):
                named = inspect.signature(method).parameters.values()
                if any(one.name == "contrast" or kinds_in(one.annotation) for one in named):
                    found.add((name, own))
    assert found == {("DirectEffects", "compare"), ("Circuit", "export"), ("EdgeCircuit", "export")}


@pytest.mark.parametrize(("name", "parameter", "kind"), TAKERS)
def test_what_is_of_the_question_is_taken(asked, made, name, parameter, kind):
    call(name, parameter, asked, made(kind))


@pytest.mark.parametrize("differs", QUESTION)
@pytest.mark.parametrize(("name", "parameter", "kind"), TAKERS)
def test_what_is_of_another_question_is_refused(asked, made, name, parameter, kind, differs):
    other = made(kind, replace(asked, short=QUESTION[differs]))
    with pytest.raises(MismatchError) as raised:
        call(name, parameter, asked, other)
    wanted = {
        "both swapped": {"answer of contrast 1", "foil of contrast 1"},
        "longer": {"clean prompt of contrast 1", "corrupted prompt of contrast 1"},
        "several tokens": {"answer of contrast 1"},
    }.get(differs)
    if wanted is None:
        part = f"{differs} prompt" if differs in ("clean", "corrupted") else differs
        wanted = {f"{part} of contrast 1"}
    assert {what for what, _, _ in raised.value.differences} == wanted


@pytest.mark.parametrize(("name", "parameter", "kind"), TAKERS)
def test_what_is_in_another_metric_is_refused_but_a_circuit_is_measured_in_any(
    asked, made, name, parameter, kind
):
    other = made(kind, replace(asked, metric="prob_diff"))
    if parameter == "circuit":
        call(name, parameter, asked, other)
        return
    with pytest.raises(MismatchError, match="metric: found prob_diff, expected logit_diff"):
        call(name, parameter, asked, other)


@pytest.mark.parametrize("measure", [one for one in TAKERS if one[1] == "measure"], ids=str)
def test_measures_are_of_one_ablation_and_where_it_is_drawn_of_one_seed(asked, made, measure):
    name, parameter, kind = measure
    with pytest.raises(MismatchError, match="ablation: found mean, expected corrupted"):
        call(name, parameter, asked, made(kind, replace(asked, ablation="mean")))
    call(name, parameter, asked, made(kind, replace(asked, seed=7)))  # nothing is drawn
    alike = Contrast([1, 2, 3, 4, 5, 6], [1, 2, 9, 4, 5, 6], 10, 11)
    drawn = replace(asked, ablation="resample", long=alike)
    call(name, parameter, drawn, made(kind, drawn))
    with pytest.raises(MismatchError, match="seed: found 7, expected 0"):
        call(name, parameter, drawn, made(kind, replace(drawn, seed=7)))


@pytest.mark.parametrize(("name", "parameter", "kind"), TAKERS)
def test_what_is_of_another_model_of_the_same_shape_is_refused(asked, made, name, parameter, kind):
    other = made(kind, replace(asked, model=another_model()))
    with pytest.raises(MismatchError, match="weights: found"):
        call(name, parameter, asked, other)


@pytest.mark.parametrize(("name", "parameter", "kind"), TAKERS)
def test_what_was_made_before_weights_were_edited_is_refused_until_they_are_put_back(
    asked, made, name, parameter, kind
):
    own = made(kind)
    weight = asked.model.module.layers[1].attention.o_proj.weight
    kept = weight.detach().clone()
    try:
        weight.data[0, 0] += 0.5  # which PyTorch does not count
        with pytest.raises(MismatchError, match="weights: found"):
            call(name, parameter, asked, own)
    finally:
        weight.data = kept
    call(name, parameter, asked, own)


def another_model():
    if "model" not in _OTHER:
        model = tiny_model(VARIETIES["grouped"])
        with torch.no_grad():
            for parameter in model.module.parameters():
                parameter.mul_(1.25)
        _OTHER["model"] = model
    return _OTHER["model"]


_OTHER: dict = {}


def test_a_recording_padded_in_another_way_or_alone_is_of_the_same_question(asked):
    left = pellucid.record(asked.model, asked.contrast, padding="left")
    right = pellucid.record(asked.model, asked.contrast)
    found = [pellucid.attribute(asked.model, asked.contrast, trace=t) for t in (left, right)]
    torch.testing.assert_close(found[0].estimate, found[1].estimate, rtol=1e-3, atol=1e-5)
    with pytest.raises(MismatchError, match="number of contrasts: found 2, expected 1"):
        pellucid.attribute(asked.model, SHORT, trace=right)


def test_a_measure_of_other_parts_is_refused(asked, made):
    with pytest.raises(MismatchError, match="parts that are replaced"):
        pellucid.faithfulness(
            asked.model, asked.contrast, NODES, over="heads+mlps", measure=made(SetMeasure)
        )
    few = pellucid.attribute(asked.model, asked.contrast, parts="L0.heads")
    with pytest.raises(MismatchError, match="parts: found no"):
        pellucid.discover(asked.model, asked.contrast, attribution=few, insist=True)


def test_edges_measured_in_another_metric_are_refused(asked):
    twice = EdgeMeasure(setup(asked), metric=resolve(lambda logits, e: 2 * logit_diff(logits, e)))
    with pytest.raises(MismatchError, match="metric: found <lambda>, expected logit_diff"):
        pellucid.edge_faithfulness(asked.model, asked.contrast, EDGES, measure=twice)


def test_values_of_ones_own_are_called_given(asked):
    own = setup(asked)
    measure = EdgeMeasure(replace(own, ablation=dict(own.values())))
    arguments = (asked.model, asked.contrast, EDGES)
    assert pellucid.edge_faithfulness(*arguments, measure=measure).ablation == "given"
    with pytest.raises(MismatchError, match="ablation: found given, expected zero"):
        pellucid.edge_faithfulness(*arguments, measure=measure, ablation="zero")


def test_names_and_numbers_alone_are_taken_for_any_question(asked, made):
    other = replace(asked, short=QUESTION["answer"])
    circuit, edges = made(Circuit, other), made(EdgeCircuit, other)
    pellucid.faithfulness(asked.model, asked.contrast, circuit.nodes)
    pellucid.edge_faithfulness(asked.model, asked.contrast, edges.names)
    scores = made(EdgeScores, other)
    curve = pellucid.edge_curve(asked.model, asked.contrast, scores.matrix, fractions=(0.1, 1.0))
    assert curve.ranked_by == "given"


@pytest.mark.parametrize("kind", [Attribution, EdgeScores])
def test_estimates_that_do_not_say_of_what_they_are_show_it_by_their_difference(asked, made, kind):
    name, parameter = next((n, p) for n, p, k in TAKERS if k is kind)
    call(name, parameter, asked, replace(made(kind), provenance=None))
    for other in (
        replace(asked, short=QUESTION["both swapped"]),
        replace(asked, short=QUESTION["corrupted"]),
        replace(asked, metric="prob_diff"),
        replace(asked, model=another_model()),
    ):
        silent = replace(made(kind, other), provenance=None)
        with pytest.raises(MismatchError, match="metric difference: found"):
            call(name, parameter, asked, silent)


def test_metrics_of_ones_own_are_told_apart_though_their_names_are_equal(asked):
    def twice(factor):
        def metric(logits, encoded):
            return factor * logit_diff(logits, encoded)

        return metric

    one, other = twice(2), twice(3)
    trace = pellucid.record(asked.model, asked.contrast, metric=one)
    pellucid.attribute(asked.model, asked.contrast, metric=one, trace=trace)
    with pytest.raises(MismatchError, match="metric"):
        pellucid.attribute(asked.model, asked.contrast, metric=other, trace=trace)
    found = pellucid.attribute(asked.model, asked.contrast, metric=other)
    with pytest.raises(MismatchError, match="metric difference"):
        pellucid.discover(asked.model, asked.contrast, metric=one, attribution=found, insist=True)
    reference = torch.rand(1, 1, 4)
    assert same_metric(KL(reference), KL(reference.clone()))
    assert not same_metric(KL(reference), KL(2 * reference))
    assert same_metric(Checked(one), Checked(one))
    assert not same_metric(logit_diff, "kl")


def test_effects_are_compared_with_shares_of_the_same_question_only(asked, made):
    shares = pellucid.direct_effects(asked.model, asked.contrast)
    assert shares.compare(made(Measured)).nodes
    for differs in ("clean", "corrupted", "answer", "foil", "both swapped"):
        with pytest.raises(MismatchError, match="question: found"):
            shares.compare(made(Measured, replace(asked, short=QUESTION[differs])))
    with pytest.raises(MismatchError, match="metric: found prob_diff, expected logit_diff"):
        shares.compare(made(Measured, replace(asked, metric="prob_diff")))
    with pytest.raises(MismatchError, match="weights: found"):
        shares.compare(made(Measured, replace(asked, model=another_model())))


@pytest.mark.parametrize("kind", [Circuit, EdgeCircuit])
def test_a_circuit_is_not_exported_under_another_question_or_model(asked, made, kind, tmp_path):
    circuit, file = made(kind), tmp_path / "circuit.dot"
    circuit.export(file, model=asked.model, contrast=asked.contrast)
    other = ContrastBatch((LONG, QUESTION["answer"]))
    with pytest.raises(MismatchError, match="answer of contrast 1"):
        circuit.export(file, model=asked.model, contrast=other)
    with pytest.raises(MismatchError, match="weights: found"):
        circuit.export(file, model=another_model(), contrast=asked.contrast)


def test_a_saved_thing_is_held_to_its_question_too(asked, made, tmp_path):
    found = Attribution.load(made(Attribution).save(tmp_path / "a"))
    call("discover", "attribution", asked, found)
    other = made(Attribution, replace(asked, short=QUESTION["foil"]))
    with pytest.raises(MismatchError, match=r"foil of contrast 1: found 12 .* expected 8"):
        call("discover", "attribution", asked, Attribution.load(other.save(tmp_path / "b")))


IDS = st.lists(st.integers(0, 30), min_size=1, max_size=6).map(tuple)


@st.composite
def resolved(draw):
    clean = draw(IDS)
    corrupted = tuple(draw(st.integers(0, 30)) for _ in clean)
    return Resolved(clean=clean, corrupted=corrupted, answer=draw(IDS), foil=draw(IDS))


@settings(deadline=None, max_examples=60)
@given(st.lists(resolved(), min_size=1, max_size=4), st.sampled_from(["left", "right"]))
def test_a_batch_gives_back_the_questions_that_were_packed(asked, padding):
    names = {i: str(i) for i in range(31)}
    assert pack(asked, names, padding=padding).resolved == tuple(asked)


def test_text_and_its_ids_are_one_question(random_gpt2):
    model = pellucid.load(random_gpt2, offline=True)
    prompts = ("The capital of France is", "The capital of Paris is")
    text = Contrast(*prompts, " Mary", " John")
    clean, corrupted, answer, foil = (
        model.tokenizer(part).input_ids for part in (*prompts, " Mary", " John")
    )
    ids = Contrast(clean, corrupted, answer, foil[0])
    found = pellucid.attribute(model, ids, trace=pellucid.record(model, text))
    assert found.provenance.asked == pellucid.attribute(model, text).provenance.asked
    pellucid.discover(model, text, attribution=found, insist=True)
    swapped = pellucid.record(model, Contrast(*prompts, " John", " Mary"))
    with pytest.raises(MismatchError, match=r"answer: found ' John' .* expected ' Mary'"):
        pellucid.attribute(model, text, trace=swapped)
