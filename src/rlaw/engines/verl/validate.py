"""Asks the installed veRL whether it takes a configuration, without a GPU: `python -m rlaw.engines.verl.validate`.

The overrides are read from standard input, a JSON list; the composed configuration is printed as JSON.
"""

import json
import sys
from contextlib import redirect_stdout
from typing import Any


def compose(overrides: list[str]) -> dict[str, Any]:
    """The configuration that veRL composes of its defaults and the overrides, validated by veRL.

    Raises:
        hydra's errors for an unknown key or a value it cannot read, and veRL's for values it refuses.
    """
    from hydra import compose as put_together  # pyright: ignore[reportMissingImports]
    from hydra import initialize_config_module  # pyright: ignore[reportMissingImports]
    from omegaconf import OmegaConf  # pyright: ignore[reportMissingImports]
    from verl.trainer.ppo.utils import need_critic, need_reference_policy  # pyright: ignore[reportMissingImports]
    from verl.utils.config import validate_config  # pyright: ignore[reportMissingImports]

    with initialize_config_module("verl.trainer.config", version_base=None):
        config = put_together("ppo_trainer", overrides=overrides)
    validate_config(config, use_reference_policy=need_reference_policy(config), use_critic=need_critic(config))
    return dict(OmegaConf.to_container(config, resolve=True))


if __name__ == "__main__":
    with redirect_stdout(sys.stderr):  # veRL prints on its way
        composed = compose(json.load(sys.stdin))
    sys.stdout.write(json.dumps(composed))
