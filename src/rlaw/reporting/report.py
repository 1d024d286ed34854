"""A study's report: one self-contained HTML file, its figures, and a summary in ten lines."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlaw.analysis.evidence import Evidence, gather
from rlaw.analysis.findings import Finding, judge_all
from rlaw.errors import NotFound, UsageError
from rlaw.measurements import datasets
from rlaw.measurements.frame import Frame
from rlaw.reporting import summary
from rlaw.reporting.figures import FIGURES
from rlaw.reporting.page import render
from rlaw.store.files import make_folder, write_atomically
from rlaw.text import Readable

_LINES = 10


@dataclass(frozen=True, repr=False)
class Report(Readable):
    """A written report.

    Attributes:
        path: of the page.
        figures: paths of the saved figures, one for each format.
        summary: the answer, in lines.
        findings: every finding with its verdict.
        evidence: what it was made of.
        left_out: figures that could not be drawn, and why.
    """

    path: Path
    figures: tuple[Path, ...]
    summary: tuple[str, ...]
    findings: tuple[Finding, ...]
    evidence: Evidence
    left_out: dict[str, str]

    def to_json(self) -> dict[str, Any]:
        """The document of `rlaw report --json`."""
        evidence = self.evidence
        return {
            "report": str(self.path),
            "figures": [str(path) for path in self.figures],
            "left_out": self.left_out,
            "summary": list(self.summary),
            "findings": [finding.to_json() for finding in self.findings],
            "fits": {axis: fit.to_json() for axis, fit in evidence.fits.items()},
            "comparison": evidence.comparison.to_json() if evidence.comparison else None,
            "refused": evidence.refused,
        }

    def documents(self) -> list[dict[str, Any]]:
        """A row for each finding."""
        return [finding.to_json() for finding in self.findings]

    def __str__(self) -> str:
        return "\n".join((*self.summary, f"report: {self.path}"))


def report(
    source: str | Path | Frame,
    output: str | Path | None = None,
    *,
    where: Mapping[str, Any] | None = None,
    draws: int | None = None,
    seed: int = 0,
    forms: Collection[str] = (),
) -> Report:
    """Fit, judge and draw everything that the data of a store (or a table) suffice for, into one HTML file.

    Args:
        source: a store's folder; or a CSV, Parquet or JSONL file, a dataset's name or a frame, which need an `output`.
        output: the HTML file, STORE/report.html when None; the figures go to a folder `figures` beside it.
        where: column -> value or values of the rows that laws are fitted to; of a benchmark, variant or arm, the others
            are still shown.
        draws: bootstrap draws; 1000 of fits and fewer of what is costlier where None.
        seed: of the bootstrap.
        forms: "pdf" and "png", what the figures are saved as beside the SVG that the page shows.

    Raises:
        NotFound, DataError: there is nothing to report.
        UsageError: a table without an output, or one of several benchmarks or arms without `where`.
        StoreError: the output cannot be written.
    """
    path = _target(source, output)
    evidence = gather(source, where=where, draws=draws, seed=seed)
    drawn, left_out = FIGURES.make_all(evidence)
    figures = tuple(drawn.values())
    findings = judge_all(evidence)
    page = render(evidence, figures, findings, left_out)
    make_folder(path.parent)
    write_atomically(path, page.encode())  # a reader never finds half of one
    saved = tuple(file for figure in figures for file in figure.save_all(path.parent / "figures", ("svg", *forms)))
    return Report(path, saved, _summary(evidence, findings), findings, evidence, left_out)


def _target(source: str | Path | Frame, output: str | Path | None) -> Path:
    if output is not None:
        return Path(output)
    if not isinstance(source, str | Path):
        raise UsageError("a frame has no place of its own for a report\n  next: `output=report.html`")
    if not Path(source).is_dir():
        if not Path(source).exists() and str(source) not in datasets.names():
            raise NotFound(f"no store or file {source}, and no bundled dataset of that name")
        raise UsageError(f"{source} is not a store, so the report has no place of its own\n  next: -o report.html")
    return Path(source) / "report.html"


def _summary(evidence: Evidence, findings: tuple[Finding, ...]) -> tuple[str, ...]:
    """At most nine lines; the path of the report is the tenth."""
    parts = (summary.what, summary.the_law, summary.held_out, summary.best_sizes, summary.size_or_base)
    lines = [part(evidence) for part in parts] + summary.verdicts(findings)
    if evidence.cost.runs:
        lines.append(summary.spent(evidence))
    return tuple(lines[: _LINES - 1])
