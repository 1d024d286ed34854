"""What users add without touching this repository: laws, tasks, rewards, importers and model ladders of their own.

There are two ways. An installed package registers an object as an entry point, in the group `rlaw.laws`, `rlaw.tasks`,
`rlaw.rewards`, `rlaw.importers` or `rlaw.ladders`; its name is then used like a built-in one. Or a name is a reference:
`module:Object`, or `file.py:Object`, both searched for from the current folder.
"""

import sys
import zlib
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, TypeVar

from rlaw.errors import NotFound, UsageError

T = TypeVar("T")
Kind = Literal["laws", "tasks", "rewards", "importers", "ladders"]


def names(kind: Kind) -> tuple[str, ...]:
    """The names that installed packages register, sorted."""
    from importlib.metadata import entry_points  # takes as long as the rest of `rlaw --help`'s own code

    return tuple(sorted(entry_points(group=f"rlaw.{kind}").names))


def find(kind: Kind, name: str, wanted: type) -> Any | None:
    """The object that a name or a reference stands for; None when nothing has that name.

    Args:
        kind: what it is for.
        name: as registered, `module:Object`, or `file.py:Object`.
        wanted: the class it must be, or be an instance of.

    Raises:
        NotFound: a reference to a file, module or object that is not there.
        UsageError: its module fails when it is imported, or it is something else than `wanted`.
    """
    from importlib.metadata import entry_points

    if ":" in name:
        found = _referenced(name)
    elif name in names(kind):
        found = _guarded(name, entry_points(group=f"rlaw.{kind}")[name].load)
    else:
        return None
    if not (isinstance(found, wanted) or (isinstance(found, type) and issubclass(found, wanted))):
        raise UsageError(
            f"{name} is no {wanted.__module__}.{wanted.__name__}, but {type(found).__name__} {found!r:.60}\n"
            f"  next: derive it from {wanted.__name__}; docs/extend.md has an example"
        )
    return found


def make(kind: Kind, name: str, protocol: type[T] | tuple[type[T], ...], known: tuple[str, ...] = ()) -> T:
    """The object of a name or reference, checked for what the protocol asks; a class is called first.

    Args:
        kind: what it is for.
        name: as registered, `module:Object`, or `file.py:Object`.
        protocol: a runtime-checkable protocol that it must fulfil, or several of which it must fulfil one.
        known: other names that the message offers.

    Raises:
        NotFound: there is none of that name.
        UsageError: it lacks something of the protocol.
    """
    what = kind.removesuffix("s")
    found = find(kind, name, object)
    if found is None:
        there = ", ".join((*known, *names(kind))) or "none is registered"
        raise NotFound(f"no {what} is called {name!r} ({there})\n  next: file.py:{what.upper()}, or a package with one")
    made = found() if isinstance(found, type) else found
    if not isinstance(made, protocol):
        raise UsageError(f"{name} lacks a method or attribute of a {what}\n  next: docs/extend.md has an example")
    return made


def _referenced(reference: str) -> Any:
    place, _, attribute = reference.rpartition(":")
    module = _guarded(reference, lambda: _of_file(Path(place)) if place.endswith(".py") else _of_name(place))
    if not hasattr(module, attribute):
        raise NotFound(f"{place} has no {attribute!r}\n  next: check the name after the colon in {reference}")
    return getattr(module, attribute)


def _of_file(path: Path) -> ModuleType:
    """The module that a file makes; imported once, under a name of its own."""
    if not path.is_file():
        raise NotFound(f"no such file: {path}\n  next: give its path from the current folder, {Path.cwd()}")
    name = f"rlaw_plugin_{path.stem}_{zlib.crc32(bytes(path.resolve())):08x}"
    if name not in sys.modules:
        spec = spec_from_file_location(name, path.resolve())
        sys.modules[name] = module = module_from_spec(spec)  # pyright: ignore[reportArgumentType] - .py has a loader
        try:
            spec.loader.exec_module(module)  # pyright: ignore[reportOptionalMemberAccess]
        except BaseException:
            del sys.modules[name]
            raise
    return sys.modules[name]


def _of_name(module: str) -> ModuleType:
    """An importable module; the current folder is searched last."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise
        raise NotFound(
            f"no module is called {module!r}\n  next: install it, or give its file: {module}.py:NAME"
        ) from None


def _guarded(name: str, load: Any) -> Any:
    """What `load` gives; a module of the user's that fails is an error of the user's, with its text."""
    try:
        return load()
    except (NotFound, UsageError):
        raise
    except Exception as error:
        raise UsageError(f"{name} cannot be imported: {type(error).__name__}: {error}") from error
