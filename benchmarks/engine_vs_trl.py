"""GRPO end to end, rollout, reward and update: the local engine beside TRL's GRPOTrainer on the same work.

    python benchmarks/engine_vs_trl.py            # writes benchmarks/results/engine_vs_trl.md; needs the extra `trl`
    python benchmarks/engine_vs_trl.py --tune     # first tries TRL's settings one by one, and tells them

Both get the same weights, prompts, group, number of new tokens and optimizer, in float32 on one thread. A measurement
is a process of its own, in which WARM steps come first and are not counted: start-up and compilation are outside for
both. What is told is CPU seconds of the process per step, the median of repeats that take turns, ours and TRL's.

Two rewards: `half`, right about every second time, so that no group of eight is without an advantage and nothing can be
skipped; and `rare`, right about once in thirty, so that three groups in four have none, as in the micro study: our
engine skips the update of these, TRL makes it.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

RESULT = Path(__file__).parent / "results" / "engine_vs_trl.md"
SIZES = {
    "40k": {"hidden": 32, "layers": 3},
    "130k": {"hidden": 64, "layers": 2, "intermediate": 256},
    "1M": {"hidden": 128, "layers": 5},
}
BARS = {"40k": 10, "130k": 6, "1M": 3}
PROMPTS, GROUP, TOKENS = 32, 8, 12
WARM = 3
REPEATS = 3
STEPS = {"40k": 12, "130k": 10, "1M": 6}
#: the best of what --tune tries, at every size
TRL_BEST: dict[str, Any] = {"micro_batch": 256, "attention": "sdpa", "optimizer": "adamw_torch"}
TRL_TRIED = (
    {},
    {"micro_batch": 128},
    {"micro_batch": 64},
    {"micro_batch": 32},
    {"attention": "eager"},
    {"optimizer": "adamw_torch_fused"},
    {"cache_kind": "static"},
)
OUR_MICRO_BATCHES = (32, 64, 128)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tune", action="store_true")
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--size", choices=list(SIZES), nargs="*", default=list(SIZES))
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder)
        tried = tune(cache, asked.size) if asked.tune else []
        rows = [compare(size, reward, cache, asked.repeats) for reward in ("half", "rare") for size in asked.size]
    text = table(rows, tried, asked.repeats)
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(text)
    print(text)


def compare(size: str, reward: str, cache: Path, repeats: int) -> dict[str, Any]:
    """Both engines in turn, `repeats` times; ours with each of its micro-batches, the best of which counts."""
    ours: dict[int, list[dict[str, Any]]] = {micro: [] for micro in OUR_MICRO_BATCHES}
    trls: list[dict[str, Any]] = []
    for _ in range(repeats):
        for micro, told in ours.items():
            told.append(measured("local", size, reward, cache, micro_batch=micro))
        trls.append(measured("trl", size, reward, cache, **TRL_BEST))
    seconds = {micro: median(one["seconds"] for one in told) for micro, told in ours.items()}
    best = min(seconds, key=lambda micro: seconds[micro])
    return {
        "size": size,
        "reward": reward,
        "params": trls[0]["params"],
        "ours": seconds[best],
        "micro_batch": best,
        "trl": median(one["seconds"] for one in trls),
        "zero": median(one["zero_variance_share"] for one in ours[best]),
        "trl_zero": median(one["zero_variance_share"] for one in trls),
        "versions": trls[0]["versions"] | ours[best][0]["versions"],
    }


def tune(cache: Path, sizes: list[str]) -> list[tuple[dict[str, Any], dict[str, float]]]:
    """CPU seconds of a step of TRL under every setting tried, by size."""
    tried = []
    for size in sizes:
        measured("local", size, "half", cache, micro_batch=64)  # makes the checkpoint that TRL loads
    for changes in TRL_TRIED:
        setting = {**TRL_BEST, **changes}
        told = {size: measured("trl", size, "half", cache, **setting)["seconds"] for size in sizes}
        tried.append((setting, told))
        print(setting, {size: f"{seconds:.3f}" for size, seconds in told.items()}, file=sys.stderr)
    return tried


def measured(engine: str, size: str, reward: str, cache: Path, **setting: Any) -> dict[str, Any]:
    """One measurement in a process of its own."""
    request = json.dumps({"engine": engine, "size": size, "reward": reward, "cache": str(cache), "setting": setting})
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    environment = {**os.environ, **one_thread, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    environment.pop("XLA_FLAGS", None)
    command = [sys.executable, __file__, "--measure", request]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise SystemExit(f"{request}\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.strip().rpartition("\n")[2])


def run_of(size: str, reward: str, micro_batch: int = 64) -> Any:
    """The run that both make, as a plan tells it."""
    from rlaw.plan import plan
    from rlaw.study import Study
    from rlaw.tasks.modular_chains import ModularChains

    below = 47 if reward == "half" else 3  # of 94 tokens, nearly equally likely before training

    class Below(ModularChains):
        """Right when the last token is one of the first: from random weights, that often."""

        def grade(self, problems, completions_IT):
            return (completions_IT[:, -1] < below).astype("float32")

    study = Study.model_validate(
        {
            "name": "engine-vs-trl",
            "model": {"ladder": [SIZES[size]], "variants": {"base": {"steps": 1, "learning_rate": 1e-6}}},
            "task": {"name": "modular-chains", "operations": f"{TOKENS}-{TOKENS}"},
            "rl": {
                "steps": WARM + STEPS[size],
                "prompts": PROMPTS,
                "num_generations": GROUP,
                "minibatches": 1,
                "learning_rate": 1e-5,
            },
            "evaluation": {"items": 1, "samples": 1, "at": []},
            "engine": {"name": "local", "micro_batch": micro_batch},
            "fit": {"laws": ["power"]},
        }
    )
    (run,) = plan(study)
    return replace(run, task=Below.model_validate(study.task.model_dump()))


def measure_local(run: Any, cache: Path) -> dict[str, Any]:
    """Steps of the local engine, timed from record to record."""
    from rlaw import engines
    from rlaw.engines.base import Workspace
    from rlaw.records import Step

    stamps, zero = [], []
    with tempfile.TemporaryDirectory() as folder:
        for record in engines.get("local").train(run, Workspace(Path(folder), cache)):
            if isinstance(record, Step):
                stamps.append(time.process_time())
                zero.append(record.zero_variance_share)
    import jax

    return told(stamps, zero, run, {"jax": jax.__version__})


def measure_trl(
    run: Any, cache: Path, *, micro_batch: int, attention: str, optimizer: str, cache_kind: str | None = None
) -> dict[str, Any]:
    """Steps of TRL's trainer, timed from the end of one to the end of the next."""
    import datasets
    import torch
    import transformers
    import trl

    from rlaw.engines.local.data import training_data
    from rlaw.plan import base_key

    torch.set_num_threads(1)
    folder = cache / "bases" / base_key(run)
    model = transformers.Qwen2ForCausalLM.from_pretrained(folder, attn_implementation=attention)
    tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(folder)
    tokenizer.add_special_tokens({"eos_token": "<end>", "pad_token": "<end>"})  # beyond the vocabulary: never drawn
    problems, words = training_data(run).problems, run.task.vocabulary
    prompts = [" ".join(words[token] for token in prompt) for prompt in problems.prompts_IP.tolist()]
    stamps, zero = [], []

    def graded(completion_ids: list[list[int]], index: list[int], **_: Any) -> list[float]:
        import numpy as np

        assert {len(ids) for ids in completion_ids} == {TOKENS}
        rewards = run.task.grade(problems.take(np.asarray(index)), np.asarray(completion_ids))
        groups = rewards.reshape(PROMPTS, GROUP)
        zero.append(float((groups == groups[:, :1]).all(axis=1).mean()))
        return rewards.tolist()

    class Stamps(transformers.TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs):
            stamps.append(time.process_time())

    with tempfile.TemporaryDirectory() as output:
        rl, samples = run.rl, run.rl.samples
        config = trl.GRPOConfig(
            output_dir=output,
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            report_to="none",
            logging_strategy="no",
            save_strategy="no",
            disable_tqdm=True,
            per_device_train_batch_size=micro_batch,
            gradient_accumulation_steps=samples // micro_batch,
            num_generations=GROUP,
            max_completion_length=TOKENS,
            max_steps=rl.steps,
            shuffle_dataset=False,
            learning_rate=rl.learning_rate,
            adam_beta2=rl.adam_beta2,
            max_grad_norm=rl.max_grad_norm,
            lr_scheduler_type="constant",
            num_iterations=1,
            beta=0.0,
            loss_type="dapo",
            optim=optimizer,
            cache_implementation=cache_kind,
            dataloader_pin_memory=False,
        )
        trainer = trl.GRPOTrainer(
            model=model,
            reward_funcs=graded,
            args=config,
            train_dataset=datasets.Dataset.from_dict({"prompt": prompts, "index": list(range(len(prompts)))}),
            processing_class=tokenizer,
            callbacks=[Stamps()],
        )
        trainer.train()
    versions = {"torch": torch.__version__, "transformers": transformers.__version__, "trl": trl.__version__}
    return told(stamps, zero, run, versions)


def told(stamps: list[float], zero: list[float], run: Any, versions: dict[str, str]) -> dict[str, Any]:
    """CPU seconds per step after the warm ones."""
    steps = len(stamps) - WARM
    return {
        "seconds": (stamps[-1] - stamps[WARM - 1]) / steps,
        "zero_variance_share": sum(zero[WARM:]) / steps,
        "params": run.architecture.params_total,
        "versions": versions,
    }


def table(rows: list[dict[str, Any]], tried: list[tuple[dict[str, Any], dict[str, float]]], repeats: int) -> str:
    """The result file."""
    versions = ", ".join(f"{name} {version}" for name, version in rows[0]["versions"].items())
    lines = [
        "# GRPO end to end: the local engine beside TRL's GRPOTrainer",
        "",
        f"`python benchmarks/engine_vs_trl.py`: {platform.machine()}, Python {platform.python_version()}, {versions}.",
        "",
        f"CPU seconds of one step: {PROMPTS} prompts of {TOKENS + 1} tokens x {GROUP} answers of {TOKENS}, reward, one",
        "AdamW update; float32, one thread, the same weights and prompts. Start-up, compilation and the first",
        f"{WARM} steps are not counted for either. Medians of {repeats} processes each, ours and TRL's in turn.",
        "`skipped`: share of groups without an advantage; our engine leaves them out (they change nothing).",
        "Ours at the best of micro-batches " + ", ".join(map(str, OUR_MICRO_BATCHES)) + ".",
        "",
        "| reward | parameters | ours, s | micro-batch | TRL, s | ratio | bar | skipped | TRL's groups without |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        cells = [row["reward"], f"{row['params']:,}", f"{row['ours']:.4f}", row["micro_batch"], f"{row['trl']:.4f}"]
        cells += [f"{row['trl'] / row['ours']:.1f}", BARS[row["size"]], f"{row['zero']:.0%}", f"{row['trl_zero']:.0%}"]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    lines += [
        "",
        "TRL's settings: no KL term (so no reference pass), one iteration (so no pass for old log-probabilities), no",
        "gradient checkpointing, no logging, no saving, key-value cache on, whole groups per generation batch; "
        + ", ".join(f"{name} {value}" for name, value in TRL_BEST.items())
        + ".",
    ]
    if tried:
        sizes = list(tried[0][1])
        lines += ["", "Tried for TRL (CPU seconds per step, one process each):", ""]
        lines += ["| setting | " + " | ".join(sizes) + " |", "|---|" + "---|" * len(sizes)]
        for setting, seconds in tried:
            named = ", ".join(f"{name} {value}" for name, value in setting.items())
            lines.append(f"| {named} | " + " | ".join(f"{seconds[size]:.4f}" for size in sizes) + " |")
    return "\n".join(lines) + "\n"


def measure(request: dict[str, Any]) -> dict[str, Any]:
    """What the process of one measurement does."""
    setting, cache = request["setting"], Path(request["cache"])
    if request["engine"] == "local":
        return measure_local(run_of(request["size"], request["reward"], setting["micro_batch"]), cache)
    return measure_trl(run_of(request["size"], request["reward"]), cache, **setting)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        print(json.dumps(measure(json.loads(sys.argv[2]))))
    else:
        main()
