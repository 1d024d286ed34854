"""A watch inside of the job: entries come from the trainer itself, one after the other."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlaw.measurements.courses import course_of
from rlaw.measurements.importers.log import Facts, RunLog
from rlaw.measurements.importers.names import called
from rlaw.measurements.importers.reading import interpret
from rlaw.measurements.importers.rows import flat_row, table_of

if TYPE_CHECKING:
    from rlaw.serve.watch import Event, Watch

#: alarms that end a job whose watch may stop it; others are of things that a person weighs
STOPPING = ("nan", "reward-collapse")


@dataclass
class Job:
    """Entries of one run and its watch.

    Attributes:
        watch: what judges.
        trainer: whose names the entries have.
        name: of the run.
        on_event: called with every event.
        stop: whether the job may be stopped.
        stopping: alarms that stop it; "stop" of the declared rule does, too.
    """

    watch: "Watch"
    trainer: str
    name: str
    on_event: "Callable[[Event], None] | None" = None
    stop: bool = False
    stopping: tuple[str, ...] = STOPPING
    events: "list[Event]" = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)

    def take(self, step: int, metrics: Mapping[str, Any], *, planned: int | None = None) -> bool:
        """Take one entry; whether the job should stop.

        Args:
            step: of the trainer.
            metrics: by the trainer's names; what is no number is left out.
            planned: steps in all.
        """
        numbers = {name: value for name, value in flat_row(dict(metrics)).items() if isinstance(value, int | float)}
        self.rows.append({**numbers, "step": step})
        names, log = called(self.trainer), RunLog(self.name, table_of(self.rows), Facts(planned_steps=planned))
        new = list(self.watch.take(course_of(interpret(log, names), log, names, self.name)))
        self.events += new
        for event in new:
            if self.on_event is not None:
                self.on_event(event)
        return self.stop and any(map(self._ends, new))

    def _ends(self, event: "Event") -> bool:
        if event["event"] == "alarm":
            return event["rule"] in self.stopping
        return event["event"] == "evaluation" and event["advice"] == "stop"


def job(trainer: str, name: str, folder: str | Path | None, settings: dict[str, Any]) -> Job:
    """A job's watch.

    Args:
        trainer: "trl" or "verl".
        name: of the run.
        folder: of the run, beside which forecasts are stored; None: nowhere.
        settings: of `Watch` in `rlaw.integrations.trl`.
    """
    from rlaw.analysis.watch.registered import file_of
    from rlaw.measurements.load import load
    from rlaw.serve.watch import Watch, Wish, goal

    target, end = goal(settings.pop("until", None))
    against = settings.pop("against", None)
    own = {key: settings.pop(key) for key in ("on_event", "stop", "stopping") if key in settings}
    wish = Wish(None if against is None else load(against), target, end, **settings)
    file = None if folder is None else file_of(Path(folder).absolute())
    return Job(Watch(wish, file), trainer, name, **own)
