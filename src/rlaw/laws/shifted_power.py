import numpy as np

from rlaw.laws.base import Law, Parameter, Points, Theta


class ShiftedPowerLaw(Law):
    """A power law that starts from a finite loss: L = A (1 + X / X_0)^-k for each size; A is the loss at X = 0.

    Source: the shifted power law of learning curves, e.g. Hoffmann et al. 2022, arXiv:2203.15556, written about X = 0;
    one size of the family [… + B_0(N) / (x + C_0(N))]^alpha of Tan et al. 2025, arXiv:2509.25300.
    """

    name = "shifted-power"
    title = "shifted power law per size"
    formula = "L = A (1 + X / X_0)^-k"
    source = "one rung of the shifted family in the code of Tan et al. 2025, arXiv:2509.25300"
    local = (
        Parameter("k", -5, 20, (0.1, 1), "slope of -log L against log X far beyond X_0"),
        Parameter("X_0", 1e-3, 1e3, (0.03, 0.3, 3), "where the decline sets in, unit of the axis", "x", log=True),
    )
    coefficients = ("A",)
    example = (0.2, 3e18, 0.9)

    def parts(self, theta: Theta, at: Points) -> tuple[np.ndarray, ...]:
        k, X_0 = theta
        return (np.exp(-k * np.log1p(at.x / X_0)),)
