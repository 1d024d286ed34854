"""The law of an efficiency that saturates with size, k(N) = K_max / (1 + N_0 / N); others with such a k build on it."""

import numpy as np

from rlaw.laws.base import Law, Parameter, Points, Theta, intercept


def k_max(text: str = "efficiency of an infinitely large model", high: float = 5) -> Parameter:
    """K_max, the efficiency that no size exceeds."""
    return Parameter("K_max", 0, high, (0.1, 0.4), text)


def n_0(*starts: float) -> Parameter:
    """N_0, searched from these multiples of the ladder's middle."""
    return Parameter("N_0", 1e-3, 1e3, starts, "size with half of that efficiency, parameters", "params", log=True)


class EfficiencyLaw(Law):
    """A law of a straight line, or nearly one, in log-log with a slope `k` given by its first parameters."""

    coefficients = ("A",)

    def k(self, theta: Theta, params: np.ndarray, base_loss: np.ndarray) -> np.ndarray:
        """k of every size, (B, R, 1); from K_max and N_0, the first parameters, unless the law has its own."""
        return theta[0] / (1 + theta[1] / params)

    def parts(self, theta: Theta, at: Points) -> tuple[np.ndarray, ...]:
        return (np.exp(-self.k(theta, at.params, at.base_loss) * at.log_x),)

    def efficiency(self, theta: Theta, params: np.ndarray, base_loss: np.ndarray) -> np.ndarray:
        return self.k(theta, params, base_loss)[..., 0]

    def values_of_size(self, theta: Theta, coefficients: np.ndarray, at: Points) -> dict[str, np.ndarray]:
        k = self.efficiency(theta, at.params, at.base_loss)
        return {"k": k, "E": intercept(coefficients[..., 0], k, at)}


class SaturatingLaw(EfficiencyLaw):
    """A power law whose efficiency saturates with size: log10 L = -k(N) log10 X + E(N), k(N) = K_max / (1 + N_0 / N).

    E(N) is a free constant of each size, so the law says nothing about the level of a size without data.

    Source: Tan et al. 2025, arXiv:2509.25300, Eq. 1, 2, 6 and 8.
    """

    name = "saturating"
    title = "power law with saturating efficiency"
    formula = "log10 L = -k(N) log10 X + E(N), k(N) = K_max / (1 + N_0 / N)"
    source = "Tan et al. 2025, arXiv:2509.25300, Eq. 1"
    shared = (k_max(), n_0(0.1, 1, 10))
    needs_sizes = 3
    example = (0.14, 13e9, 0.6)
