"""Summaries of OpenCompass: a row for each benchmark, a column for each model."""

import csv
from pathlib import Path

from rlaw.measurements.importers import evaluated, text
from rlaw.measurements.importers.log import Log

_LEFT = ("dataset", "version", "metric", "mode")


class OpenCompass:
    """A `summary_*.csv`."""

    name = "opencompass"

    def recognises(self, path: Path) -> bool:
        """By its header."""
        if path.is_dir() or not text.bare(path).endswith(".csv"):
            return False
        with text.opened(path) as file:
            return file.readline(1 << 16).strip().split(",")[: len(_LEFT)] == list(_LEFT)

    def log(self, path: Path) -> Log:
        """One evaluation of each model; scores are in percent, and a dash is none."""
        with text.opened(path) as file:
            rows = list(csv.DictReader(file))
        models = [name for name in (rows[0] if rows else {}) if name and name not in (*_LEFT, "total_count")]
        runs, dropped = [], 0
        for model in models:
            scores, items = {}, {}
            for row in rows:
                value = text.number((row[model] or "").partition(" ")[0])
                if value is None:
                    dropped += 1
                    continue
                several = sum(other["dataset"] == row["dataset"] for other in rows) > 1
                benchmark = f"{row['dataset']}/{row['metric']}" if several else row["dataset"]
                scores[benchmark] = value
                if (row.get("total_count") or "").isdigit():
                    items[benchmark] = int(row["total_count"])
            runs.append(evaluated.run_of(evaluated.model_of(model), evaluated.step_of(model), scores, items))
        return Log(path, self.name, "opencompass", tuple(runs), {"no_score": dropped} if dropped else {})
