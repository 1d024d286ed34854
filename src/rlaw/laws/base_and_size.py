import numpy as np

from rlaw.laws.base import Law, Parameter, Points, Theta, intercept
from rlaw.laws.base_efficiency import REFERENCE


class BaseAndSizeLaw(Law):
    """Efficiency from size and base together: k(N, L_0) = K_max / (1 + N_0 / N) · exp(-a (L_0 - 0.9)).

    With a = 0 it is the saturating law; with N_0 far below the ladder it is the law of the base alone.

    Source: Tan et al. 2025, arXiv:2509.25300, Eq. 2, times the factor found on the embedded study.
    """

    name = "base-and-size"
    title = "efficiency from size and the loss of the base"
    formula = "log10 L = -k(N, L_0) log10 X + E, k = K_max / (1 + N_0 / N) exp(-a (L_0 - 0.9))"
    source = "Tan et al. 2025, arXiv:2509.25300, Eq. 2, times the embedded study's factor"
    shared = (
        Parameter("K_max", 0, 20, (0.1, 0.4), "efficiency of an infinitely large model whose base has loss 0.9"),
        Parameter("N_0", 1e-3, 1e3, (0.03, 1, 10), "size with half of that efficiency, parameters", "params", log=True),
        Parameter("a", -100, 100, (0.0, 10.0), "how fast efficiency falls with the loss of the base"),
    )
    coefficients = ("A",)
    needs_sizes = 4
    needs_base_loss = True
    example = (0.2, 7e9, 2.0, 0.6)

    def parts(self, theta: Theta, at: Points) -> tuple[np.ndarray, ...]:
        return (np.exp(-_k(theta, at.params, at.base_loss) * at.log_x),)

    def efficiency(self, theta: Theta, params: np.ndarray, base_loss: np.ndarray) -> np.ndarray:
        return _k(theta, params, base_loss)[..., 0]

    def values_of_size(self, theta: Theta, coefficients: np.ndarray, at: Points) -> dict[str, np.ndarray]:
        k = self.efficiency(theta, at.params, at.base_loss)
        return {"k": k, "E": intercept(coefficients[..., 0], k, at)}


def _k(theta: Theta, params: np.ndarray, base_loss: np.ndarray) -> np.ndarray:
    K_max, N_0, a = theta
    return np.minimum(K_max / (1 + N_0 / params) * np.exp(np.clip(-a * (base_loss - REFERENCE), -30, 30)), 50.0)
