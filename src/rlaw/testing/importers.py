"""What every importer must do. For an importer of your own, with a file of its kind, in your tests::

    @pytest.mark.parametrize("check", rlaw.testing.importers.CHECKS, ids=lambda check: check.__name__)
    def test_my_importer(check, tmp_path):
        check(MyLog(), Path("sample.log"), tmp_path)

Each check raises AssertionError and says what it found.
"""

import json
from pathlib import Path

from rlaw.errors import DataError
from rlaw.measurements.importers import Importer, LogFormat, imported, logs
from rlaw.measurements.importers.tabled import Tabled


def it_knows_its_own_files_by_their_content(importer: Importer | LogFormat, sample: Path, folder: Path) -> None:
    """The sample is recognised; an empty file of its name, bytes and another table are not."""
    _check(importer.recognises(sample), f"{importer.name} does not recognise {sample}")
    for what in (b"", b"\0\xff\x80" * 100, b"name;value\na;1\n"):
        other = folder / sample.name
        other.write_bytes(what)
        _check(not importer.recognises(other), f"{importer.name} takes {what[:12]!r} for a file of its kind")


def it_reads_the_same_twice(importer: Importer | LogFormat, sample: Path, folder: Path) -> None:
    """What it reads depends on the file alone, and the file stays as it was."""
    before = sample.read_bytes()
    first, second = (_format(importer).log(sample) for _ in range(2))
    _check([run.name for run in first.runs] == [run.name for run in second.runs], "runs differ between two readings")
    for one, other in zip(first.runs, second.runs, strict=True):
        _check(one.entries.equals(other.entries), f"the entries of {one.name} differ between two readings")
    _check(sample.read_bytes() == before, f"{importer.name} changed {sample}")


def its_entries_have_steps_and_numbers(importer: Importer | LogFormat, sample: Path, folder: Path) -> None:
    """There is a run with entries, each with a column of whole steps; no column is nested."""
    log = _format(importer).log(sample)
    _check(any(len(run.entries) for run in log.runs), f"{importer.name} finds no entry in {sample}")
    for run in log.runs:
        _check(bool(run.name), "a run has no name")
        kinds = run.entries.schema
        _check("step" in kinds, f"{run.name} has no column `step`")
        _check(kinds["step"].is_integer(), f"step of {run.name} is {kinds['step']}, and whole numbers are needed")
        _check(not any(kind.is_nested() for kind in kinds.values()), f"{run.name} has a nested column")


def what_it_reads_is_imported_and_imported_again(importer: Importer | LogFormat, sample: Path, folder: Path) -> None:
    """Rows in are rows out and rows dropped; a second import changes no byte of a store."""
    source = logs.source_of(sample, _format(importer))
    rows = source.rows
    dropped = sum(rows["dropped"].values())  # pyright: ignore[reportAttributeAccessIssue]
    _check(
        rows["in"] == rows["out"] + dropped,  # pyright: ignore[reportOperatorIssue]
        f"rows do not add up: {rows}",
    )
    store = folder / "store"
    stores = []
    for _ in range(2):
        imported.write(store, [source], "held-out")
        stores.append({p: p.read_bytes() for p in store.rglob("*") if p.is_file()})
    _check(stores[0] == stores[1], "a second import changed the store")
    json.dumps(imported.document_of_source(source, "held-out"))


def a_cut_file_is_read_or_refused_in_words(importer: Importer | LogFormat, sample: Path, folder: Path) -> None:
    """Of the first bytes of a file it reads what is whole, or raises DataError: never anything else."""
    whole = sample.read_bytes()
    for share in (0.3, 0.6, 0.95):
        cut = folder / sample.name
        cut.write_bytes(whole[: int(share * len(whole))])
        message = str(cut)
        try:
            _format(importer).log(cut)
        except DataError as error:
            message = str(error)
        _check(str(cut) in message, f"the message does not say which file: {message}")


CHECKS = (
    it_knows_its_own_files_by_their_content,
    it_reads_the_same_twice,
    its_entries_have_steps_and_numbers,
    what_it_reads_is_imported_and_imported_again,
    a_cut_file_is_read_or_refused_in_words,
)


def _check(holds: bool, otherwise: str) -> None:
    if not holds:
        raise AssertionError(otherwise)


def _format(importer: Importer | LogFormat) -> LogFormat:
    return importer if isinstance(importer, LogFormat) else Tabled(importer, importer.name)
