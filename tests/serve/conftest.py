"""A page of a small table whose names would like to be markup, and clients that may and may not read it."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from serving import TOKEN, ladder
from starlette.testclient import TestClient

from rlaw.serve.app import create_app, server_of
from rlaw.serve.source import Live, Source


@pytest.fixture(scope="session")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ladder as a CSV file."""
    path = tmp_path_factory.mktemp("served") / "ladder.csv"
    ladder().write_csv(path)
    return path


@pytest.fixture(scope="session")
def client_of() -> Iterator[Callable[[object], TestClient]]:
    """Makes the client of a page of some data, one for each; its base is the token's path on the loopback address."""
    opened: dict[str, TestClient] = {}

    def client(data: object) -> TestClient:
        if str(data) not in opened:
            app = create_app(Live(Source(str(data))), TOKEN)
            opened[str(data)] = TestClient(app, base_url=f"http://127.0.0.1/{TOKEN}/").__enter__()
        return opened[str(data)]

    yield client
    for one in opened.values():
        one.__exit__(None, None, None)


@pytest.fixture(scope="session")
def client(table: Path, client_of: Callable[[object], TestClient]) -> TestClient:
    """The client of the hostile table's page."""
    return client_of(table)


@pytest.fixture(scope="session")
def page_of() -> Iterator[Callable[..., tuple[str, int]]]:
    """Serves some data on a port of its own; gives the address of the page and the port."""
    with ExitStack() as stack:

        def serve(data: object, **options: Any) -> tuple[str, int]:
            listening = stack.enter_context(socket.socket())
            listening.bind(("127.0.0.1", 0))
            listening.listen(64)
            server = server_of(Live(Source(str(data))), TOKEN, **options)
            thread = threading.Thread(target=lambda: server.run(sockets=[listening]), daemon=True)
            thread.start()
            stack.callback(thread.join, 10)
            stack.callback(setattr, server, "should_exit", True)
            port = listening.getsockname()[1]
            return f"http://127.0.0.1:{port}/{TOKEN}/", port

        yield serve
