"""Scaling studies of RL post-training of language models: run them, fit their laws, forecast, decide.

    import rlaw
    frame = rlaw.load("qwen2.5-math-base")
    print(rlaw.fit("saturating", frame, axis="compute"))

Names are imported when they are first used, so that `import rlaw` costs nothing.
"""

import sys
from importlib import import_module, metadata
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rlaw.allocation import Allocation, allocate
    from rlaw.compare import compare
    from rlaw.fit import Fit, fit
    from rlaw.forecast import Forecast, forecast
    from rlaw.frame import Frame, load
    from rlaw.plan import Plan, Run, plan
    from rlaw.runner import run
    from rlaw.sensitivity import sensitivity
    from rlaw.store import Store
    from rlaw.study import Study

_HOMES = {
    "Allocation": "allocation",
    "Fit": "fit",
    "Forecast": "forecast",
    "Frame": "frame",
    "Plan": "plan",
    "Run": "plan",
    "Store": "store",
    "Study": "study",
    "allocate": "allocation",
    "compare": "compare",
    "fit": "fit",
    "forecast": "forecast",
    "load": "frame",
    "plan": "plan",
    "run": "runner",
    "sensitivity": "sensitivity",
}
__version__ = metadata.version("rlaw")
__all__ = [
    "Allocation",
    "Fit",
    "Forecast",
    "Frame",
    "Plan",
    "Run",
    "Store",
    "Study",
    "allocate",
    "compare",
    "fit",
    "forecast",
    "load",
    "plan",
    "run",
    "sensitivity",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'rlaw' has no attribute {name!r}")
    return getattr(import_module(f"rlaw.{_HOMES[name]}"), name)


class _Package(ModuleType):
    """Keeps `rlaw.fit` the function, where importing the file `fit.py` would put the module in its place."""

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, ModuleType) and name in _HOMES:
            value = getattr(value, name)
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
