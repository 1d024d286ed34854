"""A run's recipe as TRL's GRPOConfig names it, one setting after the other.

An optimizer step of TRL is a minibatch of ours, so that a step of ours is `updates` of TRL's. What differs however it
is set: TRL deals a step's answers to its minibatches at random, ours keeps groups together; and with loss type dapo TRL
divides a minibatch's sum by the mean token count of the step's minibatches, ours by the minibatch's own count (the same
wherever answers are of one length).
"""

# pyright: reportMissingImports=false, reportMissingModuleSource=false

from pathlib import Path
from typing import Any

from rlaw.errors import EngineError
from rlaw.study.plan import Run


def updates(run: Run) -> int:
    """Optimizer steps in one RL step."""
    return run.rl.minibatches * run.rl.num_iterations


def micro_batch(run: Run) -> int:
    """Sequences of one forward and backward pass: the most within the run's micro-batch that divide a minibatch."""
    answers = run.rl.samples // run.rl.minibatches
    return next(size for size in range(min(run.micro_batch, answers), 0, -1) if answers % size == 0)


def recipe(run: Run) -> dict[str, Any]:
    """What the study decides. None of it can be replaced by the study's own `engine.settings`."""
    rl, size = run.rl, micro_batch(run)
    return {
        # the step
        "max_steps": rl.steps * updates(run),
        "num_generations": rl.num_generations,
        "generation_batch_size": rl.samples,
        "per_device_train_batch_size": size,
        "gradient_accumulation_steps": rl.samples // rl.minibatches // size,
        "num_iterations": rl.num_iterations,
        "shuffle_dataset": False,  # the order is the study's: shuffled by its seed, or a curriculum
        "seed": run.seed,
        # the answers
        "temperature": rl.temperature,
        "top_p": 1.0,
        "top_k": 0,
        "max_completion_length": run.task.completion_tokens,
        # the objective
        "loss_type": rl.loss_type,
        "scale_rewards": rl.scale_rewards,
        "beta": rl.beta,
        "use_bias_correction_kl": False,  # the plain low-variance estimator; TRL's default weighs it with the ratio
        "importance_sampling_level": "token",
        "epsilon": rl.epsilon,
        "epsilon_high": rl.epsilon_high,
        # the optimizer; its rates are in `Trainer.create_scheduler`
        "optim": "adamw_torch",
        "learning_rate": rl.peak_rate(run.size.hidden),
        "weight_decay": rl.weight_decay,
        "adam_beta1": rl.adam_beta1,
        "adam_beta2": rl.adam_beta2,
        "adam_epsilon": rl.adam_epsilon,
        "max_grad_norm": rl.max_grad_norm,
        # nothing is logged or saved by TRL itself: records go to the store, checkpoints are ours
        "logging_strategy": "steps",
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "report_to": "none",
        "disable_tqdm": True,
        "save_strategy": "no",
        "eval_strategy": "no",
    }


#: what a study may replace under `engine.settings`, beside everything else that GRPOConfig takes
DEFAULTS: dict[str, Any] = {
    "gradient_checkpointing": False,
    "bf16": False,
    "log_level": "error",
    "dataloader_pin_memory": False,
}


def config(run: Run, folder: Path) -> Any:
    """The GRPOConfig of a run, on the GPU where there is one.

    Raises:
        EngineError: TRL refuses it.
    """
    import torch
    from trl.trainer.grpo_config import GRPOConfig

    here = {"output_dir": str(folder), "use_cpu": not torch.cuda.is_available()}
    try:
        return GRPOConfig(**here, **DEFAULTS | run.engine.settings | recipe(run))
    except (TypeError, ValueError) as error:
        raise EngineError(f"TRL refuses the settings of this run: {error}\n  run:  {run.label}") from error


def check(run: Run) -> None:
    """Refuse what TRL cannot do, or what the study says elsewhere.

    Raises:
        EngineError: a key of `engine.settings` is decided by the study, or is none of TRL's.
    """
    given = run.engine.settings
    if decided := sorted(given.keys() & recipe(run).keys() | given.keys() & {"output_dir", "warmup_steps"}):
        raise EngineError(
            f"engine.settings: {', '.join(decided)} follow from the study's rl, data and task\n"
            f"  next: take them out of engine.settings; write what you mean in these sections"
        )
    if not given:
        return
    from dataclasses import fields

    from trl.trainer.grpo_config import GRPOConfig

    known = {field.name for field in fields(GRPOConfig)}
    if unknown := sorted(given.keys() - known):
        raise EngineError(f"engine.settings: TRL's GRPOConfig has no {', '.join(unknown)}\n  run:  {run.label}")
