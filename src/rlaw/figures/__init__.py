"""The figures of a study, one per file. To add one: write its `draw`, name it below, and test it."""

from rlaw.errors import RlawError
from rlaw.evidence import Evidence
from rlaw.figures import (
    arms,
    efficiency,
    equal_compute,
    final_loss,
    forecasts,
    frontier,
    loss_curves,
    residuals,
    ridge,
    step_curves,
)
from rlaw.figures.base import Draw, Figure, style

__all__ = ["FIGURES", "Draw", "Figure", "draw_all", "style"]

#: in the order of a report
FIGURES: dict[str, Draw] = {
    "loss-compute": loss_curves.against_compute,
    "loss-data": loss_curves.against_data,
    "efficiency": efficiency.draw,
    "ridge": ridge.draw,
    "forecasts": forecasts.draw,
    "equal-compute": equal_compute.draw,
    "frontier": frontier.draw,
    "final-loss": final_loss.draw,
    "steps": step_curves.draw,
    "residuals": residuals.draw,
    "arms": arms.draw,
}


def draw_all(seen: Evidence) -> tuple[tuple[Figure, ...], dict[str, str]]:
    """Every figure the evidence can speak of, and why the others were left out."""
    drawn, left_out = [], {}
    for name, draw in FIGURES.items():
        try:
            with style():
                drawn.append(draw(seen).settle())
        except RlawError as error:
            left_out[name] = str(error)
    return tuple(drawn), left_out
