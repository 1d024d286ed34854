"""What a fit minimises: weights for the noise of the measured curves, and residuals in loss or log loss.

Axes: B draws, R sizes, M points of a size, padded with points of weight 0.
"""

from typing import Literal

import numpy as np

from rlaw.fitting.curves import Curves

Space = Literal["loss", "log"]
NoiseModel = Literal["equal", "binomial"]

_LN10 = np.log(10.0)


def weights(curves: Curves, space: Space, noise: NoiseModel, fitted: np.ndarray | None = None) -> np.ndarray:
    """(R, M) weights that sum to 1: every size has the same total ("equal"), or inverse variance ("binomial").

    The binomial variance L (1 - L) / items needs a loss that is not the noisy one: that of a first fit.

    Source: equal total weight per size is the original's choice (paper.md section 4).
    """
    if noise == "equal" or fitted is None:
        raw = curves.present / np.maximum(curves.counts, 1)[:, None]
    else:
        items = np.where(np.isfinite(curves.items), curves.items, 1.0)
        likely = np.clip(fitted, 0.5 / np.maximum(items, 1), 1 - 0.5 / np.maximum(items, 2))
        variance = likely * (1 - likely) / items
        if space == "log":
            variance = variance / (likely * _LN10) ** 2
        raw = curves.present / variance
    return raw / raw.sum()


def target(loss: np.ndarray, space: Space) -> np.ndarray:
    """What is fitted: the loss or its base-10 logarithm."""
    return np.log10(loss) if space == "log" else loss


def slope_of_target(loss: np.ndarray, space: Space) -> np.ndarray:
    """The derivative of `target` with respect to the loss."""
    return 1 / (loss * _LN10) if space == "log" else np.ones_like(loss)


def r_squared(loss: np.ndarray, fitted: np.ndarray, present: np.ndarray) -> float:
    """Share of the variance of the present points that the fitted loss explains; nan when they do not vary."""
    y, f = loss[present], fitted[present]
    spread = float(np.sum((y - y.mean()) ** 2)) if len(y) else 0.0
    return 1 - float(np.sum((y - f) ** 2)) / spread if spread > 0 else float("nan")


def rms(residual: np.ndarray, present: np.ndarray) -> float:
    """Root mean square over the present points; nan without any."""
    kept = residual[present]
    return float(np.sqrt(np.mean(kept**2))) if len(kept) else float("nan")
