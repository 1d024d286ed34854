"""From what veRL logged and dumped of a step to the records of that step."""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rlaw.engines.base import evaluated, stepped
from rlaw.engines.progress import Progress
from rlaw.engines.verl.log import Line
from rlaw.rewards.base import Verdict
from rlaw.store.records import Evaluated, Step
from rlaw.study.compute import Flops, forward_flops, training_flops
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
        flops = step_flops(run, prompt, response)
        rewards = _by_prompt(rollouts)
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
            reward_std=_std([reward for group in rewards for reward in group]),
            zero_variance_share=sum(len(set(group)) == 1 for group in rewards) / len(rewards) if rewards else math.nan,
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
        by_benchmark: dict[str, list[Mapping[str, Any]]] = {name: [] for name in self.items}
        for answer in answers:
            by_benchmark[answer["item"].rpartition("/")[0]].append(answer)
        seconds = line.metrics.get("timing_s/testing", math.nan)
        for name, given in by_benchmark.items():
            share = len(given) / max(1, len(answers))
            yield self._evaluated(at, name, given, {"evaluation": seconds * share})

    def _evaluated(
        self, at: Progress, benchmark: str, given: Sequence[Mapping[str, Any]], seconds: dict[str, float]
    ) -> Evaluated:
        run, items, samples = self.run, self.items[benchmark], self.run.evaluation.samples
        correct = [0] * items
        for answer in given:
            correct[int(answer["item"].rpartition("/")[2])] += answer["score"] > 0.5
        lengths = self._lengths([answer["output"] for answer in given])
        timeouts = sum(answer["verdict"] == Verdict.TIMEOUT for answer in given)
        return evaluated(
            run,
            self.attempt,
            at,
            benchmark,
            correct,
            response_length=sum(lengths) / len(lengths) if lengths else math.nan,
            truncated_share=_share(lengths, run.task.completion_tokens),
            unjudged=timeouts + items * samples - len(given),
            seconds={name: value for name, value in seconds.items() if math.isfinite(value)},
        )

    def _lengths(self, texts: list[str]) -> list[int]:
        if self.tokenizer is None or not texts:
            return []
        return [len(ids) for ids in self.tokenizer(texts, add_special_tokens=False)["input_ids"]]


def step_flops(run: Run, prompt_tokens: int, response_tokens: int) -> Flops:
    """FLOPs of a step as executed: every phase over all its tokens, attention at their mean length, logits of answers.

    The padding that veRL takes away is not counted, nor is what gradient checkpointing computes again.
    """
    tokens = prompt_tokens + response_tokens
    context = (tokens / run.rl.samples + 1) / 2
    forward = forward_flops(run.architecture, tokens, context, response_tokens)
    update = run.rl.num_iterations * training_flops(run.architecture, tokens, context, response_tokens)
    return Flops(rollout=forward, old_logprobs=forward, reference=forward if run.rl.beta else 0, update=update)


def _by_prompt(rollouts: Sequence[Mapping[str, Any]]) -> list[list[float]]:
    """The rewards of every group; veRL's uid is that of the prompt, the rollout's number and the turn's."""
    groups: defaultdict[str, list[float]] = defaultdict(list)
    for rollout in rollouts:
        groups[rollout["uid"].rsplit("_", 2)[0]].append(rollout["score"])
    return list(groups.values())


def _std(values: Sequence[float]) -> float:
    if not values:
        return math.nan
    mean = sum(values) / len(values)
    return math.sqrt(sum((value - mean) ** 2 for value in values) / len(values))


def _share(lengths: Sequence[int], most: int) -> float:
    """The share of answers that reach the most tokens; an end token that a dump leaves out is allowed for."""
    return sum(length >= most for length in lengths) / len(lengths) if lengths else math.nan
