"""Many points as few: evenly filled buckets along a curve, with the mean and the range of each."""

import numpy as np
import polars as pl

MOST = 400  # points of one curve on a page: more than it is wide in pixels per curve


def bucketed(rows: pl.DataFrame, most: int = MOST) -> pl.DataFrame:
    """The rows of one size, one for each step, or for each bucket of steps where there are more.

    Buckets are even in the logarithm of the step's rank, so that the fast start of a curve keeps its shape, and the
    same rows give the same buckets.

    Args:
        rows: columns step, x, y and inside.
        most: buckets.

    Returns:
        step, x, y (means), low, high (range of y), n (rows), inside, sorted by step.
    """
    steps = rows["step"].unique().sort()
    if len(steps) <= most:
        return _means(rows, "step").sort("step")
    edges = np.unique(np.geomspace(1, len(steps) + 1, most + 1).astype(int))
    bucket = np.searchsorted(edges, np.arange(1, len(steps) + 1), side="right")
    placed = rows.join(pl.DataFrame({"step": steps, "bucket": bucket}), on="step")
    return _means(placed, "bucket").drop("bucket").sort("step")


def _means(rows: pl.DataFrame, by: str) -> pl.DataFrame:
    y, last = pl.col("y"), [pl.col("step").max()] if by != "step" else []
    return rows.group_by(by).agg(
        *last, pl.col("x").mean(), y.mean(), low=y.min(), high=y.max(), n=pl.len(), inside=pl.col("inside").all()
    )
