"""Whatever a table holds, the order of its rows changes nothing to the last bit, and only our own errors are raised."""

from typing import Any

import numpy as np
import polars as pl
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import rlaw
from rlaw.errors import RlawError

_SEEDS = st.sampled_from([(0, 1), ("default", "small aux"), (None, "0"), (0.5, 0.25), (2**64 - 1, 7)])


@st.composite
def tables(draw: Any) -> pl.DataFrame:
    """Evaluations of a ladder: some runs a size, some columns, some cells missing, some rows twice or contradicting."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    seeds = draw(_SEEDS)[: draw(st.integers(1, 2))]
    items = draw(st.sampled_from([None, 10, 200]))
    steps = np.sort(rng.choice(np.arange(40), draw(st.integers(4, 9)), replace=False))
    rows = []
    for name, params in list({"0.5B": 5e8, "1.5B": 1.5e9, "3B": 3e9, "7B": 7e9}.items())[: draw(st.integers(2, 4))]:
        for seed in seeds:
            true = rng.uniform(0.3, 0.9) * (steps + 1.0) ** -rng.uniform(0, 0.4 if items is None else 1.5)
            loss = true if items is None else 1 - rng.binomial(items, 1 - true) / items
            loss = np.clip(loss + (0.01 * rng.standard_normal(len(steps)) if items is None else 0), 0, 1)
            rows += [
                {"model": name, "n_params": params, "seed": seed, "step": int(t), "data_size": 64.0 * t,
                 "compute_flops": 64.0 * t * params, "test_loss": float(v), "items": items}
                for t, v in zip(steps, loss, strict=True)
            ]  # fmt: skip
    extra = draw(st.sampled_from(["nothing", "a reading", "a recipe", "copies", "contradictions", "holes", "names"]))
    if extra == "a reading":
        rows = [row | {"wall_seconds": float(v)} for row, v in zip(rows, rng.uniform(size=len(rows)), strict=True)]
    elif extra == "a recipe":
        rows = [
            row | {"recipe": recipe, "test_loss": row["test_loss"] * less}
            for recipe, less in (("a", 1), ("b", 0.9))
            for row in rows
        ]
    elif extra == "copies":
        rows += rows[:5]
    elif extra == "contradictions":
        rows += [row | {"test_loss": row["test_loss"] / 2} for row in rows[:3]]
    elif extra == "holes":
        for row in rows[::4]:
            row[draw(st.sampled_from(["test_loss", "data_size", "step", "items"]))] = None
    elif extra == "names":
        rows = [row | {"model": f"{row['model']}-{row['seed']}"} for row in rows]
    columns = {name: [row.get(name) for row in rows] for name in rows[0]}
    mixed = len({type(s) for s in seeds}) > 1 or isinstance(seeds[0], str)
    columns["seed"] = [None if s is None else str(s) if mixed else s for s in columns["seed"]]
    return pl.DataFrame(columns, infer_schema_length=None)


def outcomes(table: pl.DataFrame, where: dict[str, str]) -> list[Any]:
    """The documents of every command, or which error refused it."""

    def attempt(command: Any, *args: Any, **options: Any) -> Any:
        try:
            frame = rlaw.load(table)
            if where:
                frame = frame.where(**where)
            assert frame.rows["test_loss"].is_between(0, 1).all()
            return command(*args, frame, **options).to_json()
        except RlawError as error:
            return type(error)  # its text may say what the order of the source suggests

    return [
        attempt(rlaw.fit, "saturating", axis="data", draws=20),
        attempt(
            lambda frame, **options: rlaw.forecast(frame, "7B", anchor="first:3", **options), axis="data", draws=20
        ),
        attempt(rlaw.compare, axis="data", cut=3, laws=["auto", "power"], draws=20),
        attempt(rlaw.allocate, compute=1e12, draws=20),
    ]


@given(tables(), st.randoms(use_true_random=False))
@settings(
    max_examples=25,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # a smaller example takes minutes to find
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
def test_no_result_and_no_refusal_depends_on_the_order_of_rows(table, random):
    order = list(range(len(table)))
    random.shuffle(order)
    for where in ({}, {"recipe": "a"}) if "recipe" in table.columns else ({},):
        assert outcomes(table[order], where) == outcomes(table, where)
