"""From rated problems to training data: hold out, check for leaks, order, draw reuse subsets, and say what was done.

The preparation of arXiv 2509.25300 (section 3 and its repository), with a seed: difficulty is the pass rate of
Qwen2.5-7B, a problem never rated is the hardest, half of the held-out problems are easy and half are hard, and
training goes from easy to hard.
"""

import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Literal, get_args

import numpy as np

from rlaw.errors import DataError, RlawError, UsageError
from rlaw.tasks.problems import faults, files
from rlaw.tasks.problems.base import TextProblem, TextProblems, fingerprint
from rlaw.tasks.problems.subsets import half_and_half, subset

Order = Literal["curriculum", "shuffled", "file"]
MANIFEST = "data.json"
TRAIN, HELD_OUT = "train", "held-out"
STREAMS = {"held-out": 0, "order": 1, "reuse": 2}  # independent random streams of one seed


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is done to the problems.

    Attributes:
        held_out: problems never trained on, half easy and half hard; 0: none.
        easy: the least pass rate of an easy problem.
        seed: of every draw.
        order: curriculum (easy to hard, the file's order within a level), shuffled, or the file's.
        reuse: factors tau; each gets a file of total/tau problems, to be used tau times.
        total: problems used in all, the same for every tau; as many as there are to train on when None.
        nested: whether a smaller reuse subset is part of every larger one; else each is drawn on its own.
        rating: name of the pass rate in the source; looked for when None.
    """

    held_out: int = 500
    easy: float = 0.3
    seed: int = 0
    order: Order = "curriculum"
    reuse: tuple[int, ...] = ()
    total: int | None = None
    nested: bool = False
    rating: str | None = None

    def __post_init__(self) -> None:
        if self.held_out < 0 or self.seed < 0 or (self.total is not None and self.total < 1):
            raise UsageError("held-out and seed are 0 or more, total is 1 or more")
        if not 0 < self.easy <= 1:
            raise UsageError(f"easy is a pass rate, above 0 and at most 1, not {self.easy}")
        if self.order not in get_args(Order):
            raise UsageError(f"order is one of {', '.join(get_args(Order))}, not {self.order!r}")
        if any(tau < 1 for tau in self.reuse) or len(set(self.reuse)) < len(self.reuse):
            raise UsageError(f"reuse factors are whole numbers from 1 on, each once, not {list(self.reuse)}")

    def rng(self, stream: str, *key: int) -> np.random.Generator:
        """The random numbers of one purpose."""
        return np.random.default_rng([self.seed, STREAMS[stream], *key])


@dataclass(frozen=True, slots=True)
class Written:
    """One file of problems; `epochs`: how many times it is to be used, where that is fixed."""

    file: str
    items: int
    digest: str
    epochs: int | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """What was done, as `data.json` keeps it.

    Attributes:
        counts: problems of the source: all, easy, hard, hard because never solved or never rated, repeated.
        leaks: problems kept from training because a held-out problem or a benchmark has the same question.
    """

    source: str
    source_digest: str
    recipe: Recipe
    counts: dict[str, int]
    leaks: dict[str, int]
    files: tuple[Written, ...]

    def __str__(self) -> str:
        counts = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in self.counts.items())
        lines = [f"{self.source}, digest {self.source_digest}: {counts}"]
        lines += [f"kept from training: {count} that {name} asks too" for name, count in self.leaks.items()]
        for item in self.files:
            epochs = f", to be seen {item.epochs} times" if item.epochs else ""
            lines.append(f"  {item.file}: {item.items} problems, digest {item.digest}{epochs}")
        drawn = f", reuse subsets {'nested' if self.recipe.nested else 'independent'}" if self.recipe.reuse else ""
        return "\n".join([*lines, f"order {self.recipe.order}, seed {self.recipe.seed}{drawn}"])


def prepare(source: Path, out: Path, recipe: Recipe, benchmarks: Mapping[str, Path] | None = None) -> Prepared:
    """Write train.parquet, held-out.parquet, the benchmarks and the reuse subsets into a new folder.

    The folder gets its name when all of it is written.

    Raises:
        UsageError: the folder is there already.
        DataError: a row is no problem, no answer to one could be right, or there are too few problems.
    """
    if out.exists():
        raise UsageError(f"{out} is there already, and stays as it is\n  next: another folder for `out=`")
    problems = files.read(source, recipe.rating)
    if not len(problems):
        raise DataError(f"{source} holds no problems\n  next: one problem to a row")
    faults.check(source, problems)
    if recipe.rating is None and recipe.held_out and problems.levels_I.min() == 1:
        raise DataError(
            f"{source}: no problem has a pass rate above 0: none is easy, and half of the held-out ones are to be\n"
            f"  next: give each row a pass_rate between 0 and 1 (or name it: `rating=KEY`), or `held_out=0`"
        )
    if recipe.rating is not None and problems.levels_I.min() == 1:
        raise DataError(
            f"no problem of {source} has a pass rate called {recipe.rating!r}\n  next: `rlaw data show {source}`"
        )
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(mkdtemp(prefix=f".{out.name}-", dir=out.parent)) / out.name
        folder.mkdir()  # with the modes that the user's umask gives; those of the one around it are the strictest
        try:
            done = _write(source, problems, folder, recipe, benchmarks or {})
            (folder / MANIFEST).write_text(json.dumps(asdict(done), indent=1) + "\n", encoding="utf-8")
            folder.rename(out)
        finally:
            shutil.rmtree(folder.parent, ignore_errors=True)
    except OSError as error:
        raise RlawError(
            f"cannot write {out}: {error.strerror or error}\n  next: another `out=`, or more space"
        ) from error
    return done


def _write(
    source: Path, problems: TextProblems, folder: Path, recipe: Recipe, benchmarks: Mapping[str, Path]
) -> Prepared:
    """Write the files, in the order in which they claim problems: benchmarks, held-out, train, reuse subsets."""
    prints, levels_I = _fingerprints(problems), problems.levels_I
    first = dict(zip(reversed(prints), reversed(range(len(prints))), strict=True))
    first_I = np.array([first[mark] == place for place, mark in enumerate(prints)])
    written, leaks, trained_I = [], {}, np.ones(len(problems), bool)

    def put(name: str, items: TextProblems, split: str, epochs: int | None = None) -> None:
        file = f"{name}.parquet"
        written.append(Written(file, len(items), files.write(folder / file, items, split), epochs))

    def same_as(others: Iterable[TextProblem]) -> np.ndarray:
        marks = set(_fingerprints(others))
        return np.array([mark in marks for mark in prints])

    for name, path in benchmarks.items():
        benchmark = files.read(path)
        faults.check(path, benchmark)
        put(name, benchmark, "test")
        same_I = same_as(benchmark)
        leaks[name], trained_I = int(same_I.sum()), trained_I & ~same_I
    if recipe.held_out:
        try:
            held_out_N = half_and_half(
                levels_I, trained_I & first_I, recipe.held_out, recipe.easy, recipe.rng("held-out")
            )
        except ValueError as error:
            raise DataError(
                f"{source}: {error}\n  next: a smaller `held_out=`, another `easy=`, or more problems"
            ) from error
        held_out = problems.take(_ordered(levels_I, held_out_N, recipe))
        same_I = same_as(held_out)
        leaks[HELD_OUT], trained_I = int((same_I & trained_I).sum()) - len(held_out), trained_I & ~same_I
        put(HELD_OUT, held_out, "test")
    train = problems.take(_ordered(levels_I, np.flatnonzero(trained_I), recipe))
    if not len(train):
        raise DataError(f"{source}: no problem is left to train on\n  next: a smaller `held_out=`")
    put(TRAIN, train, "train")
    for tau in recipe.reuse:
        put(f"reuse-{tau}", train.take(_reused(train.levels_I, tau, recipe)), "train", tau)
    easy = int((1 - levels_I >= recipe.easy - 1e-9).sum())
    counts = {
        "problems": len(problems),
        "easy": easy,
        "hard": len(problems) - easy,
        "never_solved_or_not_rated": int((levels_I == 1).sum()),
        "asked_before": int((~first_I).sum()),
    }
    return Prepared(source.name, files.digest(problems), recipe, counts, leaks, tuple(written))


def _fingerprints(problems: Iterable[TextProblem]) -> list[bytes]:
    return [fingerprint(problem.prompt[-1][1]) for problem in problems]


def _ordered(levels_I: np.ndarray, places_N: np.ndarray, recipe: Recipe) -> np.ndarray:
    if recipe.order == "curriculum":
        return places_N[np.argsort(levels_I[places_N], kind="stable")]
    return recipe.rng("order").permutation(places_N) if recipe.order == "shuffled" else places_N


def _reused(levels_N: np.ndarray, tau: int, recipe: Recipe) -> np.ndarray:
    """Places in the training order of the problems that are used tau times."""
    items = (recipe.total or len(levels_N)) // tau
    if not 1 <= items <= len(levels_N):
        raise DataError(
            f"reuse {tau}: {recipe.total or len(levels_N)} seen in all make {items} distinct problems, "
            f"there are {len(levels_N)} to train on\n  next: another `total=`, or other factors"
        )
    return subset(levels_N, items, recipe.rng("reuse", *(() if recipe.nested else (tau,))))
