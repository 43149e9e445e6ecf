"""What a circuit is over: parts by name, in a text or a list, each once and none inside another."""

import pytest

import pellucid
from pellucid import EditError, Node
from pellucid.circuit.nodes.circuit import over_of, replaceable, resolve_nodes


def test_a_list_of_names_or_nodes_is_the_text_of_them(one_tiny, pair):
    whole = replaceable(one_tiny, "L0.heads+M1.neurons")
    assert replaceable(one_tiny, ["L0.heads", "M1.neurons"]) == whole
    assert replaceable(one_tiny, whole) == whole
    assert replaceable(one_tiny, ["heads", "mlps"]) == replaceable(one_tiny, "heads+mlps")
    options = {"insist": True, "budget": 400, "target": 0.5}
    listed = pellucid.discover(one_tiny, pair, over=["L0.heads", Node("mlp", 1)], **options)
    text = pellucid.discover(one_tiny, pair, over="L0.heads+M1", **options)
    assert listed.over == text.over == "L0.heads+M1"
    assert listed.nodes == text.nodes
    measured = pellucid.faithfulness(one_tiny, pair, ["L0H1"], over=["L0.heads"], random_sets=0)
    assert (measured.over, measured.out_of) == ("L0.heads", 4)


def test_the_second_point_is_recorded_only_where_it_ranks(one_tiny, pair):
    options = {"insist": True, "budget": 400, "target": 0.5}
    for over, backwards in (("M1.neurons", 1), ("L0.heads+M1", 2)):
        assert pellucid.discover(one_tiny, pair, over=over, **options).passes.backwards == backwards


@pytest.mark.parametrize(
    ("over", "inner", "outer"),
    [
        ("mlps+M1.neurons", "M1N0", "M1"),
        (["M1N3", "M1"], "M1N3", "M1"),
        ("L1.heads+A1", "L1H0", "A1"),
        ("L1H2.q+L1H2", "L1H2.q", "L1H2"),
        ("L1KV1.v+L1H3", "L1KV1.v", "L1H3"),
        ("L1KV0.k+A1", "L1KV0.k", "A1"),
    ],
)
def test_a_part_inside_another_that_is_there_too_is_refused_by_name(
    one_tiny, pair, over, inner, outer
):
    with pytest.raises(EditError, match=f"{inner} is inside {outer}, which is there too") as caught:
        pellucid.discover(one_tiny, pair, over=over)
    assert caught.value.unknown == (inner, outer)


def test_parts_beside_each_other_are_not_refused(one_tiny):
    for over in ("M0+M1.neurons", "L1H1.q+L1H2", "L1KV1.v+L1H0", "A0+L1.heads", "resid1+M0"):
        assert replaceable(one_tiny, over)


@pytest.mark.parametrize(
    ("members", "over"),
    [
        (["L0H1"], "heads"),
        (["L0H1", "M2"], "heads+mlps"),
        (["M1N2", "M1N5"], "M1.neurons"),
        (["A1"], "A1"),
        (["L1H0.q"], "L1H0.q+L1H1.q+L1H2.q+L1H3.q"),
        (["M0", "M1N2"], "M0+M2+M1.neurons"),
        ([], "heads"),
    ],
)
def test_a_circuit_says_what_it_is_over(one_tiny, pair, members, over):
    assert over_of(one_tiny, resolve_nodes(one_tiny, members)) == over
    measured = pellucid.faithfulness(one_tiny, pair, members, random_sets=0)
    assert measured.over == over
    assert measured.out_of == len(replaceable(one_tiny, over))
    if len(members) == measured.out_of:
        assert measured.sufficiency == pytest.approx(1)


def test_a_circuit_of_a_neuron_and_its_mlp_is_refused(one_tiny, pair):
    with pytest.raises(EditError, match="M1N0 is inside M1"):
        pellucid.faithfulness(one_tiny, pair, ["M1", "M1N2"])
