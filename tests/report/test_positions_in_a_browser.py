"""Where along the prompt nodes matter: the map of estimates, and the graph laid out by it."""

from dataclasses import replace

import pytest

pytestmark = pytest.mark.browser


@pytest.fixture
def opened(browser, tmp_path):
    """Opens an analysis from a disk, without network."""
    contexts = []

    def opening(analysis, hash=""):
        place = tmp_path / "r.html"
        place.write_text(analysis.to_html(), encoding="utf-8")
        context = browser.new_context(viewport={"width": 1440, "height": 900}, offline=True)
        contexts.append(context)
        page = context.new_page()
        page.goto(place.as_uri() + hash)
        page.wait_for_selector("main .card")
        return page

    yield opening
    for context in contexts:
        context.close()


def test_the_map_says_the_estimate_of_a_node_at_a_position(opened, analysis):
    page = opened(analysis)
    card = page.locator(".card", has=page.get_by_role("heading", name="Positions"))
    card.locator("canvas").nth(1).focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    name, said = card.locator(".readout").inner_text().split(" at position 3 ")
    nodes = [node.name for node in analysis.attribution.nodes]
    value = float(analysis.attribution.by_position[0, 3, nodes.index(name)])
    assert said.endswith(f"estimate {value:+.3f}".replace("-", "\u2212"))
    page.keyboard.press("Enter")
    assert page.locator(".selected strong").inner_text() == name


def test_the_graph_puts_nodes_where_their_estimate_is_largest(opened, analysis):
    every = len(analysis.derived()["order"])
    page = opened(analysis, f"#size={every}")
    assert page.get_by_test_id("axis").locator("text").count() == 0
    page.get_by_label("across:").select_option("positions")
    assert "across=positions" in page.url
    assert page.get_by_test_id("axis").locator("text").count() > 1
    names = [node.name for node in analysis.attribution.nodes]
    largest = analysis.attribution.by_position[0].abs().argmax(0).tolist()
    boxes = page.locator(".box").evaluate_all(
        "all => all.map(b => [b.querySelector('text').textContent,"
        " b.querySelector('title').textContent, b.transform.baseVal[0].matrix.e])"
    )
    assert len(boxes) == every
    for name, title, _ in boxes:
        assert f"largest at position {largest[names.index(name)]} " in title
    by_layer: dict[str, list] = {}
    for name, _, x in boxes:
        by_layer.setdefault(name.split("H")[0], []).append((x, largest[names.index(name)]))
    for row in by_layer.values():
        assert [place for _, place in sorted(row)] == sorted(place for _, place in row)


def test_several_prompts_have_no_common_positions(opened, analysis):
    question = analysis.question
    twice = replace(question, clean=question.clean * 2, clean_tokens=question.clean_tokens * 2)
    page = opened(replace(analysis, question=twice))
    assert page.get_by_role("heading", name="Positions").count() == 0
    assert page.get_by_label("across:").count() == 0
