import json
import subprocess
import sys

import pytest

from rlaw.cli import COMMANDS, main
from rlaw.cli.terminal import as_flags

HEAVY = {"jax", "torch", "scipy", "polars", "matplotlib", "pydantic", "jinja2", "pandas"}


def test_help_imports_nothing_heavy():
    code = "import sys, rlaw.cli; rlaw.cli.main(['--help']); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "typer" in done.stderr.split()
    assert not set(HEAVY) & set(done.stderr.split())
    assert "rlaw demo" in done.stdout


@pytest.mark.parametrize("command", [command.__name__.rstrip("_").replace("_", "-") for command in COMMANDS])
def test_every_command_helps_with_an_example(command, capsys):
    assert main([command, "-h"]) == 0
    told = capsys.readouterr()
    assert f"Example: rlaw {command}" in told.out
    assert told.err == ""


def test_the_version_is_the_packages(capsys):
    from importlib.metadata import version

    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == f"rlaw {version('rlaw')}"


@pytest.mark.parametrize(
    ("args", "code", "name"),
    [
        (["fit", "nowhere"], 3, "not-found"),
        (["fit", "qwen2.5-math-base", "--law", "none"], 3, "not-found"),
        (["fit", "qwen2.5-math-base", "--axes", "data"], 2, "usage"),
        (["fit", "qwen2.5-math-base", "--axis", "time"], 2, "usage"),
        (["fit", "qwen2.5-math-base", "--where", "model"], 2, "usage"),
        (["fit", "qwen2.5-math-base", "--map", "step=epoch"], 2, "usage"),
        (["fit", "qwen2.5-math-base", "--window", "x"], 2, "usage"),
        (["status", "nowhere"], 3, "not-found"),
        (["report", "nowhere"], 3, "not-found"),
        (["dance"], 2, "usage"),
    ],
)
def test_a_failure_is_one_json_document_on_stdout_and_one_message_on_stderr(args, code, name, capsys):
    assert main([*args, "--json"]) == code
    told = capsys.readouterr()
    document = json.loads(told.out)
    assert document["schema"] == 1
    assert document["error"]["code"] == name
    assert document["error"]["exit_code"] == code
    assert told.err.startswith("rlaw: ")
    assert "Traceback" not in told.err


def test_a_reader_that_goes_away_is_no_traceback():
    command = [sys.executable, "-m", "rlaw", "laws", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()


def test_a_hostile_name_does_not_drive_the_terminal(tmp_path, capsys):
    rows = "\n".join(
        f'"\x1b[31mred\x07{n}",{10**n},{step},{0.9 - 0.02 * n * step}' for n in (3, 4, 5) for step in (1, 2, 3, 4)
    )
    path = tmp_path / "hostile.csv"
    path.write_text(f"model,n_params,step,test_loss\n{rows}\n")
    assert main(["fit", str(path), "--law", "power", "--axis", "step", "--intervals", "none"]) == 0
    told = capsys.readouterr()
    assert "red3" in told.out
    assert not set(told.out + told.err) & {"\x1b", "\x07"}


def test_nothing_of_the_library_needs_the_network():
    code = (
        "import socket, sys\n"
        "def refuse(*args): raise SystemExit('a socket was opened')\n"
        "socket.socket.connect = refuse\n"
        "from rlaw.cli import main\n"
        "sys.exit(main(['fit', 'qwen2.5-math-base', '--intervals', 'none', '--json']) or main(['doctor', '--json']))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_demo_fits_forecasts_allocates_and_draws(tmp_path, capsys):
    assert main(["demo", "-o", str(tmp_path / "demo"), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["fit"]["identified"] is True
    assert document["forecast"]["kind"] == "calibrated"
    assert document["forecast"]["held_out"]["rmse"] < 0.015
    assert {choice["model"] for choice in document["allocation"]["choices"]} >= {"Qwen2.5-32B", "Qwen2.5-72B"}
    assert (tmp_path / "demo" / "report.html").stat().st_size > 100_000
    assert (tmp_path / "demo" / "figures" / "loss-compute.svg").exists()


@pytest.mark.parametrize(
    ("library", "shell"),
    [
        ("next: `hold_out=each`", "next: --hold-out each"),
        ("a wider `window=`", "a wider --window"),
        ("or `rolling=True`", "or --rolling"),
        ("next: `where(variant='base')`", "next: --where variant=base"),
        ("`mapping={'test_loss': 'err'}`: no", "--map test_loss=err: no"),
        ("leave `mapping=` out", "leave --map out"),
        ("run `rlaw init` and `ray start --head`", "run `rlaw init` and `ray start --head`"),
    ],
)
def test_arguments_that_the_library_names_are_flags_on_the_command_line(library, shell):
    assert as_flags(library) == shell
