"""Numbers with units, read and written as people write them: `7B`, `1e18 FLOPs`, `500 GPU-h`, `15 min`."""

import math
import re

from rlaw.errors import UsageError

_PREFIX = {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "B": 1e9, "T": 1e12, "P": 1e15, "E": 1e18, "Z": 1e21}
_NUMBER = r"\s*([+-]?(?:\d[\d_,]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*"
_QUANTITY = re.compile(_NUMBER + r"(.*?)\s*")
_SECONDS = {"s": 1, "sec": 1, "second": 1, "min": 60, "minute": 60, "h": 3600, "hour": 3600, "d": 86400, "day": 86400}
_SECONDS |= {"week": 7 * 86400, "month": 30.4375 * 86400, "year": 365.25 * 86400}
_EXAMPLES = {
    "count": "7B, 592k or 5.9e5",
    "FLOPs": "1e18 FLOPs, 20 PFLOPs or 1e18",
    "GPU-h": "500 GPU-h or 500",
    "duration": "15 min, 90 s or 2 h",
    "USD": "1200 USD, $1200 or 1200",
}
_NAMES = {"FLOPs": "a number of FLOPs", "GPU-h": "a number of GPU-hours", "USD": "an amount of USD"}


def parse(value: float | str, kind: str) -> float:
    """Read a quantity of one kind: count, FLOPs, GPU-h, duration (to seconds) or USD.

    Raises:
        UsageError: not a finite, positive number of that kind; the message shows how to write one.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _refuse(value, kind)
    number, unit = _split(value, kind)
    scaled = number * _scale(unit, kind, value)
    if not math.isfinite(scaled) or scaled <= 0:
        raise _refuse(value, kind)
    return scaled


def _split(value: float | str, kind: str) -> tuple[float, str]:
    if not isinstance(value, str):
        return float(value), ""
    match = _QUANTITY.fullmatch(value.strip().lstrip("$") if kind == "USD" else value)
    if match is None:
        raise _refuse(value, kind)
    return float(match[1].replace("_", "").replace(",", "")), match[2]


def _scale(unit: str, kind: str, value: object) -> float:
    if kind == "duration":
        scale = _SECONDS.get(unit.removesuffix("s") or unit) if unit else 1
    elif kind == "GPU-h":
        scale = 1.0 if unit.lower().replace(" ", "-") in ("", "gpu-h", "gpu-hour", "gpu-hours", "h") else None
    elif kind == "USD":
        scale = 1.0 if unit.upper() in ("", "USD", "$") else _PREFIX.get(unit)
    else:
        suffix = re.sub(r"(?i)flops?$", "", unit) if kind == "FLOPs" else unit
        scale = _PREFIX.get(suffix)
    if scale is None:
        raise _refuse(value, kind)
    return scale


def _refuse(value: object, kind: str) -> UsageError:
    return UsageError(f"{value!r} is not {_NAMES.get(kind, f'a {kind}')}: write it like {_EXAMPLES[kind]}")


def count(value: float) -> str:
    """Write a count in three figures: 591488 -> '591k', 7e9 -> '7B'."""
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    suffix = next((unit for unit in "TBMk" if abs(value) >= _PREFIX[unit] * 0.9995), "")
    return f"{value / _PREFIX[suffix]:.3g}{suffix}"


def flops(value: float) -> str:
    """Write compute: 2.6e13 -> '2.6e13 FLOPs'."""
    if value == 0:
        return "0 FLOPs"
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa}e{int(exponent)} FLOPs"


def duration(seconds: float) -> str:
    """Write a duration: 75 -> '1 min 15 s'."""
    if seconds < 60:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"


def size(n_bytes: float) -> str:
    """Write bytes: 123456 -> '123 kB'."""
    for scale, suffix in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if n_bytes >= scale:
            return f"{n_bytes / scale:.3g} {suffix}"
    return f"{n_bytes:.0f} bytes"
