"""Partial pooling: every curve of a ladder informs the others, as far as they are alike.

    log L(N, X) = a(N) - k(N) log X + s(N) c(log X) + w(log X) + noise

a and k belong to a size, and both are drawn about a law of the size: k about K s(N), where s saturates as
1 / (1 + N_0 / N) or grows as a power of N; a about a smooth curve in log N. c and w are random walks in log X, by which
curves wander off a straight line: c together, in proportion to what they learn, w each by itself. The noise of a run
is white noise plus a drift that lasts. A size with many points keeps its own line, one with few is drawn to the law,
and one with none is the law's: calibrated, anchored and blind forecasts are one model.

How far sizes scatter about the law, how much curves wander and drift, and the law's shape are not known. They are not
chosen but averaged over a grid, each weighed by its marginal likelihood: how well it predicts the measured points one
after the other. Given them, everything is Gaussian and in closed form.

`size` holds the measured points, `prior` the assumptions, `posterior` the settings that are averaged over, each with
its posterior and how well it predicts the points, `pooled` the pooled ladder.

Source: Laird and Ware 1982 (random effects of growth curves); Rasmussen and Williams 2006, section 2.7 (marginal
likelihood with a basis of unknown weight); Kass and Raftery 1995 (averaging over models).

Axes: R sizes, n points of a size, H settings of the grid, S draws, M points to predict.
"""

from rlaw.forecasting.pooling.pooled import Pooled, pool
from rlaw.forecasting.pooling.size import PooledSize, sizes_of

__all__ = ["Pooled", "PooledSize", "pool", "sizes_of"]
