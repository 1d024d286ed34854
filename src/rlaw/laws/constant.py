import numpy as np

from rlaw.laws.base import Law, Points, Theta


class ConstantLaw(Law):
    """Nothing is learned: each size keeps one loss. A law must beat this to be believed.

    Source: a baseline.
    """

    name = "constant"
    title = "constant per size"
    formula = "L = A"
    source = "baseline"
    coefficients = ("A",)
    example = (0.8,)

    def parts(self, theta: Theta, at: Points) -> tuple[np.ndarray, ...]:
        return (np.ones_like(at.log_x),)
