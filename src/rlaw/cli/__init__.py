"""The command line: one thin file per command. Data on stdout, progress and warnings on stderr.

Exit codes: 0 ok, 1 failure, 2 usage or invalid study, 3 not found, 4 a gate failed (fit refused, budget used up),
130 interrupted.
"""

import sys
import warnings
from typing import Annotated

import typer
from typer.exceptions import Abort, Exit, TyperException

from rlaw.cli import (
    allocate,
    compare,
    compare_systems,
    contrast,
    data,
    datasets,
    demo,
    doctor,
    dose,
    figure,
    fit,
    forecast,
    geometry,
    health,
    import_,
    init,
    laws,
    merge,
    plan,
    report,
    retention,
    run,
    serve,
    show,
    status,
    table,
    terminal,
    threshold,
    watch,
)
from rlaw.errors import Interrupted, RlawError, UsageError

app = typer.Typer(
    name="rlaw",
    help="Scaling studies of RL post-training of language models: run them, fit their laws, forecast, decide.",
    epilog="Start with `rlaw demo` or `rlaw init`. Exit codes: 0 ok, 1 failure, 2 usage or invalid "
    "study, 3 not found, 4 a gate failed, 130 interrupted.",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
COMMANDS = (
    init.init,
    plan.plan,
    run.run,
    status.status,
    show.show,
    import_.import_,
    watch.watch,
    health.health,
    fit.fit,
    forecast.forecast,
    compare.compare,
    compare_systems.compare_systems,
    dose.dose,
    retention.retention,
    geometry.geometry,
    merge.merge,
    contrast.contrast,
    allocate.allocate,
    threshold.threshold,
    report.report,
    serve.serve,
    figure.figure,
    table.table,
    laws.laws,
    datasets.datasets,
    demo.demo,
    doctor.doctor,
)
for command in COMMANDS:
    app.command(command.__name__.rstrip("_").replace("_", "-"))(command)
app.add_typer(data.app, name="data")


def _version(wanted: bool) -> None:
    if wanted:
        from rlaw import __version__

        terminal.out(f"rlaw {__version__}")
        raise Exit(0)


@app.callback()
def options(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="print it")] = False,
) -> None:
    """Options of every command."""


def main(args: list[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    given = (sys.argv[1:] if args is None else args) or ["--help"]
    as_json = "--json" in given
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_where: terminal.note(f"warning: {message}")
            return app(given, prog_name="rlaw", standalone_mode=False) or 0
    except Exit as error:
        return error.exit_code
    except BrokenPipeError:
        sys.stderr.close()  # the reader is gone: nowhere to write
        return 1
    except (RlawError, TyperException, KeyboardInterrupt, Abort, MemoryError, OSError) as error:
        return terminal.fail(_ours(error), as_json)


def _ours(error: BaseException) -> RlawError:
    """What went wrong, as an error of ours."""
    if isinstance(error, RlawError):
        return error
    if isinstance(error, TyperException):
        return _usage_error(error)
    return _exhausted(error) if isinstance(error, MemoryError | OSError) else Interrupted("interrupted")


def _exhausted(error: MemoryError | OSError) -> RlawError:
    """What the system refused where nothing more is known of it: memory, files, processes, space."""
    what = "out of memory" if isinstance(error, MemoryError) else f"the system refused: {error.strerror or error}"
    where = f" ({error.filename!r})" if isinstance(error, OSError) and error.filename else ""
    return RlawError(f"{what}{where}\n  next: raise the limits (ulimit -a), free space, or ask for less at a time")


def _usage_error(error: TyperException) -> UsageError:
    """The command line's own complaint, with the command that helps."""
    text = error.format_message() if isinstance(error, typer.BadParameter) else getattr(error, "message", str(error))
    context = getattr(error, "ctx", None)
    return UsageError(f"{text}\n  next: {context.command_path if context else 'rlaw'} --help")
