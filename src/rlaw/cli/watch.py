"""`rlaw watch`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from rlaw.cli.options import Format, Map, pairs
from rlaw.cli.terminal import gate, note, show
from rlaw.errors import DataError, NotFound

if TYPE_CHECKING:
    from rlaw.serve.watch import Event, Watch

Source = Annotated[
    str,
    Argument(metavar="RUN|STORE|LOG", help="a log that may grow, a trainer's output folder, a store, one of its runs"),
]


def watch(
    source: Source,
    against: Annotated[
        str | None, Option(metavar="DATA", help="a ladder whose law forecasts; without it each run's own curve")
    ] = None,
    until: Annotated[str | None, Option(metavar="STEP|TARGET", help="400 (steps), or 0.8 or 80% (pass rate)")] = None,
    first: Annotated[
        int | None,
        Option(min=3, metavar="K", help="evaluations that make the forecast; a quarter of the planned, or 8"),
    ] = None,
    benchmark: Annotated[str | None, Option(metavar="NAME", help="whose scores; the one with most evaluations")] = None,
    model: Annotated[list[str] | None, Option(metavar="7B | RUN=7B", help="size, where the log has none")] = None,
    gpus: Annotated[int | None, Option(min=1, metavar="N", help="that train it, for GPU-hours")] = None,
    price: Annotated[float | None, Option(min=0, metavar="USD", help="of a GPU-hour, for money")] = None,
    worth: Annotated[float, Option(min=0, help="gain in pass rate below which going on is not worth it")] = 0.01,
    once: Annotated[bool, Option("--once", help="judge what is there, and end")] = False,
    every: Annotated[float, Option(min=0.1, metavar="SECONDS", help="between two looks at the log")] = 5.0,
    on_alarm: Annotated[
        str | None,
        Option(metavar="COMMAND", help="run for each alarm, without a shell; the alarm is JSON on its input"),
    ] = None,
    webhook: Annotated[str | None, Option(metavar="URL", help="each alarm is sent there as JSON")] = None,
    mapping: Map = [],  # noqa: B006 - the command line makes a new list
    format: Format = "auto",
    strict: Annotated[
        bool, Option("--strict", help="exit 4 as soon as a run is off its curve or has an alarm")
    ] = False,
    json: Annotated[bool, Option("--json", help="one JSON document a line on stdout")] = False,
) -> None:
    """Watch runs as they go. Are they on the forecast that was registered, are they well, is going on worth it?

    The forecast is kept beside the log, in LOG.rlaw-watch.json. The watch ends when the runs do.

    Example: rlaw watch train.log --until 0.8 --gpus 8 --price 2.5
    """
    from rlaw.analysis.watch.registered import file_of
    from rlaw.serve.tail import Tail
    from rlaw.serve.watch import Watch, Wish, check_url, follow, goal

    path = Path(source)
    if not path.exists():
        raise NotFound(f"{source}: there is no such log, folder or store")
    target, end = goal(until)
    url = None if webhook is None else check_url(webhook)
    models = {run: size for run, _, size in (one.rpartition("=") for one in model or [])}
    ladder = None if against is None else _ladder(against)
    wish = Wish(ladder, target, end, first, benchmark, gpus, price, worth)
    watched = Watch(wish, file_of(path.absolute()))
    tail = Tail(path, format, pairs(mapping, "--map"), models)
    for event in follow(watched, tail, once=once, every=every):
        show(event, _text(event), as_json=json)
        if event["event"] == "alarm":
            _raise_alarm(event, on_alarm, url)
            if strict and not once:
                break
    if not watched.runs:
        note(f"{source}: nothing to watch yet")
    if strict and watched.sick:
        gate(DataError(f"{source}: {_summary(watched)} (--strict)"))


def _ladder(against: str) -> Any:
    from rlaw.measurements.load import load

    return load(against)


def _raise_alarm(event: "Event", command: str | None, url: str | None) -> None:
    from rlaw.serve.watch import post, run_command

    faults = [run_command(command, event) if command else "", post(url, event) if url else ""]
    for fault in filter(None, faults):
        note(f"warning: {fault}")


def _summary(watched: "Watch") -> str:
    return "; ".join(f"{name}: {', '.join(sorted(run.rules))}" for name, run in watched.runs.items() if run.rules)


def _text(event: "Event") -> str:
    """An event as a line, or a few."""
    head = f"{event['run']} step {event['step']}"
    if event["event"] == "alarm":
        return f"{head}  ALARM {event['rule']}: {event['evidence']}\n    next: {event['next']}"
    if event["event"] == "registered":
        end, late = event["end"], f", late: {event['known']} were there" if event["late"] else ""
        kind = " (training reward stands in for a held-out score)" if event["of_training"] else ""
        return (
            f"{head}  forecast {event['digest']} registered {event['time']} from {event['evaluations']} evaluations of "
            f"{event['benchmark']}{kind}{late}: loss {_interval(end['loss'])} at step {end['step']}\n"
            f"    {'kept in ' + event['file'] if event['file'] else 'NOT KEPT: ' + event['not_kept']}"
        )
    if event["event"] == "evaluation":
        return _evaluation(head, event)
    return f"{head}  {event['event']}: {event['text']}"


def _evaluation(head: str, event: "Event") -> str:
    band = event["band"]
    worse = {"above": ", worse than forecast", "below": ", better than forecast"}.get(band["place"], "")
    line = f"{head}  loss {event['loss']:.4f} {band['place']} {band['low']:.4f} to {band['high']:.4f}{worse}"
    if event["advice"] is None:
        return line
    rows = [f"    end (step {event['end']['step']}): loss {_interval(event['end']['loss'])}"]
    gain = f"    gain from here: {_interval(event['gain'])}"
    if event["gain_per_gpu_hour"] is not None:
        gain += f", {event['gain_per_gpu_hour']:.3g} a GPU-hour"
    elif event["gain_per_hour"] is not None:
        gain += f", {event['gain_per_hour']:.3g} an hour"
    rows.append(gain)
    if event["target"] is not None:
        rows.append(_target(event["target"]))
    return "\n".join([line, *rows, f"    {event['advice'].upper()}: {event['reason']}"])


def _target(target: dict[str, Any]) -> str:
    if target["reached"]:
        return f"    target {target['score']:g}: reached"
    parts = [
        f"{_number(target['value'][name])} ({_number(target['low'][name])} to {_number(target['high'][name])}) {unit}"
        for name, unit in (
            ("steps", "steps"),
            ("hours", "h"),
            ("gpu_hours", "GPU-h"),
            ("usd", "USD"),
            ("flops", "FLOPs"),
        )
        if target["low"][name] is not None
    ]
    when = f"in {', '.join(parts)}; " if parts else ""
    return f"    target {target['score']:g}: {when}{target['by_end']:.0%} by the end, {target['never']:.0%} never"


def _number(value: float | None) -> str:
    return "never" if value is None else f"{value:.3g}"


def _interval(value: dict[str, float]) -> str:
    return f"{value['value']:.4f} ({value['low']:.4f} to {value['high']:.4f})"
