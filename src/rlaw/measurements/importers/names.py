"""What each trainer calls what we measure: one table for all formats.

A trainer's names are the same on its console, in its JSON lines, in TensorBoard and in W&B. `reward` is that of the
training rollouts, `scores` are patterns of held-out scores, whose group `benchmark` names what was asked. `lag`: the
reward logged at step s is that of weights with s - lag updates (veRL and TRL draw the rollouts of step s before its
update; Tinker counts from 0). A held-out score at step s is that of weights with s updates everywhere: veRL and TRL
evaluate after update s, Tinker before the next. Docs: "My own logs".
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache

#: what a step measured, in our names
TELEMETRY = (
    *("reward_std", "response_length", "truncated_share", "zero_variance_share"),
    *("kl", "entropy", "clip_share", "grad_norm", "learning_rate", "loss", "seconds"),
)
#: shares of groups whose answers are all right, or all wrong, where a trainer counts them apart
GROUPS = ("solved_share", "unsolved_share")
#: names of the counter of steps, the surest first
STEPS = (
    *("training/global_step", "train/global_step", "trainer/global_step", "global_step/max_steps", "global_step"),
    *("step", "training_step", "current_steps", "progress/batch", "rollout/step", "train/step", "eval/step"),
    *("iteration", "Step", "_step"),
)
#: counters that count something else in some logs: they fill a gap only where they are known to be the same
BARE_STEPS = ("global_step", "step", "iteration", "Step", "_step")


@dataclass(frozen=True)
class Names:
    """One trainer's names of metrics.

    Attributes:
        trainer: its name.
        marks: patterns of names that this trainer alone writes.
        reward: names of the mean training reward, the first that is there counts.
        scores: patterns of held-out scores, the first that finds a benchmark counts for it.
        tokens: names whose sum is the tokens, prompts and responses, of a step; the first that are there count.
        cumulative: whether the tokens count from the start; None: told by their course.
        lag: updates of the weights behind a training reward, fewer than its step.
        others: our names of telemetry to theirs.
        benchmarks: columns of held-out scores that a user named, by benchmark.
    """

    trainer: str
    marks: tuple[str, ...]
    reward: tuple[str, ...]
    scores: tuple[str, ...] = ()
    tokens: tuple[tuple[str, ...], ...] = ()
    cumulative: bool | None = None
    lag: int = 1
    others: dict[str, tuple[str, ...]] = field(default_factory=dict)
    benchmarks: dict[str, str] = field(default_factory=dict)


_TRL = {
    "reward_std": ("reward_std",),
    "response_length": ("completions/mean_length", "completion_length"),
    "truncated_share": ("completions/clipped_ratio",),
    "zero_variance_share": ("frac_reward_zero_std",),
    "kl": ("kl",),
    "entropy": ("entropy", "entropy/mean"),
    "clip_share": ("clip_ratio/region_mean", "clip_ratio"),
    "grad_norm": ("grad_norm",),
    "learning_rate": ("learning_rate", "lr"),
    "loss": ("loss",),
    "seconds": ("step_time",),
}
_SCORE = r"(?:acc(?:uracy)?|score|reward|pass[@_]?1|pass_at_1|success(?:_rate)?|exact_match|em|solve_rate|avg@\d+)"
#: of names that no trainer of the table writes
GENERIC = Names(
    "",
    (),
    (
        *("reward", "reward_mean", "mean_reward", "reward/mean", "rewards/mean", "train/reward", "train/reward_mean"),
        *("train_reward", "avg_reward", "reward/all/mean", "env/reward", "rollout/reward", "score_mean"),
    ),
    (
        rf"(?!.*token_acc)(?:eval|test|val|valid|validation|heldout|held[-_]out)[/_.](?P<benchmark>.+?)[/_.](?:mean[/_.])?{_SCORE}",
        rf"(?P<benchmark>eval|test|val|valid|validation|heldout|held[-_]out)[/_.](?:mean[/_.])?{_SCORE}(?:[/_.]mean)?",
    ),
    (("num_tokens",), ("train/num_tokens",), ("tokens",), ("total_tokens",)),
    None,
    1,
    {name: (*names, f"train/{names[0]}") for name, names in _TRL.items()},
)
_OWN = (
    Names(
        "verl",
        (
            r"critic/(rewards|score)/mean",
            r"val-(core|aux)/.+",
            r"val/test_score/.+",
            r"actor/pg_clipfrac.*",
            "actor/ppo_kl",
        ),
        ("critic/rewards/mean", "critic/score/mean"),
        (
            r"val-core/(?P<benchmark>.+)/acc(?:uracy)?/mean@\d+",
            r"val-core/(?P<benchmark>.+)/(?:reward|score)/mean@\d+",
            r"val/test_score/(?P<benchmark>.+)",
            r"val-aux/(?P<benchmark>.+)/acc(?:uracy)?/mean@\d+",
            r"val-aux/(?P<benchmark>.+)/(?:reward|score)/mean@\d+",
        ),
        (("perf/total_num_tokens",),),
        False,
        1,
        {
            "response_length": ("response_length/mean",),
            "truncated_share": ("response_length/clip_ratio",),
            "kl": ("actor/kl_loss",),
            "entropy": ("actor/entropy", "actor/entropy_loss"),
            "clip_share": ("actor/pg_clipfrac",),
            "grad_norm": ("actor/grad_norm",),
            "learning_rate": ("actor/lr",),
            "loss": ("actor/pg_loss",),
            "seconds": ("timing_s/step", "timing/step", "perf/time_per_step"),
        },
    ),
    Names(
        "tinker",
        (r"env/all/reward/total", r"progress/done_frac", r"optim/kl_sample_train.*"),
        ("env/all/reward/total",),
        (r"(?P<benchmark>.+)/env/all/reward/total", r"(?P<benchmark>eval/.+)/(?:score|accuracy|reward)"),
        (("env/all/total_ac_tokens", "env/all/total_ob_tokens"),),
        False,
        0,
        {
            "response_length": ("env/all/ac_tokens_per_turn",),
            "solved_share": ("env/all/by_group/frac_all_good",),
            "unsolved_share": ("env/all/by_group/frac_all_bad",),
            "kl": ("optim/kl_sample_train_v1",),
            "entropy": ("optim/entropy",),
            "learning_rate": ("optim/lr",),
            "seconds": ("time/total",),
        },
    ),
    Names(
        "prime-rl",
        (r"reward/all/mean", r"progress/total_(tokens|samples|problems)", r"mismatch_kl/.+", r"is_truncated/.+"),
        ("reward/all/mean", "reward/mean"),
        (r"eval/(?P<benchmark>.+)/avg@\d+",),
        (("progress/tokens",),),
        False,
        1,
        {
            "response_length": ("decode_len/all/mean", "seq_len/all/mean", "completion_len/mean"),
            "solved_share": ("solve_all", "solve_all/all"),
            "unsolved_share": ("solve_none", "solve_none/all"),
            "truncated_share": ("is_truncated/all/mean",),
            "kl": ("mismatch_kl/all/mean",),
            "entropy": ("entropy/all/mean", "entropy/mean"),
            "grad_norm": ("optim/grad_norm",),
            "learning_rate": ("optim/lr",),
            "loss": ("loss/mean",),
            "seconds": ("time/step",),
        },
    ),
    Names(
        "skyrl",
        (r"reward/avg_raw_reward", r"reward/avg_pass_at_\d+", r"loss/avg_final_rewards", r"policy/policy_kl"),
        ("reward/avg_raw_reward", "loss/avg_raw_reward", "loss/avg_final_rewards"),
        (r"eval/(?P<benchmark>.+)/avg_score",),
        (),
        None,
        1,
        {
            "response_length": ("generate/avg_num_tokens", "policy/response_length"),
            "kl": ("policy/policy_kl",),
            "entropy": ("policy/policy_entropy",),
            "clip_share": ("policy/ppo_clip_ratio",),
            "learning_rate": ("policy/policy_lr",),
            "seconds": ("timing/step",),
        },
    ),
    Names(
        "nemo-rl",
        (r"train/gen_kl_error", r"train/mean_gen_tokens_per_sample", r"train/global_valid_toks", "Avg (Total )?Reward"),
        ("train/reward", "Avg Reward", "Avg Total Reward"),
        (r"(?P<benchmark>validation)/accuracy",),
        (("train/total_num_tokens",),),
        False,
        1,
        {
            "response_length": ("train/mean_gen_tokens_per_sample", "Mean Generation Length"),
            "grad_norm": ("train/grad_norm", "Grad Norm"),
            "learning_rate": ("train/lr",),
            "loss": ("train/loss", "Loss"),
            "seconds": ("timing/train/total_step_time", "Total step time"),
        },
    ),
    Names(
        "slime",
        (r"rollout/raw_reward", r"rollout/response_len.*", r"rollout/truncated.*", r"perf/actor_train_time"),
        ("rollout/raw_reward",),
        (r"eval/(?P<benchmark>[^/]+?)(?<!truncated_ratio)(?<!truncated)(?<!response_len)",),
        (),
        None,
        1,
        {
            "response_length": ("rollout/response_len/mean", "rollout/response_lengths"),
            "truncated_share": ("rollout/truncated_ratio", "rollout/truncated"),
            "kl": ("train/kl_loss",),
            "entropy": ("train/entropy_loss",),
            "clip_share": ("train/pg_clipfrac",),
            "grad_norm": ("train/grad_norm",),
            "loss": ("train/pg_loss", "train/loss"),
            "seconds": ("perf/step_time",),
        },
    ),
    Names(
        "areal",
        (r"ppo_actor/.+", r"timeperf/.+", r"eval-rollout/.+"),
        ("ppo_actor/task_reward/avg", "rollout/reward", "grpo_actor/task_reward/avg"),
        (r"(?P<benchmark>eval-rollout)/(?:task_)?reward(?:/avg)?",),
        (("ppo_actor/n_tokens",),),
        False,
        1,
        {
            "response_length": ("ppo_actor/seq_len/avg",),
            "truncated_share": ("ppo_actor/no_eos_ratios/avg",),
            "kl": ("ppo_actor/update/approx_kl/avg",),
            "entropy": ("ppo_actor/update/entropy/avg",),
            "clip_share": ("ppo_actor/update/clip_ratio/avg",),
            "grad_norm": ("ppo_actor/update/grad_norm",),
            "learning_rate": ("ppo_actor/update/lr",),
            "seconds": ("timeperf/train_step",),
        },
    ),
    Names(
        "roll",
        (r"val_correct/.+", r"token/response_length/.+", r"time/step_.+"),
        ("critic/rewards/mean", "critic/score/mean"),
        (r"val_correct/(?P<benchmark>.+)/mean",),
        (),
        None,
        1,
        {
            "response_length": ("token/response_length/mean",),
            "kl": ("actor/kl_loss",),
            "entropy": ("critic/entropy/mean",),
            "learning_rate": ("actor/lr",),
        },
    ),
    Names(
        "open-instruct",
        (r"objective/verifiable_.+", r"val/sequence_lengths", r"objective/kl\d_avg", r"policy/clipfrac_avg"),
        ("scores", "objective/verifiable_reward", "objective/scores"),
        (r"(?P<benchmark>eval)/(?:scores|objective/verifiable_correct_rate)",),
        (("num_total_tokens",), ("val/num_total_tokens",)),
        True,
        1,
        {
            "response_length": ("val/sequence_lengths",),
            "kl": ("objective/kl1_avg", "objective/kl_avg"),
            "entropy": ("policy/entropy_avg",),
            "clip_share": ("policy/clipfrac_avg",),
            "learning_rate": ("lr",),
            "loss": ("loss/policy_avg",),
            "seconds": ("time/total", "time/training"),
        },
    ),
    Names(
        "openrlhf",
        (r"train/return", r"eval/eval_.+_pass\d+", r"ppo_clip_ratio", r"act(or)?_lr", r"timing/make_experience"),
        ("train/reward", "reward"),
        (r"(?:eval/)?eval_(?P<benchmark>.+)_pass1",),
        (),
        None,
        1,
        {
            "response_length": ("train/response_length", "response_length", "gen_len"),
            "kl": ("train/kl", "kl"),
            "entropy": ("train/entropy_loss", "entropy_loss"),
            "clip_share": ("train/ppo_clip_ratio", "ppo_clip_ratio"),
            "grad_norm": ("train/actor_grad_norm", "actor_grad_norm"),
            "learning_rate": ("train/actor_lr", "actor_lr", "act_lr"),
            "loss": ("train/policy_loss", "policy_loss", "act_loss"),
            "seconds": ("train/timing/step_total", "timing/step_total"),
        },
    ),
    Names(
        "trl",
        (
            r"(train/)?completions/.+",
            r"(train/)?frac_reward_zero_std",
            r"(train/)?rewards/.+",
            r"(train/)?clip_ratio(/.+)?",
        ),
        ("reward", "train/reward"),
        (r"eval_(?P<benchmark>.+)_reward", r"(?P<benchmark>eval)[_/]reward"),
        (("num_tokens",), ("train/num_tokens",)),
        True,
        1,
        {name: (*names, *(f"train/{n}" for n in names)) for name, names in _TRL.items()},
    ),
)
#: ms-swift is TRL with a counter of its own
TRAINERS = (*_OWN, replace(_OWN[-1], trainer="ms-swift", marks=(r"global_step/max_steps", *_OWN[-1].marks)))


#: veRL's names with underscores for slashes, as authors write them into tables of their own
_FLAT = (
    (r"critic_(score|rewards|advantages|returns|values)_(mean|max|min)", r"critic/\1/\2"),
    (r"(response_length_non_aborted|response_length|prompt_length)_(mean|max|min|clip_ratio)", r"\1/\2"),
    (r"val_(core|aux)_(.+)_(acc|accuracy|reward|score)_mean_?(?:@|at)_?(\d+)", r"val-\1/\2/\3/mean@\4"),
    (r"val_(core|aux)_(acc|accuracy|reward|score)_mean_?(?:@|at)_?(\d+)", r"val-\1/val/\2/mean@\3"),
    (r"val_test_score_(.+)", r"val/test_score/\1"),
    (r"(actor|timing_s|perf)_(.+)", r"\1/\2"),
    (r"training_(global_step|epoch)", r"training/\1"),
)
_SIGN = re.compile(r"critic_(score|rewards)_mean|val_core_.+|val_test_score_.+")


def names_of_flat(columns: Sequence[str]) -> dict[str, str]:
    """veRL's own names of columns whose slashes were written as underscores, by the name that is there."""
    if not any(_SIGN.fullmatch(column) for column in columns):
        return {}
    found = {}
    for column in columns:
        for pattern, name in _FLAT:
            if re.fullmatch(pattern, column):
                found[column] = re.sub(pattern, name, column)
                break
    return {theirs: ours for theirs, ours in found.items() if ours not in columns}


def trainer_of(columns: list[str]) -> Names:
    """The trainer whose own names occur most among these; `GENERIC` where none does."""
    marks = {mark for column in columns for mark in _marks_of(column)}
    found = [len(marks.intersection(names.marks)) for names in TRAINERS]
    return TRAINERS[found.index(max(found))] if max(found) else GENERIC


@lru_cache(maxsize=100_000)
def _marks_of(column: str) -> tuple[str, ...]:
    """The marks of trainers that a name bears; kept, as every entry of a log has the same names."""
    return tuple(mark for mark in _MARKS if re.fullmatch(mark, column))


_MARKS = tuple(dict.fromkeys(mark for names in TRAINERS for mark in names.marks))


@cache
def is_known(column: str) -> bool:
    """Whether a name has a meaning here: a counter, or a trainer's name for what we measure."""
    return column in _KNOWN or any(pattern.fullmatch(column) for pattern in _KNOWN_PATTERNS)


_KNOWN = {*STEPS}.union(*({*n.reward, *sum(n.tokens, ()), *sum(n.others.values(), ())} for n in (*TRAINERS, GENERIC)))
_KNOWN_PATTERNS = [re.compile(p, re.IGNORECASE) for n in (*TRAINERS, GENERIC) for p in n.scores]


def called(trainer: str) -> Names:
    """The names of a trainer, by its name; `GENERIC` for any other."""
    return next((names for names in TRAINERS if names.trainer == trainer), GENERIC)


def with_mapping(names: Names, mapping: Mapping[str, str]) -> Names:
    """The names with those that a user gives, which come first: `reward`, `tokens`, or a benchmark, ours to theirs."""
    given = {ours: theirs for ours, theirs in mapping.items() if ours not in ("reward", "tokens", "step")}
    reward = (mapping["reward"], *names.reward) if "reward" in mapping else names.reward
    tokens = ((mapping["tokens"],), *names.tokens) if "tokens" in mapping else names.tokens
    return replace(names, reward=reward, tokens=tokens, benchmarks=given)
