"""YAML 1.2 with line numbers: `1e-6` is a number, a duplicate key fails, no tags, no aliases, at most a megabyte."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlaw.errors import NotFound, SpecError

if TYPE_CHECKING:
    from pydantic import ValidationError

MAX_BYTES = 1_000_000
Location = tuple[str | int, ...]


@dataclass(frozen=True)
class Document:
    """Plain data read from a file, and the line of each key."""

    path: Path
    data: Any
    lines: dict[Location, int]

    def line(self, location: Sequence[str | int]) -> int:
        """The line of a location, or of its nearest known parent."""
        for end in range(len(location), -1, -1):
            if tuple(location[:end]) in self.lines:
                return self.lines[tuple(location[:end])]
        return 1

    def fault(self, location: Sequence[str | int], text: str) -> SpecError:
        """An error about one place in the file."""
        return SpecError(f"{self.path}:{self.line(location)}: {_dotted(location)}{text}")

    def error(self, error: "ValidationError", prefix: Location = (), known: Iterable[str] = ()) -> SpecError:
        """One line per fault, in the order of the file; `known` keys are offered for a mistyped one."""
        faults = []
        for item in error.errors():
            location = self._known(prefix + item["loc"])
            text = f"{_dotted(location)}{_text(item, known)}"
            faults.append((self.line(location or self._named(text)), text))
        lines = dict.fromkeys(f"{self.path}:{line}: {text}" for line, text in sorted(faults))
        return SpecError(
            "\n".join(lines) + "\n  next: fix the file; `rlaw init` writes a commented study to compare with"
        )

    def _named(self, text: str) -> Location:
        """The location that a text about the whole study begins with: `fit.laws: power needs …`."""
        named = tuple(text.partition(": ")[0].split("."))
        return named if named[:1] in self.lines else ()

    def _known(self, location: Location) -> Location:
        """The location without the names pydantic adds for the members of a union."""
        kept: Location = ()
        for part in location:
            if (*kept, part) in self.lines or part == location[-1]:
                kept = (*kept, part)
        return kept


def _dotted(location: Sequence[str | int]) -> str:
    return ".".join(map(str, location)) + ": " if location else ""


def _text(item: Any, known: Iterable[str]) -> str:
    if item["type"] == "extra_forbidden":
        near = get_close_matches(str(item["loc"][-1]), list(known), n=1)
        return f"unknown key; did you mean {near[0]!r}?" if near else "unknown key"
    if item["type"] == "missing":
        return "missing"
    text = item["msg"].removeprefix("Value error, ").replace("a valid tuple", "a list")
    return text if isinstance(item.get("input"), dict) or "got" in text else f"{text} (it says {item.get('input')!r})"


def load(path: str | Path) -> Document:
    """Read one YAML mapping.

    Raises:
        NotFound: there is no such file.
        SpecError: not YAML, not a mapping, or more than a megabyte.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    path = Path(path)
    if not path.is_file():
        raise NotFound(f"no study file {path}\n  next: `rlaw init {path}` writes one to start from")
    if path.stat().st_size > MAX_BYTES:
        raise SpecError(f"{path}: larger than {MAX_BYTES} bytes; a study is a page of text")
    try:
        node = YAML(typ="rt", pure=True).compose(path.read_text(encoding="utf-8"))
        lines: dict[Location, int] = {}
        data = _plain(node, (), lines, path, set())
    except UnicodeDecodeError as error:
        raise SpecError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start})") from error
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        raise SpecError(f"{where}: not YAML: {getattr(error, 'problem', None) or error}") from error
    except RecursionError as error:
        raise SpecError(f"{path}: nested too deeply") from error
    if not isinstance(data, dict):
        raise SpecError(f"{path}:1: a study is a mapping of keys to values")
    return Document(path, data, lines)


def _plain(node: Any, at: Location, lines: dict[Location, int], path: Path, visited: set[int]) -> Any:
    """Plain data of a composed node; notes the line of every key."""
    from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

    if node is None:
        return None
    line = node.start_mark.line + 1
    lines.setdefault(at, line)
    if id(node) in visited:
        raise SpecError(f"{path}:{line}: aliases (`*name`) are not taken; write the value out")
    visited.add(id(node))
    if isinstance(node, ScalarNode):
        return _scalar(node, path)
    if isinstance(node, SequenceNode):
        return [_plain(child, (*at, i), lines, path, visited) for i, child in enumerate(node.value)]
    if not isinstance(node, MappingNode):
        raise SpecError(f"{path}:{line}: not plain data")
    data: dict[str, Any] = {}
    for key_node, child in node.value:
        key = str(key_node.value)
        if key in data:
            raise SpecError(f"{path}:{key_node.start_mark.line + 1}: {_dotted((*at, key))}given twice")
        lines[(*at, key)] = key_node.start_mark.line + 1
        data[key] = _plain(child, (*at, key), lines, path, visited)
    return data


def _scalar(node: Any, path: Path) -> Any:
    tag, text = str(node.tag).removeprefix("tag:yaml.org,2002:"), node.value
    if tag == "str":
        return text
    if tag == "null":
        return None
    if tag == "bool":
        return text.lower() == "true"
    if tag == "int":
        return int(text.replace("_", ""), 0)
    if tag == "float":
        return float(text.replace("_", ""))
    raise SpecError(f"{path}:{node.start_mark.line + 1}: tag {node.tag} is not taken; only plain data")
