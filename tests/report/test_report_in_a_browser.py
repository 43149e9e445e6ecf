"""The report as a reader meets it: opened from a disk, with no network."""

import csv
import io
import statistics

import pytest
import torch

from pellucid import Node, Passes
from pellucid.analysis.story import derived_of
from pellucid.figures import palette
from pellucid.lens.attention import AttentionPatterns
from pellucid.lens.targets import TARGETS
from pellucid.report.prose import at

pytestmark = pytest.mark.browser
NODES = "[aria-label='Table of nodes'] tbody tr"
SIZES = {"desktop": (1440, 900), "phone": (390, 844)}


@pytest.fixture(scope="module")
def report(analysis, tmp_path_factory) -> str:
    place = tmp_path_factory.mktemp("report") / "report.html"
    place.write_text(analysis.to_html(), encoding="utf-8")
    return place.as_uri()


class Watched:
    """A page and what went wrong on it."""

    def __init__(self, context, address: str) -> None:
        self.page = context.new_page()
        self.requests: list[str] = []
        self.errors: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.errors.append(message.text))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.goto(address)
        self.page.wait_for_selector("main .card")


@pytest.fixture
def opened(browser, report):
    """Opens the report at a size, with a part of the address that says what is selected."""
    contexts = []

    def at_size(size: str = "desktop", hash: str = "", scheme: str = "light") -> Watched:
        width, height = SIZES[size]
        context = browser.new_context(
            viewport={"width": width, "height": height}, offline=True, color_scheme=scheme
        )
        contexts.append(context)
        return Watched(context, report + hash)

    yield at_size
    for context in contexts:
        context.close()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_asks_for_nothing_logs_nothing_and_fits(opened, report, size, scheme):
    seen = opened(size, scheme=scheme)
    assert seen.requests == [report]
    assert seen.errors == []
    width = seen.page.evaluate("document.documentElement.scrollWidth")
    assert width <= SIZES[size][0]
    assert seen.page.evaluate("document.documentElement.dataset.theme") == scheme


def test_prompts_are_text_and_nothing_else(opened, analysis):
    page = opened().page
    shown = page.locator('.tokens[aria-label^="clean"] .token bdi').all_text_contents()
    tokens = analysis.question.clean_tokens[0]
    assert shown == [token if token.strip() else "\u2423" for token in tokens]
    assert page.locator("main script").count() == 0


def test_every_number_shown_in_a_sentence_is_that_of_the_data(opened, analysis):
    found = opened().page.locator("data[data-ref]")
    assert found.count() > 30
    for place, value, text in found.evaluate_all(
        "all => all.map(d => [d.dataset.ref, d.value, d.textContent])"
    ):
        raw = at(analysis, place)
        if isinstance(raw, float):
            assert float(value) == raw, place
        elif not isinstance(raw, bool):
            assert value == str(raw)
        assert text


def test_a_click_selects_a_node_everywhere(opened, analysis):
    page = opened().page
    nodes(page).nth(1).click()
    name = page.locator(f"{NODES}.chosen th").inner_text()
    assert page.locator(".selected strong").inner_text() == name
    assert f"node={name}" in page.url
    page.locator("#size").fill(str(len(analysis.over_heads.curve_sizes) - 1))  # every head
    if name.startswith("L"):
        assert page.locator(".box.chosen text").inner_text() == name
    assert name in page.locator(".readout").first.inner_text()


def test_the_heat_map_can_be_used_with_the_keyboard(opened):
    page = opened().page
    page.locator(".heatmap canvas").first.focus()
    for key in ("ArrowDown", "ArrowRight"):
        page.keyboard.press(key)
    assert page.locator(".readout").first.inner_text().startswith("L1H1: estimate")
    page.keyboard.press("Enter")
    assert page.locator(".selected strong").inner_text() == "L1H1"
    assert page.locator(f"{NODES}.chosen").count() == 1


def test_the_slider_shows_what_was_measured_at_each_size(opened, analysis):
    page = opened().page
    order = derived_of(analysis)["order"]
    found = analysis.over_heads
    shown = page.get_by_test_id("sufficiency")
    assert number(shown.inner_text()) == pytest.approx(found.sufficiency, abs=5e-4)
    for index, (size, value) in enumerate(zip(found.curve_sizes, found.curve, strict=True)):
        page.locator("#size").fill(str(index))
        assert number(shown.inner_text()) == pytest.approx(value, abs=5e-4)
        names = page.locator(".box text").all_text_contents()
        assert sorted(names) == sorted(order[:size])
    page.locator("#size").fill("-1")
    assert sorted(page.locator(".box text").all_text_contents()) == sorted(analysis.circuit.names)


def test_a_link_shows_the_same_again(opened, analysis):
    first = opened().page
    nodes(first).nth(2).click()
    first.locator("#size").fill("1")
    first.locator("header button").click()
    second = opened(hash=first.evaluate("location.hash")).page
    for where in (".slider label", ".selected", "header button"):
        assert second.locator(where).inner_text() == first.locator(where).inner_text()


def test_the_legend_says_the_signs_and_has_the_colours_of_the_figures(opened):
    page = opened().page
    legend = page.locator(".legend").nth(1)
    low, high = legend.locator(".legend-end").all_text_contents()
    assert low.startswith("\u2212")
    assert low.endswith("opposes the answer")
    assert high.startswith("+")
    assert high.endswith("supports the answer")
    ends = legend.locator("canvas").evaluate(
        "c => [0, c.width - 1].map(x => [...c.getContext('2d').getImageData(x, 0, 1, 1).data])"
    )
    assert [hex_of(end) for end in ends] == [palette.DIVERGING[0], palette.DIVERGING[-1]]


def test_cells_have_the_colour_of_their_sign(opened, analysis):
    page = opened(size="desktop").page
    page.wait_for_timeout(100)
    frame = analysis.to_frame().query("kind == 'head'")
    heads = frame["head"].max() + 2  # and the column of MLPs
    for name, expected in (("idxmax", palette.DIVERGING[-1]), ("idxmin", palette.DIVERGING[0])):
        row = frame.loc[getattr(frame.estimate, name)()]
        largest = analysis.to_frame().query("kind != 'embed'").estimate.abs().max()
        pixel = page.locator(".heatmap canvas").first.evaluate(
            """(c, [layer, head, across]) => {
              const d = devicePixelRatio, cell = (c.clientWidth - 34) / across;
              const at = [34 + (head + 0.5) * cell, 18 + (layer + 0.5) * 16];
              return [...c.getContext('2d').getImageData(at[0] * d, at[1] * d, 1, 1).data];
            }""",
            [int(row.layer), int(row["head"]), int(heads)],
        )
        red, _, blue = pixel[:3]
        assert (blue > red) == (row.estimate > 0)
        if abs(row.estimate) == largest:
            assert hex_of(pixel) == expected


def test_the_table_sorts_filters_and_downloads(opened, analysis):
    page = opened().page
    page.get_by_role("button", name="estimate").click()
    frame = analysis.to_frame()
    first = frame.loc[frame.estimate.abs().idxmax()]
    assert nodes(page).locator("th").first.inner_text() == first.node
    page.get_by_role("searchbox").fill("mlp")
    assert nodes(page).count() == (frame.kind == "mlp").sum()
    page.get_by_role("searchbox").fill("")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="CSV").click()
    rows = list(csv.DictReader(io.StringIO(waiting.value.path().read_text())))
    found = {row["node"]: float(row["estimate"]) for row in rows}
    assert found == pytest.approx(dict(zip(frame.node, frame.estimate, strict=True)), rel=1e-6)


def test_the_role_map_frames_the_heads_that_hold_a_role(browser, tmp_path, tiny_roles):
    (tmp_path / "r.html").write_text(tiny_roles.to_html())
    context = browser.new_context(offline=True)
    page = context.new_page()
    page.goto((tmp_path / "r.html").as_uri())
    for index, role in enumerate(tiny_roles.roles):
        page.locator("select").select_option(str(index))
        text = page.get_by_test_id("role").inner_text()
        assert text.startswith(f"{len(tiny_roles.holders(role))} of {len(tiny_roles.heads)} ")
        names = page.locator(".note").last.inner_text().split()
        assert sorted(names) == sorted(node.name for node in tiny_roles.holders(role))
    context.close()


def test_a_matrix_of_200_tokens_follows_the_pointer(browser, tmp_path):
    n = 200
    pattern = torch.rand(1, n, n).tril()
    result = AttentionPatterns(
        tokens=tuple(range(n)),
        labels=tuple(f" t{i}" for i in range(n)),
        heads=(Node("head", 0, 0),),
        pattern=pattern / pattern.sum(-1, keepdim=True),
        value_norm=None,
        note="",
        entropy=torch.zeros(1, n),
        share=dict.fromkeys(TARGETS, torch.zeros(1, n)),
        passes=Passes(forwards=1),
    )
    (tmp_path / "a.html").write_text(result.to_html())
    context = browser.new_context()
    page = context.new_page()
    page.goto((tmp_path / "a.html").as_uri())
    page.locator("summary").click()
    page.locator(".heatmap canvas").wait_for()
    spent = page.evaluate(
        """async () => {
          const canvas = document.querySelector('.heatmap canvas'), spent = [];
          const box = canvas.getBoundingClientRect();
          for (let i = 0; i < 30; i++) {
            const at = { clientX: box.left + 80 + 4 * i, clientY: box.top + 30 + 4 * i };
            const begun = performance.now();
            canvas.dispatchEvent(new MouseEvent('mousemove', { ...at, bubbles: true }));
            await new Promise(requestAnimationFrame);
            spent.push(performance.now() - begun);
          }
          return spent;
        }"""
    )
    context.close()
    assert statistics.median(spent) < 50


def nodes(page):
    return page.locator(NODES)


def number(text: str) -> float:
    return float(text.replace("\u2212", "-"))


def hex_of(pixel: list[int]) -> str:
    return "#" + "".join(f"{value:02x}" for value in pixel[:3])
