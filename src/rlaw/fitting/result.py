"""A law fitted to a frame: parameters, sizes and losses, with intervals."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from rlaw import units
from rlaw.errors import NotFound, NotIdentifiable, UsageError
from rlaw.fitting.apart import SizeApart
from rlaw.fitting.bootstrap import Draws
from rlaw.fitting.curves import Curves
from rlaw.fitting.diagnostics import NOT_IDENTIFIED, Caution
from rlaw.fitting.interval import Interval, finite, percentile, plain
from rlaw.fitting.solver import Solution
from rlaw.fitting.values import HeldOut, SizeFit
from rlaw.laws import Law, Points
from rlaw.text import Readable, excluded_rows, table

if TYPE_CHECKING:
    from rlaw.measurements.frame import Frame


@dataclass(frozen=True, eq=False, repr=False)
class Fit(Readable):
    """A law fitted to a frame.

    Attributes:
        law: the law.
        axis: "compute", "data" or "step".
        parameters: the shared parameters by name.
        sizes: the fit of each size, smallest first.
        r2_pooled: over all points, sizes together: mostly the difference between sizes.
        rmse: root mean square error of the loss over all points.
        warnings: what speaks against trusting it.
        settings: window, space, noise, items, intervals, draws, level and seed, as used.
        dropped: rows left out, by reason.
        source: what the frame was read from.
        frame: the measurements, as given.
        curves: the measured curves that were fitted.
        estimate: the fit itself (one draw), for `rlaw.fitting.solver`.
        drawn: its bootstrap draws, or None.
        held_out: how the law does on the size left out, or None.
        scatter: how far sizes lie beside the law, of ln k; None without draws, or for a law that ties no slopes.
        deviations: how each size stands to the law of the others.
    """

    law: Law
    axis: str
    parameters: dict[str, Interval]
    sizes: tuple[SizeFit, ...]
    r2_pooled: float
    rmse: float
    warnings: tuple[Caution, ...]
    settings: dict[str, Any]
    dropped: dict[str, int]
    source: str
    frame: "Frame" = field(repr=False)
    curves: Curves = field(repr=False)
    weights: np.ndarray = field(repr=False)
    estimate: Solution = field(repr=False)
    drawn: Draws | None = field(repr=False, default=None)
    held_out: HeldOut | None = None
    scatter: Interval | None = None
    deviations: tuple[SizeApart, ...] = ()

    @property
    def identified(self) -> bool:
        """False when the data do not determine the law's parameters."""
        return not any(w.code in NOT_IDENTIFIED for w in self.warnings)

    @property
    def digest(self) -> str:
        """Of the frame's rows."""
        return self.frame.digest

    @property
    def points(self) -> int:
        """Points that were fitted."""
        return int(self.curves.present.sum())

    @property
    def level(self) -> float:
        """Level of the intervals."""
        return self.settings["level"]

    @property
    def fitted(self) -> np.ndarray:
        """(R, M) fitted loss at the measured points of `curves`."""
        return self.law.loss(self.estimate.theta, self.estimate.coefficients, self.curves.at)[0]

    def size(self, model: str) -> SizeFit:
        """One size of the fit, by its name.

        Raises:
            NotFound: the fit has no such size.
        """
        return self.sizes[self._index(model)]

    def k(self, params: float, base_loss: float = float("nan")) -> Interval:
        """Efficiency of any size, with its interval: for a size of the fit that of the law, for another one that of
        the curve that it would have, which lies beside the law as the sizes of the fit do.

        Raises:
            NotIdentifiable: the law does not tie the efficiency to the size.
            UsageError: the law needs the loss of the size's base.
        """
        drawn = None
        if self.drawn is not None:
            drawn = self.k_draws(params, base_loss)
            if self.drawn.beside is not None and not np.isclose(self.curves.params, params, rtol=0.01).any():
                drawn = drawn * self.drawn.beside.new
        return percentile(float(self._k(self.estimate, params, base_loss)[0]), drawn, self.level)

    def k_draws(self, params: float, base_loss: float = float("nan")) -> np.ndarray:
        """(draws,) bootstrap draws of the efficiency that the law gives a size."""
        return self._k(self._draws(), params, base_loss)

    def slopes(self) -> np.ndarray:
        """(R,) efficiency k of every size of the fit, smallest size first.

        Raises:
            NotIdentifiable: the law has no slope of its own for a size.
        """
        return self._slopes(self.estimate)[0]

    def slope_draws(self) -> np.ndarray:
        """(draws, R) bootstrap draws of the efficiency k of every size."""
        return self._slopes(self._draws())

    def predict(self, model: str, x: Any) -> np.ndarray:
        """(points,) fitted loss of one size at axis values x > 0."""
        return self._loss(self.estimate, model, x)[0]

    def predict_draws(self, model: str, x: Any) -> np.ndarray:
        """(draws, points) bootstrap draws of the loss of one size, which may lie beside the law."""
        drawn, r = self._loss(self._draws(), model, x), self._index(model)
        if self.drawn is None or self.drawn.beside is None:
            return drawn
        log_x = np.log(np.asarray(x, float) / self.curves.at.x_ref[0, r])
        return drawn / self.drawn.beside.factor(log_x, slice(r, r + 1))[:, 0]

    def band(self, model: str, x: Any) -> tuple[np.ndarray, np.ndarray]:
        """Low and high ends, (points,) each, of the loss of one size."""
        tail = (1 - self.level) / 2
        low, high = np.quantile(self.predict_draws(model, x), [tail, 1 - tail], axis=0)
        return low, high

    def to_json(self) -> dict[str, Any]:
        """The document of `rlaw fit --json`, schema 1."""
        document = {
            "schema": 1,
            "law": self.law.name,
            "axis": self.axis,
            "log_base": 10,
            "source": self.source,
            "digest": self.digest,
            **self.settings,
            "points": self.points,
            "dropped": self.dropped,
            "parameters": plain(self.parameters),
            "rungs": plain(self.sizes),
            "r2_pooled": finite(self.r2_pooled),
            "rmse": finite(self.rmse),
            "scatter": plain(self.scatter),
            "deviations": plain(self.deviations),
            "identified": self.identified,
            "warnings": plain(self.warnings),
        }
        return document if self.held_out is None else {**document, "held_out": self.held_out.to_json()}

    def documents(self) -> list[dict[str, Any]]:
        """A row for each size."""
        return plain(self.sizes)

    def __str__(self) -> str:
        excluded = f"; excluded: {excluded_rows(self.dropped)}" if self.dropped else ""
        lines = [
            f"{self.law.name} over {self.axis}: {self.law.formula}",
            f"{self.points} points of {len(self.sizes)} sizes from {self.source}{excluded}",
            "",
        ]
        for p in self.law.shared:
            value = self.parameters[p.name].text(units.count if p.unit == "params" else None)
            lines.append(f"  {p.name:<8}{value:<34}{p.text}")
        together = f"R² {self.r2_pooled:.4f} over all points (sizes together), RMSE {self.rmse:.4f}"
        lines += ["", self._table(), "", together]
        if self.scatter is not None:
            lines.append(f"sizes lie beside the law by {self.scatter.text(lambda v: f'{v:.0%}')} of k")
        if self.held_out is not None:
            h = self.held_out
            slope = f", k {h.values['k']}" if "k" in h.values else ""
            lines.append(f"held out {h.model}: RMSE {h.rmse:.4f}{slope} (level {h.level})")
        if not self.identified:
            lines.append(f"NOT IDENTIFIED: the data do not determine the parameters of {self.law.name}")
        return "\n".join([*lines, *(f"caution ({w.code}): {w.text}" for w in self.warnings)])

    def _table(self) -> str:
        """A line for each size: its values with their intervals, and how well the law follows its curve."""
        names = list(self.sizes[0].values)
        rows = [
            [
                size.model,
                units.count(size.params) if np.isfinite(size.params) else "?",
                str(size.points),
                *(str(size.values[name]) for name in names),
                f"{size.r2:.3f}",
                f"{size.rmse:.4f}",
            ]
            for size in self.sizes
        ]
        return table(["size", "params", "points", *names, "R²", "RMSE"], rows)

    def _index(self, model: str) -> int:
        try:
            return self.curves.models.index(model)
        except ValueError:
            known = ", ".join(self.curves.models)
            raise NotFound(f"{model!r} is not a size of this fit\n  next: choose one of {known}") from None

    def _draws(self) -> Solution:
        if any(w.code == "noise-unknown" for w in self.warnings):
            raise NotIdentifiable(
                "nothing shows the noise of these curves: no draws\n  next: items=500, the true number"
            )
        if self.drawn is None:
            raise UsageError("this fit has no bootstrap draws\n  next: fit with intervals='bootstrap'")
        return self.drawn.solution

    def _slopes(self, solution: Solution) -> np.ndarray:
        values = self.law.values_of_size(solution.theta, solution.coefficients, self.curves.at)
        if "k" not in values:
            raise NotIdentifiable(f"{self.law.name} has no slope k of a size\n  next: power or saturating")
        return np.broadcast_to(values["k"], (len(solution), len(self.curves.models)))

    def _k(self, solution: Solution, params: float, base_loss: float) -> np.ndarray:
        k = self.law.efficiency(solution.theta, np.full((1, 1, 1), params), np.full((1, 1, 1), base_loss))
        if k is None:
            raise NotIdentifiable(
                f"{self.law.name} gives every size an efficiency of its own\n  next: a law of the ladder: saturating"
            )
        if np.isnan(k).any():
            raise UsageError(f"{self.law.name} needs the loss of the size's base\n  next: k({params:g}, base_loss=0.9)")
        return np.broadcast_to(k, (len(solution), 1))[:, 0]

    def _loss(self, solution: Solution, model: str, x: Any) -> np.ndarray:
        r = self._index(model)
        own = self.curves.at.size(r)
        at = Points.of(np.asarray(x, float)[None, None], own.x_ref, own.params, own.base_loss)
        theta = tuple(t if t.shape[1] == 1 else t[:, r : r + 1] for t in solution.theta)
        loss = self.law.loss(theta, solution.coefficients[:, r : r + 1], at)
        return np.broadcast_to(loss, (len(solution), 1, at.x.shape[-1]))[:, 0]
