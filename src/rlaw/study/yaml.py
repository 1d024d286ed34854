"""YAML 1.2 with line numbers: `1e-6` is a number, a duplicate key fails, no tags, no aliases, at most 200 kB."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlaw.errors import NotFound, SpecError
from rlaw.text import UNSEEN

if TYPE_CHECKING:
    from pydantic import ValidationError

MAX_BYTES = 200_000
MOST_LISTS = 5_000  # brackets of a study: reading them takes seconds
SHOWN_FAULTS = 20
SHOWN_CHARACTERS = 64  # of a value in a message
_DIGITS = 40  # of a number
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
        faults, errors = [], error.errors(include_url=False, include_context=False)
        for item in errors[:SHOWN_FAULTS]:
            location = self._known(prefix + item["loc"])
            text = f"{_dotted(location)}{_text(item, known)}"
            faults.append((self.line(location or self._named(text)), text))
        lines = dict.fromkeys(f"{self.path}:{line}: {text}" for line, text in sorted(faults))
        more = f"\n  and {len(errors) - SHOWN_FAULTS:,} more" if len(errors) > SHOWN_FAULTS else ""
        return SpecError(
            "\n".join(lines) + f"{more}\n  next: fix the file; `rlaw init` writes a commented study to compare with"
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
    return ".".join(_short(part) for part in location) + ": " if location else ""


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}… ({len(text):,} characters)"


def _text(item: Any, known: Iterable[str]) -> str:
    if item["type"] == "extra_forbidden":
        near = get_close_matches(str(item["loc"][-1])[:SHOWN_CHARACTERS], list(known), n=1)
        return f"unknown key; did you mean {near[0]!r}?" if near else "unknown key"
    if item["type"] == "missing":
        return "missing"
    text = item["msg"].removeprefix("Value error, ").replace("a valid tuple", "a list")
    return (
        text
        if isinstance(item.get("input"), dict) or "got" in text
        else f"{text} (it says {_short(repr(item.get('input')))})"
    )


def load(path: str | Path) -> Document:
    """Read one YAML mapping.

    Raises:
        NotFound: there is no such file.
        SpecError: not YAML, not a mapping, more than 200 kB, or a value that no study has.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    path = Path(path)
    if not path.is_file():
        raise NotFound(f"no study file {path}\n  next: `rlaw init {path}` writes one to start from")
    if path.stat().st_size > MAX_BYTES:
        raise SpecError(f"{path}: larger than {MAX_BYTES} bytes; a study is a page of text")
    try:
        text = path.read_text(encoding="utf-8")
        if sum(map(text.count, "[{")) > MOST_LISTS or re.search(rf"(?:[-?:] ){{{MOST_LISTS},}}", text):
            raise SpecError(f"{path}: more than {MOST_LISTS} lists and mappings; a study is a page of text")
        node = YAML(typ="rt", pure=True).compose(text)
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
    at = f"{path}:{node.start_mark.line + 1}"
    if tag == "str":
        if found := UNSEEN.search(text):
            raise SpecError(
                f"{at}: U+{ord(found[0]):04X} cannot be shown: a study has no control or direction characters"
            )
        return text
    if tag == "null":
        return None
    if tag == "bool":
        return text.lower() == "true"
    if tag in ("int", "float"):
        return _number(tag, text, at)
    raise SpecError(f"{at}: tag {node.tag} is not taken; only plain data")


def _number(tag: str, text: str, at: str) -> int | float:
    """The number of a scalar; what could mean two numbers, or is none, is refused."""
    if len(text) > _DIGITS:
        raise SpecError(f"{at}: a number of {len(text):,} characters; no setting takes more than {_DIGITS}")
    if re.match(r"[+-]?0[0-9_]", text) and (tag == "int" or "." not in text):
        plain = text.lstrip("+-0_") or "0"
        raise SpecError(f"{at}: {text} is decimal to some and octal to others: write {plain}, or 0o{plain}")
    if not re.search(r"[0-9]", text):
        raise SpecError(f"{at}: {text} is not a finite number")
    return int(text.replace("_", ""), 0) if tag == "int" else float(text.replace("_", ""))
