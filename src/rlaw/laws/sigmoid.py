import numpy as np

from rlaw.laws.base import Law, Parameter, Points, Theta


class SigmoidLaw(Law):
    """An S in log X between two levels, for each size: L = L_inf + gain / (1 + (X / X_mid)^B).

    With R = 1 - L this is R = R_0 + (A - R_0) / (1 + (C_mid / C)^B): A = 1 - L_inf, A - R_0 = gain, C_mid = X_mid.

    Source: Khatri et al. 2025 (ScaleRL), arXiv:2510.13786, Eq. 1.
    """

    name = "sigmoid"
    title = "floored sigmoid per size"
    formula = "L = L_inf + gain / (1 + (X / X_mid)^B)"
    source = "Khatri et al. 2025 (ScaleRL), arXiv:2510.13786, Eq. 1"
    local = (
        Parameter("B", 0.1, 10, (0.5, 1.5), "scaling exponent", log=True),
        Parameter("X_mid", 1e-2, 1e4, (0.3, 3, 30), "where half of the gain is made, unit of the axis", "x", log=True),
    )
    coefficients = ("L_inf", "gain")
    example = (1.2, 3e18, 0.2, 0.7)

    def parts(self, theta: Theta, at: Points) -> tuple[np.ndarray, ...]:
        B, X_mid = theta
        progress = 0.5 - 0.5 * np.tanh(0.5 * B * (at.log_x - np.log(X_mid / at.x_ref)))  # cannot overflow
        return np.ones_like(progress), progress
