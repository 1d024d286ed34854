"""Output of commands: plain text or one JSON document on stdout, warnings and errors on stderr."""

import json
import re
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from typer import Exit

from rlaw.errors import RlawError, UsageError

if TYPE_CHECKING:
    from rlaw.reporting.family import Family

SCHEMA = 1
Json = Annotated[bool, typer.Option("--json", help="one JSON document on stdout")]
_ARGUMENT = re.compile(
    r"`(?:where\((?P<column>[^`]+?)='(?P<value>[^`]*)'\)"
    r"|mapping=\{'(?P<ours>[^`]*)': '(?P<theirs>[^`]*)'\}"
    r"|(?P<name>[a-z_]+)=(?P<given>[^`]*))`"
)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def clean(text: str) -> str:
    """The text without control characters: a name in the data must not drive the terminal."""
    return _CONTROL.sub("", text)


def as_flags(text: str) -> str:
    """A message of the library with its arguments, such as `hold_out=each`, written as the command line's flags."""

    def flag(found: re.Match[str]) -> str:
        if found["column"]:
            return "--where " + shlex.quote(f"{found['column']}={found['value']}")
        if found["ours"]:
            return "--map " + shlex.quote(f"{found['ours']}={found['theirs']}")
        name = "map" if found["name"] == "mapping" else found["name"].replace("_", "-")
        return f"--{name}" if found["given"] in ("", "True") else f"--{name} {found['given']}"

    return _ARGUMENT.sub(flag, text)


def out(text: str) -> None:
    """Data, on stdout."""
    sys.stdout.write(clean(text) + "\n")
    sys.stdout.flush()


def note(text: str) -> None:
    """Progress or a warning, on stderr."""
    sys.stderr.write(clean(text) + "\n")
    sys.stderr.flush()


def show(document: Mapping[str, Any], text: str, *, as_json: bool) -> None:
    """A result: the document with --json, else the text."""
    if as_json:
        sys.stdout.write(json.dumps({"schema": SCHEMA, **document}, allow_nan=False, ensure_ascii=False) + "\n")
        sys.stdout.flush()
    else:
        out(as_flags(text))


def gate(error: RlawError) -> NoReturn:
    """A gate that failed after the result was printed: the reason on stderr and the exit code, no second document."""
    note(f"rlaw: {as_flags(str(error))}")
    raise Exit(error.exit_code)


def fail(error: RlawError, as_json: bool) -> int:
    """An error, once: on stderr, and as the one document on stdout with --json. Returns its exit code."""
    if as_json:
        document = {"code": error.code, "text": as_flags(str(error)), "exit_code": error.exit_code}
        sys.stdout.write(json.dumps({"schema": SCHEMA, "error": document}, ensure_ascii=False) + "\n")
    note(f"rlaw: {as_flags(str(error))}")
    return error.exit_code


def requested(
    family: "Family[Any]", name: str | None, data: str | None, output: Path | None, *, listed: bool, as_json: bool
) -> tuple[str, str]:
    """NAME and DATA of `rlaw figure` or `rlaw table`, checked with the output file before any work is done.

    Args:
        family: the figures or the tables.
        name: of the one to make.
        data: what it is made of.
        output: the file to write, its format given by the end of its name; None for the command's default.
        listed: print the names with what each shows, and end the command.
        as_json: print the list as a JSON document.

    Raises:
        NotFound: no such name.
        UsageError: NAME or DATA is missing, the format is not one of the family's, or the folder does not exist.
    """
    kind, formats = family.kind, family.formats
    if listed:
        width = max(map(len, family))
        text = "\n".join(f"{key:<{width}}  {title}" for key, title in family.titles.items())
        show({f"{kind}s": [{"name": k, "title": t} for k, t in family.titles.items()]}, text, as_json=as_json)
        raise Exit(0)
    if name is None or data is None:
        raise UsageError(f"rlaw {kind} takes a NAME and DATA\n  next: rlaw {kind} --list")
    family.check(name)
    if output is not None and _format(output) not in formats:
        raise UsageError(f"{output}: the name ends in none of .{', .'.join(formats)}\n  next: -o {name}.{formats[0]}")
    if output is not None and not output.parent.exists():
        raise UsageError(
            f"{output}: there is no folder {output.parent}\n  next: mkdir -p {output.parent}, or another -o"
        )
    return name, data


def write(path: Path, made: Any) -> None:
    """Write a figure or a table in the format that the file's name ends with.

    Raises:
        StoreError: the file cannot be written.
    """
    from rlaw.files import write_atomically

    write_atomically(path, made.render(_format(path)))


def _format(path: Path) -> str:
    return path.suffix.removeprefix(".").lower()
