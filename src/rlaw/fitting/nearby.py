"""A straight line through the measurements near a place."""

import numpy as np


def line_at_zero(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The share of each value in a weighted straight line's value at 0: what local regression multiplies them by."""
    weight = weight / weight.sum()
    mean = float(weight @ x)
    spread = float(weight @ (x - mean) ** 2)
    return weight * (1 - mean * (x - mean) / spread) if spread > 0 else weight
