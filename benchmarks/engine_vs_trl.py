"""GRPO end to end, rollout, reward and update: the local engine beside TRL's GRPOTrainer on the same work.

    python benchmarks/engine_vs_trl.py            # writes benchmarks/results/engine_vs_trl.md; needs the extra `trl`
    python benchmarks/engine_vs_trl.py --quick    # only the settings that were best before

Both get the same weights, prompts, group, number of new tokens and optimizer, in float32 on one thread. Every setting
of either engine is a process of its own. WARM steps come first and are not counted: start-up and compilation are
outside for both. Then the processes take turns, a block of steps each, ROUNDS times over. What is told is CPU seconds
of a step, the median of the blocks; of each engine its best setting counts.

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
ROUNDS = 3
STEPS = {"40k": 8, "130k": 8, "1M": 4}  # of one block
TRL_PLAIN = {"micro_batch": 256, "attention": "sdpa", "optimizer": "adamw_torch"}
SETTINGS: dict[str, list[dict[str, Any]]] = {
    "local": [{"micro_batch": size} for size in (32, 64, 128, 256)],
    "trl": [
        TRL_PLAIN,
        *({**TRL_PLAIN, "micro_batch": size} for size in (128, 64, 32)),
        {**TRL_PLAIN, "attention": "eager"},
        {**TRL_PLAIN, "optimizer": "adamw_torch_fused"},
        {**TRL_PLAIN, "cache_kind": "static"},
    ],
}
QUICK = {"local": [{"micro_batch": 64}], "trl": [TRL_PLAIN, {**TRL_PLAIN, "micro_batch": 64}]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few settings; the result file is left as it is")
    parser.add_argument("--size", choices=list(SIZES), nargs="*", default=list(SIZES))
    asked = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for size in asked.size:
            half = compare(size, "half", Path(folder), QUICK if asked.quick else SETTINGS)
            best = {engine: [half[engine]["best"]] for engine in SETTINGS}
            rows += [half, compare(size, "rare", Path(folder), best)]
            print(json.dumps(rows[-2:]), file=sys.stderr)
    text = table(sorted(rows, key=lambda row: row["reward"]))
    print(text)
    if not asked.quick and asked.size == list(SIZES):
        RESULT.parent.mkdir(exist_ok=True)
        RESULT.write_text(text)


def compare(size: str, reward: str, cache: Path, settings: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """All settings of both engines in turn; CPU seconds of a step under each, and the best of each engine."""
    workers = [Worker(engine, size, reward, cache, one) for engine, tried in settings.items() for one in tried]
    for _ in range(ROUNDS):
        for worker in workers:
            worker.block()
    found: dict[str, Any] = {"size": size, "reward": reward}
    for engine in settings:
        of_engine = [worker for worker in workers if worker.engine == engine]
        best = min(of_engine, key=lambda worker: worker.seconds)
        tried = [(worker.setting, worker.seconds) for worker in of_engine]
        found[engine] = {"best": best.setting, "seconds": best.seconds, "tried": tried, **best.told}
    for worker in workers:
        worker.end()
    return found


class Worker:
    """A process that makes a block of steps whenever it is asked to."""

    def __init__(self, engine: str, size: str, reward: str, cache: Path, setting: dict[str, Any]) -> None:
        self.engine, self.setting, self.blocks, self.told = engine, setting, [], {}
        request = {"engine": engine, "size": size, "reward": reward, "cache": str(cache), "setting": setting}
        one_thread = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        environment = {**os.environ, **one_thread, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
        environment.pop("XLA_FLAGS", None)
        command = [sys.executable, __file__, "--measure", json.dumps(request)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self._read()  # warm: the next one starts only now

    def block(self) -> None:
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        self.told = self._read()
        self.blocks.append(self.told.pop("seconds"))

    def end(self) -> None:
        self.process.kill()
        self.process.wait()

    @property
    def seconds(self) -> float:
        return median(self.blocks)

    def _read(self) -> dict[str, Any]:
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.engine} {self.setting}: ended with code {self.process.wait()}")
        return json.loads(line)


class Blocks:
    """In the worker: counts steps, tells a block's CPU seconds when it is complete, and waits for the next wish."""

    def __init__(self, steps: int, about: dict[str, Any]) -> None:
        self.steps, self.about, self.done, self.zero, self.out = steps, about, 0, [], os.dup(1)
        os.dup2(2, 1)  # whatever a library prints

    def step(self, zero_variance_share: float) -> None:
        self.done += 1
        self.zero.append(zero_variance_share)
        if self.done == WARM or (self.done > WARM and (self.done - WARM) % self.steps == 0):
            seconds = (time.process_time() - self.began) / self.steps if self.done > WARM else None
            zero = sum(self.zero[-self.steps :]) / len(self.zero[-self.steps :])
            told = {"seconds": seconds, "zero_variance_share": zero, **self.about}
            os.write(self.out, json.dumps(told).encode() + b"\n")
            sys.stdin.readline()
            self.began = time.process_time()


def run_of(size: str, reward: str, micro_batch: int) -> Any:
    """The run that both make, as a plan tells it."""
    from rlaw.study.plan import plan
    from rlaw.study.study import Study
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
                "steps": WARM + ROUNDS * STEPS[size],
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


def measure_local(run: Any, cache: Path, blocks: Blocks) -> None:
    """Steps of the local engine, from record to record; no checkpoints, as of TRL's trainer.

    The engine writes one every half minute of wall time, which other processes' turns would bring into every block.
    """
    from rlaw import engines
    from rlaw.engines.base import Workspace
    from rlaw.engines.local import process
    from rlaw.store.records import Step

    process.prepare(cache)  # before anything imports jax
    from rlaw.engines.local import attempt

    attempt.SECONDS_BETWEEN_CHECKPOINTS = float("inf")
    with tempfile.TemporaryDirectory() as folder:
        for record in engines.get("local").train(run, Workspace(Path(folder), cache)):
            if isinstance(record, Step):
                blocks.step(record.zero_variance_share)


def measure_trl(
    run: Any,
    cache: Path,
    blocks: Blocks,
    *,
    micro_batch: int,
    attention: str,
    optimizer: str,
    cache_kind: str | None = None,
) -> None:
    """Steps of TRL's trainer as it comes, from the end of one to the end of the next."""
    import datasets
    import numpy as np
    import torch
    import transformers
    import trl

    from rlaw.engines.data import training_data
    from rlaw.engines.local import pretrain

    torch.set_num_threads(1)
    _, facts = pretrain.base(run, cache)
    folder = cache / "bases" / facts.digest
    model = transformers.Qwen2ForCausalLM.from_pretrained(folder, attn_implementation=attention)
    tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(folder)
    tokenizer.add_special_tokens({"eos_token": "<end>", "pad_token": "<end>"})  # beyond the vocabulary: never drawn
    problems, words = training_data(run).problems, run.task.vocabulary
    prompts = [" ".join(words[token] for token in prompt) for prompt in problems.prompts_IP.tolist()]
    zero: list[float] = []

    def graded(completion_ids: list[list[int]], index: list[int], **_: Any) -> list[float]:
        assert {len(ids) for ids in completion_ids} == {TOKENS}
        rewards = run.task.grade(problems.take(np.asarray(index)), np.asarray(completion_ids))
        groups = rewards.reshape(PROMPTS, GROUP)
        zero.append(float((groups == groups[:, :1]).all(axis=1).mean()))
        return rewards.tolist()

    class EveryStep(transformers.TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs):
            blocks.step(zero[-1])

    rl = run.rl
    with tempfile.TemporaryDirectory() as output:
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
            gradient_accumulation_steps=rl.samples // micro_batch,
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
            callbacks=[EveryStep()],
        )
        trainer.train()


def table(rows: list[dict[str, Any]]) -> str:
    """The result file."""
    versions = ", ".join(f"{name} {version}" for name, version in rows[0]["trl"]["versions"].items())
    lines = [
        "# GRPO end to end: the local engine beside TRL's GRPOTrainer",
        "",
        f"`python benchmarks/engine_vs_trl.py`: {platform.machine()}, Python {platform.python_version()}, {versions}.",
        "",
        f"CPU seconds of one step: {PROMPTS} prompts of {TOKENS + 1} tokens x {GROUP} answers of {TOKENS}, reward, one",
        "AdamW update; float32, one thread, the same weights and prompts. Start-up, compilation and the first",
        f"{WARM} steps are not counted for either, nor are checkpoints. Medians of {ROUNDS} blocks of steps, all "
        "processes in turn.",
        "`skipped`: groups without an advantage, which our engine leaves out of the update (they change nothing).",
        "",
        "| reward | parameters | ours, s | TRL, s | ratio | bar | skipped by ours | of TRL's, made all the same |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        ours, trls = row["local"], row["trl"]
        cells = [row["reward"], f"{trls['params']:,}", f"{ours['seconds']:.4f}", f"{trls['seconds']:.4f}"]
        cells += [f"{trls['seconds'] / ours['seconds']:.1f}", str(BARS[row["size"]])]
        cells += [f"{one['zero_variance_share']:.0%}" for one in (ours, trls)]
        lines.append("| " + " | ".join(cells) + " |")
    lines += [
        "",
        "TRL's settings: no KL term (so no reference pass), one iteration and one minibatch (so no pass for old",
        "log-probabilities), no gradient checkpointing, no logging, no saving, key-value cache on, the whole step one",
        "generation batch. Settings tried for either, CPU seconds of a step; the best counts above:",
    ]
    sizes = list(dict.fromkeys(row["size"] for row in rows))
    tried = {row["size"]: row for row in rows if row["reward"] == "half"}
    for engine in ("local", "trl"):
        lines += ["", f"| {engine} | " + " | ".join(sizes) + " |", "|---|" + "---|" * len(sizes)]
        for index, (setting, _) in enumerate(tried[sizes[0]][engine]["tried"]):
            named = ", ".join(f"{name} {value}" for name, value in setting.items())
            seconds = [f"{tried[size][engine]['tried'][index][1]:.4f}" for size in sizes]
            lines.append(f"| {named} | " + " | ".join(seconds) + " |")
    return "\n".join(lines) + "\n"


def measure(request: dict[str, Any]) -> None:
    """What the process of one setting does."""
    from importlib.metadata import version

    setting, cache, is_trl = request["setting"], Path(request["cache"]), request["engine"] == "trl"
    run = run_of(request["size"], request["reward"], 64 if is_trl else setting["micro_batch"])
    versions = {name: version(name) for name in ("jax", "torch", "transformers", "trl")}
    blocks = Blocks(STEPS[request["size"]], {"params": run.architecture.params_total, "versions": versions})
    if is_trl:
        measure_trl(run, cache, blocks, **setting)
    else:
        measure_local(run, cache, blocks)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        measure(json.loads(sys.argv[2]))
    else:
        main()
