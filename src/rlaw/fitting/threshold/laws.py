"""The laws of a resource T that reaches a threshold, in a variable D of the task. Both are lines in ln T."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class ThresholdLaw:
    """T = a · growth(D)^slope.

    Attributes:
        name: of the law.
        formula: as it is written.
        x: what ln T is a line in.
    """

    name: str
    formula: str
    x: Callable[[np.ndarray], np.ndarray]


#: Source: ScaleLogic, arXiv:2605.06638 (T in steps, D the depth of a proof)
POWER = ThresholdLaw("power", "T = a D^gamma", np.log)
EXPONENTIAL = ThresholdLaw("exponential", "T = a exp(b D)", lambda D: D / np.max(D))
