"""The app as its reader meets it: the real model, in chromium."""

import re
import signal

import pytest
from serving import served

pytestmark = [pytest.mark.browser, pytest.mark.smol]
PROMPT = "When Mary and John went to the store, John gave a drink to"
SLOW = 120_000
SIZES = {"desktop": (1440, 900), "phone": (390, 844)}


@pytest.fixture(scope="module")
def address(smol):
    with served() as (found, _):
        yield found


@pytest.fixture
def opened(browser):
    """Opens a page; whatever it logs or asks elsewhere fails the test."""
    contexts, logged = [], []

    def at_size(address: str, size: str = "desktop", quiet: bool = True):
        width, height = SIZES[size]
        contexts.append(browser.new_context(viewport={"width": width, "height": height}))
        page = contexts[-1].new_page()
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


@pytest.mark.parametrize("size", SIZES)
def test_turning_a_part_off_moves_the_answer_beside_a_random_part(opened, address, size):
    page = asked(opened(address, size))
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
    page.wait_for_selector("text=Nothing is turned off")
    assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size][0]


def test_controls_do_not_erase_what_is_shown(opened, address):
    page = asked(opened(address))
    page.wait_for_selector(".lens-scroll canvas")
    turn_off_first(page)
    before = off_table(page)
    page.locator("header button").click()
    page.locator("select").filter(has_text="probability of the likeliest").select_option(
        "difference"
    )
    page.locator(".lens-scroll canvas").click(position={"x": 200, "y": 120})
    page.locator(".step.selectable").nth(3).click()
    assert off_table(page) == before
    assert page.get_by_test_id("sum-check").is_visible()


def test_a_reload_and_a_second_tab_show_the_same(opened, address):
    page = asked(opened(address))
    page.get_by_role("button", name="foil", exact=True).nth(2).click()
    page.wait_for_selector("[data-testid=sum-check]")
    name = turn_off_first(page)
    before = off_table(page)
    other = opened(page.url)
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


def test_a_long_job_shows_progress_and_can_be_cancelled(opened, address):
    page = asked(opened(address))
    page.get_by_role("button", name="Measure every head and MLP").click()
    page.locator(".status", has_text=re.compile(r"[1-9]\d* of 301 forwards, about")).wait_for()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Measure every head and MLP").wait_for()
    turn_off_first(page)


def test_two_prompts_are_patched_both_ways(opened, address):
    page = asked(opened(address))
    page.get_by_role("button", name="Contrast pairs").click()
    page.get_by_label("Other prompt").fill(PROMPT.replace("store, John", "store, Mary"))
    page.get_by_role("button", name="Compare").click()
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
    page.get_by_label(f"Your name for {first}").fill("a name of mine")
    page.get_by_label(f"Pin {first}", exact=True).press("Space")
    for name in others[:2]:
        page.get_by_label(f"Choose {name} for a group").press("Space")
    page.get_by_label("Group name").fill("<b>pair</b>")
    page.get_by_label("Group name").press("Enter")
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


def test_heads_are_typed_when_asked_and_not_before(opened, address):
    page = asked(opened(address))
    page.get_by_role("button", name="Head roles").click()
    assert page.get_by_test_id("role").count() == 0
    page.get_by_role("button", name="Type every head").click()
    page.locator(".status", has_text=re.compile("running|forwards")).wait_for()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Type every head").wait_for()


def test_bad_input_gets_its_message_at_the_field(opened, address):
    page = asked(opened(address, quiet=False))
    page.get_by_label("another answer").fill(" refrigerator magnets")
    page.get_by_role("button", name="use").first.click()
    form = page.locator(".own form").first
    form.locator(".problem").wait_for()
    assert "one token" in form.locator(".problem").inner_text()
    assert form.locator("input").get_attribute("aria-invalid") == "true"
    assert page.get_by_test_id("sum-check").is_visible()
    page.get_by_label("another answer").fill(" Paris")
    page.get_by_role("button", name="use").first.click()
    page.get_by_test_id("pair").get_by_text("Paris").wait_for()


def test_any_text_is_shown_as_text(opened, address):
    text = "<img src=x onerror=alert(1)></script> \U0001f600 \u05e9\u05dc\u05d5\u05dd"
    page = asked(opened(address), text)
    assert page.locator("main img").count() == 0
    shown = "".join(page.locator('ol[aria-label$="tokens"] bdi').all_text_contents())
    assert "<img src=x onerror=alert(1)></script>" in shown


def test_the_page_outlives_the_server(opened, smol):
    with served() as (address, process):
        page = asked(opened(address, quiet=False))
        turn_off_first(page)
        before = off_table(page)
        process.send_signal(signal.SIGKILL)
        process.wait(20)
        page.get_by_role("button", name="Draw other random parts").click()
        page.locator(".problem").first.wait_for()
        assert "pellucid app" in page.locator(".problem").first.inner_text()
        assert off_table(page) == before
    with served() as (again, _):
        hash_of = page.evaluate("location.hash")
        restored = opened(again + hash_of, quiet=False)
        restored.wait_for_selector("[data-testid=compared]")
        assert off_table(restored)[1][1:3] == before[1][1:3]
