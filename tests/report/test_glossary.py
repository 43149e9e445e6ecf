"""One glossary: the list, the page of the docs, and what the page on the screen holds."""

from pathlib import Path

from pellucid.report.glossary import GLOSSARY, as_markdown, terms, terms_in

ROOT = Path(__file__).parents[2]


def test_docs_and_page_hold_the_list():
    again = "run: python -m pellucid.report.glossary, then make web"
    assert (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8") == as_markdown(), again
    copied = ROOT / "web" / "src" / "data" / "glossary.json"
    assert copied.read_bytes() == GLOSSARY.read_bytes(), again


def test_each_term_stands_once_in_the_order_of_the_alphabet_and_says_something():
    names = [one.term.lower() for one in terms()]
    assert names == sorted(set(names))
    assert all(one.says.endswith(".") for one in terms())


def test_terms_are_found_as_whole_words_in_any_form():
    found = terms_in(["Circuits of HEADS.", "an overhead"])
    assert [one.term for one in found] == ["circuit", "head"]
    assert terms_in(["overhead"]) == ()


def test_markdown_explains_the_terms_that_it_uses_and_folds_long_tables(analysis):
    text = analysis.to_markdown()
    assert "\n## Glossary\n" in text
    assert "- **sufficiency**: " in text
    long = len(analysis.to_frame()) > 40
    assert ("<details>" in text) == long


def test_an_analysis_begins_with_its_conclusion(analysis):
    first = analysis.story()[0]
    assert first.title == "Conclusion"
    said = ["".join(p if isinstance(p, str) else p.text for p in s) for s in first.sentences]
    assert analysis.question.answer[0] in said[0]
    assert analysis.question.foil[0] in said[0]
    assert analysis.provenance.system in analysis.to_markdown().replace("\\", "")
