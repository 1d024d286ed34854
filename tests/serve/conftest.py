"""A page of a small table whose names would like to be markup, and clients that may and may not read it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest
from starlette.testclient import TestClient

from rlaw.serve.app import create_app
from rlaw.serve.source import Live, Source

TOKEN = "t0k3n"  # noqa: S105 - of tests
HOSTILE = ("</script><script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{7*7}}\u202e\x1b[31m")


def ladder(steps: int = 30) -> pl.DataFrame:
    """Three sizes with hostile names that follow a saturating law, with a little noise."""
    rows = []
    for n, name in enumerate(HOSTILE):
        params = 1e6 * 4**n
        k = 0.15 / (1 + 4e6 / params)
        for step in range(steps + 1):
            compute = 6 * params * 1e4 * max(step, 1)
            wave = 0.003 * ((step * 7919 + n * 104729) % 13 - 6) / 6
            loss = min(0.97, 1.4 * (compute / 1e9) ** -k + wave)
            rows.append((name, params, step, 64.0 * step, compute if step else 0.0, loss, 500))
    columns = ["model", "n_params", "step", "data_size", "compute_flops", "test_loss", "items"]
    return pl.DataFrame(rows, schema=columns, orient="row")


@pytest.fixture(scope="session")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ladder as a CSV file."""
    path = tmp_path_factory.mktemp("served") / "ladder.csv"
    ladder().write_csv(path)
    return path


@pytest.fixture
def client_of() -> Iterator[Callable[..., TestClient]]:
    """Makes the client of a page of some data; its base is the token's path on the loopback address."""
    opened: list[TestClient] = []

    def client(data: object, **options: object) -> TestClient:
        app = create_app(Live(Source(str(data), **options)), TOKEN, poll_seconds=0.02)  # type: ignore[arg-type]
        opened.append(TestClient(app, base_url=f"http://127.0.0.1/{TOKEN}/").__enter__())
        return opened[-1]

    yield client
    for one in opened:
        one.__exit__(None, None, None)


@pytest.fixture
def client(table: Path, client_of: Callable[..., TestClient]) -> TestClient:
    """The client of the hostile table's page."""
    return client_of(table)
