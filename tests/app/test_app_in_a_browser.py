"""The app as its reader meets it, in chromium: the real model where numbers or waiting matter.

Elsewhere, where the page is, a random model that answers at once.
"""

import json
import re
import signal
from pathlib import Path
from statistics import median
from xml.etree import ElementTree

import pytest

import pellucid
from tests.app.serving import served
from tests.models.random_gpt2 import write_random_gpt2

pytestmark = [pytest.mark.browser, pytest.mark.smol]
PROMPT = "When Mary and John went to the store, John gave a drink to"
SLOW = 120_000
SIZES = {"desktop": (1440, 900), "phone": (390, 844)}


@pytest.fixture(scope="module")
def address(smol):
    with served() as (found, _):
        yield found


@pytest.fixture(scope="module")
def roomy(tmp_path_factory):
    """A random model that can read a thousand tokens."""
    place = tmp_path_factory.mktemp("roomy") / "random-gpt2"
    return write_random_gpt2(place, n_positions=1024, n_layer=12)


@pytest.fixture(scope="module")
def quick(roomy):
    """The address at which that model is served."""
    with served("--model", str(roomy)) as (found, _):
        yield found


@pytest.fixture
def opened(browser):
    """Opens a page, a second tab if ``beside`` one; what it logs or asks elsewhere is a failure."""
    contexts, logged = [], []

    def at_size(address: str, size: str = "desktop", quiet: bool = True, beside=None):
        width, height = SIZES[size]
        if beside is None:
            contexts.append(browser.new_context(viewport={"width": width, "height": height}))
        page = (beside.context if beside else contexts[-1]).new_page()
        page.set_default_timeout(SLOW)
        if quiet:
            page.on("console", lambda message: logged.append(message.text))
        page.on("pageerror", lambda error: logged.append(str(error)))
        page.on("request", lambda request: check_own(request.url))
        page.goto(address)
        return page

    def check_own(url: str) -> None:
        if not url.startswith(("http://127.0.0.1:", "blob:")):
            logged.append(url)

    yield at_size
    for context in contexts:
        context.close()
    assert logged == []


def asked(page, prompt: str = PROMPT):
    page.fill("#prompt", prompt)
    page.press("#prompt", "Enter")
    page.wait_for_selector("[data-testid=sum-check]")
    return page


def off_table(page) -> list[list[str]]:
    rows = page.locator("[data-testid=compared] tr")
    return [rows.nth(i).locator("td, th").all_inner_texts() for i in range(rows.count())]


def turn_off_first(page) -> str:
    page.locator(".step.selectable").first.click()
    name = page.locator(".step.chosen").get_attribute("aria-label").split(":")[0]
    page.get_by_role("button", name=f"Turn {name} off").click()
    page.wait_for_selector("[data-testid=compared]")
    return name


@pytest.mark.parametrize(("size", "model"), [("desktop", "address"), ("phone", "quick")])
def test_turning_a_part_off_moves_the_answer_beside_a_random_part(opened, size, model, request):
    page = asked(opened(request.getfixturevalue(model), size))
    shown = page.get_by_test_id("sum-check").locator("b").all_inner_texts()
    assert shown[0] == shown[1]
    assert float(shown[2]) < 1e-3
    name = turn_off_first(page)
    table = off_table(page)
    assert table[0][2] == f"without {name}"
    assert table[0][3].endswith("(random)")
    plain, off, random = (float(cell.replace("\u2212", "-")) for cell in table[1][1:])
    assert off != plain
    assert random != off
    page.get_by_role("button", name=f"Turn {name} on again").click()
    page.get_by_test_id("compared").wait_for(state="detached")
    assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size][0]


def test_controls_do_not_erase_what_is_shown(opened, quick):
    page = asked(opened(quick))
    page.wait_for_selector(".lens-scroll canvas")
    turn_off_first(page)
    before = off_table(page)
    page.get_by_role("button", name="Change to the dark theme").click()
    page.locator("select").filter(has_text="probability of the likeliest").select_option(
        "difference"
    )
    page.locator(".lens-scroll canvas").click(position={"x": 200, "y": 120})
    page.locator(".step.selectable").nth(3).click()
    assert off_table(page) == before
    assert page.get_by_test_id("sum-check").is_visible()


@pytest.mark.parametrize("name", ["Shares of the logit difference", "direct effect, in logits"])
def test_a_figure_is_saved_as_it_looks(opened, explored, name, tmp_path):
    tools = explored.get_by_role("group", name=f"Save the figure: {name}")
    files = {}
    for kind in ("PNG", "SVG"):
        with explored.expect_download() as download:
            tools.get_by_role("button", name=kind).click()
        files[kind] = tmp_path / download.value.suggested_filename
        download.value.save_as(files[kind])
    assert files["PNG"].read_bytes().startswith(b"\x89PNG")
    root = ElementTree.parse(files["SVG"]).getroot()
    texts = {text.text for text in root.iter("{http://www.w3.org/2000/svg}text")}
    assert "M29" in texts or {"L0", "L29", "H8", "MLP"} <= texts
    fills = {rect.get("fill") for rect in root.iter("{http://www.w3.org/2000/svg}rect")}
    assert "rgb(44, 127, 184)" in fills or len(fills) > 50  # the palette's blue, or a ramp


@pytest.fixture(scope="module")
def explored(browser, address):
    """A prompt that was asked, for what only looks at it."""
    page = browser.new_page()
    page.set_default_timeout(SLOW)
    page.goto(address)
    yield asked(page)
    page.close()


def test_a_reload_and_a_second_tab_show_the_same(opened, quick):
    page = asked(opened(quick))
    page.locator("button.as-foil:enabled").first.click()
    page.wait_for_selector("[data-testid=sum-check]")
    name = turn_off_first(page)
    before = off_table(page)
    other = opened(page.url, beside=page)
    page.reload()
    for one in (page, other):
        one.wait_for_selector("[data-testid=compared]")
        assert off_table(one) == before
        assert one.locator("#prompt").input_value() == PROMPT
        assert one.get_by_role("button", name=f"Turn {name} on", exact=True).is_visible()


def test_a_head_shows_where_it_looks(opened, address):
    page = asked(opened(address))
    head = page.locator(".step.selectable[aria-label^=L]").first
    name = head.get_attribute("aria-label").split(":")[0]
    head.click()
    tokens = page.locator(f'ol[aria-label="Attention of {name}"] button')
    tokens.first.wait_for()
    assert tokens.count() == page.locator('ol[aria-label$="tokens"] li').count()
    tokens.nth(4).click()
    assert tokens.nth(4).get_attribute("aria-pressed") == "true"
    assert tokens.nth(6).get_attribute("title").endswith(": 0 %")
    share = page.locator(".step.chosen").get_attribute("aria-label").split(": ")[1]
    page.get_by_test_id("reads").get_by_text("All positions").wait_for()
    assert page.get_by_test_id("reads").locator("p b").inner_text() == share
    written = page.get_by_test_id("writes").locator(".number").all_inner_texts()
    assert [text[0] for text in written] == ["+"] * 8 + ["\u2212"] * 8
    page.get_by_role("button", name="Type this head").wait_for()


def test_a_long_job_shows_progress_and_can_be_cancelled(opened, address):
    page = asked(opened(address))
    page.get_by_role("button", name="Measure every head and MLP").click()
    page.locator(".status", has_text=re.compile(r"[1-9]\d* of 301 forwards, about")).wait_for()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Measure every head and MLP").wait_for()
    note = page.locator("[data-tour=parts] .note").inner_text()
    assert 0 < int(re.search(r"Stopped after (\d+) of 300", note)[1]) < 300
    assert "hatched: not measured" in page.locator("[data-tour=parts] .legend-label").inner_text()
    turn_off_first(page)


def test_two_prompts_are_patched_both_ways(opened, address):
    page = asked(opened(address))
    page.get_by_role("button", name="Contrast pairs").click()
    page.get_by_label("Other prompt").fill(PROMPT.replace("store, John", "store, Mary"))
    page.locator("form").get_by_role("button", name="Compare").click()
    assert page.get_by_test_id("parted").inner_text().startswith("From ")
    levels = page.locator(".traces .level-row")
    said = levels.evaluate_all("all => all.map(g => g.classList[1])")
    assert len(said) == 2 * 61
    assert (said[0], said[60], said[121]) == ("neither", "answer", "foil")  # " to", Mary, John
    assert "foil" in said  # " the", early
    stream = page.locator(".heatmap canvas[aria-label*=stream]")
    stream.wait_for()
    assert page.locator(".token.parts").count() == 2
    for direction, base in (("noising", "clean"), ("denoising", "corrupted")):
        page.get_by_role("button", name=direction, exact=True).click()
        stream.wait_for()
        stream.click(position={"x": 50, "y": 40})
        page.get_by_text(f"the {base} run with").wait_for()
        page.locator("[data-testid=compared]", has_text="patched").wait_for()
        heads = page.get_by_test_id("compared").last.locator("thead th").all_inner_texts()
        assert heads[:2] == [base, "patched"]


def test_the_circuit_map_finds_measures_and_is_restored(opened, address):
    page = asked(opened(address))
    page.get_by_role("button", name="Circuit map").click()
    page.get_by_label("Other prompt").fill(PROMPT.replace("store, John", "store, Mary"))
    page.get_by_role("button", name="Find and measure").click()
    page.locator("#size").wait_for()
    assert "Edges between them were not measured" in page.locator("main").inner_text()
    numbers = measured_edges(page)
    arranged(page)
    page.locator("#size").fill("3")
    before = drawn(page)
    assert {"embed", "logits"} <= set(before["boxes"])
    page.reload()
    page.locator("#least").wait_for()
    page.get_by_test_id("groups").get_by_text("measured together: effect").wait_for()
    assert drawn(page) == before
    page.locator("#least").fill("0")
    assert page.get_by_test_id("drawn").inner_text().endswith(f"{len(numbers)} of {len(numbers)}")
    page.get_by_role("button", name="Put into the comparison").click()
    page.get_by_text("In the comparison as").wait_for()
    page.get_by_role("button", name="Compare", exact=True).click()
    page.get_by_role("button", name=f"Close {PROMPT[:40]}").wait_for()


def measured_edges(page) -> list[float]:
    """Measures the edges; what the table and the keyboard tell of them is the same."""
    page.get_by_role("button", name="Measure the edges").click()
    page.locator("#least").wait_for()
    assert "each cut alone" in page.locator("main").inner_text()
    page.get_by_text("Measured edges as a table").click()
    rows = page.get_by_test_id("edges").locator("tbody tr")
    told = [rows.nth(i).locator("th, td").all_inner_texts() for i in range(rows.count())]
    numbers = [float(effect.replace("\u2212", "-")) for _, _, effect in told]
    assert [abs(n) for n in numbers] == sorted((abs(n) for n in numbers), reverse=True)
    page.locator(".edges").focus()
    sender, slot, effect = told[0]
    readout = page.get_by_test_id("graph-readout")
    assert readout.inner_text() == f"{sender} \u2192 {slot}: effect {effect}"
    page.keyboard.press("ArrowRight")
    assert page.locator(".edge.current").count() == 1
    assert readout.inner_text().startswith(f"{told[1][0]} \u2192 {told[1][1]}: ")
    first = page.locator(f'.edge[data-edge="{sender}>{slot}"]').first
    assert first.evaluate("e => e.classList.contains('positive')") == (numbers[0] > 0)
    return numbers


def arranged(page) -> None:
    """Pins, names and groups nodes without a pointer."""
    page.locator("summary", has_text="Pin, name and group").press("Enter")
    first, *others = page.locator(".arrange tbody th").all_inner_texts()
    for name in [first, *others][-2:]:
        page.get_by_label(f"Choose {name} for a group").press("Space")
    page.get_by_label("Group name").fill("<b>pair</b>")
    page.get_by_label("Group name").press("Enter")
    page.get_by_label(f"Your name for {first}").fill("a name of mine")
    page.get_by_label(f"Pin {first}", exact=True).press("Space")
    groups = page.get_by_test_id("groups")
    assert "not measured together" in groups.inner_text()
    page.get_by_role("button", name="Measure each group together").click()
    groups.get_by_text("measured together: effect").wait_for()


def drawn(page) -> dict:
    return {
        "sufficiency": page.get_by_test_id("sufficiency").inner_text(),
        "boxes": sorted(page.locator(".box text").all_text_contents()),
        "labels": page.locator(".box").evaluate_all("all => all.map(b => b.ariaLabel).sort()"),
        "edges": page.locator(".edge").evaluate_all("all => all.map(e => e.dataset.edge)"),
        "groups": page.get_by_test_id("groups").inner_text(),
        "names": page.locator(".arrange input").evaluate_all("all => all.map(i => i.value)"),
    }


@pytest.fixture(scope="module")
def analyses(random_gpt2):
    """Two of the same question, the second with other values put in."""
    model = pellucid.load(str(random_gpt2))
    clean, corrupted = "When Mary and John went to", "When John and Mary went to"
    contrast = pellucid.Contrast(clean, corrupted, " Mary", " John")
    ways = ("corrupted", "zero")
    return [pellucid.analyze(model, contrast, insist=True, ablation=way) for way in ways]


def test_saved_results_stand_side_by_side(opened, quick, analyses, tmp_path):
    one, other = analyses
    (tmp_path / "one.json").write_text(one.to_json())
    other.save(tmp_path / "other")
    page = opened(quick)
    page.get_by_role("button", name="Compare", exact=True).click()
    page.get_by_label("Files (.json)").set_input_files(tmp_path / "one.json")
    page.get_by_label("Folder").set_input_files(tmp_path / "other")
    page.get_by_test_id("facts").wait_for()
    assert "differently: replaced by (ablation)." in page.get_by_test_id("made").inner_text()
    facts = page.get_by_test_id("facts").locator("tbody tr")
    cells = {row[0]: row[1:] for row in (one.split("\t") for one in facts.all_inner_texts())}
    for row, kept in (("nodes in the circuit", "circuit"), ("forwards spent", "passes")):
        sizes = [getattr(a, kept) for a in analyses]
        want = [str(len(size) if kept == "circuit" else size.forwards) for size in sizes]
        assert cells[row][:2] == want
    first, second = (set(a.circuit.names) for a in analyses)
    shared = page.get_by_test_id("overlap").locator("dd").all_inner_texts()
    found = [set(text.replace("none", "").split()) for text in shared]
    assert found == [first & second, first - second, second - first]
    table = page.locator(".table", has=page.get_by_role("region", name="Nodes of both analyses"))
    with page.expect_download() as download:
        table.get_by_role("button", name="JSON").click()
    frames = [a.to_frame().set_index("node") for a in analyses]
    for row in json.loads(Path(download.value.path()).read_text()):
        for side, frame in zip(("left", "right"), frames, strict=True):
            assert row[f"estimate_{side}"] == pytest.approx(frame["estimate"][row["node"]])
    before, link = facts.all_inner_texts(), page.url
    page.reload()
    page.get_by_test_id("facts").wait_for()
    assert facts.all_inner_texts() == before
    elsewhere = opened(link, beside=page)
    elsewhere.get_by_text("is in this link and not in this tab").nth(1).wait_for()


def test_a_saved_study_is_shown_alone_and_opens_its_analyses(opened, quick, analyses, tmp_path):
    study = pellucid.Study.of(dict(zip(("by corrupted", "by zero"), analyses, strict=True)))
    (tmp_path / "study.json").write_text(study.to_json())
    page = opened(quick + "#mode=compare")
    page.get_by_label("Files (.json)").set_input_files(tmp_path / "study.json")
    page.get_by_role("heading", name="Agreement").wait_for()
    page.get_by_label("show").select_option("by zero")
    assert page.get_by_role("heading", name="Estimates").count() == 1
    page.get_by_label("beside").select_option("by corrupted")
    assert "differently: replaced by (ablation)." in page.get_by_test_id("made").inner_text()
    (tmp_path / "one.json").write_text(analyses[0].to_json())
    page.get_by_label("Files (.json)").set_input_files(tmp_path / "one.json")
    page.get_by_role("heading", name="one.json: Analysis").wait_for()
    page.get_by_label("second").select_option("none: the first alone")
    page.reload()
    page.get_by_test_id("made").wait_for()
    assert page.get_by_label("show").input_value() == "by zero"


def test_a_file_that_is_not_opened_or_not_kept_is_named(opened, quick, analyses, tmp_path):
    (tmp_path / "bad.json").write_text('{"schema": 2, "type": "Analysis", "fields": {}}')
    (tmp_path / "none.txt").write_text("")
    page = opened(quick + "#mode=compare")
    files = page.get_by_label("Files (.json)")
    for name, says in (("bad.json", "bad.json: This JSON was changed"), ("none.txt", "no saved")):
        files.set_input_files(tmp_path / name)
        page.get_by_role("alert").get_by_text(says).wait_for()
        assert files.get_attribute("aria-invalid") == "true"
    page.evaluate("() => { Storage.prototype.setItem = () => { throw new Error('full') } }")
    (tmp_path / "one.json").write_text(analyses[0].to_json())
    files.set_input_files(tmp_path / "one.json")
    page.get_by_text("is too large for the tab to keep").wait_for()
    assert page.get_by_role("alert").count() == 0


def test_heads_are_typed_when_asked_and_not_before(opened, address):
    page = asked(opened(address))
    page.get_by_role("button", name="Head roles").click()
    assert page.get_by_test_id("role").count() == 0
    page.get_by_role("button", name="Type every head").click()
    page.locator(
        ".status", has_text=re.compile(r"[1-9]\d* of \d+ forwards, about \d+ s")
    ).wait_for()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Type every head").wait_for()


def test_what_went_wrong_can_be_tried_again(opened, address):
    page = asked(opened(address, quiet=False))
    page.route("**/api/jobs", lambda route: route.abort(), times=1)
    page.get_by_role("button", name="Head roles").click()
    page.get_by_role("button", name="Type every head").click()
    page.get_by_role("alert").get_by_role("button", name="Try again").click()
    page.locator(".status", has_text="forwards").wait_for()
    assert page.get_by_role("alert").count() == 0
    page.get_by_role("button", name="Cancel").click()


def test_bad_input_gets_its_message_at_the_field(opened, quick):
    page = asked(opened(quick, quiet=False))
    page.get_by_role("textbox", name="another answer").fill(" refrigerator magnets")
    page.get_by_role("button", name="Use another answer").click()
    form = page.locator(".own form").first
    form.locator(".problem").wait_for()
    assert "one token" in form.locator(".problem").inner_text()
    assert form.locator("input").get_attribute("aria-invalid") == "true"
    assert page.get_by_test_id("sum-check").is_visible()
    page.get_by_role("textbox", name="another answer").fill(" Paris")
    page.get_by_role("button", name="Use another answer").click()
    page.get_by_test_id("pair").get_by_text("Paris").wait_for()


def test_any_text_is_shown_as_text(opened, address):
    text = "<img src=x onerror=alert(1)></script> \U0001f600 \u05e9\u05dc\u05d5\u05dd"
    page = asked(opened(address), text)
    assert page.locator("main img").count() == 0
    shown = "".join(page.locator('ol[aria-label$="tokens"] bdi').all_text_contents())
    assert "<img src=x onerror=alert(1)></script>" in shown


FRAMES = """() => new Promise((done) => {
  const took = [], box = document.querySelector(".lens-scroll");
  let last = performance.now();
  const next = (now) => {
    took.push(now - last);
    last = now;
    box.scrollLeft = (took.length * 7) % 400;
    scrollBy(0, took.length % 2 ? 40 : -38);
    if (took.length < 60) requestAnimationFrame(next);
    else done(took.slice(2));
  };
  requestAnimationFrame(next);
})"""


def test_two_hundred_tokens_scroll_smoothly_and_a_thousand_are_shown(opened, quick):
    page = asked(opened(quick), " drink" * 184 + " " + PROMPT)
    page.locator(".lens-scroll canvas").first.wait_for()
    assert median(page.evaluate(FRAMES)) < 50  # milliseconds
    tokens = page.locator('ol[aria-label$="tokens"] li')
    assert tokens.count() == 200
    page.fill("#prompt", " drink" * 984 + " " + PROMPT)
    page.press("#prompt", "Enter")
    tokens.nth(999).wait_for()
    assert tokens.count() == 1000


def test_the_page_outlives_the_server(opened, roomy):
    with served("--model", str(roomy)) as (address, process):
        page = asked(opened(address, quiet=False))
        turn_off_first(page)
        before = off_table(page)
        process.send_signal(signal.SIGKILL)
        process.wait(20)
        page.get_by_role("button", name="Draw other random parts").click()
        page.locator(".problem").first.wait_for()
        assert "pellucid app" in page.locator(".problem").first.inner_text()
        assert off_table(page) == before
    with served("--model", str(roomy)) as (again, _):
        hash_of = page.evaluate("location.hash")
        restored = opened(again + hash_of, quiet=False)
        restored.wait_for_selector("[data-testid=compared]")
        assert off_table(restored)[1][1:3] == before[1][1:3]
