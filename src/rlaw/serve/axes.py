"""What a curve can be drawn against: the axes of the data, and what follows from their compute."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from rlaw.analysis.evidence import Evidence
from rlaw.decisions.budget import budget
from rlaw.measurements.frame import AXES, Axis
from rlaw.study.compute import FACTORS
from rlaw.study.gpus import DEFAULT_MFU, USD_PER_GPU_HOUR

GPU = "H100"


@dataclass(frozen=True, slots=True)
class Shown:
    """An axis of the page.

    Attributes:
        name: in the address.
        of: the axis whose numbers, and whose law, it shows.
        label: with its unit, and what was assumed.
        scale: of a model with so many parameters, what one unit of `of` is here.
    """

    name: str
    of: Axis
    label: str
    scale: Callable[[Any], Any]


def axes(evidence: Evidence, gpu: str = GPU) -> dict[str, Shown]:
    """The axes that the data have, by name; those of compute in other units where its accounting is known.

    Args:
        evidence: the measurements.
        gpu: whose hours and price compute is written in.

    Raises:
        NotFound: no such GPU.
    """
    main, there = evidence.main, evidence.axes
    how = main.accounting if main.accounting == "as given" else f"{main.accounting} accounting"
    labels = {"compute": f"RL compute, FLOPs ({how})", "data": "data, prompts consumed", "step": "RL step"}
    found = {name: Shown(name, name, labels[name], np.ones_like) for name in AXES if name in there}
    if "compute" not in there:
        return found
    factor = FACTORS.get(main.accounting)
    if factor and main.rows["params"].null_count() == 0:
        label = f"tokens, as {main.accounting} compute counts them"
        found["tokens"] = Shown("tokens", "compute", label, lambda params: 1 / (factor * np.asarray(params)))
    counted = main.executed_factor if main.accounting == "exact" else FACTORS.get(main.accounting, FACTORS["6N"])
    hour = budget(
        gpu_hours=1.0, gpu=gpu, flops_per_param_token=counted, executed_factor=main.executed_factor
    )  # as `rlaw allocate` turns GPU-hours into compute
    usd = USD_PER_GPU_HOUR[hour.given["gpu"]]
    assumed = f"{hour.given['gpu']} at {DEFAULT_MFU:.0%} of its peak, assumed"
    found["gpu-hours"] = Shown(
        "gpu-hours", "compute", f"GPU-hours ({assumed})", lambda params: np.ones_like(params) / hour.amount
    )
    found["usd"] = Shown(
        "usd",
        "compute",
        f"US dollars (${usd:g} an hour, {assumed})",
        lambda params: usd * np.ones_like(params) / hour.amount,
    )
    return found
