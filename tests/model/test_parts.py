"""Names of parts: one grammar, taken apart and put together."""

import pytest

from pellucid import EditError, Node, PartKind, register_part
from pellucid.circuit.nodes.circuit import resolve_nodes
from pellucid.model.anatomy import Slot
from pellucid.model.named_parts import parts_named
from pellucid.model.parts import KINDS, PartName, name_of, parse, parse_layer

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
    with pytest.raises(EditError, match="No node named M1N99999"):
        resolve_nodes(one_tiny, ["M1N99999"])


def test_own_kinds_cannot_be_replaced_and_bad_ones_are_refused():
    def one(**changes):
        given = {"kind": "made", "form": "L{layer}D{index}", "site": "z", "count": lambda b: 1}
        return PartKind(**(given | changes))

    with pytest.raises(EditError, match="Pellucid's own"):
        register_part(one(kind="head"))
    with pytest.raises(EditError, match="both"):
        register_part(one(cut=lambda x, i: x))
    with pytest.raises(EditError, match=r"no \{layer\}"):
        register_part(one(form="D{index}"))
    assert "made" not in KINDS
    with pytest.raises(EditError, match="No kind of part is called 'made'"):
        _ = Node("made", 1, 2).name
