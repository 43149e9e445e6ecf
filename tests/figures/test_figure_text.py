"""Any text can be drawn, and is readable for what it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.figures.appearance.text import families, printable, visible, width, wrapped
from pellucid.figures.cells import thinning
from tests.figures.look import ODD


@pytest.mark.parametrize(
    ("token", "label"),
    [
        (" the", "␣the"),
        ("\n\n", "↵↵"),
        ("\t", "⇥"),
        ("\r", "\\r"),
        ("", "∅"),
        ("\u00a0", "U+00A0"),
        ("\x07", "U+0007"),
        ("\u200d", "U+200D"),
        ("\ud83d", "U+D83D"),
        ("Ġéß", "Ġéß"),
        ("internationalization", "internationaliz…"),
    ],
)
def test_a_token_is_shown_for_what_it_is(token, label):
    assert visible(token) == label


@given(st.text(max_size=30))
def test_any_text_can_be_measured_without_a_missing_glyph(text):
    # matplotlib warns of a missing glyph, and warnings are errors here.
    assert width(visible(text), 8) > 0
    assert not any(character.isspace() for character in visible(text))


@pytest.mark.parametrize("text", ODD)
def test_what_is_printable_stays_as_it_is(text):
    assert printable(printable(text)) == printable(text)


def test_the_fonts_used_are_installed():
    from matplotlib import font_manager

    assert families()[0] == "DejaVu Sans"
    assert set(families()) <= set(font_manager.fontManager.get_font_names())


@given(st.lists(st.text("abc_$", min_size=1, max_size=12), min_size=1), st.floats(20, 400))
def test_lines_keep_every_word_and_the_width(words, room):
    lines = wrapped(" ".join(words), 11, room).split("\n")
    assert " ".join(lines).split(" ") == words
    assert all(width(line, 11) <= room or " " not in line for line in lines)


@given(st.floats(0.01, 100), st.floats(0.1, 40))
def test_thinned_labels_have_the_room_they_need_and_no_more_than_double(cell, needed):
    step = thinning(cell, needed)
    assert step * cell >= needed * (1 - 1e-6)
    assert step == 1 or step * cell < 2.5 * needed + 1e-6
