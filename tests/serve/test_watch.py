"""`rlaw watch`: a forecast is registered before the rest is known, and every evaluation is judged against it."""

import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import numpy as np
import polars as pl
import pytest
from runs import console, healthy

import rlaw
from rlaw.analysis.watch.futures import Scores, futures, scores_of
from rlaw.analysis.watch.registered import file_of, load
from rlaw.cli import main
from rlaw.errors import UsageError
from rlaw.measurements.courses import MEASURED, Course, courses
from rlaw.measurements.importers import logs
from rlaw.serve.tail import Tail
from rlaw.serve.watch import Watch, Wish, follow, goal


def lines(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "train.log"
    path.write_text(console(healthy(), planned=120))
    return path


def test_once_over_a_finished_log_registers_judges_and_ends(log, capsys):
    assert main(["watch", str(log), "--once", "--until", "0.8", "--gpus", "8", "--price", "2.5", "--json"]) == 0
    events = lines(capsys)
    assert all(event["schema"] == 1 for event in events)
    registered, *evaluations, end = events
    assert registered["event"] == "registered"
    assert registered["evaluations"] == 6
    assert registered["late"] is True
    assert {event["event"] for event in evaluations} == {"evaluation"}
    assert [event["band"]["place"] for event in evaluations].count("inside") >= 0.8 * len(evaluations)
    assert evaluations[0]["advice"] is None
    assert evaluations[-1]["advice"] == "stop"
    assert 0 <= evaluations[-1]["target"]["never"] <= 1
    assert end["event"] == "end"


def test_the_forecast_is_stored_with_its_time_and_stays_as_it_was(tmp_path):
    path, columns = tmp_path / "grpo.log", healthy()
    path.write_text(console({name: y[:40] for name, y in columns.items()}, planned=120))
    list(follow(Watch(Wish(), file_of(path)), Tail(path), once=True, every=1))
    (kept,) = load(file_of(path)).values()
    assert kept.known == 9
    assert kept.evaluations == 6
    path.write_text(console(columns, planned=120))
    events = list(follow(Watch(Wish(), file_of(path)), Tail(path), once=True, every=1))
    assert "registered" not in {event["event"] for event in events}
    assert load(file_of(path)) == {"grpo": kept}
    assert len(logs.found(tmp_path)) == 1  # the file beside the log is no log


def test_a_run_that_began_anew_is_forecast_anew_and_the_earlier_forecast_is_kept(tmp_path):
    path = tmp_path / "train.log"
    for seed in (0, 1):
        path.write_text(console(healthy(60, seed), planned=120))
        list(follow(Watch(Wish(), file_of(path)), Tail(path), once=True, every=1))
    document = json.loads(file_of(path).read_text())
    (now,), (before,) = document["forecasts"], document["earlier"]
    assert now["observed"] != before["observed"]


def test_a_log_is_followed_over_rotation_and_restart_until_its_end(tmp_path):
    path, columns = tmp_path / "train.log", healthy()

    def part(first, last):
        return console({name: y[:last] for name, y in columns.items()}, first=first, planned=120)

    def grow(_seconds):
        stage = next(stages)
        stage()

    def rotate():
        path.rename(tmp_path / "train.log.1")
        path.write_text(part(51, 80))

    def append(first, last):
        with path.open("a") as file:
            file.write(part(first, last))

    stages = iter([rotate, lambda: append(71, 100), lambda: append(101, 120)])  # from step 71 on it was started again
    path.write_text(part(1, 50))
    watch, tail = Watch(Wish(), file_of(path)), Tail(path)
    events = list(follow(watch, tail, once=False, every=1, pause=grow))
    judged = [event["step"] for event in events if event["event"] == "evaluation"]
    assert judged == [*range(30, 125, 5)]
    assert events[-1]["event"] == "end"
    late = Tail(path).read()
    assert late is not None
    assert len(late[0].steps) == 120  # a watch that comes later reads the rotated file, too


def test_a_forecast_that_cannot_be_kept_is_said_and_the_watch_goes_on(log, tmp_path):
    events = list(follow(Watch(Wish(), tmp_path / "gone" / "x.json"), Tail(log), once=True, every=1))
    assert events[0]["file"] is None
    assert "cannot write" in events[0]["not_kept"] or "moved or removed" in events[0]["not_kept"]
    assert events[-1]["event"] == "end"


def test_a_log_that_is_still_empty_is_waited_for(tmp_path):
    path = tmp_path / "train.log"
    path.touch()

    def grow(_seconds):
        path.write_text(console(healthy(), planned=120))

    events = list(follow(Watch(Wish()), Tail(path), once=False, every=1, pause=grow))
    assert events[-1]["event"] == "end"
    assert main(["watch", str(tmp_path / "none.log")]) == 3


def test_a_log_that_did_not_change_is_not_read_again(log):
    tail = Tail(log)
    assert tail.read() is not None
    assert tail.read() is None


def test_a_pass_that_costs_time_is_followed_by_a_pause_of_fifty_times_as_much(log, monkeypatch):
    pauses = []
    clock = iter(np.arange(0, 100, 1.0))
    monkeypatch.setattr("rlaw.serve.watch.time.process_time", lambda: float(next(clock)))
    log.write_text(console({name: y[:60] for name, y in healthy().items()}, planned=120))

    def pause(seconds):
        pauses.append(seconds)
        log.write_text(console({name: y[: 60 * len(pauses)] for name, y in healthy().items()}, planned=120))

    list(follow(Watch(Wish()), Tail(log), once=False, every=2, pause=pause))
    assert pauses == [2, 50]


def test_strict_ends_with_4_when_a_run_is_sick_and_the_command_gets_the_alarm(tmp_path, capsys):
    path, columns = tmp_path / "train.log", healthy()
    columns["response_length/clip_ratio"] += 0.5
    path.write_text(console(columns, planned=120))
    kept = tmp_path / "alarm.json"
    command = f"{sys.executable} -c \"import sys; open(sys.argv[1], 'w').write(sys.stdin.read())\" '{kept}'"
    assert main(["watch", str(path), "--once", "--strict", "--json", "--on-alarm", command]) == 4
    alarm = next(event for event in lines(capsys) if event["event"] == "alarm")
    assert alarm["rule"] == "truncation"
    assert json.loads(kept.read_text()) == alarm


def test_a_run_that_leaves_its_band_is_off_its_curve(tmp_path):
    path, columns = tmp_path / "train.log", healthy()
    columns["val-core/test/acc/mean@1"][60:] -= 0.15
    path.write_text(console(columns, planned=120))
    watch = Watch(Wish())
    events = list(follow(watch, Tail(path), once=True, every=1))
    off = next(event for event in events if event.get("rule") == "off-curve")
    assert "above the band" in off["evidence"]
    assert watch.sick


def test_a_webhook_gets_the_alarm(log, capsys):
    got = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self):
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args):
            pass

    columns = healthy()
    columns["response_length/clip_ratio"] += 0.5
    log.write_text(console(columns, planned=120))
    with HTTPServer(("127.0.0.1", 0), Hook) as server:
        Thread(target=server.handle_request, daemon=True).start()
        assert main(["watch", str(log), "--once", "--webhook", f"http://127.0.0.1:{server.server_port}/x"]) == 0
    assert [event["rule"] for event in got] == ["truncation"]
    assert main(["watch", str(log), "--once", "--webhook", "file:///etc/passwd"]) == 2


def test_without_held_out_scores_the_training_reward_stands_in_and_is_named(tmp_path):
    columns = healthy()
    del columns["val-core/test/acc/mean@1"]
    path = tmp_path / "train.log"
    path.write_text(console(columns, planned=120))
    events = list(follow(Watch(Wish()), Tail(path), once=True, every=1))
    assert events[0]["event"] == "registered"
    assert events[0]["of_training"] is True


def test_a_run_is_forecast_against_a_ladder_of_other_sizes(store):
    frame = rlaw.load(store.path).where(benchmark="held-out")
    label = next(s.label for s in store.runs() if s.arm == "main")
    (course,) = courses(store.path / "runs" / label)[0]
    others = frame.where(model=tuple(m for m in frame.models if m != course.model))
    watch = Watch(Wish(against=others, first=5, benchmark="held-out"))
    events = list(watch.take(course))
    assert events[0]["law"] == "auto"
    inside = [event["band"]["place"] == "inside" for event in events if event["event"] == "evaluation"]
    assert np.mean(inside) >= 0.6


def test_a_run_that_follows_a_line_reaches_what_the_line_says_within_its_interval():
    rng = np.random.default_rng(1)
    step = np.arange(5, 305, 5)
    loss = rng.binomial(2000, 0.9 * step**-0.2) / 2000
    drawn, law = futures(Scores("x", step, loss, 2000), [300.0, 600.0], course=_bare())
    assert law == "own-curve"
    low, high = drawn.interval(0.9)
    assert low[1] < 0.9 * 600**-0.2 < high[1]


def _bare():
    steps = pl.DataFrame({"step": [1]} | {name: [None] for name in (*MEASURED, "tokens")})
    none = pl.DataFrame(schema={"benchmark": pl.String, "step": pl.Int64, "score": pl.Float64, "items": pl.Int64})
    return Course("bare", "memory", steps, none)


@pytest.mark.parametrize(("text", "wanted"), [("0.8", (0.8, None)), ("80%", (0.8, None)), ("400", (None, 400))])
def test_until_is_a_pass_rate_or_a_step(text, wanted):
    assert goal(text) == wanted


def test_until_nonsense_is_refused():
    with pytest.raises(UsageError, match="a pass rate between 0 and 1"):
        goal("1.5")


def test_scores_in_percent_are_shares(log):
    columns = healthy()
    columns["val-core/test/acc/mean@1"] *= 100
    log.write_text(console(columns))
    (course,) = courses(log)[0]
    assert scores_of(course).loss.max() < 1
