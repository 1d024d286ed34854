"""The measured curves that a law is fitted to: one row of points per size.

Axes: R sizes, M points of a size, padded with points that are not `present`; I items.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from rlaw import units
from rlaw.errors import NotFound, RlawError
from rlaw.laws import Points

#: what stands in the pads of each array
PADS = {"loss": 1.0, "present": False, "step": -1, "run": -1, "items": np.nan}


@dataclass(frozen=True, slots=True)
class Curves:
    """Measured test loss of every size of a ladder, smallest first.

    Attributes:
        models: name of each size.
        at: where it was measured, arrays of (1, R, M).
        loss: (R, M) test loss; 1 in the pads.
        present: (R, M) False in the pads.
        step: (R, M) int, RL steps done; -1 in the pads.
        run: (R, M) int, which run of the size a point belongs to (0, 1, …); -1 in the pads.
        items: (R, M) problems asked in each evaluation; nan where unknown.
        right: (R, M, I) share of right answers to each item, the same items in every evaluation; None when unknown.
    """

    models: tuple[str, ...]
    at: Points
    loss: np.ndarray
    present: np.ndarray
    step: np.ndarray
    run: np.ndarray
    items: np.ndarray
    right: np.ndarray | None = None

    @property
    def params(self) -> np.ndarray:
        """(R,) model sizes."""
        return self.at.params[0, :, 0]

    @property
    def counts(self) -> np.ndarray:
        """(R,) points of each size."""
        return self.present.sum(axis=-1)

    @property
    def runs(self) -> np.ndarray:
        """(R,) runs of each size."""
        return self.run.max(axis=-1) + 1

    @property
    def positive(self) -> np.ndarray:
        """(R, M) the loss, where logarithms are taken: 0 as half of one answer more, 1/2 out of n + 1.

        Where n is unknown, 0 stands for half of the smallest other loss.
        """
        zero = self.present & (self.loss <= 0)
        if not zero.any():
            return self.loss
        half = 0.5 * self.loss[self.present & ~zero].min(initial=1.0)
        return np.where(zero, np.where(np.isfinite(self.items), 0.5 / (self.items + 1), half), self.loss)

    def where(self, keep: np.ndarray) -> "Curves":
        """The same ladder with only the points where the (R, M) mask holds; pads are where the others were."""
        keep, at = keep & self.present, self.at
        x = np.where(keep, at.x, at.x_ref)
        arrays = {name: np.where(keep, getattr(self, name), pad) for name, pad in PADS.items()}
        return replace(self, at=Points.of(x, at.x_ref, at.params, at.base_loss), **arrays)

    def compact(self) -> "Curves":
        """The same points as if no others had ever been there: pads at the end, and `x_ref` of these points alone."""
        order = np.argsort(~self.present, axis=1, kind="stable")[:, : max(int(self.counts.max()), 1)]

        def of(a: np.ndarray) -> np.ndarray:
            return np.take_along_axis(a, order, axis=1)

        x, present = of(self.at.x[0]), of(self.present)
        logs = np.where(present, np.log(x), 0.0).sum(axis=1) / np.maximum(self.counts, 1)
        x_ref = np.exp(logs)[:, None]
        at = Points.of(np.where(present, x, x_ref)[None], x_ref[None], self.at.params, self.at.base_loss)
        right = None if self.right is None else np.take_along_axis(self.right, order[:, :, None], axis=1)
        return replace(self, at=at, right=right, **{name: of(getattr(self, name)) for name in PADS})

    def pick(self, index: np.ndarray) -> "Curves":
        """The curves of some sizes."""
        return Curves(
            models=tuple(self.models[i] for i in index),
            at=self.at.each(lambda array: array[:, index]),
            right=None if self.right is None else self.right[index],
            **{name: getattr(self, name)[index] for name in PADS},
        )

    @staticmethod
    def of(
        model: np.ndarray,
        params: np.ndarray,
        x: np.ndarray,
        loss: np.ndarray,
        *,
        step: np.ndarray,
        seed: np.ndarray,
        items: np.ndarray,
        base_loss: np.ndarray,
        right: np.ndarray | None = None,
    ) -> "Curves":
        """Curves from columns of equal length, in any order; `seed` separates the runs of a size.

        `right` is (rows, items) where the rows have the share of right answers to each item.
        """
        order = np.lexsort((loss, x, step, seed, model, params))
        model, params, x, loss, step, seed, items, base_loss = (
            np.asarray(a)[order] for a in (model, params, x, loss, step, seed, items, base_loss)
        )
        other_size = ~np.isclose(params[1:], params[:-1], rtol=0, atol=0, equal_nan=True)
        new = np.r_[True, other_size | (model[1:] != model[:-1])]
        size = np.cumsum(new) - 1
        place = np.arange(len(x)) - np.flatnonzero(new)[size]
        shape = (size[-1] + 1, place.max() + 1)

        def grid(values: np.ndarray, pad: float) -> np.ndarray:
            out = np.full((*shape, *values.shape[1:]), pad)
            out[size, place] = values
            return out

        starts = np.flatnonzero(new)
        columns = {"loss": loss, "present": np.ones(len(x), bool), "step": step, "items": items}
        columns["run"] = _run_numbers(size, seed)
        arrays = {name: grid(columns[name], pad) for name, pad in PADS.items()}
        x_ref = np.exp(np.add.reduceat(np.log(x), starts) / np.bincount(size))[:, None]
        base = np.array([_mean(base_loss[size == r]) for r in range(shape[0])])[:, None]
        x_grid = np.where(arrays["present"], grid(x, 1.0), x_ref)
        return Curves(
            models=tuple(str(m) for m in model[starts]),
            at=Points.of(x_grid[None], x_ref[None], params[starts][None, :, None].astype(float), base[None]),
            right=None if right is None else grid(right[order], 0.0),
            **arrays,
        )


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def _run_numbers(size: np.ndarray, seed: np.ndarray) -> np.ndarray:
    """Number the seeds of each size from 0; rows are sorted by size, then seed."""
    new_size = np.r_[True, size[1:] != size[:-1]]
    new_run = new_size | np.r_[True, seed[1:] != seed[:-1]]
    number = np.cumsum(new_run) - 1
    return number - number[np.flatnonzero(new_size)][size]


def each_run(curves: Curves) -> Iterator[tuple[int, np.ndarray]]:
    """Every run that has points: its size, and (n,) where its points are in the size's row."""
    for r, numbers in enumerate(curves.run):
        for i in np.unique(numbers[numbers >= 0]):
            yield r, np.flatnonzero(numbers == i)


def find_size(curves: Curves, which: str | float) -> int:
    """The size that "largest", a model's name or a size such as "72B" names.

    Raises:
        NotFound: there is no such size.
    """
    if which == "largest":
        return len(curves.models) - 1
    if which in curves.models:
        return curves.models.index(str(which))
    with suppress(RlawError):
        size = units.parse(which, "count")
        matches = [r for r, params in enumerate(curves.params) if abs(size / params - 1) < 0.01]
        if len(matches) == 1:
            return matches[0]
    listed = ", ".join(f"{m} ({units.count(p)})" for m, p in zip(curves.models, curves.params, strict=True))
    raise NotFound(f"no size of this ladder is {which!r}\n  next: choose one of {listed}")
