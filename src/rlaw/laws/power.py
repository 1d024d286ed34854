import numpy as np

from rlaw.laws.base import Law, Parameter, Points, Theta, intercept


class PowerLaw(Law):
    """Each size its own straight line in log-log: log10 L = -k log10 X + E, with k and E free.

    Source: the per-size baseline of Tan et al. 2025, arXiv:2509.25300, section 4.
    """

    name = "power"
    title = "power law per size"
    formula = "log10 L = -k log10 X + E"
    source = "Tan et al. 2025, arXiv:2509.25300, section 4"
    local = (Parameter("k", -5, 5, (0.03, 0.3), "slope of -log L against log X"),)
    coefficients = ("A",)
    example = (0.12, 0.6)

    def parts(self, theta: Theta, at: Points) -> tuple[np.ndarray, ...]:
        (k,) = theta
        return (np.exp(-k * at.log_x),)

    def values_of_size(self, theta: Theta, coefficients: np.ndarray, at: Points) -> dict[str, np.ndarray]:
        k = theta[0][..., 0]
        return {"k": k, "E": intercept(coefficients[..., 0], k, at)}
