"""What settings say of a run, wherever they were kept: beside its log, in a tracker's record, in a text summary."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from rlaw.measurements.importers.log import Facts
from rlaw.measurements.importers.models import params_of
from rlaw.measurements.importers.rows import flat_row

T = TypeVar("T")
_ALIAS = re.compile(r"[\s\[,]\*\w")
_MOST_ALIASES = 20
_LARGEST = 1 << 22  # bytes of a file of settings
_JSON = ("config.json", "args.json", "adapter_config.json", "run_config.json", "wandb-config.json")
_YAML = ("config.yaml", ".hydra/config.yaml", "config.yml")
_MODEL = (
    *(
        "actor_rollout_ref/model/path",
        "model_name_or_path",
        "pretrained_model_name_or_path",
        "trainer/policy/model/path",
    ),
    *(
        "policy/model_name",
        "model_name",
        "_name_or_path",
        "base_model",
        "base_model_name_or_path",
        "model_path",
        "hf_checkpoint",
        "model/name",
    ),
    *("model", "actor/path", "pretrain", "actor_train/model_args/model_name_or_path"),
)
_STEPS = ("trainer/total_training_steps", "total_training_steps", "max_steps", "num_rollout", "total_train_steps")
_PROMPTS = (
    *("data/train_batch_size", "groups_per_batch", "prompts_per_step", "num_prompts_per_step", "rollout_batch_size"),
    "num_unique_prompts_rollout",
)
_GROUP = (
    *("actor_rollout_ref/rollout/n", "num_generations", "group_size", "n_samples_per_prompt"),
    *("num_generations_per_prompt", "rollouts_per_example", "num_samples_per_prompt_rollout"),
)


def beside(path: Path) -> dict[str, Any]:
    """The settings in a file beside a log, flat; empty where there is none."""
    for name in (*_JSON, *_YAML):
        file = path.parent / name
        if file.is_file() and not file.is_symlink() and file.stat().st_size < _LARGEST and (found := read(file)):
            return flat_row(found)
    return {}


def read(file: Path) -> dict[str, Any]:
    """The settings in a file; empty where it holds none."""
    whole = file.read_text(encoding="utf-8", errors="replace")
    try:
        found = json.loads(whole) if file.suffix == ".json" else _yaml(whole)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _yaml(whole: str) -> Any:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    if len(_ALIAS.findall(whole)) > _MOST_ALIASES:  # a few lines of them may stand for more than memory holds
        return {}
    try:
        return YAML(typ="safe", pure=True).load(whole)
    except YAMLError:
        return {}


def facts_of(settings: Mapping[str, Any]) -> Facts:
    """What settings say of a run; those of W&B have each value under `value`."""
    config = {str(key).removesuffix("/value").replace("/value/", "/", 1): value for key, value in settings.items()}
    planned = _first(config, _STEPS, int)
    return Facts(
        model=short(_first(config, _MODEL, str)),
        params=params_of(config),
        planned_steps=planned if planned and planned > 0 else None,
        prompts=_first(config, _PROMPTS, int),
        group_size=_first(config, _GROUP, int),
        settings=config,
    )


def short(model: str | None) -> str | None:
    """A model's name without the folder or the organisation before it."""
    return model.rstrip("/").rpartition("/")[2] or None if model else None


def _first(config: Mapping[str, Any], names: tuple[str, ...], kind: type[T]) -> T | None:
    """The first of these settings that is of a kind; a name without folders may stand in any."""
    for name in names:
        if isinstance(config.get(name), kind) and config[name]:
            return config[name]
    for name in names:
        if "/" not in name and name not in ("model", "pretrain"):
            deep = (v for key, v in config.items() if key.endswith(f"/{name}") and isinstance(v, kind) and v)
            if (found := next(deep, None)) is not None:
                return found
    return None


def merged(first: Facts, second: Facts) -> Facts:
    """What is known from either, the first before the second."""
    return Facts(
        model=first.model or second.model,
        params=first.params or (second.params if first.model in (None, second.model) else None),
        planned_steps=first.planned_steps or second.planned_steps,
        prompts=first.prompts or second.prompts,
        group_size=first.group_size or second.group_size,
        items=second.items | first.items,
        finished=first.finished or second.finished,
        cut=first.cut or second.cut,
        cause=first.cause or second.cause,
        settings=second.settings | first.settings,
    )


#: names of files that say nothing of the run in them, and of folders that do not either
_PLAIN_FILES = {
    *("metrics", "logging", "trainer_log", "log", "train", "history", "trainer_state", "output", "console", "stdout"),
    *("nohup", "train_log", "training", "results", "progress", "wandb_history", "run"),
}
_PLAIN_FOLDERS = {"files", "logs", "log", "latest-run", "tensorboard", "output", "outputs", "results"}


def run_of(path: Path) -> str:
    """The name of the run in a file: its own, or where that says nothing the name of a folder above."""
    stem = path.name.partition(".")[0]
    if stem not in _PLAIN_FILES:
        return stem or path.name
    parts = path.absolute().parent.parts
    mine = [i for i, part in enumerate(parts) if part in ("home", "Users", "root")]  # the next one names a person
    folders = [part for i, part in enumerate(parts) if i and part not in _PLAIN_FOLDERS and i - 1 not in mine]
    return folders[-1] if folders else stem
