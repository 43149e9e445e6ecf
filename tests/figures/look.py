"""Reading a figure back: what its texts say, where they are, which colours are drawn."""

from itertools import pairwise
from unittest.mock import patch

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

ODD = [
    "$x_1$", "😀",
    "👨‍👩‍👧", "שלום", " مرحبا", "\n", "\t", " ", "", "漢字", "\x00\u200d", "a_b^{c}", "\\frac",
    "%", "\ud800",
]  # fmt: skip
"""Tokens that matplotlib, a font or a layout would stumble over."""


def tokens(count: int) -> list[str]:
    """A prompt with every odd token in it, if there is room."""
    plain = ["When", " Mary", " and", " John", " went", " internationalization"]
    return [(plain + ODD)[i % (len(plain) + len(ODD))] for i in range(count)]


def texts(figure) -> list[Text]:
    """Every text that is drawn (an axis also holds labels of ticks outside its view)."""
    drawn = []
    draw = Text.draw

    def record(text, renderer):
        drawn.append(text)
        draw(text, renderer)

    with patch.object(Text, "draw", record):
        figure.draw_without_rendering()
    return [text for text in drawn if text.get_text().strip() and text.get_visible()]


def said(figure) -> str:
    """All that is written in the figure, line ends as spaces."""
    return " ".join(text.get_text().replace("\n", " ") for text in texts(figure))


def assert_nothing_is_clipped(figure) -> None:
    """Every text lies inside the figure."""
    for text in texts(figure):
        box = text.get_window_extent()
        assert box.x0 >= -1, text
        assert box.y0 >= -1, text
        assert box.x1 <= figure.bbox.x1 + 1, text
        assert box.y1 <= figure.bbox.y1 + 1, text


def assert_ticks_do_not_overlap(panel) -> None:
    """No tick label of an axis covers part of the next one."""
    drawn = texts(panel.figure)
    for axis in (panel.xaxis, panel.yaxis):
        boxes = [label.get_window_extent() for label in axis.get_ticklabels() if label in drawn]
        for one, other in pairwise(boxes):
            assert not one.padded(-0.5).overlaps(other.padded(-0.5))


def pixels(figure) -> np.ndarray:
    """The figure as drawn, rows from the top, three colours of 0 to 1."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3] / 255


def pixel_at(figure, panel, x: float, y: float) -> np.ndarray:
    """The colour drawn at a point given in the panel's data."""
    drawn = pixels(figure)
    across, up = panel.transData.transform((x, y))
    return drawn[drawn.shape[0] - 1 - round(up), round(across)]
