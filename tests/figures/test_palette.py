"""The colours mean what the legend says, to every reader."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from pellucid.figures.appearance import palette

# Full deficiency; Machado, Oliveira & Fernandes 2009, linear RGB.
# fmt: off
DEFICIENCIES = {
    "protanopia": [[0.152286, 1.052583, -0.204868],
                   [0.114503, 0.786281, 0.099216],
                   [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968],
                     [0.280085, 0.672501, 0.047413],
                     [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779],
                   [-0.078411, 0.930809, 0.147602],
                   [0.004733, 0.691367, 0.303900]],
}
# fmt: on
# sRGB to XYZ under D65; IEC 61966-2-1.
XYZ = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
WHITE = [0.9505, 1.0, 1.089]
CLEAR = 25
"""CIE76 distance; 2.3 is just noticeable."""


def linear(colour) -> np.ndarray:
    c = np.array(to_rgb(colour))
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def lab(light: np.ndarray) -> np.ndarray:
    t = np.array(XYZ) @ light / WHITE
    f = np.where(t > 216 / 24389, np.cbrt(t), (24389 / 27 * t + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("deficiency", sorted(DEFICIENCIES))
@pytest.mark.parametrize(
    ("one", "other"),
    [
        (palette.POSITIVE, palette.NEGATIVE),
        (palette.DIVERGING[0], palette.DIVERGING[-1]),
        (palette.DIVERGING[2], palette.DIVERGING[-3]),
    ],
)
def test_the_signs_are_told_apart_by_colour_blind_readers(deficiency, one, other):
    def seen(colour):
        return lab(np.clip(DEFICIENCIES[deficiency] @ linear(colour), 0, 1))

    assert np.linalg.norm(seen(one) - seen(other)) > CLEAR


def test_zero_is_neutral_and_the_ends_are_the_two_signs():
    colours = palette.diverging()
    np.testing.assert_allclose(colours(0.5)[:3], to_rgb(palette.NEUTRAL), atol=1e-9)
    for strength in (0.1, 0.3, 0.6, 1.0):
        red, _, blue, _ = colours(0.5 + strength / 2)
        assert blue > red
        red, _, blue, _ = colours(0.5 - strength / 2)
        assert red > blue


@pytest.mark.parametrize("strength", np.linspace(0.05, 1, 12))
def test_equal_sizes_of_either_sign_are_equally_light(strength):
    colours = palette.diverging()
    up, down = (lab(linear(colours(0.5 + side * strength / 2)[:3]))[0] for side in (1, -1))
    assert abs(up - down) < 3


def test_sizes_grow_steadily_darker():
    lightness = [lab(linear(palette.sequential()(x)[:3]))[0] for x in np.linspace(0, 1, 64)]
    assert (np.diff(lightness) < 0).all()


@pytest.mark.parametrize("colours", [palette.diverging(), palette.sequential()])
def test_text_can_be_read_on_every_colour(colours):
    def luminance(colour):
        return linear(colour) @ [0.2126, 0.7152, 0.0722]

    for x in np.linspace(0, 1, 101):
        behind, ink = luminance(colours(x)[:3]), luminance(palette.ink_on(colours(x)))
        assert (max(behind, ink) + 0.05) / (min(behind, ink) + 0.05) > 3.9
