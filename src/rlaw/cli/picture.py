"""What `rlaw figure`, `rlaw table` and `rlaw report` share: draws, the list of names, a file whose form follows from
its name."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from typer import Option

from rlaw.cli.terminal import show
from rlaw.errors import NotFound, UsageError

Draws = Annotated[
    int | None, Option(min=20, help="bootstrap draws; 1000 of fits, 200 or 300 of what is costlier by default")
]


@dataclass(frozen=True, slots=True)
class OutputFile:
    """A file to be, and its form."""

    path: Path
    form: str

    def write(self, picture: Callable[[str], bytes]) -> Path:
        """Write the picture in this form.

        Raises:
            StoreError: the place cannot be written.
        """
        from rlaw.files import write_atomically

        write_atomically(self.path, picture(self.form))
        return self.path


def save(name: str, known: Mapping[str, str], output: Path | None, forms: Sequence[str]) -> OutputFile:
    """Where a figure or table will be: told before any work is done.

    Raises:
        NotFound: no such name.
        UsageError: a form that is none of these, or a folder that is not there.
    """
    if name not in known:
        raise NotFound(f"nothing is called {name!r}\n  next: choose one of {', '.join(known)}")
    path = output or Path(f"{name}.{forms[0]}")
    form = path.suffix.removeprefix(".").lower()
    if form not in forms:
        raise UsageError(f"{path}: the name ends in none of .{', .'.join(forms)}\n  next: -o {name}.{forms[0]}")
    if not path.parent.exists():
        raise UsageError(f"{path}: there is no folder {path.parent}\n  next: mkdir -p {path.parent}, or another -o")
    return OutputFile(path, form)


def listing(kind: str, titles: Mapping[str, str], *, as_json: bool) -> None:
    """The names with what each shows."""
    width = max(map(len, titles))
    text = "\n".join(f"{name:<{width}}  {title}" for name, title in titles.items())
    show({kind: [{"name": n, "title": t} for n, t in titles.items()]}, text, as_json=as_json)
