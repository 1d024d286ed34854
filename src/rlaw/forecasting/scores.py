"""How well losses were predicted: errors, coverage and log score of a size, and their means over sizes.

Axes: S draws, n test points.
"""

import math
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from rlaw.fitting.interval import plain
from rlaw.fitting.objective import r_squared

_ERRORS = ("mae", "rmse", "bias", "coverage")


#: share of the points that the intervals are to hold, of the share that they say: below it a coverage is cautioned
_LEAST_COVERAGE = 0.8 / 0.9


def covers(coverage: float, level: float) -> bool:
    """Whether a coverage is as good as intervals at `level` should have, give or take; so is one that is not known."""
    return not coverage < _LEAST_COVERAGE * level


@dataclass(frozen=True, kw_only=True)
class Score:
    """Errors of the predicted loss over held-out points; nan for what is not known.

    Attributes:
        points: how many.
        mae: mean absolute error of the loss.
        rmse: root mean square error of the loss.
        bias: mean of predicted minus measured loss.
        coverage: share of points inside their intervals.
        r2: share of the variance of the loss that the prediction explains.
    """

    points: int
    mae: float = math.nan
    rmse: float
    bias: float = math.nan
    coverage: float = math.nan
    r2: float = math.nan

    @classmethod
    def of(
        cls,
        measured: np.ndarray,
        predicted: np.ndarray,
        low: np.ndarray | float = math.nan,
        high: np.ndarray | float = math.nan,
        **fields: Any,
    ) -> Self:
        """The score of (n,) predicted losses.

        Args:
            measured: (n,) losses.
            predicted: (n,) losses.
            low, high: (n,) ends of their intervals; the coverage is nan without them.
            **fields: what a kind of score holds beside the errors.
        """
        error = predicted - measured
        return cls(
            points=len(error),
            mae=float(np.mean(np.abs(error))),
            rmse=float(np.sqrt(np.mean(error**2))),
            bias=float(np.mean(error)),
            coverage=math.nan if np.isnan(low).any() else float(np.mean((low <= measured) & (measured <= high))),
            r2=r_squared(measured, predicted, np.ones(len(error), bool)),
            **fields,
        )

    def to_json(self) -> dict[str, Any]:
        """`points`, `mae`, `rmse`, `bias` and `coverage`."""
        return {name: getattr(self, name) for name in ("points", *_ERRORS)}


@dataclass(frozen=True, kw_only=True)
class SizeScore(Score):
    """How a law predicted one size."""

    model: str
    params: float

    def to_json(self) -> dict[str, Any]:
        """The size and the errors."""
        return {"model": self.model, "params": self.params, **super().to_json()}


@dataclass(frozen=True, kw_only=True)
class LawScore(Score):
    """How a law predicted: means over sizes, each size with the same weight.

    Attributes:
        law: its name.
        rmse: root of the mean over sizes of the mean square error.
        log_score: mean log density of the measured loss under the prediction, normal with its mean and spread.
        sizes: the score of each size.
    """

    law: str
    log_score: float
    sizes: tuple[SizeScore, ...]

    @staticmethod
    def over(law: str, sizes: list[SizeScore], log_scores: list[float]) -> "LawScore":
        """The means over sizes, from the score and the log score of each."""
        means = {name: float(np.mean([getattr(size, name) for size in sizes])) for name in ("mae", "bias", "coverage")}
        return LawScore(
            law=law,
            points=sum(size.points for size in sizes),
            rmse=float(np.sqrt(np.mean([size.rmse**2 for size in sizes]))),
            **means,
            log_score=float(np.mean(log_scores)),
            sizes=tuple(sizes),
        )

    def to_json(self) -> dict[str, Any]:
        """The law, its errors and the log score, and those of each size under "rungs"."""
        document = {name: getattr(self, name) for name in ("law", *_ERRORS, "log_score")}
        return document | {"rungs": plain(self.sizes)}


def log_score(measured: np.ndarray, drawn: np.ndarray) -> float:
    """Mean log density of (n,) losses under the (S, n) draws, taken as normal with their mean and spread."""
    spread = np.maximum(drawn.std(axis=0), 1e-6)
    density = -0.5 * ((measured - drawn.mean(axis=0)) / spread) ** 2 - np.log(spread) - 0.5 * math.log(2 * math.pi)
    return float(np.mean(density))
