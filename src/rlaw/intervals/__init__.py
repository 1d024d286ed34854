"""How sure a fit can be: intervals by resampling what varies."""

from rlaw.intervals.base import Interval, median, percentile

__all__ = ["Interval", "median", "percentile"]
