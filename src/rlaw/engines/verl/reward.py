"""The reward function that veRL calls for every answer: `reward.custom_reward_function` of its configuration.

veRL loads this file by its path in processes of its own, on every node: rlaw must be installed there, and `task` be
visible. It returns text beside the score (`item`, `verdict`), which veRL writes into its dumps and leaves out of its
metrics: so that evaluations can be counted item by item, and answers that could not be checked apart from wrong ones.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

from rlaw.rewards.base import Reward


def compute_score(
    data_source: str,
    solution_str: str,
    ground_truth: str,
    extra_info: dict[str, Any] | None = None,
    *,
    task: str,
    **_: Any,
) -> dict[str, Any]:
    """Grade one answer.

    Args:
        data_source: the collection that the problem is from.
        solution_str: the answer.
        ground_truth: the reference answer.
        extra_info: `split` (a benchmark's name, or train) and `index`, as `rlaw.engines.verl.prepare` wrote them.
        task: the file with the task's settings.

    Returns:
        `score` and `acc`, 1 or 0; `item` and `verdict`, text.
    """
    grade = _reward(task).grade([solution_str], [ground_truth])[0]
    about = extra_info or {}
    item = f"{about.get('split', data_source)}/{about.get('index', '')}"
    return {"score": grade.score, "acc": grade.score, "item": item, "verdict": str(grade.verdict)}


@cache
def _reward(task: str) -> Reward:
    from rlaw import tasks

    return tasks.of_text(tasks.of(json.loads(Path(task).read_bytes()))).reward()
