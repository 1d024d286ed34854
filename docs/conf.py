"""Sphinx: `make docs`. The command reference is generated from the commands themselves."""

import re
from pathlib import Path

import typer

from rlaw.cli import app as commands

project = "rlaw"
author = "The rlaw authors"
copyright = "2026, the rlaw authors"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "rlaw"
html_static_path = []
autodoc_member_order = "bysource"


def command_reference() -> str:
    """Every command with its arguments and options, as Markdown."""
    parts = ["# Command reference", f"Made from the commands. {commands.info.epilog}"]
    for name, command in typer.main.get_command(commands).commands.items():
        below = getattr(command, "commands", {})
        for path, one in [(name, command), *((f"{name} {sub}", below[sub]) for sub in below)]:
            text, *examples = re.split(r"\s*Example: ", one.help or "")
            parts += [f"## rlaw {path}", text]
            if examples:
                parts.append("\n".join(["```console", *(f"$ {example.strip()}" for example in examples), "```"]))
            rows = [_row(param) for param in one.params if not param.hidden]
            if rows:
                parts.append("\n".join(["| | | default |", "|---|---|---|", *rows]))
    return "\n\n".join(parts) + "\n"


def _row(param: typer.core.TyperArgument | typer.core.TyperOption) -> str:
    is_option = isinstance(param, typer.core.TyperOption)
    name = ", ".join(param.opts) if is_option else (param.metavar or param.name.upper())
    value = f" {param.metavar}" if is_option and param.metavar else ""
    default = "" if param.default in (None, [], False) or callable(param.default) else f"`{param.default}`"
    cells = (f"`{name}{value}`", param.help or "", default)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def setup(app):
    """Write the generated page before the pages are read."""
    app.connect("config-inited", lambda *_: (Path(__file__).parent / "commands.md").write_text(command_reference()))
