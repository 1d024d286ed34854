"""Hostile answers cost their limit and no more, and are counted as what they are."""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from hostile import GROWING, INJECTED, LONG, NESTED, TOKENS

from rlaw.rewards import Verdict, algebra, answer, counts
from rlaw.rewards.answer import FARTHEST, LONGEST
from rlaw.rewards.math import MathReward
from rlaw.rewards.pool import EACH, Pool, _Purse
from rlaw.rewards.worker import guard

pytest.importorskip("mpmath", reason="rlaw[math] is not installed")
LIMIT = 0.3  # seconds: long enough for whatever is honest, short enough for this file
REFERENCE = r"\sqrt{2} + x"
RIGHT = r"So it is \boxed{x + \sqrt{2}}."


@pytest.fixture(scope="module")
def reward() -> MathReward:
    return MathReward(seconds=LIMIT, workers=2)


@pytest.fixture
def pool(reward) -> Pool:
    return reward.pool


@contextmanager
def patient(pool: Pool, seconds: float = 60.0) -> Iterator[Pool]:
    """The pool with a limit that an honest answer stays under on the busiest of machines."""
    short, pool.seconds = pool.seconds, seconds
    yield pool
    pool.seconds = short


def boxed(answer: str) -> str:
    return f"The answer is \\boxed{{{answer}}}."


def test_the_corpus_has_some_forty_answers_beside_the_injections():
    assert len({*GROWING, *NESTED, *LONG}) >= 40


@pytest.mark.parametrize("answers", [GROWING, NESTED, LONG], ids=["growing", "nested", "long"])
def test_no_hostile_answer_is_right_and_the_pool_goes_on(reward, answers):
    grades = reward.grade([boxed(answer) for answer in answers], [REFERENCE] * len(answers))
    assert counts(grades)["right"] == 0
    with patient(reward.pool):
        assert reward.grade([RIGHT], [REFERENCE])[0].verdict is Verdict.RIGHT


@pytest.mark.parametrize("references", [GROWING, NESTED, LONG], ids=["growing", "nested", "long"])
def test_hostile_references_are_survived_too(reward, references):
    grades = reward.grade([boxed(REFERENCE)] * len(references), list(references))
    assert counts(grades)["right"] == 0
    with patient(reward.pool):
        assert reward.grade([RIGHT], [REFERENCE])[0].verdict is Verdict.RIGHT


def test_power_towers_are_timeouts_and_never_wrong_answers(pool):
    towers = [f"{base}^{{9^{{9^{{9}}}}}}" for base in range(11, 19)]
    grades = pool.check([(tower, REFERENCE) for tower in towers])
    assert [(grade.verdict, grade.reason) for grade in grades] == [(Verdict.TIMEOUT, "time")] * 8
    assert all(grade.score == 0 for grade in grades)


def test_honest_answers_among_hostile_ones_get_their_due(pool):
    pairs = [("9^{9^{9^{9}}}", REFERENCE), (r"x + \sqrt{2}", REFERENCE), (r"x - \sqrt{2}", REFERENCE)] * 2
    with patient(pool, 3):
        verdicts = [grade.verdict for grade in pool.check(pairs)]
    assert verdicts == [Verdict.TIMEOUT, Verdict.RIGHT, Verdict.WRONG] * 2


def test_towers_of_powers_are_told_by_their_size_before_they_are_evaluated():
    towers = [f"{base}^{{9^{{9^{{9}}}}}}" for base in range(11, 75)]
    assert {algebra.check(tower, "5") for tower in towers} == {("timeout", "time")}  # here, without a limit of time


def test_no_hostile_answer_needs_the_fence():
    """Checked here, where nothing would end one that goes on."""
    for text in {*GROWING, *NESTED, *LONG}:
        if len(text) <= LONGEST:
            assert algebra.check(text, REFERENCE)[0] != "right"
            assert algebra.check(REFERENCE, text)[0] != "right"


def test_hostile_answers_use_up_each_others_seconds_and_an_honest_one_still_has_its_own():
    purse = _Purse(seconds=1.0)
    assert purse.limit(most=0.3) == 0.3
    assert purse.limit(most=5.0) == 1.0 + EACH
    purse.spend(EACH / 2)
    assert purse.limit(most=5.0) == 1.0 + EACH
    for _ in range(64):
        purse.spend(purse.limit(most=5.0))
    assert purse.limit(most=5.0) == EACH


def test_a_batch_whose_workers_hang_ends_within_its_budget():
    """No answer is known that makes a worker hang; so one is stopped."""
    with closing(Pool(seconds=1, memory_mb=1024, workers=1)) as pool:
        worker = pool._idle.get()
        pool._idle.put(worker)
        os.kill(worker.pid, signal.SIGSTOP)
        grades = pool.check([(r"x + \sqrt{2}", REFERENCE)])
        assert [(grade.verdict, grade.reason) for grade in grades] == [(Verdict.TIMEOUT, "time")]


@pytest.mark.parametrize(
    "unit", ["$", "{", "(", "\\boxed{", "\\boxed{1}", "\\boxed ", "<think>", " ", "\\", "}", "9", "1,"]
)
def test_a_megabyte_of_anything_is_read_in_one_pass(unit, reward):
    text = unit * ((1 << 20) // len(unit))
    responses = [text, f"\\boxed{{{text}}}", r"\boxed{5}"]
    grades = reward.grade(responses, ["5", "5", text])
    assert counts(grades)["right"] == 0
    assert all(len(boxed or "") <= FARTHEST for boxed in map(answer.boxed, responses))


def test_no_soup_of_tokens_is_more_than_wrong():
    rng = random.Random(1)  # noqa: S311
    soups = [rng.choice(("", " ")).join(rng.choices(TOKENS, k=rng.randint(1, 9))) for _ in range(1500)]
    reasons = {"algebra", "exact", "not mathematics", "reference", "undefined", "time", "nested too deeply"}
    for one, other in zip(soups, soups[1:] + soups[:1], strict=True):
        assert algebra.check(one, other)[1] in reasons, (one, other)
        algebra.readable(one)


def test_memory_has_a_limit_that_a_worker_cannot_pass():
    with closing(Pool(seconds=20, memory_mb=300, workers=1)) as small:
        worker = small._idle.get()
        small._idle.put(worker)
        limits = Path(f"/proc/{worker.pid}/limits").read_text()
        address_space = next(line for line in limits.splitlines() if line.startswith("Max address space"))
        assert address_space.split()[3:5] == [str(300 << 20)] * 2
        (grade,) = small.check([(r"(x+y+z+w)^{400}", r"(x+y+z+w)^{399} \cdot (x+y+z+w) + 1")])
        assert grade.verdict is not Verdict.RIGHT
        assert small.check([(r"x + \sqrt{2}", REFERENCE)])[0].verdict is Verdict.RIGHT


def test_threads_share_one_pool_and_all_are_answered(reward):
    found: dict[int, list[Verdict]] = {}

    def ask(number: int) -> None:
        responses = [boxed(r"\frac{2}{4}x"), boxed("9^{9^{9^{9}}}"), boxed("x")]
        found[number] = [grade.verdict for grade in reward.grade(responses, ["x/2"] * 3)]

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(3)]
    with patient(reward.pool, 3):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert list(found.values()) == [[Verdict.RIGHT, Verdict.TIMEOUT, Verdict.WRONG]] * 3


def test_rewards_are_graded_under_asyncio(reward):
    async def ask() -> list[list[Verdict]]:
        batches = [asyncio.to_thread(reward.grade, [boxed("x/2")], [r"\frac{x}{2}"]) for _ in range(4)]
        direct = reward.grade([boxed("0.5x")], [r"\frac{x}{2}"])  # blocks the loop, but is right
        return [[grade.verdict for grade in grades] for grades in (*await asyncio.gather(*batches), direct)]

    with patient(reward.pool):
        assert asyncio.run(ask()) == [[Verdict.RIGHT]] * 5


def test_an_alarm_of_the_trainer_is_left_alone(reward):
    signal.alarm(1000)
    try:
        reward.grade([boxed("x/2"), boxed("9^{9^{9^{9}}}")], [r"\frac{x}{2}"] * 2)
        assert signal.alarm(0) > 0
    finally:
        signal.alarm(0)


def test_a_pool_whose_template_was_killed_starts_another():
    with closing(Pool(seconds=60, memory_mb=1024, workers=2)) as pool:
        process, _ = pool._template
        process.kill()
        process.wait()
        assert [grade.verdict for grade in pool.check([(r"x + \sqrt{2}", REFERENCE)] * 4)] == [Verdict.RIGHT] * 4


def test_workers_end_when_the_trainer_is_killed():
    code = (
        "import os, signal\n"
        "from rlaw.rewards.pool import Pool\n"
        "pool = Pool(seconds=600, memory_mb=1024, workers=1)\n"
        "worker = pool._idle.get(); pool._idle.put(worker)\n"
        'worker.channel.send(b\'["9^{9^{9^{9}}}", "x"]\')\n'
        "print(pool._template[0].pid, worker.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    template, worker = map(int, done.stdout.split())
    for _ in range(100):
        if not (_alive(template) or _alive(worker)):
            break
        threading.Event().wait(0.1)
    assert not _alive(template)
    assert not _alive(worker)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_injected_code_makes_no_file_no_child_and_no_socket(pool, tmp_path):
    canary = tmp_path / "canary"
    strings = [text.format(canary=canary) for text in INJECTED]
    workers = _idle(pool)
    before = {worker.pid: _descriptors(worker.pid) for worker in workers}
    for pairs in ([(text, "1/3") for text in strings], [("1/3", text) for text in strings]):
        grades = pool.check(pairs)
        assert counts(grades)["right"] == 0
    assert not list(tmp_path.iterdir())
    for worker in _idle(pool):
        if worker in workers:  # it was not replaced
            assert _descriptors(worker.pid) == before[worker.pid]
            assert not Path(f"/proc/{worker.pid}/task/{worker.pid}/children").read_text()


def _idle(pool):
    workers = [pool._idle.get() for _ in range(2)]
    for worker in workers:
        pool._idle.put(worker)
    return workers


def _descriptors(pid: int) -> list[str]:
    return sorted(os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir())


def test_an_audit_hook_sees_injected_code_do_nothing(tmp_path):
    """The algebra alone, unguarded, in a process of its own whose every event is written down."""
    code = (
        "import json, sys\n"
        "from rlaw.rewards import algebra\n"
        "algebra.warm_up()\n"
        "strings, events, on = json.loads(sys.stdin.read()), [], True\n"
        "def note(event, arguments):\n"
        "    if on and event not in ('object.__getattr__', 'exec', 'import'):\n"
        "        events.append([event, repr(arguments)])\n"
        "sys.addaudithook(note)\n"
        "verdicts = [algebra.check(*pair) for text in strings for pair in ((text, '1/3'), ('1/3', text))]\n"
        "on = False\n"
        "print(json.dumps([events, verdicts]))\n"
    )
    canary = str(tmp_path / "canary")
    asked = json.dumps([text.format(canary=canary) for text in INJECTED])
    done = subprocess.run([sys.executable, "-c", code], input=asked, capture_output=True, text=True, check=True)
    events, verdicts = json.loads(done.stdout)
    assert len(verdicts) == 2 * len(INJECTED)
    assert "right" not in {verdict for verdict, _ in verdicts}
    assert [event for event in events if event[0].startswith(("os.", "socket", "subprocess", "shutil"))] == []
    assert [event for event in events if event[0] == "open" and "'r" not in event[1]] == []
    compiled = [event[1] for event in events if event[0] == "compile"]
    assert [text for text in compiled if "__" in text or "canary" in text or "open" in text] == []
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("event", "arguments"),
    [
        ("os.system", ("true",)),
        ("os.fork", ()),
        ("subprocess.Popen", ("true", [], None, None)),
        ("socket.connect", (None, ("127.0.0.1", 9))),
        ("open", ("x", "w", os.O_WRONLY | os.O_CREAT)),
        ("open", ("x", None, os.O_RDWR)),
    ],
)
def test_the_guard_refuses_what_an_answer_has_no_business_with(event, arguments):
    with pytest.raises(PermissionError, match=event):
        guard(event, arguments)


def test_the_guard_lets_modules_be_read():
    guard("open", ("module.py", "r", os.O_RDONLY | os.O_CLOEXEC))
    guard("os.listdir", ("folder",))
    guard("import", ("sympy",))


def test_a_ray_worker_grades_as_anybody_else():
    ray = pytest.importorskip("ray", reason="ray is not installed")
    ray.init(num_cpus=1, include_dashboard=False, logging_level="ERROR", log_to_driver=False)
    try:

        @ray.remote
        def ask() -> list[str]:
            from rlaw.rewards.math import MathReward

            responses = [r"\boxed{x/2}", r"\boxed{9^{9^{9^{9}}}}"]
            found = MathReward(seconds=5, workers=1).grade(responses, [r"\frac{x}{2}"] * 2)
            return [grade.verdict.value for grade in found]

        assert ray.get(ask.remote(), timeout=300) == ["right", "timeout"]
    finally:
        ray.shutdown()
