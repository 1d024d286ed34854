"""The page: one file that loads nothing else."""

import json
from importlib import resources
from importlib.metadata import version
from typing import Any

from rlaw.analysis.evidence import Evidence
from rlaw.analysis.findings import Finding
from rlaw.decisions import staging
from rlaw.errors import RlawError
from rlaw.fitting.interval import three_digits
from rlaw.reporting import summary
from rlaw.reporting.figures import Figure
from rlaw.reporting.figures.captions import how_fitted, window
from rlaw.reporting.tables import TABLES
from rlaw.store import Store
from rlaw.text import clean


def render(
    evidence: Evidence,
    figures: tuple[Figure, ...],
    findings: tuple[Finding, ...],
    left_out: dict[str, str],
) -> str:
    """The report as HTML. Whatever comes from the data is escaped; the pictures hold shapes, no text of theirs."""
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined
        from markupsafe import Markup
    except ImportError as error:
        raise RlawError("the report needs jinja2\n  next: pip install 'rlaw[report]'") from error
    environment = Environment(
        loader=PackageLoader("rlaw.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    tables, tables_left_out = TABLES.make_all(evidence)
    style = (resources.files("rlaw.reporting") / "templates" / "report.css").read_text(encoding="utf-8")
    study = ""
    if evidence.store is not None:
        study = json.dumps(evidence.store.study.model_dump(mode="json"), indent=1, ensure_ascii=False)
    return clean(
        environment.get_template("report.html.jinja").render(
            title=evidence.store.study.name if evidence.store else evidence.frame.source,
            question=evidence.store.study.question if evidence.store else "",
            style=Markup(style),  # noqa: S704 - our own file
            answer=_answer(evidence),
            what=summary.what(evidence),
            findings=[f for f in findings if f.tested],
            untested=[f for f in findings if not f.tested],
            sentence=_sentence,
            number=lambda value: value.text(three_digits),
            figures=[(f, Markup(f.svg())) for f in figures],  # noqa: S704 - shapes without text, see Figure.svg
            left_out=left_out,
            tables=tables,
            tables_left_out=tables_left_out,
            spent=summary.spent(evidence) if evidence.cost.runs else "",
            method=_method(evidence),
            cautions=_cautions(evidence),
            provenance=_provenance(evidence),
            study=study,
        )
        + "\n"
    )


def _answer(evidence: Evidence) -> list[str]:
    """The answer, a sentence each."""
    parts = (summary.the_law, summary.best_sizes, summary.held_out, summary.size_or_base)
    return [f"{_sentence(part(evidence))}." for part in parts]


def _sentence(text: str) -> str:
    """The text with a capital first letter, unless it begins with a symbol such as k or tau."""
    first = text.split(" ", 1)[0]
    return text if len(first) == 1 or first in ("tau", "ln") else text[:1].upper() + text[1:]


def _method(evidence: Evidence) -> list[tuple[str, str]]:
    """How it was done, as terms and what they mean here."""
    choice, rows = evidence.choice, evidence.main.rows
    dropped = ", ".join(f"{n} {reason.replace('_', ' ')}" for reason, n in evidence.main.dropped.items())
    items = rows["items"].drop_nulls()
    evaluation = (
        f"{items[0]} problems, {rows['samples'][0]} answer(s) each" if len(items) else "number of problems not recorded"
    )
    pairs = [
        ("Evaluations used", f"{len(rows)} of {len(evidence.frame)} rows; {evaluation}"),
        ("Left out before fitting", dropped or "nothing"),
        ("Window", f"{window(choice.window)}, declared in the study" if evidence.store else window(choice.window)),
        ("Compute", f"{evidence.main.accounting}: RL only; the compute that made the base is not on the axis"),
        ("Noise of a loss", evidence.noise.how),
    ]
    if evidence.store is not None:
        pairs += [("Stages", str(decision)) for decision in staging.decisions(evidence.store)]
    fit = evidence.law or evidence.power
    if fit is not None:
        pairs.append(("Fit", how_fitted(fit)))
    return pairs + [(f"Not done: {name}", reason) for name, reason in evidence.refused.items()]


def _cautions(evidence: Evidence) -> list[tuple[str, str, str]]:
    """Every warning of a fit, once: code, text, where."""
    found: dict[tuple[str, str], list[str]] = {}
    for axis, fit in evidence.fits.items():
        for caution in fit.warnings:
            found.setdefault((caution.code, caution.text), []).append(f"{fit.law.name} over {axis}")
    return [(code, text, ", ".join(where)) for (code, text), where in found.items()]


def _provenance(evidence: Evidence) -> list[tuple[str, Any]]:
    store = evidence.store
    pairs: list[tuple[str, Any]] = [("rlaw", version("rlaw")), ("rows", evidence.frame.digest)]
    if store is not None:
        pairs += [("store", store.path.resolve().name), ("study digest", store.digest)]
        pairs += [("study made with rlaw", store.document.get("rlaw", "unknown")), *_versions(store)]
    return [*pairs, ("bootstrap", f"{evidence.drawn()['draws']} draws, seed {evidence.seed}")]


def _versions(store: Store) -> list[tuple[str, str]]:
    """Versions of Python and the packages that the runs were made with, each once."""
    texts = []
    for label in store.labels():
        for attempt in store.spec(label)["attempts"] if (store.folder(label) / "run.json").is_file() else ():
            packages = ", ".join(f"{name} {version}" for name, version in attempt.get("packages", {}).items())
            texts.append(f"Python {attempt.get('python', '?')}, {packages}")
    return [("made with", text) for text in dict.fromkeys(texts)]
