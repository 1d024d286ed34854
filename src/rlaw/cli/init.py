"""`rlaw init`."""

from importlib import resources
from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option

from rlaw.cli import terminal
from rlaw.cli.terminal import Json
from rlaw.errors import NotFound, RlawError, UsageError
from rlaw.study.presets import STUDIES, study_file


def init(
    path: Annotated[Path, Argument(metavar="PATH", help="the study file to write")] = Path("study.yaml"),
    preset: Annotated[
        str | None, Option(metavar="|".join(STUDIES), help="write this study in place of the small one")
    ] = None,
    schema: Annotated[bool, Option("--schema", help="print the JSON Schema of study files, for editors")] = False,
    json: Json = False,
) -> None:
    """Write a commented study to start from: three sizes, a minute.

    Example: rlaw init study.yaml
    Example: rlaw init qwen.yaml --preset qwen2.5-math
    """
    if schema:
        import json as notation

        terminal.out(notation.dumps(study_schema(), indent=1))
        return
    if path.exists():
        raise UsageError(f"{path} is there already, and stays as it is\n  next: rlaw init ANOTHER.yaml")
    template = _template(preset)
    try:
        path.write_text(template, encoding="utf-8")
    except OSError as error:
        raise RlawError(f"cannot write {path}: {error.strerror or error}\n  next: another path") from error
    text = f"{path} written\n  next: rlaw plan {path}, then rlaw run {path}"
    terminal.show({"written": str(path)}, text, as_json=json)


def _template(preset: str | None) -> str:
    if preset is None:
        return (resources.files("rlaw.cli") / "template.yaml").read_text(encoding="utf-8")
    if preset not in STUDIES:
        raise NotFound(f"no study is called {preset!r} here\n  next: --preset {'|'.join(STUDIES)}")
    with study_file(preset) as path:
        return path.read_text(encoding="utf-8")


def study_schema() -> dict[str, Any]:
    """The JSON Schema of a study file; `task` is any of the tasks there are."""
    from rlaw import tasks
    from rlaw.study.study import Study

    schema = Study.model_json_schema()
    definitions = schema["$defs"]
    for name in tasks.names():
        task = tasks.get(name).model_json_schema()
        definitions |= task.pop("$defs", {})
        definitions[name] = {**task, "required": ["name"]}
    definitions.pop("Task", None)
    definitions.pop("TextTask", None)
    schema["properties"]["task"] = {"oneOf": [{"$ref": f"#/$defs/{name}"} for name in tasks.names()]}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
