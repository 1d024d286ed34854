"""The reward function that TRL's trainer calls in a step, and what it keeps of the answers."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from rlaw.engines.trl.adapter import TaskAdapter
from rlaw.engines.trl.settings import updates
from rlaw.study.compute import Flops, forward_flops, mean_context, training_flops
from rlaw.study.plan import Run


@dataclass(frozen=True)
class Rollouts:
    """The answers of one step: (P, G) rewards, and the tokens of each answer and of the prompt that it answers."""

    rewards_PG: np.ndarray
    prompts_PG: np.ndarray
    responses_PG: np.ndarray
    truncated_share: float

    @property
    def prompt_tokens(self) -> int:
        """Of all prompts, each as often as it is answered."""
        return self.prompts_PG.sum().item()

    @property
    def response_tokens(self) -> int:
        """Of all answers."""
        return self.responses_PG.sum().item()


class Grader:
    """The reward function that TRL calls, once a step."""

    __name__ = "reward"  # TRL names its metric by it

    def __init__(self, run: Run, adapter: TaskAdapter) -> None:
        self.run, self.adapter = run, adapter
        self.problems, self.distinct_I = adapter.training(run)
        self.last: Rollouts | None = None

    def __call__(self, completion_ids: list[list[int]], index: list[int], **_: Any) -> list[float]:
        """Rewards of the answers to the problems at `index`, a column of the dataset; groups stand together."""
        group = self.run.rl.num_generations
        rewards = self.adapter.grade(self.problems.take(np.asarray(index)), completion_ids)
        prompts = self.adapter.ids(self.problems.take(np.asarray(index[::group])))
        ended = [self.adapter.ended(completion) for completion in completion_ids]
        self.last = Rollouts(
            rewards_PG=rewards.reshape(-1, group),
            prompts_PG=np.repeat([[len(prompt)] for prompt in prompts], group, axis=1),
            responses_PG=np.array([len(completion) for completion in completion_ids]).reshape(-1, group),
            truncated_share=1 - sum(ended) / len(ended),
        )
        return rewards.tolist()


def step_flops(run: Run, rollouts: Rollouts) -> Flops:
    """FLOPs of one step as TRL makes its passes, by formula over real tokens (padding is not counted).

    Unlike the local engine it reads a prompt once for every answer, scores the old policy in a pass of its own when
    there is more than one update in a step (or vLLM draws the answers), and updates on groups without an advantage.
    """
    arch, rl = run.architecture, run.rl
    read_PG, answered_PG = rollouts.prompts_PG, rollouts.responses_PG
    reading = forward_flops(arch, read_PG.sum().item(), mean_context(read_PG), read_PG.size)
    written_PG = answered_PG - 1  # the last token is drawn, and never read
    after = mean_context(written_PG, first=round(read_PG.mean()) + 1)
    writing = forward_flops(arch, written_PG.sum().item(), after)
    whole_PG = read_PG + answered_PG
    whole = whole_PG.sum().item(), mean_context(whole_PG), answered_PG.sum().item()
    scored = updates(run) > 1 or run.engine.settings.get("use_vllm", False)
    return Flops(
        rollout=reading + writing,
        old_logprobs=forward_flops(arch, *whole) if scored else 0,
        reference=forward_flops(arch, *whole) if rl.beta else 0,
        update=rl.num_iterations * training_flops(arch, *whole),
    )
