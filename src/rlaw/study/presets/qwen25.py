"""Qwen2.5, dense: the models, the GPUs and the lengths of arXiv 2509.25300."""

from rlaw.study.compute import Architecture
from rlaw.study.presets.base import Ladder, PublishedSize

#: mean prompt of the paper's training problems with its instruction and Qwen's chat template: 440 characters at about
#: 3.5 a token, and 25 of the template; what is left of the published compute beside the responses is 30 to 170
PROMPT_TOKENS = 150.0

#: FLOPs of a base run, 105 steps of 512 prompts with 8 rollouts each, as 6 x nominal parameters x tokens: what the
#: paper's compute axis ends at
PUBLISHED_FLOPS = {
    "0.5B": 1.2e18, "1.5B": 4.4e18, "3B": 8.4e18, "7B": 2.0e19, "14B": 4.0e19, "32B": 8.3e19, "72B": 2.2e20,
}  # fmt: skip
PUBLISHED_ROLLOUTS = 105 * 512 * 8


def _size(
    name: str, shape: tuple[int, int, int, int, int, int, int], response: float, resources: tuple[int, int, int]
) -> PublishedSize:
    gpus, tensor_parallel, micro_batch = resources
    return PublishedSize(
        Architecture(*shape, tied_embeddings=shape[-1] == 151936),
        nominal=float(name[:-1]) * 1e9,
        checkpoints={"base": f"Qwen/Qwen2.5-{name}", "instruct": f"Qwen/Qwen2.5-{name}-Instruct"},
        resources={"gpus": gpus, "tensor_parallel": tensor_parallel, "micro_batch": micro_batch},
        lengths={"prompt": PROMPT_TOKENS, "response": response},
    )


LADDER = Ladder(
    family="qwen2",
    about="Qwen2.5 0.5B to 72B, base and instruct, on the GPUs of the paper",
    source="shapes: Qwen2.5 technical report, arXiv 2412.15115, and the model cards; GPUs: arXiv 2509.25300, section "
    "3; mean response of a base run: its Fig. 6b (dataset qwen2.5-math-length), assumed for instruct, too",
    # name: (hidden, layers, heads, kv heads, head size, intermediate, vocabulary), mean response tokens of a base run,
    # (GPUs, tensor parallel size of the rollouts, sequences of full length at a time)
    sizes={
        "0.5B": _size("0.5B", (896, 24, 14, 2, 64, 4864, 151936), 769, (4, 1, 4)),
        "1.5B": _size("1.5B", (1536, 28, 12, 2, 128, 8960, 151936), 950, (4, 1, 4)),
        "3B": _size("3B", (2048, 36, 16, 2, 128, 11008, 151936), 971, (4, 1, 4)),
        "7B": _size("7B", (3584, 28, 28, 4, 128, 18944, 152064), 986, (4, 2, 2)),
        "14B": _size("14B", (5120, 48, 40, 8, 128, 13824, 152064), 998, (8, 2, 2)),
        "32B": _size("32B", (5120, 64, 40, 8, 128, 27648, 152064), 891, (16, 4, 1)),
        "72B": _size("72B", (8192, 80, 64, 8, 128, 29568, 152064), 1119, (32, 8, 1)),
    },
)
