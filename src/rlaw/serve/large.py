"""Large data, read by a process of its own that gives its memory back: curves as means of even buckets."""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace

import numpy as np
import polars as pl

from rlaw.errors import RlawError
from rlaw.measurements.columns import CURVE
from rlaw.measurements.frame import Frame
from rlaw.measurements.raw import Note

LARGE_BYTES = 16_000_000  # of files, from which on they are read aside
MOST_ROWS = 20_000  # that the server keeps and fits
_LEAST_OF_A_CURVE = 8
_MEANS = ("test_loss", "base_loss", "data_size", "compute_flops", "response_length")


def read_aside(read: Callable[[], Frame]) -> Frame:
    """What `read` returns, thinned to about `MOST_ROWS` rows, made by a process that ends afterwards.

    Raises:
        RlawError: as `read`, or the process was killed, for memory perhaps.
    """
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as aside:
        try:
            return aside.submit(_read, read).result()
        except BrokenProcessPool as error:
            raise RlawError("reading the data was ended from outside: out of memory?\n  next: fewer rows") from error


def _read(read: Callable[[], Frame]) -> Frame:
    return thinned(read())


def thinned(frame: Frame, most: int = MOST_ROWS) -> Frame:
    """The frame with about so many rows: each curve as means of buckets that are even in the logarithm of its rows.

    Rows before the first step stay as they are; answers to single problems are left out.
    """
    if len(frame) <= most:
        return frame
    curves = frame.rows.select(CURVE).n_unique()
    buckets = max(most // curves, _LEAST_OF_A_CURVE)
    longest = int(frame.rows.group_by(CURVE).len()["len"].max())  # pyright: ignore[reportArgumentType]
    edges = np.unique(np.geomspace(1, longest + 1, buckets + 1).astype(np.int64))
    kept = [name for name in frame.rows.columns if name != "correct" and name not in (*CURVE, *_MEANS, "step")]
    rank = frame.rows.select(pl.int_range(1, pl.len() + 1).over(CURVE)).to_series().to_numpy()  # rows are sorted
    bucket = np.where(frame.rows["step"].to_numpy() > 0, np.searchsorted(edges, rank, side="right"), -1)
    means = [pl.col(name).mean() for name in _MEANS if name in frame.rows.columns]
    rows = (
        frame.rows.lazy()
        .with_columns(bucket=pl.Series(bucket))
        .group_by(*CURVE, "bucket", maintain_order=True)
        .agg(pl.col("step").max(), *means, *(pl.col(name).first() for name in kept))
        .collect()
    )
    lost = [pl.lit(None, frame.rows.schema["correct"]).alias("correct")]
    text = (
        f"{len(frame):,} rows are shown, and fitted, as the means of {len(rows):,} buckets of steps; commands use all"
    )
    whole = rows.with_columns(lost).select(frame.rows.columns).sort(*CURVE, "step", nulls_last=True)
    return replace(frame, rows=whole, notes=(*frame.notes, Note("thinned", text)))
