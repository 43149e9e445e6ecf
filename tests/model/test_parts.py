"""Names of parts: one grammar, taken apart and put together."""

import pytest

import pellucid
from pellucid import EditError, Node, PartKind, register_part
from pellucid.circuit.nodes.circuit import resolve_nodes
from pellucid.model.anatomy import Slot
from pellucid.model.named_parts import parts_named
from pellucid.model.parts import KINDS, PartName, name_of, parse, parse_layer
from tests.models.readable import small_gpt2

NAMES = {
    "embed": PartName("embed"),
    "L9H6": PartName("head", 9, 6),
    "M3": PartName("mlp", 3),
    "A3": PartName("attn", 3),
    "resid3": PartName("resid", 3),
    "L9H6.q": PartName("q", 9, 6),
    "L9KV2.k": PartName("k", 9, 2),
    "L9KV2.v": PartName("v", 9, 2),
    "logits": PartName("logits"),
    "M21N310": PartName("neuron", 21, 310),
}


@pytest.mark.parametrize("name", NAMES)
def test_names_are_taken_apart_and_put_together(name):
    found = parse(name)
    assert found == NAMES[name]
    assert name_of(found.kind, found.layer, found.index) == name


@pytest.mark.parametrize(
    "name", ["", "L9", "L09H6", "M3N", "M-1", "l9h6", "L9H6 ", "L9KV2.q", "M3 "]
)
def test_what_is_no_name_is_none(name):
    assert parse(name) is None


def test_every_node_and_slot_of_a_model_has_a_name_of_the_grammar(tiny):
    for part in (*tiny.nodes, *tiny.slots):
        found = parse(part.name)
        assert (found.layer, found.index) == (part.layer, part.head)
        if isinstance(part, Node) or (isinstance(part, Slot) and part.kind != "mlp"):
            assert found.kind == part.kind


def test_groups_name_all_parts_of_a_layer_or_model(one_tiny):
    anatomy = one_tiny.anatomy
    assert parse_layer("M1.neurons") == PartName("neuron", 1)
    neurons = parts_named(anatomy, "M1.neurons")
    assert len(neurons) == anatomy.blocks[1].mlp.neurons.weight.shape[1]
    assert neurons[3] == Node("neuron", 1, 3)
    assert neurons[3].name == "M1N3"
    assert parts_named(anatomy, "heads+mlps") == one_tiny.nodes[1:]
    assert parts_named(anatomy, ["M1N3", "M0", "L1.heads", "M0"])[0] == Node("mlp", 0)


@pytest.mark.parametrize("name", ["M9.neurons", "M1N99999", "L0H99", "M9", "", "tails", "heads+"])
def test_a_part_that_is_not_there_is_named(one_tiny, name):
    with pytest.raises(EditError, match="No part named"):
        parts_named(one_tiny.anatomy, name)


def test_nodes_of_circuits_are_resolved_with_their_neurons(one_tiny):
    found = resolve_nodes(one_tiny, ["M1N3", "L0H1", "M0"])
    assert found == (Node("head", 0, 1), Node("mlp", 0), Node("neuron", 1, 3))
    assert resolve_nodes(one_tiny, []) == ()
    with pytest.raises(EditError, match="No part named M1N99999"):
        resolve_nodes(one_tiny, ["M1N99999"])


def test_own_kinds_cannot_be_replaced_and_bad_ones_are_refused():
    def one(**changes):
        given = {"kind": "made", "form": "L{layer}D{index}", "site": "z", "count": lambda b: 1}
        return PartKind(**(given | changes))

    with pytest.raises(EditError, match="Pellucid's own"):
        register_part(one(kind="head"))
    with pytest.raises(EditError, match="both"):
        register_part(one(cut=lambda x, i: x))
    for form in ("D{index}", "L{layer}+{index}"):
        with pytest.raises(EditError, match=r"needs a \{layer\}, and no plus"):
            register_part(one(form=form))
    for changes in ({"form": "M{layer}N{index}"}, {"all_of_layer": "L{layer}.heads"}):
        with pytest.raises(EditError, match=r"which are those of kind '(neuron|head)'"):
            register_part(one(**changes))
    assert "made" not in KINDS
    with pytest.raises(EditError, match="No kind of part is called 'made'"):
        _ = Node("made", 1, 2).name


def test_every_call_looks_names_up_in_one_place_and_refuses_in_one_text(one_tiny, pair):
    for call, argument in (
        (lambda: pellucid.attention(small_gpt2(), [1, 2, 3], heads=["L0H1", "L7H7"]), "heads"),
        (lambda: pellucid.composition(one_tiny, "L7H7"), "senders"),
        (lambda: pellucid.composition(one_tiny, receivers="L7H7"), "receivers"),
        (lambda: pellucid.patch(one_tiny, pair, only="L7H7"), "only"),
        (lambda: pellucid.patch(one_tiny, pair, sites="L7H7"), "sites"),
        (lambda: pellucid.patch_edges(one_tiny, pair, edges=[("L7H7", "logits")]), "edges"),
        (lambda: pellucid.attribute(one_tiny, pair, parts="L7H7"), "parts"),
        (lambda: pellucid.discover(one_tiny, pair, over="L7H7"), "over"),
        (lambda: pellucid.faithfulness(one_tiny, pair, ["L7H7"]), None),
    ):
        start = "" if argument is None else f"{argument}=: "
        with pytest.raises(EditError, match=f"^{start}No part named L7H7: there are ") as caught:
            call()
        assert caught.value.unknown == ("L7H7",)
        assert caught.value.nearest


def test_groups_stand_wherever_names_do(one_tiny, pair):
    read = pellucid.attention(small_gpt2(), [1, 2, 3], heads="L1.heads+L0H2")
    assert [node.name for node in read.heads] == ["L0H2", "L1H0", "L1H1", "L1H2", "L1H3"]
    some = pellucid.patch(one_tiny, pair, sites="heads", only="L1.heads")
    assert [place.name for place in some.places] == ["L1H0", "L1H1", "L1H2", "L1H3"]


def test_parts_stand_in_the_order_in_which_a_layer_computes_them(one_tiny):
    asked = "M1+A1+L1.heads+M1N3+L1KV0.v+L1H2.q+resid1+M0"
    found = [part.name for part in parts_named(one_tiny.anatomy, asked)]
    assert found == [
        "M0", "resid1", "L1H2.q", "L1KV0.v", "L1H0", "L1H1", "L1H2", "L1H3", "A1", "M1N3", "M1"
    ]  # fmt: skip


@pytest.mark.parametrize("kinds", [("one", "two"), ("two", "one")])
def test_the_order_of_parts_does_not_depend_on_what_was_registered_first(one_tiny, kinds):
    forms = {"one": "L{layer}X{index}", "two": "L{layer}Y{index}"}
    for kind in kinds:
        register_part(
            PartKind(kind=kind, form=forms[kind], site="resid_pre", count=lambda block: 3)
        )
    try:
        for asked in ("L1X2+L1Y0+L1X0+L0Y1", "L1Y0+L1X2+L0Y1+L1X0"):
            found = [part.name for part in parts_named(one_tiny.anatomy, asked)]
            first = ["L1X0", "L1X2"], ["L1Y0"]
            one, two = first if asked.startswith("L1X") else reversed(first)
            assert found == ["L0Y1", *one, *two]
    finally:
        del KINDS["one"], KINDS["two"]
