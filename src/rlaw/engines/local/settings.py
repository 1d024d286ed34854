"""What the local engine needs, and its one setting."""

from rlaw.study.plan import Run

PACKAGES = ("jax", "optax", "safetensors")
DTYPES = ("float32", "bfloat16")


def dtype(run: Run) -> str:
    """What rollouts and updates compute the model's products in; pretraining, weights and optimizer are float32."""
    return run.engine.settings.get("dtype", DTYPES[0])
