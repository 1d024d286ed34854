import numpy as np

from rlaw.laws.base import Law, Parameter, Points, Theta


class ChinchillaLaw(Law):
    """A floor, a power of the size and a power of the axis: L = E + (A / N)^alpha + (B / X)^beta.

    Source: Hoffmann et al. 2022, arXiv:2203.15556, Eq. 2, as written in the code of Tan et al. 2025, arXiv:2509.25300.
    """

    name = "chinchilla"
    title = "Chinchilla's form"
    formula = "L = E + (A / N)^alpha + (B / X)^beta"
    source = "Hoffmann et al. 2022, arXiv:2203.15556, Eq. 2"
    shared = (
        Parameter("E", 0, 1, (0.05, 0.3), "loss of an infinitely large model trained for ever"),
        Parameter("A", 1e-9, 1, (1e-4, 1e-2), "scale of the part that size removes, parameters", "params", log=True),
        Parameter("alpha", 0.02, 3, (0.1, 0.4), "exponent of the size", log=True),
        Parameter(
            "B", 1e-12, 1, (1e-6, 1e-3), "scale of the part that training removes, unit of the axis", "x", log=True
        ),
        Parameter("beta", 0.02, 3, (0.1, 0.4), "exponent of the axis", log=True),
    )
    needs_sizes = 3
    example = (0.1, 2e7, 0.3, 1e15, 0.4)

    def parts(self, theta: Theta, at: Points) -> tuple[np.ndarray, ...]:
        return ()

    def fixed(self, theta: Theta, at: Points) -> np.ndarray:
        E, A, alpha, B, beta = theta
        return E + (A / at.params) ** alpha + np.exp(beta * (np.log(B / at.x_ref) - at.log_x))
