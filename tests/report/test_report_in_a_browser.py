"""The report as a reader meets it: opened from a disk, with no network."""

import csv
import io
import statistics
from dataclasses import replace

import pytest
import torch

from pellucid import Contrast, Node, Passes, discover_edges, load, patch_edges
from pellucid.analysis.result import derived_of
from pellucid.figures.appearance import palette
from pellucid.lens.heads.attention import AttentionPatterns
from pellucid.lens.heads.targets import TARGETS
from pellucid.results.prose import at
from pellucid.results.quoting import in_quotes, shell_command

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


def test_a_saved_curve_says_what_its_marks_mean(opened, tmp_path):
    page = opened().page
    tools = page.get_by_role("group", name="Save the figure: Sufficiency by size")
    with page.expect_download() as download:
        tools.get_by_role("button", name="SVG").click()
    download.value.save_as(tmp_path / "curve.svg")
    text = (tmp_path / "curve.svg").read_text(encoding="utf-8")
    for meaning in ("the highest ranked nodes", "the circuit", "random sets of its size"):
        assert meaning in text


def test_without_edges_the_graph_says_that_none_were_measured(opened):
    page = opened().page
    assert "Edges between them were not measured" in page.locator("main").inner_text()
    assert page.locator(".edge, #least").count() == 0


def test_backups_are_framed_told_and_can_be_hidden(browser, analysis, with_backup, tmp_path):
    name = with_backup.backups.found[0].node.name
    (tmp_path / "r.html").write_text(with_backup.to_html())
    context = browser.new_context(offline=True)
    page = context.new_page()
    page.goto((tmp_path / "r.html").as_uri())
    box = page.locator(".box.backup")
    assert box.locator("text").text_content() == name
    assert box.get_attribute("aria-label").endswith(", a backup")
    rows = page.get_by_test_id("backups").locator("tbody tr")
    assert rows.first.inner_text().split("\t") == [
        name, "zero", "+0.250", "+1.000", "+0.750", "takes over",
    ]  # fmt: skip
    assert rows.count() == 2
    assert rows.last.locator("td").last.inner_text() == "no"
    page.get_by_role("checkbox", name="shown").uncheck()
    assert sorted(page.locator(".box text").all_text_contents()) == sorted(analysis.circuit.names)
    context.close()


def test_what_is_pinned_named_and_grouped_is_in_the_link(opened, analysis):
    first = opened().page
    first.locator("#size").fill(str(len(analysis.over_heads.curve_sizes) - 1))
    first.locator("summary", has_text="Pin, name and group").click()
    first.get_by_label("Your name for L2H3").fill("the last")
    first.get_by_label("Pin L2H3", exact=True).check()
    for name in ("L0H0", "L1H1"):
        first.get_by_label(f"Choose {name} for a group").check()
    first.get_by_label("Group name").fill("early")
    first.get_by_label("Group name").press("Enter")
    page = opened(hash=first.evaluate("location.hash")).page
    box = page.locator(".box.group")
    assert box.locator("text").text_content() == "early (2)"
    assert box.get_attribute("aria-label") == "early: L0H0, L1H1; not measured together"
    page.locator("#size").fill("-1")
    pinned = page.locator(".box.pinned")
    assert pinned.locator("text").text_content() == "L2H3 \u00b7 the last"
    page.get_by_role("button", name="Take early apart").click()
    assert page.locator(".box.group").count() == 0


@pytest.mark.parametrize("rest", ["groups=[1]&labels=3&pins=,,", "groups=%7B&least=x&labels=[]"])
def test_an_address_that_says_nonsense_shows_the_page(opened, analysis, rest):
    seen = opened(hash=f"#{rest}")
    assert seen.errors == []
    assert seen.page.locator(".box").count() == len(analysis.circuit)


def test_a_link_shows_the_same_again(opened, analysis):
    first = opened().page
    nodes(first).nth(2).click()
    first.locator("#size").fill("1")
    first.get_by_role("button", name="Change to the dark theme").click()
    second = opened(hash=first.evaluate("location.hash")).page
    for where in (".slider label", ".selected", "header button[aria-label^=Change]"):
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
    table = page.get_by_role("region", name="Table of nodes")
    table.get_by_role("button", name="estimate").click()
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


@pytest.fixture
def drawn(browser, tmp_path):
    """Draws any result; whatever its page logs fails the test."""
    context = browser.new_context(offline=True, viewport={"width": 390, "height": 844})
    pages = []

    def draw(result) -> Watched:
        (tmp_path / f"{len(pages)}.html").write_text(result.to_html(), encoding="utf-8")
        pages.append(Watched(context, (tmp_path / f"{len(pages)}.html").as_uri()))
        assert pages[-1].page.evaluate("document.documentElement.scrollWidth") <= 390
        return pages[-1].page

    yield draw
    assert [page.errors for page in pages] == [[]] * len(pages)
    context.close()


def test_edges_are_drawn_from_their_senders_to_what_they_feed(drawn, random_gpt2):
    model = load(str(random_gpt2))
    asked = Contrast("a b", "a c", "x", "y")
    edges = [("L0H1", "M1"), ("embed", "L1H2.q"), ("M1", "logits")]
    measured = patch_edges(model, asked, edges=edges)
    frame = measured.to_frame().dropna().set_index(["sender", "slot"]).effect
    page = drawn(measured)
    rows = page.get_by_test_id("edges").locator("tbody tr")
    told = {tuple(rows.nth(i).locator("th, td").all_inner_texts()[:2]): number(
        rows.nth(i).locator("td").last.inner_text()) for i in range(rows.count())}  # fmt: skip
    assert told == {edge: pytest.approx(effect, abs=5e-4) for edge, effect in frame.items()}
    page.locator("#least").fill("0")
    assert page.locator(".edge").count() == len(edges)
    assert set(page.locator(".box text").all_text_contents()) == {
        "embed", "L0H1", "M1", "L1H2", "logits",
    }  # fmt: skip
    circuit = discover_edges(model, asked, method="top", size=6, insist=True)
    page = drawn(circuit)
    assert page.get_by_test_id("edges").locator("tbody tr").count() == len(circuit)


def test_single_results_show_their_numbers(drawn, analysis, with_backup):
    page = drawn(analysis.over_heads)
    assert page.locator(".curve svg").count() == 1
    assert number(page.locator("dd.number").first.inner_text()) == pytest.approx(
        analysis.over_heads.sufficiency, abs=5e-4
    )
    found = analysis.attribution
    scores = dict(zip((node.name for node in found.nodes), found.score.tolist(), strict=True))
    page = drawn(found)
    page.locator(".heatmap canvas").focus()
    page.keyboard.press("ArrowDown")
    name, _, value = page.locator(".readout").inner_text().split()
    assert number(value) == pytest.approx(scores[name.rstrip(":")], abs=5e-4)
    page = drawn(analysis.patches)
    assert page.locator(".heatmap canvas").count() == 1
    effects = analysis.patches.to_frame().set_index("node")["effect"]
    first = page.locator("tbody tr").first
    named, shown = first.locator("th, td").first.inner_text(), first.locator("td").last.inner_text()
    assert named == effects.abs().idxmax()
    assert number(shown) == pytest.approx(effects[named], abs=5e-4)
    assert drawn(with_backup.backups).get_by_test_id("backups").locator("tbody tr").count() == 2
    assert analysis.circuit.names[0] in drawn(analysis.circuit).locator("main").inner_text()


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


def test_the_command_is_copied_from_the_page_as_it_is_typed(browser, analysis, tmp_path):
    prompt = "Income:  high\nDebts: \x1b none\tand `$HOME` 'of' \"ours\" \u202e\n" + "word " * 40
    contrast = Contrast(prompt, prompt.replace("none", "huge"), " approved", " denied")
    command = shell_command(["pellucid", "analyze", *map(str, contrast.to_dict().values())])
    made = replace(analysis.provenance, command=command)
    place = tmp_path / "report.html"
    asked = replace(analysis.question, clean=(contrast.clean,), corrupted=(contrast.corrupted,))
    found = replace(analysis, provenance=made, question=asked)
    place.write_text(found.to_html(), encoding="utf-8")
    for width in (1440, 698, 390):
        context = browser.new_context(viewport={"width": width, "height": 900}, offline=True)
        watched = Watched(context, place.as_uri())
        shown = watched.page.locator(".story .command")
        assert shown.inner_text() == command
        told = watched.page.locator("main").inner_text()
        assert f"Prompt: {in_quotes(prompt)}" in told
        assert not {"\x1b", "\u202e"} & set(told)
        if width == 698:  # as it is printed: no line is broken again
            lines = shown.evaluate("e => e.getClientRects().length && e.scrollHeight")
            assert lines < (command.count("\n") + 3) * 24
        context.close()
