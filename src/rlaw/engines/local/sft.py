"""The instruct phase: a base learns the form of an answer from its own answers, and no fact from anybody.

Problems are drawn from the training pool under seeds of their own, the base answers them at a temperature, and what is
well formed is kept whether it is right or wrong: no verifier is used.

Axes: I problems, T completion tokens.
"""

import numpy as np

from rlaw.engines.local.model import Params
from rlaw.engines.local.rollout import answer
from rlaw.errors import EngineError
from rlaw.study.plan import Run
from rlaw.study.recipe import Instruct
from rlaw.tasks import of_tokens

BLOCK = 4096  # problems answered at once
LEAST_WELL_FORMED = 0.01  # of all answers; a base that knows less of the form cannot be its own teacher
FIRST_SEED = 1_000_000  # of the problems, apart from those of RL


def settings(run: Run) -> Instruct:
    """The run's instruct phase."""
    assert run.base.instruct is not None, "only a variant with an instruct phase is tuned"  # noqa: S101
    return run.base.instruct


def documents(run: Run, base: Params) -> np.ndarray:
    """(documents, P + T) int32: problems with well-formed answers of the base, in the order they were drawn.

    Raises:
        EngineError: hardly any answer is well formed.
    """
    instruct = settings(run)
    needed, kept, drawn = instruct.steps * instruct.batch_size, [], 0
    while (have := sum(map(len, kept))) < needed:
        if drawn >= BLOCK and have < LEAST_WELL_FORMED * drawn:
            raise EngineError(
                f"{have} of {drawn} answers of the base are well formed: too few to learn the form from\n"
                f"  run:  {run.label}\n"
                f"  next: more pretraining steps, or a lower instruct.temperature"
            )
        kept.append(_answered(run, base, instruct, drawn // BLOCK))
        drawn += BLOCK
    return np.concatenate(kept)[:needed]


def _answered(run: Run, base: Params, instruct: Instruct, block: int) -> np.ndarray:
    """One block of problems with the answers of it that are well formed."""
    task = of_tokens(run.task)
    problems = task.pool(BLOCK, FIRST_SEED + run.seed + 1000 * block)
    drawn = answer(run, base, problems, 1, instruct.temperature, "instruct", block)
    completions_IT = drawn.completions_PGT[:, 0]
    formed_I = task.is_well_formed(problems, completions_IT)
    return np.concatenate([problems.prompts_IP, completions_IT], axis=1)[formed_I]
