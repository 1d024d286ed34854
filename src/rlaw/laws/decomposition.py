import numpy as np

from rlaw.laws.base import Law, Parameter, Points, Theta


class DecompositionLaw(Law):
    """The loss as a floor, a part that size removes and a part that training removes.

    L = L_inf + (N_0 / N)^alpha + lambda(N) / (1 + (X / X_0(N))^beta), with lambda and X_0 free for each size. Its
    steepest slope of -log L against log X is k_max(N) = (beta / 2) / (1 + 2 (L_inf + (N_0 / N)^alpha) / lambda(N)).

    Source: Tan et al. 2025, arXiv:2509.25300, appendix D, Eq. 19 and 20.
    """

    name = "decomposition"
    title = "loss decomposition"
    formula = "L = L_inf + (N_0 / N)^alpha + lambda / (1 + (X / X_0)^beta)"
    source = "Tan et al. 2025, arXiv:2509.25300, Eq. 19"
    shared = (
        Parameter("L_inf", 0, 1, (0.05, 0.3), "loss of an infinitely large model trained for ever"),
        Parameter("N_0", 1e-9, 1, (1e-4, 1e-2), "scale of the part that size removes, parameters", "params", log=True),
        Parameter("alpha", 0.02, 3, (0.1, 0.4), "exponent of the size", log=True),
        Parameter("beta", 0.1, 10, (0.5, 1.5), "exponent of the axis", log=True),
    )
    local = (Parameter("X_0", 1e-3, 1e4, (0.3, 3), "where half of the gain is made, unit of the axis", "x", log=True),)
    coefficients = ("lambda",)
    needs_sizes = 3
    example = (0.1, 2e7, 0.3, 1.2, 1e18, 0.5)

    def parts(self, theta: Theta, at: Points) -> tuple[np.ndarray, ...]:
        _, _, _, beta, X_0 = theta
        return (0.5 - 0.5 * np.tanh(0.5 * beta * (at.log_x - np.log(X_0 / at.x_ref))),)

    def fixed(self, theta: Theta, at: Points) -> np.ndarray:
        return np.broadcast_to(_floor(theta, at.params), np.broadcast_shapes(theta[4].shape, at.x.shape))

    def values_of_size(self, theta: Theta, coefficients: np.ndarray, at: Points) -> dict[str, np.ndarray]:
        gain, floor = coefficients[..., 0], _floor(theta, at.params)[..., 0]
        k = 0.5 * theta[3][..., 0] * gain / (gain + 2 * floor)
        return {"k": k, "X_0": theta[4][..., 0], "lambda": gain}


def _floor(theta: Theta, params: np.ndarray) -> np.ndarray:
    L_inf, N_0, alpha, _, _ = theta
    return L_inf + (N_0 / params) ** alpha
