"""A run's recipe in veRL's words: Hydra overrides of its `ppo_trainer` configuration, one setting after the other.

Written for veRL 0.9 with its default trainer (`trainer.use_v1`, synchronous). What differs however it is set: veRL
divides a group's advantages by the sample standard deviation (n - 1), and draws rollouts from another generator.
"""

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from rlaw.engines.verl.paths import Paths
from rlaw.errors import EngineError
from rlaw.study.plan import Run
from rlaw.text import listed, one_line

#: a setting of veRL's configuration: dotted, or a group of it; with Hydra's signs for one that is added or removed
_KEY = re.compile(r"(?:\+{1,2}|~)?[A-Za-z_]\w*(?:[./@]\w+)*", re.ASCII)
_INNER_KEY = re.compile(r"[A-Za-z_]\w*", re.ASCII)
CHECKPOINTS_PER_RUN = 5
#: veRL's dual clip bounds the ratio of bad answers as well; the recipe has no such bound, and this is beyond any ratio
NO_DUAL_CLIP = 1e6
LOSS_TYPES = {"dapo": "token-mean", "grpo": "seq-mean-token-mean"}

#: what a study may replace under `engine.settings`, beside every other key of veRL's configuration
DEFAULTS: dict[str, Any] = {
    "actor_rollout_ref.model.enable_gradient_checkpointing": True,
    "actor_rollout_ref.model.use_remove_padding": True,
    "actor_rollout_ref.rollout.name": "vllm",
    "actor_rollout_ref.rollout.gpu_memory_utilization": 0.5,
    "actor_rollout_ref.ref.fsdp_config.param_offload": True,
    "trainer.max_actor_ckpt_to_keep": 2,
}


def recipe(run: Run) -> dict[str, Any]:
    """What the study decides. None of it can be replaced by the study's own `engine.settings`."""
    rl, task, need = run.rl, run.task, run.resources
    tokens_at_once = run.resources.micro_batch or 1
    return {
        # the step
        "algorithm.adv_estimator": "grpo",
        "trainer.total_epochs": 1,
        "trainer.total_training_steps": rl.steps,
        "data.train_batch_size": rl.prompts,
        "actor_rollout_ref.rollout.n": rl.num_generations,
        "actor_rollout_ref.actor.ppo_mini_batch_size": rl.prompts // rl.minibatches,
        "actor_rollout_ref.actor.ppo_epochs": rl.num_iterations,
        "actor_rollout_ref.actor.shuffle": False,
        "data.shuffle": False,  # the file has the study's order
        "data.filter_overlong_prompts": False,  # rlaw has left them out, and counted them
        "data.truncation": "error",
        "data.seed": run.seed,
        "actor_rollout_ref.rollout.seed": run.seed,
        "actor_rollout_ref.actor.data_loader_seed": run.seed,
        # the answers
        "data.max_prompt_length": task.prompt_tokens,
        "data.max_response_length": task.completion_tokens,
        "actor_rollout_ref.rollout.temperature": rl.temperature,
        "actor_rollout_ref.rollout.top_p": 1.0,
        "actor_rollout_ref.rollout.top_k": -1,
        # the objective
        "algorithm.norm_adv_by_std_in_grpo": rl.scale_rewards == "group",
        "algorithm.use_kl_in_reward": False,
        "actor_rollout_ref.actor.loss_agg_mode": LOSS_TYPES[rl.loss_type],
        "actor_rollout_ref.actor.use_kl_loss": rl.beta > 0,
        "actor_rollout_ref.actor.kl_loss_coef": rl.beta,
        "actor_rollout_ref.actor.kl_loss_type": "low_var_kl",
        "actor_rollout_ref.actor.entropy_coeff": 0,
        "actor_rollout_ref.actor.clip_ratio": rl.epsilon,
        "actor_rollout_ref.actor.clip_ratio_low": rl.epsilon,
        "actor_rollout_ref.actor.clip_ratio_high": rl.epsilon if rl.epsilon_high is None else rl.epsilon_high,
        "actor_rollout_ref.actor.clip_ratio_c": NO_DUAL_CLIP,
        # the optimizer
        "actor_rollout_ref.actor.optim.optimizer": "AdamW",
        "actor_rollout_ref.actor.optim.lr": rl.peak_rate(run.size.hidden),
        "actor_rollout_ref.actor.optim.lr_scheduler_type": "constant",
        "actor_rollout_ref.actor.optim.lr_warmup_steps": rl.warmup_steps,
        "actor_rollout_ref.actor.optim.zero_indexed_step": False,  # the first step has a rate above 0
        "actor_rollout_ref.actor.optim.weight_decay": rl.weight_decay,
        "actor_rollout_ref.actor.optim.betas": [rl.adam_beta1, rl.adam_beta2],
        "actor_rollout_ref.actor.optim.override_optimizer_config": {"eps": rl.adam_epsilon},
        "actor_rollout_ref.actor.optim.clip_grad": rl.max_grad_norm,
        "actor_rollout_ref.actor.grad_clip": rl.max_grad_norm,
        # the evaluations
        "trainer.test_freq": test_frequency(run),
        "actor_rollout_ref.rollout.val_kwargs.n": run.evaluation.samples,
        "actor_rollout_ref.rollout.val_kwargs.do_sample": True,
        "actor_rollout_ref.rollout.val_kwargs.temperature": run.evaluation.temperature,
        "actor_rollout_ref.rollout.val_kwargs.top_p": 1.0,
        "actor_rollout_ref.rollout.val_kwargs.top_k": -1,
        # the machines
        "trainer.nnodes": need.nodes,
        "trainer.n_gpus_per_node": need.gpus // need.nodes,
        "actor_rollout_ref.rollout.tensor_model_parallel_size": need.tensor_parallel,
        "actor_rollout_ref.actor.use_dynamic_bsz": True,
        "actor_rollout_ref.actor.ppo_max_token_len_per_gpu": tokens_at_once * run.sequence_tokens,
        "trainer.save_freq": math.ceil(rl.steps / CHECKPOINTS_PER_RUN),
        "trainer.use_v1": True,
        "trainer.v1.trainer_mode": "sync",
    }


def places(run: Run, paths: Paths, model: str, resume: tuple[int, str] | None) -> dict[str, Any]:
    """Where this attempt reads and writes, and what it resumes from.

    Args:
        run: the run.
        paths: its files.
        model: a Hugging Face id or a folder.
        resume: steps done, and the checkpoint of them; None at the start.
    """
    here = str(__file__).removesuffix("settings.py")
    return {
        "data.train_files": str(paths.train),
        "data.val_files": str(paths.validation),
        "actor_rollout_ref.model.path": model,
        "reward.custom_reward_function.path": f"{here}reward.py",
        "reward.custom_reward_function.name": "compute_score",
        "+reward.custom_reward_function.reward_kwargs.task": str(paths.task),
        "trainer.project_name": run.study,
        "trainer.experiment_name": run.label,  # ends in the run's id: no other run's checkpoints are ever taken up
        "trainer.logger": ["console", "file"],
        "trainer.default_local_dir": str(paths.checkpoints),
        "trainer.validation_data_dir": str(paths.answers),
        "trainer.rollout_data_dir": str(paths.rollouts),
        "trainer.val_before_train": resume is None,
        "trainer.resume_mode": "resume_path" if resume else "disable",
        "trainer.resume_from_path": resume[1] if resume else None,
        "+ray_kwargs.ray_init.runtime_env.env_vars": {"VERL_FILE_LOGGER_PATH": str(paths.log)},
    }


def overrides(run: Run, places: Mapping[str, Any]) -> list[str]:
    """The arguments of `python -m verl.trainer.main_ppo`."""
    every = {**DEFAULTS, **run.engine.settings, **recipe(run), **places}
    return [f"{key}={_hydra(value)}" for key, value in every.items()]


def test_frequency(run: Run) -> int:
    """Steps between evaluations; veRL has no other schedule.

    Raises:
        EngineError: the study's is not that of every so many steps.
    """
    steps, schedule = run.rl.steps, run.evaluation.schedule(run.rl.steps)
    every = schedule[1]
    if schedule != tuple(sorted({0, steps, *range(every, steps + 1, every)})):
        raise EngineError(
            f"veRL evaluates every so many steps, and this study after {', '.join(map(str, schedule[:6]))}, ...\n"
            f"  run:  {run.label}\n"
            f"  next: evaluation: {{at: {{every: {max(1, steps // 20)}}}}}"
        )
    return every


def check(run: Run) -> None:
    """Refuse what veRL or vLLM would refuse after minutes, and what the study says elsewhere.

    Raises:
        EngineError: naming the setting.
    """
    test_frequency(run)
    check_keys(run.engine.settings)
    fixed = {key.lstrip("+") for key in (*recipe(run), *places(run, Paths.of_nothing(), "", None))}
    if decided := sorted(key for key in run.engine.settings if key.lstrip("+~") in fixed):
        raise EngineError(
            f"engine.settings: {', '.join(decided)} follow from the study\n"
            f"  next: take them out of engine.settings; write what you mean in rl, data, evaluation or resources"
        )
    need, shape = run.resources, run.size
    answers = run.rl.samples // run.rl.minibatches
    faults = [
        (need.gpus == 0, "no GPUs", "resources: {gpus: 4, tensor_parallel: 1, micro_batch: 2} in the rung"),
        (need.gpus and answers % need.gpus, f"a minibatch has {answers} answers, for {need.gpus} GPUs", "more prompts"),
        (shape.heads % need.tensor_parallel, f"{shape.heads} heads do not part by {need.tensor_parallel}",
         "another resources.tensor_parallel"),
        (need.tensor_parallel > need.gpus_per_node, f"tensor_parallel {need.tensor_parallel} spans nodes",
         f"at most gpus_per_node ({need.gpus_per_node})"),
    ]  # fmt: skip
    for wrong, what, then in faults:
        if wrong:
            raise EngineError(f"veRL cannot do this: {what}\n  run:  {run.label}\n  next: {then}")


def check_keys(given: Mapping[str, Any], inside: str = "") -> None:
    """Refuse keys that Hydra would read as something else than the name of a setting, and Hydra's own.

    Raises:
        EngineError: naming the key.
    """
    for key, value in given.items():
        name, then = listed([key]), "write names such as actor_rollout_ref.rollout.gpu_memory_utilization"
        if not (_INNER_KEY if inside else _KEY).fullmatch(key):
            where = f" in {inside}" if inside else ""
            raise EngineError(f"engine.settings: {one_line(name)!r}{where} is no name of a setting\n  next: {then}")
        if re.match(r"[+~]*hydra\b", key):
            raise EngineError(f"engine.settings: {name} is Hydra's own and says where and how it runs\n  next: {then}")
        if isinstance(value, Mapping):
            check_keys(value, inside=name)
        for one in value if isinstance(value, list | tuple) else ():
            check_keys(one if isinstance(one, Mapping) else {}, inside=name)


def _hydra(value: Any) -> str:
    """A value in Hydra's grammar of overrides: JSON, but for the keys of mappings and the quotes of plain words.

    No text is ever evaluated: `${…}`, which OmegaConf would replace, stands for itself.
    """
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{_hydra(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_hydra, value)) + "]"
    if isinstance(value, str):
        return _quoted(value)
    return json.dumps(value)


def _quoted(text: str) -> str:
    """The text in quotes: backslashes count double before a quote, at the end, and before an interpolation."""
    text = re.sub(r"(\\*)\$\{", lambda found: 2 * found[1] + r"\${", text)
    text = re.sub(r"(\\*)'", lambda found: 2 * found[1] + r"\'", text)
    return "'" + re.sub(r"\\+\Z", lambda found: 2 * found[0], text) + "'"
