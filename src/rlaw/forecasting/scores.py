"""How well losses were foretold: errors, coverage and log score of a size, and their means over sizes.

Axes: S draws, n asked points.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class SizeScore:
    """How a law predicted one size: errors of the loss over its held-out points."""

    model: str
    params: float
    points: int
    mae: float
    rmse: float
    bias: float
    coverage: float

    def to_json(self) -> dict[str, Any]:
        """The fields by name."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class LawScore:
    """How a law predicted: means over sizes of the mean absolute error, the bias, coverage and log score.

    Attributes:
        law: its name.
        mae: mean over sizes of the mean absolute error of the loss.
        rmse: root of the mean over sizes of the mean square error.
        bias: mean over sizes of predicted minus measured loss.
        coverage: share of held-out points inside the intervals, mean over sizes.
        log_score: mean log density of the measured loss under the prediction, normal with its mean and spread.
        sizes: the same for each size.
    """

    law: str
    mae: float
    rmse: float
    bias: float
    coverage: float
    log_score: float
    sizes: tuple[SizeScore, ...]

    @staticmethod
    def over(law: str, sizes: list[SizeScore], log_scores: list[float]) -> "LawScore":
        """The means over sizes, from the score and the log score of each."""
        return LawScore(
            law=law,
            mae=float(np.mean([r.mae for r in sizes])),
            rmse=float(np.sqrt(np.mean([r.rmse**2 for r in sizes]))),
            bias=float(np.mean([r.bias for r in sizes])),
            coverage=float(np.mean([r.coverage for r in sizes])),
            log_score=float(np.mean(log_scores)),
            sizes=tuple(sizes),
        )

    def to_json(self) -> dict[str, Any]:
        """The fields by name."""
        document = {name: getattr(self, name) for name in ("law", "mae", "rmse", "bias", "coverage", "log_score")}
        return document | {"rungs": [r.to_json() for r in self.sizes]}


def errors(measured: np.ndarray, predicted: np.ndarray, low: np.ndarray, high: np.ndarray) -> dict[str, Any]:
    """Of (n,) losses, told with intervals: `points`, `mae`, `rmse`, `bias` (predicted minus measured), `coverage`."""
    error = predicted - measured
    return {
        "points": len(error),
        "mae": float(np.mean(np.abs(error))),
        "rmse": float(np.sqrt(np.mean(error**2))),
        "bias": float(np.mean(error)),
        "coverage": float(np.mean((low <= measured) & (measured <= high))),
    }


def log_score(measured: np.ndarray, drawn: np.ndarray) -> float:
    """Mean log density of (n,) losses under the (S, n) draws, taken as normal with their mean and spread."""
    spread = np.maximum(drawn.std(axis=0), 1e-6)
    density = -0.5 * ((measured - drawn.mean(axis=0)) / spread) ** 2 - np.log(spread) - 0.5 * math.log(2 * math.pi)
    return float(np.mean(density))
