"""Follow runs: registers a forecast, judges every evaluation, and raises alarms; the loop behind `rlaw watch`."""

import json
import re
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from rlaw.analysis.health.health import examine
from rlaw.analysis.health.rule import Alarm
from rlaw.analysis.watch import registered
from rlaw.analysis.watch.futures import OF_TRAINING, Scores, scores_of
from rlaw.analysis.watch.judgement import Costs, Judgement, judge
from rlaw.analysis.watch.registered import Registered
from rlaw.errors import RlawError, UsageError
from rlaw.measurements.courses import Course
from rlaw.measurements.frame import Frame
from rlaw.serve.tail import Tail
from rlaw.text import masked

SHARE = 0.02  # of a core: after a pass that took a second, the next comes no sooner than after 50
_COMMAND_SECONDS, _POST_SECONDS = 60, 10
Event = dict[str, Any]


@dataclass(frozen=True)
class Wish:
    """What is watched for.

    Attributes:
        against: a ladder whose law forecasts; None: each run from itself.
        target: a pass rate; None without one.
        end: a step; None: the planned one.
        first: evaluations that make the forecast; None: a quarter of those planned, else eight.
        benchmark: whose scores; None: the one with most evaluations.
        gpus, usd_per_gpu_hour: of the run.
        worth: gain in pass rate below which going on is not worth it.
    """

    against: Frame | None = None
    target: float | None = None
    end: int | None = None
    first: int | None = None
    benchmark: str | None = None
    gpus: int | None = None
    usd_per_gpu_hour: float | None = None
    worth: float = 0.01


@dataclass
class Watched:
    """One run so far.

    Attributes:
        forecast: what was registered; None before.
        reported: the last step that was reported.
        rules: alarms that were raised.
        judgement: the newest.
    """

    forecast: Registered | None = None
    reported: int = 0
    rules: set[str] = field(default_factory=set)
    judgement: Judgement | None = None
    waiting: str = ""
    over: bool = False


class Watch:
    """Runs beside their forecasts.

    Args:
        wish: what is watched for.
        file: where forecasts are stored; None: nowhere.
    """

    def __init__(self, wish: Wish, file: Path | None = None) -> None:
        self.wish, self.file, self.not_kept = wish, file, ""
        self.forecasts = {} if file is None else registered.load(file)
        self.runs: dict[str, Watched] = {}

    @property
    def sick(self) -> bool:
        """Whether any run is off its curve or broke a rule."""
        return any(run.rules for run in self.runs.values())

    @property
    def over(self) -> bool:
        """Whether every run is at its end, or at what it was watched for."""
        return bool(self.runs) and all(run.over for run in self.runs.values())

    def take(self, course: Course) -> Iterator[Event]:
        """What is new of a run: documents with `event` registered, evaluation, alarm, waiting or end."""
        run = self.runs.setdefault(course.run, Watched(self.forecasts.get(course.run)))
        yield from self._alarms(run, course.run, examine(course).alarms)
        try:
            scores = scores_of(course, self.wish.benchmark)
            yield from self._evaluations(run, course, scores)
        except UsageError:
            raise
        except RlawError as error:
            if str(error) != run.waiting:
                run.waiting = str(error)
                yield _event("waiting", course.run, course.last_step, text=str(error))
        reached = self.wish.end is not None and course.last_step >= self.wish.end
        target = run.judgement is not None and run.judgement.target is not None and run.judgement.target.reached
        if (course.over or reached or target) and not run.over:
            run.over = True
            why = "the target is reached" if target else course.cause or "the run is at its end"
            yield _event("end", course.run, course.last_step, text=why, failed=course.cause is not None)

    def _evaluations(self, run: Watched, course: Course, scores: Scores) -> Iterator[Event]:
        wish = self.wish
        count = registered.first_of(course, scores, wish.first)
        if run.forecast is None or not run.forecast.is_of(scores, registered.ladder_name(wish.against)):
            if len(scores.step) < count:
                text = f"{len(scores.step)} of {count} evaluations of {scores.benchmark} that a forecast is made from"
                if text != run.waiting:
                    run.waiting = text
                    yield _event("waiting", course.run, course.last_step, text=text)
                return
            run.forecast, run.reported = self._register(course, scores, count), 0
            yield _registered(run.forecast, self.file, self.not_kept)
        new = [i for i, step in enumerate(scores.step) if i >= run.forecast.evaluations and step > run.reported]
        for i in new[:-1]:
            yield _passed(run.forecast, course.run, int(scores.step[i]), float(scores.loss[i]))
        if new or run.judgement is None:
            costs = Costs.of(course, wish.gpus, wish.usd_per_gpu_hour)
            run.judgement = judge(
                course, scores, run.forecast, costs,
                against=wish.against, target=wish.target, end=wish.end, worth=wish.worth,
            )  # fmt: skip
            run.reported = int(scores.step[-1])
            yield run.judgement.to_json()
            if run.judgement.off:
                yield from self._alarms(run, course.run, [_off(run.judgement, run.forecast)])

    def _register(self, course: Course, scores: Scores, count: int) -> Registered:
        forecast = registered.register(course, scores, count, against=self.wish.against, until=self.wish.end)
        self.forecasts[course.run] = forecast
        if self.file is not None and (error := registered.save(self.file, self.forecasts)) is not None:
            self.file, self.not_kept = None, str(error)
        return forecast

    def _alarms(self, run: Watched, name: str, alarms: "list[Alarm] | tuple[Alarm, ...]") -> Iterator[Event]:
        for alarm in alarms:
            if alarm.rule not in run.rules:
                run.rules.add(alarm.rule)
                yield {"schema": 1, "event": "alarm", "run": name, **alarm.to_json()}


def _event(kind: str, run: str, step: int, **more: Any) -> Event:
    return {"schema": 1, "event": kind, "run": run, "step": step, **more}


def _registered(forecast: Registered, file: Path | None, not_kept: str) -> Event:
    low, middle, high = forecast.band(forecast.step[-1])
    return _event(
        "registered", forecast.run, forecast.observed[-1][0], time=forecast.time, evaluations=forecast.evaluations,
        known=forecast.known, late=forecast.known > forecast.evaluations, benchmark=forecast.benchmark,
        of_training=forecast.benchmark == OF_TRAINING, law=forecast.law, against=forecast.against,
        digest=registered.digest(forecast), file=None if file is None else str(file), not_kept=not_kept or None,
        end={"step": round(forecast.step[-1]), "loss": {"value": middle, "low": low, "high": high}},
    )  # fmt: skip


def _passed(forecast: Registered, run: str, step: int, loss: float) -> Event:
    """An evaluation that was there before the watch came to it: where it lies, and nothing that later ones know."""
    low, middle, high = forecast.band(step)
    band = {"place": forecast.place(step, loss), "low": low, "middle": middle, "high": high, "off": None}
    nothing = ("end", "gain", "gain_per_gpu_hour", "gain_per_hour", "target", "advice", "reason", "worth")
    return _event("evaluation", run, step, loss=loss, score=1 - loss, band=band, **dict.fromkeys(nothing))


def _off(judged: Judgement, forecast: Registered) -> Alarm:
    worse = judged.place == "above"
    limit = judged.high if worse else judged.low
    text = (
        f"the last three evaluations lie {judged.place} the band registered {forecast.time}: loss {judged.loss:.4f}, "
    )
    text += f"{judged.low:.4f} to {judged.high:.4f} was forecast, so the run does {'worse' if worse else 'better'}"
    then = (
        "look at the alarms beside it, and compare settings with the runs that made the forecast"
        if worse
        else "nothing to mend: forecast anew, and look for leaks into the held-out problems"
    )
    return Alarm("off-curve", judged.step, judged.loss, limit, text, "the registered forecast, 90 % band", then)


def goal(until: str | None) -> tuple[float | None, int | None]:
    """TARGET and STEP of --until: a pass rate such as 0.8 or 80%, or a whole number of steps.

    Raises:
        UsageError: it is neither.
    """
    if until is None:
        return None, None
    if found := re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*%\s*", until):
        share = float(found[1]) / 100
    elif re.fullmatch(r"\s*[1-9]\d*\s*", until):
        return None, int(until)
    else:
        try:
            share = float(until)
        except ValueError:
            share = -1.0
    if not 0 < share < 1:
        raise UsageError(f"`until={until}`: a pass rate between 0 and 1 such as 0.8 or 80%, or a step such as 400")
    return share, None


def follow(
    watch: Watch, tail: Tail, *, once: bool, every: float, pause: Callable[[float], None] = time.sleep
) -> Iterator[Event]:
    """Events as they come, until every run is over, or once over what is there.

    Between two looks at sizes and times there are `every` seconds, and as many more as keep the process under SHARE of
    a core.
    """
    first = True
    while True:
        began = time.process_time()
        for course in tail.read() or []:
            yield from watch.take(course)
        if once or watch.over:
            return
        spent = 0.0 if first else time.process_time() - began
        first = False
        pause(max(every, spent / SHARE))


def post(url: str, event: Event) -> str:
    """Send an event as JSON; what went wrong, without the address's secrets, or nothing."""
    request = Request(url, json.dumps(event).encode(), {"Content-Type": "application/json"})  # noqa: S310 - checked
    try:
        with urlopen(request, timeout=_POST_SECONDS):  # noqa: S310
            return ""
    except (URLError, OSError, ValueError) as error:
        return masked(f"the webhook at {urlsplit(url).hostname} failed: {error}")


def check_url(url: str) -> str:
    """The URL of a webhook.

    Raises:
        UsageError: it is neither http nor https.
    """
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise UsageError("`webhook=` takes a URL that begins with https:// or http://")
    return url


def run_command(command: str, event: Event) -> str:
    """Run the command as it was given, without a shell, with the event as JSON on its input; what went wrong."""
    try:
        done = subprocess.run(  # noqa: S603 - the user's own command line
            shlex.split(command), input=json.dumps(event), text=True, timeout=_COMMAND_SECONDS,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False,
        )  # fmt: skip
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        return f"the command of --on-alarm failed: {error}"
    return f"the command of --on-alarm ended with {done.returncode}: {done.stderr[-300:]}" if done.returncode else ""
