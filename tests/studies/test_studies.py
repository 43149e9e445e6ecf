"""A study: numbers of its analyses by hand, saved and read back, and as a reader meets it."""

import json
from dataclasses import replace

import pytest
import torch
from jsonschema import Draft202012Validator
from rich.cells import cell_len
from scipy import stats

from pellucid import Analysis, Contrast, ContrastBatch, ResultFileError, Study, TaskError, study
from pellucid.passes import metering
from pellucid.report.document import document
from pellucid.report.schema import PLACE
from pellucid.results.checksum import signed
from pellucid.results.prose import Quantity, at, plain


def with_circuit(analysis: Analysis, names: set[str], estimate: torch.Tensor) -> Analysis:
    """The same with another circuit and other estimates."""
    nodes = tuple(node for node in analysis.attribution.nodes if node.name in names)
    by_position = torch.zeros_like(analysis.attribution.by_position)  # example position node
    by_position[0, -1] = estimate
    return replace(
        analysis,
        attribution=replace(analysis.attribution, by_position=by_position),
        circuit=replace(analysis.circuit, nodes=nodes),
    )


@pytest.fixture(scope="module")
def three(analysis) -> Study:
    """Circuits that share two of three, and none; estimates that are known."""
    n = len(analysis.attribution.nodes)
    rising = torch.arange(n, dtype=torch.float)
    nothing = with_circuit(analysis, set(), torch.sin(rising))
    return Study.of(
        {
            "a": with_circuit(analysis, {"L0H1", "L1H2"}, rising),
            "b": with_circuit(analysis, {"L0H1", "L1H2", "L2H0"}, -rising),
            "c": replace(nothing, over_heads=None, over_heads_and_mlps=None),
        }
    )


def test_pairs_are_counted_and_correlated(three):
    ab, ac, bc = three.pairs
    assert (ab.first, ab.second, ab.shared, ab.either) == ("a", "b", 2, 3)
    assert ab.jaccard == pytest.approx(2 / 3)
    # Sets of two and three of the model's twelve heads: 0, 1 or 2 in common.
    ways = [stats.hypergeom(12, 2, 3).pmf(k) * k / (5 - k) for k in range(3)]
    assert ab.by_chance == pytest.approx(sum(ways))
    assert ab.tau == -1
    for pair in (ac, bc):  # of which one claims no circuit
        assert pair.jaccard != pair.jaccard
        assert pair.by_chance != pair.by_chance
    assert three.jaccard.low == three.jaccard.high == ab.jaccard
    assert ac.tau == pytest.approx(-bc.tau)
    assert three.tau.low == -1


def test_nodes_are_counted_over_circuits(three):
    frame = three.to_frame().set_index("node")
    assert frame["circuits"].loc[["L0H1", "L1H2", "L2H0", "M0"]].tolist() == [2, 2, 1, 0]
    assert "embed" not in frame.index
    assert list(frame.columns[:5]) == ["kind", "layer", "head", "position", "example"]
    index = [node.name for node in three.analyses[0].attribution.nodes].index("M1")
    values = [float(one.attribution.estimate[index]) for one in three.analyses]
    row = frame.loc["M1"]
    assert row[["estimate", "low", "high"]].tolist() == pytest.approx(
        [sum(values) / 3, min(values), max(values)]
    )


def test_the_summary_has_a_row_for_each_and_says_where_nothing_is_claimed(three):
    summary = three.summary()
    assert summary["analysis"].tolist() == ["a", "b", "c"]
    assert summary["sufficiency"].isna().tolist() == [False, False, True]
    assert three.claimed == 2
    assert three.passes.forwards == sum(one.passes.forwards for one in three.analyses)
    text = str(three)
    assert max(map(len, text.splitlines())) <= 80
    assert "no circuit is claimed" in text


def test_long_names_stay_apart_within_eighty_columns(analysis):
    names = ("capital-of-france-smollm2-135m", "capital-of-france-qwen25-500m", "\u6f22" * 30)
    rows = str(Study.of(dict.fromkeys(names, analysis))).splitlines()[3:6]
    assert len(set(rows)) == 3
    assert max(map(cell_len, rows)) <= 80
    assert len({cell_len(row) for row in rows}) == 1


def test_every_number_told_is_that_of_the_study(three):
    for part in three.story():
        for piece in (p for sentence in part.sentences for p in sentence):
            if isinstance(piece, Quantity):
                assert piece.value in (at(three, piece.ref), str(at(three, piece.ref)))
    often = plain(three.story()[1].sentences[1])
    assert "L0H1 (2)" in often
    assert "L2H0" not in often


def test_what_was_made_differently_is_said(three, analysis):
    assert three.made_differently == ()
    other = replace(analysis, circuit=replace(analysis.circuit, ablation="zero"))
    mixed = Study.of({"a": analysis, "b": other})
    assert mixed.made_differently == ("ablation",)
    assert "more than their question: ablation" in mixed.caveats[0]


def test_models_of_different_shape_are_not_correlated(analysis):
    few = replace(analysis.attribution, nodes=analysis.attribution.nodes[:-1],
                  by_position=analysis.attribution.by_position[..., :-1],
                  measured=None)  # fmt: skip
    (pair,) = Study.of({"a": analysis, "b": replace(analysis, attribution=few)}).pairs
    assert pair.tau != pair.tau
    assert pair.by_chance != pair.by_chance


def test_it_is_saved_and_read_back_and_fits_the_schema(three, tmp_path):
    again = Study.load(three.save(tmp_path / "s"))
    assert again.names == three.names
    assert again.pairs == three.pairs
    described = Draft202012Validator(json.loads(PLACE.read_text()))
    described.validate(json.loads(three.to_json()))
    found = json.loads(json.dumps(document(three)))
    described.validate(found)
    assert len(found["parts"]) == 3
    assert found["parts"][0]["story"][0]["title"] == "Conclusion"


def test_names_must_tell_the_analyses_apart(analysis, tmp_path):
    with pytest.raises(TaskError, match="at least one"):
        Study.of({})
    with pytest.raises(TaskError, match="same name"):
        Study(names=("a", "a"), analyses=(analysis, analysis))
    with pytest.raises(TaskError, match="found Attribution"):
        Study.of({"a": analysis.attribution})
    for name in ("", "  ", "a\nb", "\x1b[31m", 1, None):
        with pytest.raises(TaskError, match="is no name"):
            Study.of({name: analysis})
    with pytest.raises(TaskError, match="by name"):
        Study.of([analysis])
    place = Study.of({"a": analysis, "b": analysis}).save(tmp_path / "s") / "result.json"
    body = json.loads(place.read_text().replace('"b"', '"a"', 1))
    place.write_text(json.dumps(signed(body)))
    with pytest.raises(ResultFileError, match="same name"):
        Study.load(tmp_path / "s")


def test_questions_are_analysed_one_by_one(random_gpt2):
    import pellucid

    model = pellucid.load(str(random_gpt2))
    asked = [Contrast(f"{c} is a", f"{c} is b", "x", "y") for c in ("one", "two")]
    found = study(model, ContrastBatch(tuple(asked), name="letters"), insist=True)
    assert found.names == ("letters 1", "letters 2")
    alone = pellucid.analyze(model, asked[1], insist=True)
    assert found.analyses[1].circuit == alone.circuit
    assert found.analyses[1].metric_clean == pytest.approx(alone.metric_clean)
    with metering() as meter, pytest.raises(TaskError, match=r"^wrong: "):
        study(model, {"right": asked[0], "wrong": Contrast("a b", "a b c d e f", "x", "y")})
    assert meter.passes.forwards == 0
    for asking, said in (
        ([], "at least one question"),
        (asked[0], "use analyze"),
        (None, "is None"),
        ({1: asked[0]}, "a dictionary from text"),
    ):
        with pytest.raises(TaskError, match=said):
            study(model, asking)


@pytest.mark.browser
def test_long_names_fit_and_a_row_leads_to_its_analysis(browser, analysis, tmp_path):
    study = Study.of({"x" * 60: analysis, "y " * 40: analysis})
    place = tmp_path / "study.html"
    place.write_text(study.to_html(), encoding="utf-8")
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto(place.as_uri())
    page.get_by_role("region", name="Table of analyses").locator("tbody tr").last.click()
    chosen = page.get_by_role("heading", name="One or two of them")
    assert chosen.evaluate("h => h.getBoundingClientRect().top") < 844
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.emulate_media(media="print")  # where nothing can be scrolled to
    page.set_viewport_size({"width": 794, "height": 1123})
    table = page.get_by_role("region", name="Table of analyses")
    assert table.evaluate("t => t.scrollWidth") <= 794
    assert table.locator("td[data-title^='sufficiency']").first.is_visible()
    page.close()


@pytest.mark.browser
def test_a_reader_chooses_two_of_them(browser, three, tmp_path):
    place = tmp_path / "study.html"
    place.write_text(three.to_html(), encoding="utf-8")
    context = browser.new_context(viewport={"width": 390, "height": 844}, offline=True)
    page = context.new_page()
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(place.as_uri())
    page.get_by_label("measure").select_option("tau")
    canvas = page.locator(".heatmap canvas").first
    canvas.focus()
    page.keyboard.press("ArrowRight")
    readout = page.locator(".readout").first
    assert readout.inner_text() == "a and b: Jaccard 0.67 (by chance 0.133), tau-b \u22121.00"
    page.keyboard.press("Enter")
    assert page.get_by_test_id("overlap").locator("dd").first.inner_text() == "L0H1 L1H2"
    page.reload()
    assert page.get_by_label("beside").input_value() == "b"
    page.get_by_label("beside").select_option("")
    assert page.get_by_role("heading", name="Estimates").count() == 1
    region = page.get_by_role("region", name="Nodes of all analyses")
    assert region.locator("tbody tr").first.inner_text().split("\t")[2:4] == ["2", "a, b"]
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert errors == []
    context.close()
