"""The document of a result: exact, described by the schema, and every number traceable."""

import json
from base64 import b64decode
from dataclasses import replace
from html.parser import HTMLParser

import jsonschema
import numpy as np
import pytest
import torch
from jsonschema import Draft202012Validator

import pellucid
from pellucid import Analysis, Result, attention, direct_effects, load, logit_lens
from pellucid.report.document import compact, document
from pellucid.report.markdown import markdown
from pellucid.report.page import framed, html_page, json_in_html
from pellucid.report.schema import PLACE, of_hint, schema
from pellucid.results.prose import Quantity, at, plain, say
from pellucid.views import analysis_facts as facts


@pytest.fixture(scope="module")
def described() -> Draft202012Validator:
    return Draft202012Validator(json.loads(PLACE.read_text()))


@pytest.fixture(scope="module")
def lenses(random_gpt2, analysis) -> list[Result]:
    model = load(str(random_gpt2))
    question = analysis.question
    asked = pellucid.Contrast(question.clean[0], question.corrupted[0], "x", "y")
    return [
        logit_lens(model, asked.clean, targets=["x", "y"], against=asked.corrupted),
        direct_effects(model, asked, split="source"),
        attention(model, asked.clean),
    ]


def test_the_schema_is_the_one_that_the_annotations_say():
    assert json.loads(PLACE.read_text()) == schema(), "run: python -m pellucid.report.schema"


def test_every_public_result_has_a_schema(described):
    kinds = [getattr(pellucid, name) for name in pellucid.__all__]
    results = {k.__name__ for k in kinds if isinstance(k, type) and issubclass(k, Result)}
    assert results - {"Result"} <= set(described.schema["properties"]["type"]["enum"])


def test_documents_and_json_fit_the_schema(described, analysis, lenses):
    for result in [analysis, *lenses]:
        described.validate(document(result))
        described.validate(json.loads(result.to_json()))


def test_what_is_saved_fits_the_schema(described, analysis, tmp_path):
    described.validate(json.loads((analysis.save(tmp_path / "a") / "result.json").read_text()))


@pytest.mark.parametrize("broken", ["missing", "extra", "wrong", "newer"])
def test_the_schema_refuses_what_is_broken(described, analysis, broken):
    found = document(analysis)
    if broken == "missing":
        del found["fields"]["metric_clean"]
    elif broken == "extra":
        found["fields"]["verdict"] = "good"
    elif broken == "wrong":
        found["fields"]["circuit"]["fields"]["minimal"] = "yes"
    else:
        found["schema"] = 99
    with pytest.raises(jsonschema.ValidationError):
        described.validate(found)


def test_an_annotation_that_nobody_has_described_is_refused():
    with pytest.raises(TypeError, match=r"schema\.py"):
        of_hint(complex)


@pytest.mark.parametrize(
    "dtype", [torch.float32, torch.float64, torch.float16, torch.int64, torch.bool]
)
def test_compact_tensors_are_exact(dtype):
    tensor = torch.arange(-3, 9).reshape(3, 4).to(dtype)
    found = compact(tensor.T)
    raw = np.frombuffer(b64decode(found["base64"]), dtype=found["dtype"])
    assert np.array_equal(raw.reshape(found["shape"]), tensor.T.numpy())


def test_integers_that_do_not_fit_are_refused():
    with pytest.raises(OverflowError):
        compact(torch.tensor([2**40]))


def test_a_sentence_keeps_where_its_numbers_came_from(analysis):
    sentence = say(analysis, "It is {metric_clean:+.2f} for {question.clean.length}.")
    assert sentence[1] == Quantity(
        ref="metric_clean", value=analysis.metric_clean, text=f"{analysis.metric_clean:+.2f}"
    )
    assert plain(sentence) == f"It is {analysis.metric_clean:+.2f} for 1."


def test_every_number_of_the_story_is_in_the_result(analysis):
    pieces = [p for one in analysis.story() for s in one.sentences for p in s]
    quantities = [piece for piece in pieces if isinstance(piece, Quantity)]
    assert len(quantities) > 30
    for quantity in quantities:
        raw = at(analysis, quantity.ref)
        assert quantity.value in (raw, str(raw))
    summary = next(one for one in analysis.story() if one.title == "Summary")
    for sentence in summary.sentences:
        words = "".join(piece for piece in sentence if isinstance(piece, str))
        assert not any(letter.isdigit() for letter in words), words
        assert any(isinstance(piece, Quantity) for piece in sentence), words


def test_what_steps_in_is_told_with_its_numbers(with_backup):
    told = next(one for one in with_backup.story() if one.title == "Self-repair")
    text = [plain(sentence) for sentence in told.sentences]
    name = with_backup.backups.looked_at[1].node.name
    assert text[1] == (
        f"The effect of {name} is +0.250 with the circuit whole and +1.000 with the circuit "
        "replaced (zero)."
    )
    assert text[3] == (
        "Of the circuit and 19 random sets that were replaced instead, a share of 0.05 makes as "
        "much grow."
    )
    assert text[4] == "By changing what they write they save +0.38 (zero) of the metric."
    assert text[5] == "With the circuit replaced (zero) the metric is +0.50."
    assert text[6] == "zero: the budget ended."
    assert len(text) == 7
    for piece in (p for sentence in told.sentences for p in sentence if isinstance(p, Quantity)):
        assert piece.value == at(with_backup, piece.ref)


def test_the_page_and_the_printed_summary_say_the_same_things(analysis, with_backup):
    for one in (analysis, with_backup):
        printed = " ".join(str(one).split())
        page = [plain(sentence) for part in one.story() for sentence in part.sentences]
        told = [fact for fact in shared(one) if fact.rstrip(".").lower() in printed.lower()]
        assert len(told) == len(shared(one)) > 8
        for fact in told:
            bare = fact.rstrip(".").lower()
            assert any(bare in sentence.lower() for sentence in page), fact


def shared(a):
    """What is told on the page and in the summary, with its numbers."""
    templates = [
        *(fact for label, fact in facts._question(a).items() if label != "Question"),
        *facts._behaviour(a),
        facts._circuit(a),
        *facts.among_random_sets(facts.searched(a)),
        facts.AGREEMENT,
        *facts._backups(a.backups),
        *facts.notes(a.backups),
        *facts.caveats(a),
    ]
    return [" ".join(plain(say(a, fact)).split()) for fact in templates]


def test_where_no_backup_was_found_the_report_says_so(with_backup):
    whole = with_backup.backups
    looked_at = tuple(replace(one, found=False) for one in whole.looked_at)
    none = replace(with_backup, backups=replace(whole, looked_at=looked_at))
    assert "No backup is claimed." in none.to_markdown()
    alone = replace(with_backup, backups=replace(whole, looked_at=looked_at, p_by_sets=None))
    assert "Not compared with chance, so no backup is claimed" in alone.to_markdown()
    quiet = tuple(replace(one, grew=False) for one in looked_at)
    still = replace(with_backup, backups=replace(whole, looked_at=quiet))
    assert "Nothing grew (circuit replaced by: zero)." in still.to_markdown()
    untold = replace(with_backup, backups=None)
    assert not next(one for one in untold.story() if one.title == "Self-repair").sentences


def test_the_summary_says_that_a_model_does_not_do_it(analysis):
    quiet = replace(analysis, behaves=False, over_heads=None, over_heads_and_mlps=None)
    text = markdown(quiet)
    assert "No circuit is claimed" in text
    assert "does not prefer the answer" in text


def test_no_verdict_is_printed(analysis):
    text = (markdown(analysis) + html_page(analysis)).lower()
    for word in ("compliant", "meets article", "trustworthy", "grade a"):
        assert word not in text


def test_the_order_of_the_curve_is_the_one_measured(analysis):
    order = analysis.derived()["order"]
    sizes = dict(zip(analysis.over_heads.curve_sizes, analysis.over_heads.curve, strict=True))
    assert len(order) == max(sizes) == analysis.over_heads.out_of
    ranked = analysis.to_frame().query("kind == 'head'").estimate.abs()
    assert ranked[analysis.to_frame().node.isin(order[:1])].iloc[0] == ranked.max()


class Elements(HTMLParser):
    """The elements of a page, with their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict]] = []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def test_a_page_asks_for_nothing_and_embeds_text_only(analysis):
    text = html_page(analysis)
    elements = Elements()
    elements.feed(text)
    assert [tag for tag, _ in elements.found].count("script") == 2
    assert not any({"src", "href", "style", "onload"} & set(attrs) for _, attrs in elements.found)
    policy = next(a["content"] for t, a in elements.found if "http-equiv" in a)
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    assert "<script>x()" not in text


def test_embedded_json_reads_back_whole():
    data = {"prompt": "</script><!-- & \u2028 \U0001f600"}
    assert json.loads(json_in_html(data)) == data
    assert not set("<>&") & set(json_in_html(data))


def test_a_notebook_gets_the_page_in_a_frame(analysis):
    elements = Elements()
    elements.feed(framed(analysis))
    ((tag, attributes),) = elements.found
    assert (tag, attributes["sandbox"]) == ("iframe", "allow-scripts allow-downloads")
    assert attributes["srcdoc"] == html_page(analysis)
    assert analysis._repr_html_() == framed(analysis)


def test_markdown_holds_the_story_and_the_table(analysis):
    text = analysis.to_markdown()
    assert "## Summary" in text
    assert "\\<script\\>" in text
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(rows) == 1 + len(analysis.to_frame())


def test_any_result_can_be_drawn(lenses):
    assert isinstance(lenses[0], Result)
    assert not isinstance(lenses[0], Analysis)
    for result in lenses:
        assert f"<title>Pellucid: {type(result).__name__}</title>" in result.to_html()
        assert "## Table" in result.to_markdown()
