"""What a threshold law gives: the resource of every run, the exponents of every group, and what tells them apart."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rlaw import units
from rlaw.fitting.diagnostics import Caution
from rlaw.fitting.efficiency import Physical
from rlaw.fitting.interval import Interval, Plain, finite, plain, three_digits
from rlaw.text import Readable, table

#: units of the resources
UNITS = {
    "compute": "FLOPs", "data": "prompts", "prompts": "prompts", "step": "steps", "tokens": "tokens",
    "gpu-hours": "GPU-hours",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class RunReach:
    """The resource that one run needed.

    Attributes:
        run: the run's name.
        group: which law it belongs to.
        value: the task's variable.
        seed: of the run.
        low: the resource at the last evaluation below the threshold.
        high: at the first one at or above it; infinite where it never got there.
        falls_back: a later evaluation is clearly below.
    """

    run: str
    group: str
    value: float
    seed: str
    low: float
    high: float
    falls_back: bool = False

    @property
    def censored(self) -> bool:
        """Whether the run ended below the threshold."""
        return finite(self.high) is None

    def to_json(self) -> dict[str, Any]:
        """`high` is null where the run never got there."""
        names = ("run", "group", "value", "seed", "low")
        document = {name: getattr(self, name) for name in names}
        return document | {"high": finite(self.high), "censored": self.censored, "falls_back": self.falls_back}


@dataclass(frozen=True, slots=True)
class GroupLaw(Plain):
    """T = a D^gamma of one group.

    Attributes:
        group: its name.
        gamma: the exponent, with its profile interval.
        gamma_bootstrap: with its studentised bootstrap interval.
        a: the resource at D = 1.
        doubling: by how much the resource grows when D doubles, 2^gamma.
        runs: how many there are.
        censored: of these, how many never got there.
        crossed: distinct D with a run that crossed.
    """

    group: str
    gamma: Interval
    gamma_bootstrap: Interval
    a: Interval
    doubling: Interval
    runs: int
    censored: int
    crossed: int


@dataclass(frozen=True, slots=True)
class Pair(Plain):
    """Two groups: gamma of the second less that of the first, in intervals that hold for all pairs at once."""

    first: str
    second: str
    difference: Interval
    verdict: str


@dataclass(frozen=True, slots=True)
class Reached(Plain):
    """The largest D of a group that a budget takes to the threshold."""

    group: str
    depth: Interval


@dataclass(frozen=True, slots=True)
class Later(Plain):
    """Years until a spending, one year of which pays what a run takes today, takes a group to twice its D.

    Attributes:
        group: its name.
        doublings: of the resource, gamma of them.
        fixed: years at fixed spending.
        growing: with spending that doubles every year.
    """

    group: str
    doublings: Interval
    fixed: Interval
    growing: Interval


@dataclass(frozen=True, slots=True)
class Efficiency(Plain):
    """What efficiency that doubles in an assumed time does to the cost of twice the D.

    Attributes:
        efficiency_doubling_years: the assumed time.
        physical: the hardware side of the budget; None where the resource is no compute.
        groups: every group with a law.
    """

    efficiency_doubling_years: float
    physical: Physical | None
    groups: tuple[Later, ...]


@dataclass(frozen=True, kw_only=True, repr=False)
class Threshold(Readable):
    """Laws of the resource that reaches a threshold.

    Attributes:
        reach: the share of right answers.
        along: the resource.
        of: the task's variable D.
        by: the column that groups runs; None without.
        runs: every run, in the order of group, variable and seed.
        groups: the power law of every group.
        equal_p: of equal gammas, by the likelihood ratio and studies drawn with equal ones; nan for one group.
        pairs: which gammas differ.
        delta_aic: AIC of T = a exp(b D) less that of T = a D^gamma: above 0 where the power law fits better.
        held_out: by law, the mean error of ln T at the deepest D by a fit to the others; nan where it cannot be made.
        scatter: standard deviation of ln T over "runs", and over "seeds".
        budget: of one run, for `reached`.
        reached: the D that it takes to the threshold.
        sensitivity: gamma of every group at other thresholds, by threshold.
        efficiency: years to twice the D; None without an assumed doubling time.
        warnings: what speaks against trusting it.
        settings: level, draws and seed, as used.
        source, digest: of the rows.
    """

    reach: float
    along: str
    of: str
    by: str | None
    runs: tuple[RunReach, ...]
    groups: tuple[GroupLaw, ...]
    equal_p: float
    pairs: tuple[Pair, ...]
    delta_aic: float
    held_out: dict[str, float]
    scatter: dict[str, float]
    budget: float
    reached: tuple[Reached, ...]
    sensitivity: dict[float, dict[str, Interval]]
    efficiency: Efficiency | None
    warnings: tuple[Caution, ...]
    settings: dict[str, Any]
    source: str
    digest: str

    def group(self, name: str) -> GroupLaw:
        """The law of one group, by name."""
        return next(g for g in self.groups if g.group == name)

    def to_json(self) -> dict[str, Any]:
        """The document of `rlaw threshold --json`, schema 1."""
        sensitivity = [
            {"reach": reach, "groups": [{"group": g, "gamma": plain(i)} for g, i in laws.items()]}
            for reach, laws in self.sensitivity.items()
        ]
        return {
            "schema": 1,
            "reach": self.reach,
            "in": self.along,
            "of": self.of,
            "by": self.by,
            "runs": plain(self.runs),
            "groups": plain(self.groups),
            "equal_gamma": {"p": finite(self.equal_p), "pairs": plain(self.pairs)},
            "exponential": {
                "delta_aic": finite(self.delta_aic),
                "held_out": {law: finite(error) for law, error in self.held_out.items()},
            },
            "scatter": self.scatter,
            "depth_for_budget": {"budget": finite(self.budget), "groups": plain(self.reached)},
            "sensitivity": sensitivity,
            "efficiency": plain(self.efficiency),
            **self.settings,
            "source": self.source,
            "digest": self.digest,
            "warnings": plain(self.warnings),
        }

    def documents(self) -> list[dict[str, Any]]:
        """A row for each group."""
        return plain(self.groups)

    def __str__(self) -> str:
        level = f"[{self.settings['level']:.0%}]"
        unit = UNITS.get(self.along, self.along)
        lines = [
            f"{unit} to reach {self.reach:g}: T = a {self.of}^gamma, from {len(self.runs)} runs, "
            f"{sum(run.censored for run in self.runs)} of which never got there",
            "",
            self._table(level),
            "",
            f"scatter of ln T: {self.scatter['runs']:.3f} over runs, {self.scatter['seeds']:.3f} over seeds",
        ]
        if self.pairs:
            lines.append(f"equal gammas: p = {self.equal_p:.3g}; simultaneous intervals of differences:")
            lines += [f"  {p.second} less {p.first}: {p.difference} ({p.verdict})" for p in self.pairs]
        lines.append(self._law_line())
        for reach, laws in self.sensitivity.items():
            each = [f"{g} {'too few' if finite(i.value) is None else i}".strip() for g, i in laws.items()]
            lines.append(f"gamma at a threshold of {reach:g}: {', '.join(each)}")
        lines += self._years()
        return "\n".join([*lines, *(f"caution ({w.code}): {w.text}" for w in self.warnings)])

    def _table(self, level: str) -> str:
        reached = {r.group: r.depth for r in self.reached}
        write: Callable[[float], str] = three_digits
        write_budget = units.flops if self.along == "compute" else units.count
        heads = [
            self.by or "", ">runs", ">never", f">gamma {level}", ">bootstrap", f">a {level}", f">2 {self.of}s cost",
            f">{self.of} for {write_budget(self.budget)}",
        ]  # fmt: skip
        rows = [
            [
                g.group or "all", g.runs, g.censored, g.gamma.text(write),
                f"[{write(g.gamma_bootstrap.low)}, {write(g.gamma_bootstrap.high)}]", g.a.text(write),
                f"{g.doubling.text(write)}×", reached[g.group].text(write),
            ]
            if g.group in reached
            else [g.group or "all", g.runs, g.censored, f"{g.crossed} {self.of}s crossed: too few", "", "", "", ""]
            for g in self.groups
        ]  # fmt: skip
        return table(heads, rows)

    def _years(self) -> list[str]:
        if self.efficiency is None:
            return []
        every, side = 12 * self.efficiency.efficiency_doubling_years, self.efficiency.physical
        lines = [] if side is None else [f"logical: {units.flops(self.budget)}, counted as given", f"physical: {side}"]
        lines += [
            f"twice the {self.of}{' of ' * bool(g.group)}{g.group} takes {g.doublings} doublings: {g.fixed} years at "
            f"fixed spending, {g.growing} with spending that doubles every year"
            for g in self.efficiency.groups
        ]
        return [*lines, f"assumed: efficiency doubles every {every:.3g} months, a year of spending pays a run of today"]

    def _law_line(self) -> str:
        off = {law: error for law, error in self.held_out.items() if finite(error) is not None}
        better = "the power law" if self.delta_aic > 0 else "an exponential"
        line = f"{better} fits better by {abs(self.delta_aic):.1f} of AIC"
        if off:
            errors = ", ".join(f"{error:.2f} ({law})" for law, error in off.items())
            line += f"; at the largest {self.of} held out, ln T is off by {errors}"
        return line
