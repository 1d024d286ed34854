"""Colours of sizes stay apart for colour-blind readers and in greyscale, and their names can be read."""

import numpy as np
import pytest

from rlaw.reporting.figures.style import ink, ordered

#: Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB
SIGHT = {
    "full": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
}
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)


def linear(rgb: np.ndarray) -> np.ndarray:
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIE L*a*b* (D65) of linear RGB."""
    xyz = np.clip(rgb, 0, 1) @ TO_XYZ.T / [0.95047, 1.0, 1.08883]
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1)


def colours(n: int) -> np.ndarray:
    return linear(np.array([look.color[:3] for look in ordered([str(i) for i in range(n)])]))


@pytest.mark.parametrize("sight", SIGHT)
@pytest.mark.parametrize("n", [2, 4, 7, 8])
def test_neighbouring_sizes_differ_by_three_times_what_the_eye_just_sees(sight: str, n: int):
    seen = lab(colours(n) @ SIGHT[sight].T)
    assert np.linalg.norm(np.diff(seen, axis=0), axis=1).min() > 3 * 2.3  # a just noticeable difference: 2.3


@pytest.mark.parametrize("n", [2, 4, 7, 8])
def test_sizes_darken_one_after_the_other_in_greyscale(n: int):
    lightness = lab(colours(n))[:, 0]
    assert np.diff(lightness).max() < -5


def test_ten_sizes_have_ten_markers():
    assert len({look.marker for look in ordered([str(i) for i in range(10)])}) == 10


@pytest.mark.parametrize("color", ["#ffffff", "#ffff00", "#8fd744", "#1d2125"])
def test_text_can_be_read_on_white_paper(color: str):
    luminance = float(linear(np.array(ink(color))) @ TO_XYZ[1])
    assert 1.05 / (luminance + 0.05) >= 4.49
