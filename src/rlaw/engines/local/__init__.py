"""The embedded engine: tiny Qwen2 models pretrained and RL post-trained in JAX, one thread and one process per core."""
