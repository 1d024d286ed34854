"""The page: first paint and memory on the bundled data and on ten million rows, and fifty viewers of a growing log.

    python benchmarks/serve.py bundled          # first paint, each view, memory
    python benchmarks/serve.py large 10000000   # the same with so many rows, and how long reading them takes
    python benchmarks/serve.py viewers 50       # that each gets every change
    python benchmarks/serve.py refit            # the server's answer to a moved window

First paint is the time from the request for the page to the first view drawn, in Debian's Chromium.
"""

import http.client
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import urlopen

import numpy as np
import polars as pl

FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync")  # fmt: skip
SIZES = (5e8, 1.5e9, 3e9, 7e9, 14e9, 32e9, 72e9)


@contextmanager
def serving(data):
    """A server in a process of its own: its address, its process id and the seconds until it was up."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "rlaw", "serve", str(data), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        line = process.stdout.readline()
        try:
            yield json.loads(line)["url"], process.pid, time.perf_counter() - began
        finally:
            process.terminate()


def megabytes(pid, name="VmRSS"):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1]) / 1024


def paints(url, view, times=3):
    """Median seconds until a view is drawn, in a new page each time."""
    from playwright.sync_api import sync_playwright

    found = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(FLAGS))
        browser.new_page().goto("about:blank")
        for _ in range(times):
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            began = time.perf_counter()
            page.goto(url + view)
            page.wait_for_selector("#origin:not([hidden])")
            found.append(time.perf_counter() - began)
            page.close()
        browser.close()
    return found


def paint(data):
    with serving(data) as (url, pid, up):
        about = json.load(urlopen(f"{url}api/about"))  # noqa: S310 - our own address
        print(f"up after {up:.1f} s, {megabytes(pid):.0f} MB; {about['problem'] or about['notes']}")
        if about["problem"]:
            return
        for view in ("overview", "curves?draws=0", "law", "planner", "compare"):
            found = paints(url, view)
            print(
                f"{view:<16} first {found[0]:.2f} s, then {statistics.median(found[1:]):.2f} s; {megabytes(pid):.0f} MB"
            )
        print(f"most memory {megabytes(pid, 'VmHWM'):.0f} MB")


def large(rows):
    """Seven sizes, ten runs each, of equally many evaluations, as Parquet."""
    steps = rows // 70
    step = np.tile(np.arange(1, steps + 1), 70)
    params = np.repeat(SIZES, 10 * steps)
    compute = step * params * 6e6
    k = 0.13 / (1 + 13e9 / params)
    rng = np.random.default_rng(0)
    loss = np.clip(1.2 * (compute / 1e15) ** -k + rng.normal(0, 0.01, len(step)), 0.01, 0.99)
    seed = np.repeat(np.arange(70) % 10, steps).astype(np.int8)
    columns = {"n_params": params, "seed": seed, "step": step.astype(np.int32)}  # six columns are more than rlaw reads
    return pl.DataFrame({**columns, "compute_flops": compute, "test_loss": loss})


def viewers(count, changes=20):
    """That every viewer of a growing log gets every change, and how late the last of them gets it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.csv"
        rows = large(70 * (changes + 10)).sort("step")
        per = len(rows) // (changes + 10)
        rows[: 10 * per].write_csv(path)
        with serving(path) as (url, pid, _):
            parts = urlsplit(url)
            got, late = [[] for _ in range(count)], []
            version = json.load(urlopen(f"{url}api/about"))["version"]  # noqa: S310 - our own address

            def view(i):
                connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
                connection.request("GET", f"{parts.path}api/events?after={version}")
                answer = connection.getresponse()
                while len(got[i]) < changes:
                    line = answer.readline()
                    if line.startswith(b"data: "):
                        got[i].append(json.loads(line[6:])["version"])
                        late.append(time.perf_counter() - written[-1])
                connection.close()

            written = [time.perf_counter()]
            threads = [threading.Thread(target=view, args=(i,)) for i in range(count)]
            for thread in threads:
                thread.start()
            time.sleep(1)
            for n in range(changes):
                rows[: (11 + n) * per].write_csv(path)
                written.append(time.perf_counter())
                while min(map(len, got)) < n + 1 and time.perf_counter() - written[-1] < 30:
                    time.sleep(0.01)
            for thread in threads:
                thread.join(60)
            missed = sum(one != list(range(version + 1, version + changes + 1)) for one in got)
            print(f"{count} viewers, {changes} changes: {missed} viewers missed one; {megabytes(pid):.0f} MB")
            print(f"seen after {statistics.median(late):.2f} s (median), {max(late):.2f} s at most")


def refit():
    with serving("qwen2.5-math-base") as (url, pid, _):
        for name, draws in (("the fit alone", 0), ("with 1,000 draws", 1000)):
            found = []
            for first in range(1, 12):
                began = time.perf_counter()
                urlopen(f"{url}api/curves?draws={draws}&window={first}:").read()  # noqa: S310
                found.append(time.perf_counter() - began)
            print(f"a moved window, {name}: median {statistics.median(found[1:]):.3f} s; {megabytes(pid):.0f} MB")


def main():
    what, *more = sys.argv[1:] or ["bundled"]
    if what == "bundled":
        paint("qwen2.5-math-base")
    elif what == "large":
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "large.parquet"
            large(int(more[0])).write_parquet(path)
            print(f"{int(more[0]):,} rows, {path.stat().st_size / 1e6:.0f} MB of Parquet")
            paint(path)
    elif what == "viewers":
        viewers(int(more[0]))
    else:
        refit()


if __name__ == "__main__":
    main()
