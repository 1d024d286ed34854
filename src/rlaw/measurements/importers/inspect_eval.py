"""Inspect's evaluation logs: `.eval`, an archive whose header holds the results, and the same as one `.json`."""

import json
import struct
import zipfile
from pathlib import Path
from typing import Any

import polars as pl

from rlaw.errors import DataError
from rlaw.measurements.importers import evaluated, text
from rlaw.measurements.importers.log import Log
from rlaw.measurements.raw import Note

_HEADER = "header.json"
_LARGEST = 1 << 26  # bytes of a header
_ZSTD = 93  # the number of the method in an archive
_LOCAL = 30  # bytes before the name of a member
_METRICS = ("accuracy", "mean")


class Inspect:
    """A `.eval` file or its JSON form."""

    name = "inspect"

    def recognises(self, path: Path) -> bool:
        """By the archive's header, or by the keys of the document."""
        if path.is_dir():
            return False
        if path.suffix == ".eval":
            return zipfile.is_zipfile(path)
        if not text.bare(path).endswith(".json"):
            return False
        with text.opened(path) as file:
            head = file.read(1 << 14)
        return '"eval"' in head and '"task"' in head and '"status"' in head and '"run_id"' in head

    def log(self, path: Path) -> Log:
        """One evaluation of one model; a row for it, whatever the number of its samples.

        Raises:
            DataError: it has no header, as when the evaluation was stopped, or cannot be read.
        """
        document = _document(path)
        about, results = document.get("eval") or {}, document.get("results") or {}
        model = str(about.get("model") or path.stem)
        benchmark = str(about.get("task") or "eval").rpartition("/")[2]
        scores = results.get("scores") or []
        found = {}
        for score in scores:
            value = _value(score.get("metrics") or {})
            if value is not None:
                found[benchmark if len(scores) == 1 else f"{benchmark}/{score.get('name')}"] = value
        samples = (about.get("dataset") or {}).get("samples") or results.get("total_samples")
        limit = (about.get("config") or {}).get("limit")
        n = min(samples, limit) if isinstance(limit, int) and samples else samples
        arguments = json.dumps([about.get("model_args"), about.get("metadata"), about.get("tags")])
        step = evaluated.step_of(model, arguments, path.name)
        notes = ()
        if document.get("status") not in (None, "success"):
            notes = (Note("unfinished", f"the evaluation ended with status {document['status']}"),)
        run = evaluated.run_of(evaluated.model_of(model), step, found, dict.fromkeys(found, int(n)) if n else {})
        return Log(path, self.name, "inspect", (run,), {}, notes)


def _document(path: Path) -> dict[str, Any]:
    """The log without its samples."""
    try:
        if path.suffix != ".eval":
            document = json.loads(text.whole(path))
        else:
            with zipfile.ZipFile(path) as archive:
                if _HEADER not in archive.namelist():
                    raise DataError(f"{path}: the evaluation was stopped before it had results")
                if archive.getinfo(_HEADER).file_size > _LARGEST:
                    raise DataError(f"{path}: its header is larger than a header can be")
                document = json.loads(_member(path, archive, archive.getinfo(_HEADER)))
    except (
        ValueError,
        RecursionError,
        OSError,
        zipfile.BadZipFile,
        pl.exceptions.PolarsError,
        NotImplementedError,
        struct.error,
    ) as error:
        raise DataError(f"{path}: cannot be read as a log of Inspect: {error}") from error
    if not isinstance(document, dict):
        raise DataError(f"{path}: its header is no object")
    return document


def _member(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """A member of an archive; one that zstd compressed, which zipfile knows from Python 3.14 on, is cut out first."""
    if info.compress_type != _ZSTD:
        return archive.read(info)
    with path.open("rb") as file:
        file.seek(info.header_offset)
        lengths = struct.unpack("<HH", file.read(_LOCAL)[-4:])
        file.seek(sum(lengths), 1)
        return text.unpacked(file.read(info.compress_size))


def _value(metrics: dict[str, Any]) -> float | None:
    """The accuracy of a scorer, else the mean, else its first metric that is no error."""
    names = [*_METRICS, *(name for name in metrics if name not in (*_METRICS, "stderr", "std", "var"))]
    values = (metrics[name].get("value") for name in names if isinstance(metrics.get(name), dict))
    return next((float(value) for value in values if isinstance(value, int | float)), None)
