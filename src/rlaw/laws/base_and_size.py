import numpy as np

from rlaw.laws.base import Parameter, Theta
from rlaw.laws.base_efficiency import REFERENCE
from rlaw.laws.saturating import EfficiencyLaw, k_max, n_0


class BaseAndSizeLaw(EfficiencyLaw):
    """Efficiency from size and base together: k(N, L_0) = K_max / (1 + N_0 / N) · exp(-a (L_0 - 0.9)).

    With a = 0 it is the saturating law; with N_0 far below the ladder it is the law of the base alone.

    Source: Tan et al. 2025, arXiv:2509.25300, Eq. 2, times the factor found on the embedded study.
    """

    name = "base-and-size"
    title = "efficiency from size and the loss of the base"
    formula = "log10 L = -k(N, L_0) log10 X + E, k = K_max / (1 + N_0 / N) exp(-a (L_0 - 0.9))"
    source = "Tan et al. 2025, arXiv:2509.25300, Eq. 2, times the embedded study's factor"
    shared = (
        k_max("efficiency of an infinitely large model whose base has loss 0.9", high=20),
        n_0(0.03, 1, 10),
        Parameter("a", -100, 100, (0.0, 10.0), "how fast efficiency falls with the loss of the base"),
    )
    needs_sizes = 4
    needs_base_loss = True
    example = (0.2, 7e9, 2.0, 0.6)

    def k(self, theta: Theta, params: np.ndarray, base_loss: np.ndarray) -> np.ndarray:
        of_size = super().k(theta, params, base_loss)
        return np.minimum(of_size * np.exp(np.clip(-theta[2] * (base_loss - REFERENCE), -30, 30)), 50.0)
