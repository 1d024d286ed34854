"""Results of verifiers' evaluations: `metadata.json` with `results.jsonl`, or traces with their configuration."""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from rlaw.measurements.importers import evaluated, settings, text
from rlaw.measurements.importers.log import Log

_RESULTS = ("results.jsonl", "traces.jsonl")


class Verifiers:
    """The rollouts of one evaluation, a line for each."""

    name = "verifiers"

    def recognises(self, path: Path) -> bool:
        """By the file's name and the reward in its first line."""
        if path.is_dir() or text.bare(path) not in _RESULTS:
            return False
        with text.opened(path) as file:
            row = _object(file.readline(1 << 24))
        return row is not None and ("reward" in row or "rewards" in row) and "step" not in row

    def log(self, path: Path) -> Log:
        """One evaluation of one model: the mean reward over rollouts; its items are the examples that were asked."""
        about = _about(path)
        rewards: dict[str, list[float]] = defaultdict(list)
        asked: dict[str, set[str]] = defaultdict(set)
        dropped = {"torn_line": 0, "no_reward": 0}
        environment = str(about.get("env_id") or about.get("env") or "")
        for line in text.lines(path):
            if not line.strip():
                continue
            row = _object(line)
            if row is None:
                dropped["torn_line"] += 1
                continue
            reward = row.get("reward")
            if not isinstance(reward, int | float):
                dropped["no_reward"] += 1
                continue
            task = environment or str(row.get("env_id") or row.get("task") or "eval")
            rewards[task].append(float(reward))
            asked[task].add(str(row.get("example_id", row.get("id", len(rewards[task])))))
        model = str(about.get("model") or about.get("client/model") or path.parent.parent.name.rpartition("--")[2])
        scores = {task: sum(own) / len(own) for task, own in rewards.items()}
        items = {task: len(own) for task, own in asked.items()}
        run = evaluated.run_of(
            evaluated.model_of(model), evaluated.step_of(model, str(path.parent), str(about.get("step"))), scores, items
        )
        return Log(path, self.name, "verifiers", (run,), {k: n for k, n in dropped.items() if n})


def _object(line: str) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None


def _about(path: Path) -> dict[str, Any]:
    """What the files beside the rollouts say of them."""
    files = [path.parent / "metadata.json", *sorted((path.parent / "configs").glob("*.json"))]
    found: dict[str, Any] = {}
    for file in files:
        if file.is_file():
            found = {**settings.read(file), **found}
    return found
