"""From rated problems to training data: hold out, check for leaks, order, draw reuse subsets, and say what was done.

The preparation of arXiv 2509.25300 (section 3 and its repository), with a seed: difficulty is the pass rate of
Qwen2.5-7B, a problem never rated is the hardest, half of the held-out problems are easy and half are hard, and
training goes from easy to hard. The source is read as a stream: a few numbers per problem are in memory, and a part of
the problems.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Literal, Self, get_args

import numpy as np

from rlaw.errors import DataError, RlawError, UsageError
from rlaw.tasks.problems import files
from rlaw.tasks.problems.order import write_ordered
from rlaw.tasks.problems.prompt import fingerprint
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
        reuse: factors tau; each gets a file of total/tau problems, to be seen tau times.
        total: problems seen in all, the same for every tau; as many as there are to train on when None.
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
    """One file of problems; `epochs` where it is to be seen so many times."""

    file: str
    items: int
    digest: str
    epochs: int | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """What was done, as `data.json` keeps it.

    Attributes:
        counts: problems of the source: all, easy, hard, hard because never solved or never rated, asked before.
        leaks: problems kept from training because a held-out problem or a benchmark asks the same.
    """

    source: str
    source_digest: str
    recipe: Recipe
    counts: dict[str, int]
    leaks: dict[str, int]
    files: tuple[Written, ...]

    def to_document(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)

    def __str__(self) -> str:
        counts = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in self.counts.items())
        lines = [f"{self.source}, digest {self.source_digest}: {counts}"]
        lines += [f"kept from training: {count} that {name} asks too" for name, count in self.leaks.items()]
        for item in self.files:
            epochs = f", to be seen {item.epochs} times" if item.epochs else ""
            lines.append(f"  {item.file}: {item.items} problems, digest {item.digest}{epochs}")
        drawn = f", reuse subsets {'nested' if self.recipe.nested else 'independent'}" if self.recipe.reuse else ""
        return "\n".join([*lines, f"order {self.recipe.order}, seed {self.recipe.seed}{drawn}"])


@dataclass(frozen=True, slots=True)
class _Scan:
    """What must be known of every problem before any is written."""

    levels_I: np.ndarray
    prints: list[bytes]
    digest: str
    first_I: np.ndarray = field(repr=False)

    @classmethod
    def of(cls, path: Path, rating: str | None) -> Self:
        levels, prints, sha = [], [], hashlib.sha256()
        for problem in files.stream(path, rating):
            levels.append(problem.level)
            prints.append(fingerprint(problem.prompt[-1][1]))
            sha.update(files.content(problem))
        if not levels:
            raise DataError(f"{path} holds no problems\n  next: one problem to a row")
        if rating is not None and min(levels) == 1:
            raise DataError(f"no problem of {path} has a pass rate called {rating!r}\n  next: `rlaw data show {path}`")
        seen: dict[bytes, int] = {}
        first_I = np.array([seen.setdefault(mark, place) == place for place, mark in enumerate(prints)])
        return cls(np.array(levels), prints, sha.hexdigest()[:12], first_I)

    def asks(self, marks: set[bytes]) -> np.ndarray:
        """(items,) bool: problems that ask one of these questions."""
        return np.array([mark in marks for mark in self.prints])

    def counts(self, easy: float) -> dict[str, int]:
        easy_items = int((1 - self.levels_I >= easy - 1e-9).sum())
        kinds = {"problems": len(self.prints), "easy": easy_items, "hard": len(self.prints) - easy_items}
        hardest, repeated = int((self.levels_I == 1).sum()), int((~self.first_I).sum())
        return {**kinds, "never_solved_or_not_rated": hardest, "asked_before": repeated}


def prepare(source: Path, out: Path, recipe: Recipe, benchmarks: Mapping[str, Path] | None = None) -> Prepared:
    """Write train.parquet, held-out.parquet, the benchmarks and the reuse subsets into a new folder.

    Nothing stands under the folder's name before all of it is written.

    Raises:
        UsageError: the folder is there already.
        DataError: a row is no problem, or there are too few problems.
    """
    if out.exists():
        raise UsageError(f"{out} is there already, and stays as it is\n  next: another folder for --out")
    scan = _Scan.of(source, recipe.rating)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(mkdtemp(prefix=f".{out.name}-", dir=out.parent))
        try:
            done = _write(source, scan, folder, recipe, benchmarks or {})
            (folder / MANIFEST).write_text(json.dumps(done.to_document(), indent=1) + "\n", encoding="utf-8")
            folder.chmod(0o755)
            folder.rename(out)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    except OSError as error:
        raise RlawError(
            f"cannot write {out}: {error.strerror or error}\n  next: another --out, or more space"
        ) from error
    return done


def _write(source: Path, scan: _Scan, folder: Path, recipe: Recipe, benchmarks: Mapping[str, Path]) -> Prepared:
    written, leaks, trained_I = [], {}, np.ones(len(scan.prints), bool)
    for name, path in benchmarks.items():
        written.append(Written(f"{name}.parquet", *files.write(folder / f"{name}.parquet", files.stream(path), "test")))
        asked_I = scan.asks({fingerprint(problem.prompt[-1][1]) for problem in files.stream(path)})
        leaks[name], trained_I = int(asked_I.sum()), trained_I & ~asked_I

    def put(name: str, places_N: np.ndarray, split: str, epochs: int | None = None) -> None:
        problems = files.stream(source, recipe.rating)
        written.append(
            Written(f"{name}.parquet", *write_ordered(folder / f"{name}.parquet", problems, places_N, split), epochs)
        )

    if recipe.held_out:
        held_out_N = _held_out(source, scan, trained_I, recipe)
        asked_I = scan.asks({scan.prints[place] for place in held_out_N})
        leaks[HELD_OUT], trained_I = int((asked_I & trained_I).sum()) - len(held_out_N), trained_I & ~asked_I
        put(HELD_OUT, _ordered(scan, held_out_N, recipe), "test")
    train_N = _ordered(scan, np.flatnonzero(trained_I), recipe)
    if not len(train_N):
        raise DataError(f"{source}: no problem is left to train on\n  next: a smaller --held-out")
    put(TRAIN, train_N, "train")
    for tau in recipe.reuse:
        put(f"reuse-{tau}", train_N[_reused(scan.levels_I[train_N], tau, recipe)], "train", tau)
    return Prepared(source.name, scan.digest, recipe, scan.counts(recipe.easy), leaks, tuple(written))


def _held_out(source: Path, scan: _Scan, allowed_I: np.ndarray, recipe: Recipe) -> np.ndarray:
    try:
        return half_and_half(
            scan.levels_I, allowed_I & scan.first_I, recipe.held_out, recipe.easy, recipe.rng("held-out")
        )
    except ValueError as error:
        raise DataError(f"{source}: {error}\n  next: a smaller --held-out, another --easy, or more problems") from error


def _ordered(scan: _Scan, places_N: np.ndarray, recipe: Recipe) -> np.ndarray:
    if recipe.order == "curriculum":
        return places_N[np.argsort(scan.levels_I[places_N], kind="stable")]
    return recipe.rng("order").permutation(places_N) if recipe.order == "shuffled" else places_N


def _reused(levels_N: np.ndarray, tau: int, recipe: Recipe) -> np.ndarray:
    """Places in the training order of the problems that are seen tau times."""
    items = (recipe.total or len(levels_N)) // tau
    if not 1 <= items <= len(levels_N):
        raise DataError(
            f"reuse {tau}: {recipe.total or len(levels_N)} seen in all make {items} distinct problems, "
            f"there are {len(levels_N)} to train on\n  next: another --total, or other factors"
        )
    return subset(levels_N, items, recipe.rng("reuse", *(() if recipe.nested else (tau,))))
