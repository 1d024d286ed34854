"""Scaling studies of RL post-training of language models: run them, fit their laws, forecast, decide.

    import rlaw
    frame = rlaw.load("qwen2.5-math-base")
    print(rlaw.fit("saturating", frame, axis="compute"))

Names are imported when they are first used, so that `import rlaw` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rlaw.analysis.contrast.contrast import contrast as contrast
    from rlaw.analysis.contrast.result import Contrast as Contrast
    from rlaw.analysis.dose import Dose as Dose
    from rlaw.analysis.dose import dose as dose
    from rlaw.analysis.geometry.compare import Geometry as Geometry
    from rlaw.analysis.geometry.compare import geometry as geometry
    from rlaw.analysis.geometry.merging import merge as merge
    from rlaw.analysis.health.health import Health as Health
    from rlaw.analysis.health.health import health as health
    from rlaw.analysis.retention import Retention as Retention
    from rlaw.analysis.retention import retention as retention
    from rlaw.analysis.systems.compare import compare_systems as compare_systems
    from rlaw.analysis.systems.result import Systems as Systems
    from rlaw.decisions.allocation import Allocation as Allocation
    from rlaw.decisions.allocation import allocate as allocate
    from rlaw.execution.runner import run as run
    from rlaw.fitting.fit import fit as fit
    from rlaw.fitting.result import Fit as Fit
    from rlaw.fitting.sensitivity import sensitivity as sensitivity
    from rlaw.fitting.threshold.result import Threshold as Threshold
    from rlaw.fitting.threshold.threshold import threshold as threshold
    from rlaw.forecasting.backtest import Comparison as Comparison
    from rlaw.forecasting.backtest import compare as compare
    from rlaw.forecasting.forecast import Forecast as Forecast
    from rlaw.forecasting.forecast import forecast as forecast
    from rlaw.measurements.frame import Frame as Frame
    from rlaw.measurements.load import load as load
    from rlaw.reporting.figures import draw as figure  # noqa: F401
    from rlaw.reporting.plot import plot as plot
    from rlaw.reporting.report import Report as Report
    from rlaw.reporting.report import report as report
    from rlaw.reporting.tables import make as table  # noqa: F401
    from rlaw.store.store import Store as Store
    from rlaw.study.plan import Plan as Plan
    from rlaw.study.plan import Run as Run
    from rlaw.study.plan import plan as plan
    from rlaw.study.study import Study as Study

_HOMES = {
    "Allocation": "decisions.allocation",
    "Comparison": "forecasting.backtest",
    "Dose": "analysis.dose",
    "Contrast": "analysis.contrast.result",
    "Fit": "fitting.result",
    "Forecast": "forecasting.forecast",
    "Frame": "measurements.frame",
    "Geometry": "analysis.geometry.compare",
    "Health": "analysis.health.health",
    "Plan": "study.plan",
    "Report": "reporting.report",
    "Retention": "analysis.retention",
    "Run": "study.plan",
    "Store": "store.store",
    "Study": "study.study",
    "Systems": "analysis.systems.result",
    "Threshold": "fitting.threshold.result",
    "allocate": "decisions.allocation",
    "compare": "forecasting.backtest",
    "compare_systems": "analysis.systems.compare",
    "dose": "analysis.dose",
    "contrast": "analysis.contrast.contrast",
    "figure": "reporting.figures:draw",
    "fit": "fitting.fit",
    "forecast": "forecasting.forecast",
    "geometry": "analysis.geometry.compare",
    "health": "analysis.health.health",
    "load": "measurements.load",
    "merge": "analysis.geometry.merging",
    "plan": "study.plan",
    "plot": "reporting.plot",
    "report": "reporting.report",
    "retention": "analysis.retention",
    "run": "execution.runner",
    "sensitivity": "fitting.sensitivity",
    "table": "reporting.tables:make",
    "threshold": "fitting.threshold.threshold",
}
#: documented modules that are imported when they are first used
_MODULES = ("errors", "laws", "rewards", "tasks", "testing")

__all__ = [*_HOMES, "testing"]  # noqa: PLE0604 - pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("rlaw")
    if name in _HOMES:
        module, _, attribute = _HOMES[name].partition(":")
        return getattr(import_module(f"rlaw.{module}"), attribute or name)
    if name in _MODULES:
        return import_module(f"rlaw.{name}")
    raise AttributeError(f"module 'rlaw' has no attribute {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
