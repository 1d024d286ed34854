"""What forecasts and allocations have in common: how they were drawn, what they came from, warnings."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rlaw.fitting.diagnostics import Caution
from rlaw.fitting.interval import plain
from rlaw.fitting.selection import Window, check_draws, window_text
from rlaw.text import Readable

if TYPE_CHECKING:
    from rlaw.measurements.frame import Frame

#: codes of cautions with which the ladder has no law of the size
NO_LAW = frozenset({"slopes-not-rising", "too-few-sizes"})


@dataclass(frozen=True, kw_only=True, repr=False)
class Prediction(Readable):
    """The end of every document about losses that were not measured.

    Attributes:
        warnings: what speaks against trusting it.
        settings: window, draws, level and seed, as used.
        source: what the frame was read from.
        digest: of the frame's rows.
    """

    warnings: tuple[Caution, ...]
    settings: dict[str, Any]
    source: str
    digest: str

    @property
    def identified(self) -> bool:
        """False when the ladder has no law of the size, so that every size stands on its own curve."""
        return not any(w.code in NO_LAW for w in self.warnings)

    def common_json(self) -> dict[str, Any]:
        """Whether a law is identified, the settings, the source and the warnings, for JSON."""
        document = {"identified": self.identified, **self.settings, "source": self.source, "digest": self.digest}
        return document | {"warnings": plain(self.warnings)}

    def warning_lines(self) -> list[str]:
        """The lines that end the text."""
        head = [] if self.identified else ["NOT IDENTIFIED: the ladder has no law of the size"]
        return head + [f"caution ({w.code}): {w.text}" for w in self.warnings]


def resolved(data: Any, axis: Any, window: Window, level: float | None) -> tuple["Frame", Any, Window, float]:
    """Frame, axis, window and level of a question put to a frame, to what `rlaw.load` reads, or to a fit."""
    from rlaw.fitting.result import Fit
    from rlaw.measurements.load import load

    if isinstance(data, Fit):
        return data.frame, axis or data.axis, window or data.settings["window"], level or data.level
    frame = load(data)
    return frame, axis or "compute", window or frame.window, 0.9 if level is None else level


def origin_of(frame: "Frame", *, window: Window, draws: int, level: float, seed: int) -> dict[str, Any]:
    """`settings`, `source` and `digest` of a prediction.

    Raises:
        UsageError: too few draws, or a level outside (0, 1).
    """
    check_draws(draws, level)
    settings = {"window": window_text(window), "draws": draws, "level": level, "seed": seed}
    return {"settings": settings, "source": frame.source, "digest": frame.digest}
