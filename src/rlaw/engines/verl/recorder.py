"""From what veRL logged and dumped of a step to the records of that step."""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rlaw.engines.base import evaluated, stepped, whole_step_flops
from rlaw.engines.progress import Progress
from rlaw.engines.verl.log import Line
from rlaw.rewards.base import Verdict
from rlaw.store.records import Evaluated, Step
from rlaw.study.plan import Run

#: our names of the phases of a step, and veRL's
PHASES = {
    "rollout": "gen", "grade": "reward", "old_logprobs": "old_log_prob", "reference": "ref", "advantages": "adv",
    "update": "update_actor", "checkpoint": "save_checkpoint",
}  # fmt: skip


@dataclass(frozen=True)
class Recorder:
    """Makes the records of one attempt.

    Attributes:
        run: the run.
        attempt: which attempt at it.
        distinct: how many distinct problems are among the first 1, 2, … that are met.
        items: how many problems each benchmark has.
        tokenizer: of the checkpoint, to count the tokens of an answer in a dump; None: lengths are NaN.
    """

    run: Run
    attempt: int
    distinct: Sequence[int]
    items: Mapping[str, int]
    tokenizer: Any = None

    def step(self, at: Progress, line: Line, rollouts: Sequence[Mapping[str, Any]]) -> tuple[Step, Progress]:
        """The record of a training step, and the progress after it."""
        run, rl, metrics = self.run, self.run.rl, line.metrics
        prompt = round(metrics["prompt_length/mean"] * rl.samples)
        response = round(metrics["perf/total_num_tokens"]) - prompt
        flops = whole_step_flops(run, prompt, response)
        groups = _by_prompt(rollouts)
        rewards = [reward for group in groups for reward in group]
        mean = _mean(rewards)
        kl = metrics.get("actor/kl_loss") if rl.beta else None
        record = stepped(
            run,
            self.attempt,
            line.step,
            flops,
            unique_prompts=self.distinct[line.step * rl.prompts - 1],
            prompt_tokens=prompt,
            response_tokens=response,
            reward_mean=metrics["critic/score/mean"],
            reward_std=math.sqrt(_mean([(reward - mean) ** 2 for reward in rewards])),
            zero_variance_share=_mean([len(set(group)) == 1 for group in groups]),
            loss=metrics.get("actor/pg_loss", math.nan) + (rl.beta * kl if kl is not None else 0.0),
            kl=kl,
            entropy=metrics.get("actor/entropy", math.nan),
            clip_share=metrics.get("actor/pg_clipfrac", math.nan),
            grad_norm=metrics.get("actor/grad_norm", math.nan),
            learning_rate=metrics.get("actor/lr", math.nan),
            response_length=metrics["response_length/mean"],
            truncated_share=metrics.get("response_length/clip_ratio", math.nan),
            seconds={ours: metrics[f"timing_s/{theirs}"] for ours, theirs in PHASES.items() if
                     f"timing_s/{theirs}" in metrics},
        )  # fmt: skip
        return record, Progress(line.step, at.tokens + prompt + response, at.flops + flops.total)

    def evaluations(self, at: Progress, line: Line, answers: Sequence[Mapping[str, Any]]) -> Iterator[Evaluated]:
        """The records of an evaluation, one per benchmark, counted from veRL's dump of every answer."""
        run, samples, testing = self.run, self.run.evaluation.samples, line.metrics.get("timing_s/testing", math.nan)
        by_benchmark: dict[str, list[Mapping[str, Any]]] = {name: [] for name in self.items}
        for answer in answers:
            by_benchmark[answer["item"].rpartition("/")[0]].append(answer)
        for name, given in by_benchmark.items():
            correct = [0] * self.items[name]
            for answer in given:
                correct[int(answer["item"].rpartition("/")[2])] += answer["score"] > 0.5
            lengths = self._lengths([answer["output"] for answer in given])
            full = [length >= run.task.completion_tokens for length in lengths]  # whether or not a dump has end tokens
            timeouts = sum(answer["verdict"] == Verdict.TIMEOUT for answer in given)
            seconds = testing * (len(given) / max(1, len(answers)))
            yield evaluated(
                run,
                self.attempt,
                at,
                name,
                correct,
                response_length=_mean(lengths),
                truncated_share=_mean(full),
                unjudged=timeouts + len(correct) * samples - len(given),
                seconds={"evaluation": seconds} if math.isfinite(seconds) else {},
            )

    def _lengths(self, texts: list[str]) -> list[int]:
        if self.tokenizer is None or not texts:
            return []
        return [len(ids) for ids in self.tokenizer(texts, add_special_tokens=False)["input_ids"]]


def _by_prompt(rollouts: Sequence[Mapping[str, Any]]) -> list[list[float]]:
    """The rewards of every group; veRL's uid is that of the prompt, the rollout's number and the turn's."""
    groups: defaultdict[str, list[float]] = defaultdict(list)
    for rollout in rollouts:
        groups[rollout["uid"].rsplit("_", 2)[0]].append(rollout["score"])
    return list(groups.values())


def _mean(values: Sequence[float]) -> float:
    """NaN of nothing."""
    return sum(values) / len(values) if values else math.nan
