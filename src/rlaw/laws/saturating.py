from rlaw.laws.efficiency import EfficiencyLaw, k_max, n_0


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
