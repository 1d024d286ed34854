"""What a law is: the loss as a sum of a few non-negative parts, L = floor(N) + gain(N) · progress(X; N).

A law names its parameters and writes its parts; it never fits. Given the parameters, the sizes of the parts (the
coefficients) follow in closed form, size by size: that is what `rlaw.fitting.solver` does (variable projection).

Axes: B draws, R sizes, M points of a size (short sizes are padded; see `Points`).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

#: one array per parameter: (B, 1, 1) when shared by the ladder, (B, R, 1) when a size's own
Theta = tuple[np.ndarray, ...]


@dataclass(frozen=True, slots=True)
class Points:
    """Where a law is evaluated.

    Attributes:
        x: (B or 1, R, M) axis of the law (FLOPs, prompts or steps), > 0; pads repeat `x_ref`.
        x_ref: (B or 1, R, 1) geometric middle of the size's x, so that fits do not depend on the unit of x.
        log_x: (B or 1, R, M) ln(x / x_ref).
        params: (B or 1, R, 1) model size N.
        base_loss: (B or 1, R, 1) loss of the base before RL; nan where it was not measured.
    """

    x: np.ndarray
    x_ref: np.ndarray
    log_x: np.ndarray
    params: np.ndarray
    base_loss: np.ndarray

    @staticmethod
    def of(x: np.ndarray, x_ref: np.ndarray, params: np.ndarray, base_loss: np.ndarray) -> "Points":
        """Points from (…, R, M) axis values and (…, R, 1) facts of the sizes."""
        return Points(x, x_ref, np.log(x) - np.log(x_ref), params, base_loss)

    def each(self, change: Callable[[np.ndarray], np.ndarray]) -> "Points":
        """The points with every array changed in the same way."""
        return Points(*map(change, (self.x, self.x_ref, self.log_x, self.params, self.base_loss)))

    def size(self, index: int) -> "Points":
        """The points of one size."""
        return self.each(lambda array: array[:, index : index + 1])


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter in which the loss is not linear.

    Attributes:
        name: the paper's letter.
        low: smallest value allowed, in multiples of the smallest x (or N) of the data when `unit` is "x" (or "params").
        high: largest value allowed, in multiples of the largest x (or N) of the data.
        starts: where the search starts, in multiples of the geometric middle of x (or N).
        text: what it means, with its unit.
        unit: "x" or "params" when the parameter is measured in them, "" for a plain number.
        log: searched on a logarithmic scale; always for parameters with a unit.
    """

    name: str
    low: float
    high: float
    starts: tuple[float, ...]
    text: str
    unit: Literal["", "x", "params"] = ""
    log: bool = False


class Law(ABC):
    """A formula for the test loss along the axis, for every size of a ladder.

    `shared` parameters have one value for the whole ladder, `local` ones a value per size; `coefficients` name the
    non-negative sizes of the parts that `parts` returns, one value per size. A law without shared parameters is fitted
    size by size. `needs_sizes` is the least number of sizes that determine its parameters.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    formula: ClassVar[str]
    source: ClassVar[str]
    shared: ClassVar[tuple[Parameter, ...]] = ()
    local: ClassVar[tuple[Parameter, ...]] = ()
    coefficients: ClassVar[tuple[str, ...]] = ()
    needs_sizes: ClassVar[int] = 1
    needs_base_loss: ClassVar[bool] = False
    #: a worked example for documentation and tests: values of the shared, then the local parameters, then coefficients
    example: ClassVar[tuple[float, ...]]

    @abstractmethod
    def parts(self, theta: Theta, at: Points) -> tuple[np.ndarray, ...]:
        """The parts of the loss for unit coefficients: one (B, R, M) array per coefficient, each >= 0."""

    def fixed(self, theta: Theta, at: Points) -> np.ndarray | None:
        """The part of the loss that no coefficient multiplies, (B, R, M) and >= 0; None when there is none."""
        return None

    def weigh(self, weights: np.ndarray, at: Points) -> np.ndarray:
        """The (B, R, M) weights with which the points count; a law may use only some of them."""
        return weights

    def efficiency(self, theta: Theta, params: np.ndarray, base_loss: np.ndarray) -> np.ndarray | None:
        """k(N), the slope of -log L against log X, (B, R); None when the law does not tie it to the size."""
        return None

    def values_of_size(self, theta: Theta, coefficients: np.ndarray, at: Points) -> dict[str, np.ndarray]:
        """The fitted values of each size: (B, R) arrays by name, logarithms to base 10."""
        own = dict(zip((p.name for p in self.local), theta[len(self.shared) :], strict=True))
        values = {name: value[..., 0] for name, value in own.items()}
        return values | {name: coefficients[..., j] for j, name in enumerate(self.coefficients)}

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Shared parameters, then local ones: the order of theta."""
        return self.shared + self.local

    def loss(self, theta: Theta, coefficients: np.ndarray, at: Points) -> np.ndarray:
        """The test loss, (B, R, M), for (B, R, C) coefficients."""
        parts = self.parts(theta, at)
        fixed = self.fixed(theta, at)
        total = np.zeros(1) if fixed is None else fixed
        for j, part in enumerate(parts):
            total = total + coefficients[..., j, None] * part
        return total


def intercept(coefficient: np.ndarray, k: np.ndarray, at: Points) -> np.ndarray:
    """E of log10 L = -k log10 X + E, (B, R), from the loss at `x_ref`."""
    with np.errstate(divide="ignore"):
        return np.log10(coefficient) + k * np.log10(at.x_ref[..., 0])
