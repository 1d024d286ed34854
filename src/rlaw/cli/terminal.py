"""What commands say: plain text or one JSON document on stdout, warnings and errors on stderr."""

import json
import re
import sys
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, NoReturn

import typer
from typer import Exit

from rlaw.errors import RlawError

SCHEMA = 1
Json = Annotated[bool, typer.Option("--json", help="one JSON document on stdout")]
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def clean(text: str) -> str:
    """The text without control characters: a name in the data must not drive the terminal."""
    return _CONTROL.sub("", text)


def out(text: str) -> None:
    """Data, on stdout."""
    sys.stdout.write(clean(text) + "\n")
    sys.stdout.flush()


def note(text: str) -> None:
    """Progress or a warning, on stderr."""
    sys.stderr.write(clean(text) + "\n")
    sys.stderr.flush()


def show(document: Mapping[str, Any], text: str, *, as_json: bool, warnings: Iterable[str] = ()) -> None:
    """A result: the document when JSON is asked for, else the text; its warnings on stderr."""
    if as_json:
        sys.stdout.write(json.dumps({"schema": SCHEMA, **document}, allow_nan=False, ensure_ascii=False) + "\n")
        sys.stdout.flush()
    else:
        out(text)
    for warning in warnings:
        note(f"warning: {warning}")


def gate(error: RlawError) -> NoReturn:
    """A gate that failed once its document is told: the reason on stderr, its exit code, and no second document."""
    note(f"rlaw: {error}")
    raise Exit(error.exit_code)


def fail(error: RlawError, as_json: bool) -> int:
    """An error, once: on stderr, and as the one document on stdout when JSON is asked for. Returns its exit code."""
    if as_json:
        told = {"code": error.code, "text": str(error), "exit_code": error.exit_code}
        sys.stdout.write(json.dumps({"schema": SCHEMA, "error": told}, ensure_ascii=False) + "\n")
    note(f"rlaw: {error}")
    return error.exit_code
