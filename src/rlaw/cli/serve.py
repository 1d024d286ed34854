"""`rlaw serve`."""

from typing import Annotated

from typer import Option

from rlaw.cli.options import Data, Format, Map, Measure, Where, choices, pairs
from rlaw.cli.terminal import Json, note, show


def serve(
    data: Data,
    port: Annotated[int, Option(min=0, max=65535, help="of 127.0.0.1; 0 takes a free one")] = 0,
    where: Where = [],  # noqa: B006 - the command line makes a new list
    mapping: Map = [],  # noqa: B006
    format: Format = "auto",
    measure: Measure = None,
    json: Json = False,
) -> None:
    """Serve a live page of DATA on this machine, until Ctrl-C. Read-only; the address holds the token that opens it.

    Example: rlaw serve runs/micro
    """
    from rlaw.serve import app
    from rlaw.serve.source import Source

    source = Source(data, choices(where, "--where"), pairs(mapping, "--map"), format, measure)

    def ready(url: str) -> None:
        show({"url": url, "data": data}, url, as_json=json)
        note("the page is up; whoever has the address can read it, nobody can change anything; Ctrl-C ends it")

    app.serve(source, port=port, ready=ready)
