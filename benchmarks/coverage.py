"""How often 90 % intervals hold the truth: simulated studies at the paper's design, and at harder ones.

    python benchmarks/coverage.py [STUDIES]     # prints the table and writes benchmarks/results/coverage.md

Each study has seven sizes, 105 steps, 500 problems of unequal difficulty that every evaluation asks, answers drawn one
by one, and runs that drift about the law (`rlaw.testing.studies`), unless its design says otherwise. The columns before
"without" come from a fit of all sizes; those with it from a fit that has not seen the largest; the losses are the
fitted ones after 105 steps, from a fit that has seen the steps up to 50.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

import rlaw
from rlaw.errors import NotIdentifiable
from rlaw.fitting.interval import Interval
from rlaw.measurements.frame import Frame
from rlaw.testing.studies import QWEN_INTERCEPTS, QWEN_SIZES, Truth, study

RESULT = Path(__file__).parent / "results" / "coverage.md"
DRAWS = 200


def ladder(*which: int, **changes: object) -> Truth:
    """Some sizes of the paper's ladder, with the number of problems only."""
    sizes, levels = ([of[i] for i in which] for of in (QWEN_SIZES, QWEN_INTERCEPTS))
    return replace(Truth(runs=1, with_items=False, sizes=sizes, intercepts=levels), **changes)


ALL = range(7)
CLUSTERED = {"sizes": (6e9, 7e9, 8e9, 14e9, 30e9, 32e9, 72e9), "intercepts": (*[0.06] * 3, 0.1, 0.14, 0.15, 0.18)}
DESIGNS = {
    "1 run, answers to each item": Truth(runs=1),
    "1 run, sizes scatter 15 %": ladder(*ALL, scatter=0.15),
    "3 runs, sizes scatter 15 %": ladder(*ALL, scatter=0.15, runs=3),
    "1 run, runs scatter 10 %": ladder(*ALL, run_scatter=0.1),
    "clustered sizes, runs scatter 10 %": replace(ladder(*ALL, run_scatter=0.1), **CLUSTERED),
    "4 sizes, sizes scatter 15 %": ladder(0, 2, 4, 6, scatter=0.15),
    "3 sizes, sizes scatter 15 %": ladder(1, 4, 6, scatter=0.15),
    "30 items, sizes scatter 15 %": ladder(*ALL, scatter=0.15, items=30, runs=2),
    "6 evaluations, sizes scatter 15 %": ladder(*ALL, scatter=0.15, evaluations=6, runs=2),
    "early plateau": ladder(*ALL, shape="plateau"),
    "sigmoids": ladder(*ALL, shape="sigmoid"),
    "3 runs, answers to each item": Truth(runs=3),
    "1 run, strong drift": Truth(runs=1, drift=0.04),
    "1 to 3 runs, answers to each item": Truth(runs=(3, 3, 3, 3, 2, 1, 1)),
}
OFF = "one size with 0.5 of its k"


def main(studies: int) -> None:
    lines = [
        "# Coverage of 90 % intervals",
        "",
        f"`python benchmarks/coverage.py {studies}`: {studies} simulated studies of each design, {DRAWS} draws, "
        "data axis, saturating law, loss space, equal weights. Share of studies whose interval holds the truth "
        f"(standard error {np.sqrt(0.09 / studies):.1%}); in brackets the median of value / truth - 1. "
        "Where sizes scatter, K_max, N_0 and k are those of the law they scatter about; `own k(72B)` is that of the "
        "size left out, and losses are the sizes' own. For curves of another shape the truth of K_max, N_0 and k is "
        "the law fitted to the curves without noise.",
        "",
    ]
    for i, (name, truth) in enumerate(DESIGNS.items()):
        began = time.process_time()
        judged = [r for s in range(studies) if (r := results(truth, seed=10_000 * i + s))]
        if not i:
            lines += ["| design | " + " | ".join(judged[0]) + " |", "|---" * (1 + len(judged[0])) + "|"]
        lines.append(f"| {name} | " + " | ".join(_cell([r.get(q) for r in judged]) for q in judged[0]) + " |")
        print(lines[-1], f"{time.process_time() - began:.0f} CPU s", file=sys.stderr, flush=True)
    lines += ["", *one_size_off(studies // 2)]
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


def _cell(found: list[tuple[bool, float] | None]) -> str:
    known = [f for f in found if f]
    if not known:
        return "too few sizes"
    return f"{np.mean([f[0] for f in known]):.0%} ({np.median([f[1] for f in known]):+.1%})"


def results(truth: Truth, seed: int) -> dict[str, tuple[bool, float] | None]:
    """Of each quantity: whether its interval holds the truth, and the relative error of its value."""
    own = truth.drawn(seed)
    frame, end = study(own, seed), np.array([truth.steps])
    law = law_of(truth)
    told = {}
    every = rlaw.fit("saturating", frame, axis="data", draws=DRAWS)
    told["K_max"], told["N_0"] = ((every.parameters[n], law[n]) for n in ("K_max", "N_0"))
    told["k(7B)"], told["k(72B)"] = ((every.k(n), k_of(law, n)) for n in (7e9, 72e9))
    names = ("K_max", "N_0", "k(72B)", "own k(72B)")
    try:
        others = rlaw.fit("saturating", frame, axis="data", hold_out="largest", draws=DRAWS)
    except NotIdentifiable:
        told |= {f"{name} without 72B": None for name in names}
    else:
        low, high = np.quantile(others.k_draws(72e9), [0.05, 0.95])
        k = others.k(72e9)
        numbers = others.parameters["K_max"], others.parameters["N_0"], Interval(k.value, low, high), k
        is_own = truth.shape == "power"
        truths = law["K_max"], law["N_0"], k_of(law, 72e9), own.k(own.sizes[-1]) if is_own else k_of(law, 72e9)
        told |= {f"{n} without 72B": pair for n, pair in zip(names, zip(numbers, truths, strict=True), strict=True)}
    early = rlaw.fit("saturating", frame, axis="data", window=":50", draws=DRAWS)
    for size, name in ((len(own.sizes) // 2, "middle size"), (len(own.sizes) - 1, "72B")):
        model = early.curves.models[size]
        low, high = early.band(model, end * truth.prompts)
        value = early.predict(model, end * truth.prompts)
        told[f"L({name}) after 105 steps"] = (Interval(value[0], low[0], high[0]), own.loss(size, end)[0])
    return {n: p and (p[0].low <= p[1] <= p[0].high, p[0].value / p[1] - 1) for n, p in told.items()}


def law_of(truth: Truth) -> dict[str, float]:
    """K_max and N_0 of the law, or of the one nearest to curves of another shape."""
    if truth.shape == "power":
        return {"K_max": truth.K_max, "N_0": truth.N_0}
    step = np.arange(1, truth.steps + 1)
    tables = [
        pl.DataFrame(
            {"params": n, "step": step, "data_size": 1.0 * step * truth.prompts, "test_loss": truth.loss(i, step)}
        )
        for i, n in enumerate(truth.sizes)
    ]
    fit = rlaw.fit("saturating", Frame.of(pl.concat(tables), "no noise"), axis="data", intervals="none")
    return {name: fit.parameters[name].value for name in ("K_max", "N_0")}


def k_of(law: dict[str, float], params: float) -> float:
    return law["K_max"] / (1 + law["N_0"] / params)


def one_size_off(studies: int) -> list[str]:
    """A ladder on the law but for one size: how often the law is held, and the size named."""
    lines = [f"{OFF}, the others on the law, {studies} studies each (3 runs, number of items only):", ""]
    lines += ["| size off | K_max | N_0 | k(72B) | named | identified |", "|---|---|---|---|---|---|"]
    for r, name in ((2, "3B"), (4, "14B"), (6, "72B")):
        truth = ladder(*ALL, runs=3)
        off = truth.turned(np.where(np.arange(7) == r, 0.5, 1.0))
        found = []
        for seed in range(studies):
            fit = rlaw.fit("saturating", study(off, seed), axis="data", draws=DRAWS)
            held = [fit.parameters["K_max"], fit.parameters["N_0"], fit.k(72e9)]
            truths = truth.K_max, truth.N_0, truth.k(72e9)
            named = any(d.apart and d.model == fit.curves.models[r] for d in fit.deviations)
            found.append([*(i.low <= t <= i.high for i, t in zip(held, truths, strict=True)), named, fit.identified])
        lines.append(f"| {name} | " + " | ".join(f"{share:.0%}" for share in np.mean(found, axis=0)) + " |")
    return lines


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
