import numpy as np

from rlaw.laws.base import Parameter, Points, Theta
from rlaw.laws.saturating import EfficiencyLaw, k_max, n_0


class FromBaseLaw(EfficiencyLaw):
    """The saturating law with its level tied to the base: L = L_0 (1 + X / X_S(N))^-k(N), L_0 the loss at step 0.

    k(N) = K_max / (1 + N_0 / N), and the decline sets in at X_S(N) = S (N / N_0)^r: r is near 0 over data and near 1
    over compute. No size has a number of its own, so that the law also holds for sizes that were never trained.

    Source: Eq. 1 of Tan et al. 2025, arXiv:2509.25300, with E(N) given by the base; the shift keeps L = L_0 at X = 0.
    """

    name = "from-base"
    title = "saturating efficiency from the loss of the base"
    formula = "L = L_0 (1 + X / (S (N / N_0)^r))^-k(N), k(N) = K_max / (1 + N_0 / N)"
    source = "Tan et al. 2025, arXiv:2509.25300, Eq. 1, with E(N) tied to the loss at step 0"
    shared = (
        k_max(),
        n_0(0.3, 3),
        Parameter(
            "S", 1e-4, 1e2, (0.03, 0.3), "where the decline of that size sets in, unit of the axis", "x", log=True
        ),
        Parameter("r", -1, 3, (0.0, 1.0), "exponent of the size in where the decline sets in"),
    )
    coefficients = ()
    needs_sizes = 4
    needs_base_loss = True
    example = (0.3, 7e9, 1e17, 0.5)

    def parts(self, theta: Theta, at: Points) -> tuple[np.ndarray, ...]:
        return ()

    def fixed(self, theta: Theta, at: Points) -> np.ndarray:
        _, N_0, S, r = theta
        k = self.k(theta, at.params, at.base_loss)
        return at.base_loss * np.exp(-k * np.log1p(at.x / (S * (at.params / N_0) ** r)))

    def values_of_size(self, theta: Theta, coefficients: np.ndarray, at: Points) -> dict[str, np.ndarray]:
        return {"k": self.efficiency(theta, at.params, at.base_loss)}
