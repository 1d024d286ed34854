"""What TRL's trainer asks of us in the middle of a step, and what is remembered of its answers."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from rlaw.compute import Flops, forward_flops, training_flops
from rlaw.engines.local.data import training_data
from rlaw.engines.trl.questions import Questions
from rlaw.engines.trl.settings import updates
from rlaw.plan import Run


@dataclass(frozen=True)
class Rollouts:
    """The answers of one step: (P, G) rewards, and tokens over all of them."""

    rewards_PG: np.ndarray
    prompt_tokens: int
    response_tokens: int
    truncated_share: float

    @property
    def zero_variance_share(self) -> float:
        """Share of groups whose answers are all worth the same."""
        return (self.rewards_PG == self.rewards_PG[:, :1]).all(axis=1).mean().item()


class Grader:
    """The reward function that TRL calls, once a step."""

    __name__ = "reward"  # TRL names its metric by it

    def __init__(self, run: Run, questions: Questions) -> None:
        data = training_data(run)
        self.run, self.questions, self.problems, self.distinct_I = run, questions, data.problems, data.distinct_I
        self.last: Rollouts | None = None

    def __call__(self, completion_ids: list[list[int]], index: list[int], **_: Any) -> list[float]:
        """Rewards of the answers to the problems at `index`, a column of the dataset; groups stand together."""
        group = self.run.rl.num_generations
        rewards = self.questions.grade(self.problems.take(np.asarray(index)), completion_ids)
        prompts = self.questions.ids(self.problems.take(np.asarray(index[::group])))
        ended = [self.questions.ended(completion) for completion in completion_ids]
        self.last = Rollouts(
            rewards_PG=rewards.reshape(-1, group),
            prompt_tokens=group * sum(map(len, prompts)),
            response_tokens=sum(map(len, completion_ids)),
            truncated_share=1 - sum(ended) / len(ended),
        )
        return rewards.tolist()


def step_flops(run: Run, rollouts: Rollouts) -> Flops:
    """FLOPs of one step as TRL makes its passes, by formula over real tokens (padding is not counted).

    Unlike the local engine it reads a prompt once for every answer, scores the old policy in a pass of its own when
    there is more than one update in a step (or vLLM draws the answers), and updates on groups without an advantage.
    """
    arch, rl, samples = run.architecture, run.rl, rollouts.rewards_PG.size
    prompt, response = rollouts.prompt_tokens / samples, rollouts.response_tokens / samples
    reading = forward_flops(arch, rollouts.prompt_tokens, (prompt + 1) / 2, samples)
    writing = forward_flops(arch, rollouts.response_tokens - samples, prompt + response / 2)
    tokens = rollouts.prompt_tokens + rollouts.response_tokens
    whole = tokens, (prompt + response + 1) / 2, rollouts.response_tokens
    scored = updates(run) > 1 or run.engine.settings.get("use_vllm", False)
    return Flops(
        rollout=reading + writing,
        old_logprobs=forward_flops(arch, *whole) if scored else 0,
        reference=forward_flops(arch, *whole) if rl.beta else 0,
        update=rl.num_iterations * training_flops(arch, *whole),
    )
