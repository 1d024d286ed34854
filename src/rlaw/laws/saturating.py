import numpy as np

from rlaw.laws.base import Law, Parameter, Points, Theta, intercept


class SaturatingLaw(Law):
    """A power law whose efficiency saturates with size: log10 L = -k(N) log10 X + E(N), k(N) = K_max / (1 + N_0 / N).

    E(N) is a free constant of each size, so the law says nothing about the level of a size that was never seen.

    Source: Tan et al. 2025, arXiv:2509.25300, Eq. 1, 2, 6 and 8.
    """

    name = "saturating"
    title = "power law with saturating efficiency"
    formula = "log10 L = -k(N) log10 X + E(N), k(N) = K_max / (1 + N_0 / N)"
    source = "Tan et al. 2025, arXiv:2509.25300, Eq. 1"
    shared = (
        Parameter("K_max", 0, 5, (0.1, 0.4), "efficiency of an infinitely large model"),
        Parameter("N_0", 1e-3, 1e3, (0.1, 1, 10), "size with half of that efficiency, parameters", "params", log=True),
    )
    coefficients = ("A",)
    needs_sizes = 3
    example = (0.14, 13e9, 0.6)

    def parts(self, theta: Theta, at: Points) -> tuple[np.ndarray, ...]:
        K_max, N_0 = theta
        k = K_max / (1 + N_0 / at.params)
        return (np.exp(-k * at.log_x),)

    def efficiency(self, theta: Theta, params: np.ndarray, base_loss: np.ndarray) -> np.ndarray:
        K_max, N_0 = theta
        return (K_max / (1 + N_0 / params))[..., 0]

    def values_of_size(self, theta: Theta, coefficients: np.ndarray, at: Points) -> dict[str, np.ndarray]:
        k = self.efficiency(theta, at.params, at.base_loss)
        return {"k": k, "E": intercept(coefficients[..., 0], k, at)}
