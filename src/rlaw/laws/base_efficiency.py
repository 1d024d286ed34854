import numpy as np

from rlaw.laws.base import Parameter, Theta
from rlaw.laws.saturating import EfficiencyLaw

REFERENCE = 0.9  # loss of the base of which k_90 is the efficiency


class BaseEfficiencyLaw(EfficiencyLaw):
    """Efficiency that follows from the base's loss alone: log10 L = -k(L_0) log10 X + E, k = k_90 exp(-a (L_0 - 0.9)).

    The size does not appear: on the embedded study a larger model learns faster because its base is better.

    Source: the embedded study of this project (ln k against the step-0 loss).
    """

    name = "base-efficiency"
    title = "efficiency from the loss of the base"
    formula = "log10 L = -k(L_0) log10 X + E, k(L_0) = k_90 exp(-a (L_0 - 0.9))"
    source = "the embedded study: ln k is a straight line in the step-0 loss"
    shared = (
        Parameter("k_90", 1e-5, 5, (0.02, 0.1, 0.4), "efficiency of a base whose loss is 0.9", log=True),
        Parameter("a", -200, 200, (2.0, 10.0, 30.0), "how fast efficiency falls with the loss of the base"),
    )
    needs_sizes = 3
    needs_base_loss = True
    example = (0.1, 5.0, 0.6)

    def k(self, theta: Theta, params: np.ndarray, base_loss: np.ndarray) -> np.ndarray:
        k_90, a = theta
        return k_90 * np.exp(np.clip(-a * (base_loss - REFERENCE), -30, 3))
