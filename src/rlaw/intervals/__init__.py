"""How sure a fit can be: intervals by resampling what varies."""

from rlaw.intervals.base import Interval, percentile

__all__ = ["Interval", "percentile"]
