import numpy as np

from rlaw.laws.base import Law, Parameter, Points, Theta


class ExponentialLaw(Law):
    """Exponential approach to a floor, for each size: L = L_inf + gain · exp(-X / X_0).

    Source: a baseline; the relaxation that a constant rate of learning per prompt would give.
    """

    name = "exponential"
    title = "floored exponential per size"
    formula = "L = L_inf + gain exp(-X / X_0)"
    source = "baseline: a constant rate of learning"
    local = (
        Parameter("X_0", 1e-1, 1e3, (0.3, 1, 3), "X in which the gain falls by e, unit of the axis", "x", log=True),
    )
    coefficients = ("L_inf", "gain")
    example = (4e18, 0.3, 0.6)

    def parts(self, theta: Theta, at: Points) -> tuple[np.ndarray, ...]:
        (X_0,) = theta
        progress = np.exp(-at.x / X_0)
        return np.ones_like(progress), progress
