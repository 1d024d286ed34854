import numpy as np

from rlaw.laws.base import Parameter, Points, Theta
from rlaw.laws.saturating import EfficiencyLaw, k_max, n_0


class CommonPointLaw(EfficiencyLaw):
    """Lines through one point: L = (S / X)^k(N), k(N) = K_max / (1 + N_0 / N); every size has loss 1 at X = S.

    Source: a family in the code of Tan et al. 2025, arXiv:2509.25300 (paper.md section 4).
    """

    name = "common-point"
    title = "power laws through a common point"
    formula = "L = (S / X)^k(N), k(N) = K_max / (1 + N_0 / N)"
    source = "a family in the code of Tan et al. 2025, arXiv:2509.25300"
    shared = (
        k_max(),
        n_0(0.1, 1, 10),
        Parameter("S", 1e-9, 1, (1e-4, 1e-2), "where every size has loss 1, unit of the axis", "x", log=True),
    )
    coefficients = ()
    needs_sizes = 3
    example = (0.2, 7e9, 1e16)

    def parts(self, theta: Theta, at: Points) -> tuple[np.ndarray, ...]:
        return ()

    def fixed(self, theta: Theta, at: Points) -> np.ndarray:
        return (theta[2] / at.x) ** self.k(theta, at.params, at.base_loss)

    def values_of_size(self, theta: Theta, coefficients: np.ndarray, at: Points) -> dict[str, np.ndarray]:
        k = self.efficiency(theta, at.params, at.base_loss)
        return {"k": k, "E": k * np.log10(theta[2][..., 0])}
