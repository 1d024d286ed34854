"""What a figure is: a picture with its caption, drawn off screen, the same bytes every time it is saved."""

import io
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from rlaw.analysis.evidence import Evidence
from rlaw.errors import RlawError, UsageError
from rlaw.store.files import make_folder, write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

FORMATS = ("svg", "pdf", "png")
_PIXELS_PER_INCH = 160
#: nothing that depends on the clock or the machine; text as paths, so that every viewer shows the same picture
_STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 8,
    "axes.labelcolor": "#33383d",
    "axes.edgecolor": "#8a9299",
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e6e9ec",
    "grid.linewidth": 0.6,
    "text.color": "#1d2125",
    "xtick.color": "#5a636b",
    "ytick.color": "#5a636b",
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "lines.linewidth": 1.4,
    "lines.markersize": 3.6,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "svg.fonttype": "path",
    "svg.hashsalt": "rlaw",
    "pdf.fonttype": 42,
    "pdf.compression": 6,
}
_NO_METADATA: dict[str, dict[str, Any]] = {
    "svg": dict.fromkeys(("Date", "Creator", "Format", "Type")),
    "pdf": dict.fromkeys(("CreationDate", "Creator", "Producer")),
    "png": {"Software": None},
}


@dataclass(frozen=True, eq=False)
class Figure:
    """A picture and what it shows.

    Attributes:
        name: of its files, and of its place in a report.
        title: what it shows, in a few words.
        caption: the law, window, weights, intervals and accounting behind it.
        caveat: what a reader could wrongly take from it.
        canvas: the drawn matplotlib figure.
    """

    name: str
    title: str
    caption: str
    caveat: str
    canvas: "Canvas"

    def render(self, format: str) -> bytes:
        """The picture as svg, pdf or png: the same bytes every time."""
        return self._svg if format == "svg" else self._rendered(format)

    @cached_property
    def _svg(self) -> bytes:
        return self._rendered("svg")

    def _rendered(self, format: str) -> bytes:
        buffer = io.BytesIO()
        with drawing_style():
            self.canvas.savefig(buffer, format=format, dpi=_PIXELS_PER_INCH, metadata=_NO_METADATA[format])
        return buffer.getvalue()

    def settle(self) -> "Figure":
        """The same figure with its layout worked out once, for all formats."""
        with drawing_style():
            lay_out(self.canvas)
            self.canvas.set_layout_engine(None)  # not "none", which makes every format draw twice
        return self

    def svg(self) -> str:
        """The picture as an `<svg>` element for a page: no header, no namespace, ids of its own."""
        text = self.render("svg").decode()
        text = text[text.index("<svg") :]
        text = re.sub(r'\s+xmlns(:\w+)?="[^"]*"', "", text)
        text = re.sub(r"<metadata>.*?</metadata>\s*|<!--.*?-->\s*", "", text, flags=re.DOTALL)
        return re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{self.name}-", text)

    def save(self, path: str | Path) -> Path:
        """Write the picture into one file; its name ends in .svg, .pdf or .png.

        Raises:
            UsageError: another ending.
            StoreError: the file cannot be written.
        """
        path = Path(path)
        format = path.suffix.removeprefix(".").lower()
        if format not in FORMATS:
            raise UsageError(
                f"{path}: the name ends in none of .{', .'.join(FORMATS)}\n  next: {self.name}.{FORMATS[0]}"
            )
        write_atomically(path, self.render(format))
        return path

    def _repr_html_(self) -> str:
        return f"<figure>{self.svg()}<figcaption>{escape(self.caption)}</figcaption></figure>"

    def save_all(self, folder: Path, formats: Collection[str] = FORMATS) -> tuple[Path, ...]:
        """Write the picture into a folder in each format, and again in every other format that is there already.

        Raises:
            StoreError: the folder cannot be written.
        """
        make_folder(folder)
        paths = {format: folder / f"{self.name}.{format}" for format in FORMATS}
        wanted = {f: path for f, path in paths.items() if f in formats or path.exists()}  # none goes out of date
        for format, path in wanted.items():
            write_atomically(path, self.render(format))
        return tuple(wanted.values())


class FigureFn(Protocol):
    """A member of the family: one function, one figure."""

    def __call__(self, evidence: Evidence) -> Figure:
        """Draw the figure.

        Raises:
            DataError: the evidence lacks what it would show; the message says what.
        """
        ...


@contextmanager
def drawing_style() -> Iterator[None]:
    """The look of every figure; what the process had set before comes back afterwards.

    Raises:
        RlawError: matplotlib is not installed.
    """
    try:
        import matplotlib
    except ImportError as error:
        raise RlawError("figures need matplotlib\n  next: pip install 'rlaw[report]'") from error
    settings: Any = {**matplotlib.rcParamsDefault, "backend": "agg", **_STYLE}
    with matplotlib.rc_context(settings):
        yield


def lay_out(canvas: "Canvas") -> None:
    """Compute the positions of the axes, as drawing would do first, without drawing."""
    engine = canvas.get_layout_engine()
    if engine is not None:
        engine.execute(canvas)


def new_canvas(width_inches: float, height_inches: float) -> "Canvas":
    """An empty canvas that belongs to no window."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Canvas

    canvas = Canvas(figsize=(width_inches, height_inches), layout="constrained")
    FigureCanvasAgg(canvas)
    return canvas
