"""The runs of a size merged, one point for every step: draws of a fit cost the same however many runs there are.

Axes: R sizes, M points of a size, T steps of a size, padded with steps that no run has.
"""

from dataclasses import dataclass

import numpy as np

from rlaw.fitting.curves import Curves
from rlaw.laws import Points


@dataclass(frozen=True, slots=True)
class Merged:
    """Where the steps of a ladder are.

    Attributes:
        at: (1, R, T) the middle of the runs on the axis, on a logarithmic scale.
        present: (R, T) False in the pads.
        counts: (R, T) points of a step; 0 in the pads.
        place: (R, M) int, the step in T of each point of the curves; -1 in the pads.
    """

    at: Points
    present: np.ndarray
    counts: np.ndarray
    place: np.ndarray

    def total(self, values: np.ndarray) -> np.ndarray:
        """(R, T) sums over runs of the (R, M) values of points."""
        R, T = self.counts.shape
        size, point = np.nonzero(self.place >= 0)
        slot = size * T + self.place[size, point]
        return np.bincount(slot, values[size, point], minlength=R * T).reshape(R, T)

    def mean(self, values: np.ndarray) -> np.ndarray:
        """(R, T) means over runs of the (R, M) values of points; 0 in the pads."""
        return self.total(values) / np.maximum(self.counts, 1)


def merge(curves: Curves) -> Merged:
    """The steps of every size of a ladder."""
    place = np.full(curves.step.shape, -1)
    for r, here in enumerate(curves.present):
        place[r, here] = np.unique(curves.step[r, here], return_inverse=True)[1]
    R, T = len(place), int(place.max()) + 1
    size, point = np.nonzero(curves.present)
    counts = np.bincount(size * T + place[size, point], minlength=R * T).reshape(R, T)
    bare = Merged(curves.at, counts > 0, counts, place)
    x_ref = curves.at.x_ref[0]
    x = x_ref * np.exp(bare.mean(curves.at.log_x[0]))
    return Merged(Points.of(x[None], x_ref[None], curves.at.params, curves.at.base_loss), counts > 0, counts, place)
