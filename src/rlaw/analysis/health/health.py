"""Whether runs are well: every rule of `rules.RULES` over every run of a log.

print(rlaw.health("train.log"))
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlaw.analysis.health.rule import Alarm, NotMeasured
from rlaw.analysis.health.rules import RULES
from rlaw.fitting.diagnostics import Caution
from rlaw.fitting.interval import Plain, plain
from rlaw.measurements.courses import Course, courses
from rlaw.text import Readable

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class RunHealth(Plain):
    """One run.

    Attributes:
        run: its name.
        steps: the last step that was logged.
        alarms: the rules that it broke, in the order in which they set in.
        healthy: the rules that were judged and not broken.
        not_measured: the rules that this log cannot judge.
        why: why not, by rule.
        cause: of a run that failed, as its log names it.
    """

    run: str
    steps: int
    alarms: tuple[Alarm, ...]
    healthy: tuple[str, ...]
    not_measured: tuple[str, ...]
    why: dict[str, str]
    cause: str | None = None

    @property
    def well(self) -> bool:
        """Whether no rule was broken; that nothing was measured is no health."""
        return not self.alarms and bool(self.healthy)


@dataclass(frozen=True, repr=False)
class Health(Readable):
    """Runs and what is wrong with them.

    Attributes:
        source: what was read.
        runs: in the order of the source.
        warnings: what was understood or left out.
    """

    source: str
    runs: tuple[RunHealth, ...]
    warnings: tuple[Caution, ...] = ()

    @property
    def sick(self) -> bool:
        """Whether any run broke any rule."""
        return any(run.alarms for run in self.runs)

    def to_json(self) -> dict[str, Any]:
        """The document of `rlaw health --json`, schema 1."""
        return {"schema": 1, "source": self.source, "runs": plain(self.runs), "warnings": plain(self.warnings)}

    def documents(self) -> list[dict[str, Any]]:
        """A row for each alarm."""
        return [{"run": run.run, **alarm.to_json()} for run in self.runs for alarm in run.alarms]

    def __str__(self) -> str:
        lines = []
        for run in self.runs:
            lines += [*([""] if lines else []), *_lines(run)]
        return "\n".join([*lines, *(f"caution ({w.code}): {w.text}" for w in self.warnings)])


def health(data: str | Path | Course, *, format: str = "auto", mapping: Mapping[str, str] | None = None) -> Health:
    """Whether runs are well, from what their log has.

    Args:
        data: a log of any trainer, a folder of logs, a store, one run of a store, or a folder of imported runs; or a
            course.
        format: of a log: "auto", by its content, or a format's name.
        mapping: names of a log, by ours, as `rlaw import --map` takes them.

    Returns:
        The rules that each run broke, with evidence, threshold, source and what to do; those that it did not; and
        those that its log cannot judge.

    Raises:
        NotFound: nothing is there.
        DataError: it is no log, or no entry of it has anything that is measured.
    """
    if isinstance(data, Course):
        return Health(data.source, (examine(data),))
    found, notes = courses(Path(data), format, mapping)
    cautions = tuple(Caution(note.code, note.text) for note in notes)
    return Health(str(data), tuple(examine(course) for course in found), cautions)


def examine(course: Course) -> RunHealth:
    """Every rule over one run."""
    alarms, healthy, why = [], [], {}
    for rule in RULES:
        try:
            found = rule.check(course)
        except NotMeasured as reason:
            why[rule.name] = str(reason)
            continue
        if found is None:
            healthy.append(rule.name)
        else:
            value = None if found.value is None else float(found.value)
            alarms.append(Alarm(rule.name, found.step, value, found.threshold, found.evidence, rule.source, rule.next))
    alarms.sort(key=lambda alarm: alarm.step)
    return RunHealth(course.run, course.last_step, tuple(alarms), tuple(healthy), tuple(why), why, course.cause)


def _lines(run: RunHealth) -> "Iterator[str]":
    count = len(run.alarms)
    state = f"{count} alarm{'s' * (count != 1)}" if count else "no alarm" if run.healthy else "nothing was measured"
    yield f"{run.run}, {run.steps} steps: {state}{'' if run.cause is None else f'; it failed with {run.cause}'}"
    for alarm in run.alarms:
        yield f"  ALARM {alarm.rule} from step {alarm.step}: {alarm.evidence}"
        yield f"    source: {alarm.source}"
        yield f"    next: {alarm.next}"
    if run.healthy:
        yield f"  healthy: {', '.join(run.healthy)}"
    if run.why:
        yield f"  not measured: {', '.join(f'{rule} ({why})' for rule, why in run.why.items())}"
