"""A run as a document and back: what `run.json` holds, what a worker is handed, what `rlaw show RUN --spec` prints."""

from typing import Any

from rlaw import laws, tasks
from rlaw.errors import StoreError
from rlaw.study.model import Size
from rlaw.study.plan import SECTIONS, Run
from rlaw.study.recipe import RL, Base, Data, EngineChoice, Evaluation


def document(run: Run) -> dict[str, Any]:
    """Everything that makes the run what it is, as plain data."""
    named = {"id": run.id, "label": run.label, "study": run.study, "arm": run.arm}
    sizes = {"model": run.size.name, "params": run.params, "params_total": run.architecture.params_total}
    sections = {name: getattr(run, name).model_dump(mode="json") for name in (*SECTIONS, "size")}
    return {**named, **sizes, "steps": run.rl.steps, **run.content, "rung": sections.pop("size"), **sections}


def run_of(given: dict[str, Any]) -> Run:
    """The run that `document` described.

    Raises:
        StoreError: the document was changed: its content no longer gives its id.
    """
    kinds = {"base": Base, "rl": RL, "data": Data, "evaluation": Evaluation, "engine": EngineChoice}
    sections: dict[str, Any] = {name: kind.model_validate(given[name]) for name, kind in kinds.items()}
    named = {name: given[name] for name in ("study", "arm", "family", "variant", "seed")}
    run = Run(**named, size=Size.model_validate(given["rung"]), task=tasks.of(given["task"]), **sections)
    if run.id != given["id"]:
        raise StoreError(
            f"the description of run {given['id']} was changed, or is of another version: it now gives {run.id}\n"
            f"  next: run it again from its study file"
        )
    return run


def single_study(run: Run) -> dict[str, Any]:
    """A study of this run alone, resolved: running it gives a run with the same id."""
    content = run.content
    ladder, variants = [run.size.model_dump(mode="json")], {run.variant: content["base"]}
    return {
        "name": run.study,
        "model": {"family": run.family, "ladder": ladder, "variants": variants},
        **{section: content[section] for section in ("task", "rl", "data", "evaluation")},
        "seeds": [run.seed],
        "engine": content["engine"],
        "fit": {"laws": [name for name in laws.names() if laws.get(name).needs_sizes == 1]},
    }
