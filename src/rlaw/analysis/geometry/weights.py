"""Checkpoints in safetensors, as any Hugging Face model has them: one tensor is in memory at a time.

The format: eight bytes of length, a header in JSON (name -> dtype, shape, place), then the numbers. numpy has no
bfloat16, so that it is read and written as the upper half of a float32.
"""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from rlaw.errors import DataError, NotFound
from rlaw.text import listed

INDEX = "model.safetensors.index.json"
_LONGEST_HEADER = 100_000_000
_FLOATS = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}
_OTHERS = {"I64": 8, "I32": 4, "I16": 2, "I8": 1, "U64": 8, "U32": 4, "U16": 2, "U8": 1, "BOOL": 1}
_OTHERS |= {"F8_E4M3": 1, "F8_E5M2": 1}
_LAYER = re.compile(r"(?:^|\.)(?:layers?|h|blocks?)\.(\d+)\.")
_NO_MATRIX = re.compile(r"(?i)embed|lm_head|norm|bias|rotary")
_CONV1D = ("c_attn", "c_proj", "c_fc")  # of GPT-2, stored (in, out)
_CONV1D_MODELS = ("gpt2", "openai-gpt", "imagegpt", "decision_transformer")


@dataclass(frozen=True, slots=True)
class Tensor:
    """Where one tensor stands: file, first byte and length, type and shape."""

    name: str
    file: Path
    begin: int
    n_bytes: int
    dtype: str
    shape: tuple[int, ...]

    @property
    def is_float(self) -> bool:
        """Whether its numbers can be computed with."""
        return self.dtype in _FLOATS

    @property
    def layer(self) -> int | None:
        """The number of its layer; None outside of the layers."""
        found = _LAYER.search(self.name)
        return int(found[1]) if found else None

    @property
    def is_matrix(self) -> bool:
        """Whether it multiplies activations inside of a layer: neither embedding, head, norm nor bias."""
        return (
            self.is_float
            and len(self.shape) in (2, 3)
            and min(self.shape) > 1
            and self.layer is not None
            and not _NO_MATRIX.search(self.name)
        )

    def stored(self) -> bytes:
        """Its numbers as they are in the file.

        Raises:
            DataError: the file is shorter than its header says.
        """
        with self.file.open("rb") as file:
            file.seek(self.begin)
            data = file.read(self.n_bytes)
        if len(data) != self.n_bytes:
            raise DataError(f"{self.file}: cut short in the middle of {self.name}\n  next: copy the checkpoint again")
        return data

    def read(self) -> np.ndarray:
        """Its numbers, float32.

        Raises:
            DataError: the file is shorter than its header says.
        """
        data = np.frombuffer(self.stored(), _FLOATS[self.dtype])
        if self.dtype == "BF16":
            wide = data.astype(np.uint32)
            wide <<= 16
            return wide.view(np.float32).reshape(self.shape)
        return data.astype(np.float32, copy=False).reshape(self.shape)

    def written(self, values: np.ndarray) -> bytes:
        """Numbers as the file keeps them, in this tensor's type, rounded to even."""
        values = np.ascontiguousarray(values, np.float32)
        if self.dtype != "BF16":
            return values.astype(_FLOATS[self.dtype]).tobytes()
        bits = values.view(np.uint32)
        rounded = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2")
        return np.where(np.isnan(values), np.uint16(0x7FC0), rounded).astype("<u2").tobytes()


@dataclass(frozen=True)
class Weights:
    """A checkpoint's tensors, by name.

    Attributes:
        folder: the checkpoint.
        tensors: name -> where it stands, in the order of files and places.
        files: of the weights.
    """

    folder: Path
    tensors: dict[str, Tensor]
    files: tuple[Path, ...]

    @classmethod
    def open(cls, folder: str | Path) -> "Weights":
        """The checkpoint in a folder; a single .safetensors file is one too.

        Raises:
            NotFound: there is no such folder or file.
            DataError: it holds no safetensors, or a damaged one.
        """
        path = Path(folder)
        if not path.exists():
            raise NotFound(f"no such checkpoint: {path}\n  next: the folder of a model, with its .safetensors")
        files = _files(path)
        tensors: dict[str, Tensor] = {}
        for file in files:
            for tensor in _header(file):
                if tensor.name in tensors:
                    raise DataError(f"{path}: {tensor.name} stands in {tensors[tensor.name].file.name} and {file.name}")
                tensors[tensor.name] = tensor
        return cls(path, tensors, tuple(files))

    @cached_property
    def config(self) -> dict[str, Any]:
        """The model's config.json; empty where there is none."""
        try:
            found = json.loads((self.folder / "config.json").read_text())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def out_by_in(self, tensor: Tensor, values: np.ndarray) -> list[np.ndarray]:
        """The matrices of a tensor, (out, in) each: views; several of a mixture of experts."""
        turned = self.config.get("model_type") in _CONV1D_MODELS and any(f".{n}." in tensor.name for n in _CONV1D)
        parts = list(values) if values.ndim == 3 else [values]
        return [part.T for part in parts] if turned else parts


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if (path / INDEX).is_file():
        try:
            names = sorted(set(json.loads((path / INDEX).read_text())["weight_map"].values()))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{path / INDEX}: is no index of weights") from error
        if odd := [name for name in names if not isinstance(name, str) or Path(name).name != name]:
            raise DataError(f"{path / INDEX}: names a file outside of the folder: {listed(odd)}")
        if lost := [name for name in names if not (path / name).is_file()]:
            raise NotFound(f"{path}: {INDEX} names files that are not there: {listed(lost)}")
        return [path / name for name in names]
    files = sorted(path.glob("*.safetensors"))
    if (path / "model.safetensors").is_file():
        return [path / "model.safetensors"]
    if files and all(file.name.startswith("adapter") for file in files):
        raise DataError(f"{path} is an adapter, not a model\n  next: merge it into its base first (merge_and_unload)")
    if not files:
        then = "save the model as safetensors: save_pretrained(folder, safe_serialization=True)"
        raise DataError(f"{path}: no .safetensors in the folder; it has {_there(path)}\n  next: {then}")
    return files


def _there(path: Path) -> str:
    return listed(sorted(entry.name for entry in path.iterdir()), 8) or "nothing"


def _header(file: Path) -> Iterator[Tensor]:
    """The tensors of a file, by their places.

    Raises:
        DataError: the header is none, or promises what the file does not hold.
    """
    size = file.stat().st_size
    with file.open("rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        if size < 8 or length > min(size - 8, _LONGEST_HEADER):
            raise DataError(f"{file}: is no safetensors file, or cut short ({size} bytes)")
        try:
            header = json.loads(opened.read(length))
            header.pop("__metadata__", None)
            entries = [
                (name, str(one["dtype"]), tuple(map(int, one["shape"])), *map(int, one["data_offsets"]))
                for name, one in header.items()
            ]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise DataError(f"{file}: its header is no header of safetensors") from error
    for name, dtype, shape, begin, end in sorted(entries, key=lambda entry: entry[3]):
        if dtype not in _FLOATS and dtype not in _OTHERS:
            raise DataError(f"{file}: {name} is of type {dtype}, which rlaw does not read")
        width = np.dtype(_FLOATS[dtype]).itemsize if dtype in _FLOATS else _OTHERS[dtype]
        if begin < 0 or end - begin != width * math.prod(shape) or 8 + length + end > size:
            raise DataError(f"{file}: {name} does not fit its place: the file is damaged, or cut short")
        yield Tensor(name, file, 8 + length + begin, end - begin, dtype, shape)


def write_header(file: BinaryIO, tensors: list[Tensor]) -> None:
    """The header of a file that will hold these tensors, one after the other."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}  # without which transformers refuses it
    place = 0
    for tensor in tensors:
        end = place + tensor.n_bytes
        header[tensor.name] = {"dtype": tensor.dtype, "shape": list(tensor.shape), "data_offsets": [place, end]}
        place = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    file.write(len(text).to_bytes(8, "little") + text)
