"""Measurements that come with the package: real curves, to learn the tool on and to check it against."""

from dataclasses import dataclass, field
from importlib import resources
from typing import TYPE_CHECKING

from rlaw.errors import NotFound

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, slots=True)
class Dataset:
    """A bundled table: where it is from, how good it is, and what to beware of.

    Attributes:
        curves: whether its rows are learning curves, which laws can be fitted to.
        same: columns with one value for the whole table, which its file leaves out.
        study: the preset of the study that it was measured in.
    """

    name: str
    file: str
    title: str
    source: str
    accuracy: str
    caveats: tuple[str, ...]
    curves: bool = True
    same: dict[str, str | float] = field(default_factory=dict)
    study: str = "qwen2.5-math"


_PAPER = "Tan et al. 2025, arXiv 2509.25300; digitized from the public figures by re-rendering every marker"
DATASETS: dict[str, Dataset] = {
    d.name: d
    for d in (
        Dataset(
            "qwen2.5-math-base",
            "qwen25_base.csv",
            "Qwen2.5 base, 0.5B-72B, GRPO on mathematics: test loss on 500 held-out problems at 105 steps",
            _PAPER,
            "test loss to 1e-4, compute to 0.2 %",
            (
                "each point is the mean of the authors' runs, normally three; 32B is a single run after step 40",
                "compute dips at step 105 for 1.5B, 3B and 7B, where fewer runs were averaged",
                "n_params are the nominal sizes that the authors fitted with, not counted parameters",
            ),
        ),
        Dataset(
            "qwen2.5-math-reuse",
            "qwen25_reuse.csv",
            "Qwen2.5-7B base: test loss when every problem is seen tau times, at a fixed total",
            _PAPER,
            "test loss to 1e-4",
            (
                "single runs, steps 10 to 100; data_size is step times the 512 prompts of a step",
                "the subsets are nested, although the paper calls them independent",
            ),
            same={"model": "Qwen2.5-7B", "n_params": 7e9},
        ),
        Dataset(
            "qwen2.5-math-transfer",
            "qwen25_transfer.csv",
            "Qwen2.5 base: loss on every benchmark before and after RL on mathematics",
            _PAPER,
            "loss to 1e-4",
            ("loss_after is the best over all steps and runs, not the last: 30 items gain by luck alone",),
            curves=False,
        ),
        Dataset(
            "qwen2.5-math-length",
            "qwen25_length.csv",
            "Qwen2.5 base: response length in tokens along RL, per size",
            _PAPER,
            "column quality tells which markers were hidden behind others",
            ("smooth_line is the authors' own smoothing",),
            curves=False,
        ),
    )
}


def names() -> tuple[str, ...]:
    """The names of all bundled datasets."""
    return tuple(DATASETS)


def get(name: str) -> Dataset:
    """What is known of a bundled dataset.

    Raises:
        NotFound: there is none of that name.
    """
    if name not in DATASETS:
        raise NotFound(f"no bundled dataset is called {name!r}: there are {', '.join(DATASETS)}")
    return DATASETS[name]


def read(name: str) -> "pl.DataFrame":
    """The table of a bundled dataset."""
    import polars as pl

    with resources.as_file(resources.files(__name__) / get(name).file) as path:
        table = pl.read_csv(path, infer_schema_length=None)
    return table.with_columns(**{column: pl.lit(value) for column, value in get(name).same.items()})
