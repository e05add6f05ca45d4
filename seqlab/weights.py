"""Weights from safetensors files, mapped into memory.

A file is eight bytes that give the length of its header, the header (JSON: type, shape and place of
every tensor), and the numbers. Nothing in it can run, and what is not asked for is not read: a
tensor of float32 is a view of the file, and of an embedding in half precision only the rows in use
become float32. The library safetensors checks the file; its own arrays are copies, and it gives
NumPy no bfloat16.
"""

import json
import mmap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqlab.book.ops import Array
from seqlab.lab import BadInput
from seqlab.locale import _, listed

_WHOLE = {"F32": "<f4", "F64": "<f8"}
_HALF = {"F16": "<f2", "BF16": "<u2"}  # NumPy has no bfloat16: the upper half of a float32


class Half:
    """Numbers in half precision on the disk; what is taken from them is float32."""

    def __init__(self, raw: NDArray[Any]) -> None:
        self._raw, self.shape = raw, raw.shape

    def __getitem__(self, index: Any) -> NDArray[np.float32]:
        raw: NDArray[Any] = self._raw[index]
        if raw.dtype == np.float16:
            return raw.astype(np.float32)
        single: NDArray[np.float32] = (raw.astype(np.uint32) << 16).view(np.float32)
        return single

    @property
    def mT(self) -> NDArray[np.float32]:
        """All of it, transposed."""
        return self[...].mT


class SafeTensors(Mapping[str, Any]):
    """The tensors of one file, by name: arrays, or Half where they are in half precision.

    Args:
        path: the file.
        name: the model's, as messages show it.

    Raises:
        BadInput: it is damaged; on access, a tensor is not of floating-point numbers.
    """

    def __init__(self, path: Path, name: str) -> None:
        from safetensors import SafetensorError, safe_open

        self._name = name
        try:
            with safe_open(path, framework="numpy"):
                pass  # it checks that every tensor lies within the file
            with open(path, "rb") as stream:
                self._data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        except (SafetensorError, OSError, ValueError) as problem:
            reason = " ".join(str(getattr(problem, "strerror", None) or problem).split())[:80]
            raise BadInput(
                _("{name}: {file} is damaged or cut off ({reason})").format(
                    name=name, file=path.name, reason=reason
                ),
                _("a whole file of safetensors"),
                _("fetching it again"),
            ) from problem
        self._start = 8 + int.from_bytes(self._data[:8], "little")
        self._header = json.loads(self._data[8 : self._start])
        self._header.pop("__metadata__", None)

    def __iter__(self) -> Iterator[str]:
        return iter(self._header)

    def __len__(self) -> int:
        return len(self._header)

    def __getitem__(self, tensor: str) -> Any:
        entry = self._header[tensor]
        kind, shape = entry["dtype"], tuple(entry["shape"])
        if kind not in _WHOLE | _HALF:
            raise BadInput(
                _("{name}: tensor {tensor} is of type {kind}").format(
                    name=self._name, tensor=tensor, kind=kind
                ),
                _("floating-point numbers: {kinds}").format(kinds=listed(_WHOLE | _HALF)),
                _("the model before it was quantised"),
            )
        begin, end = entry["data_offsets"]
        data = memoryview(self._data)[self._start + begin : self._start + end]
        array = np.frombuffer(data, (_WHOLE | _HALF)[kind]).reshape(shape)
        return Half(array) if kind in _HALF else array


class Shards(Mapping[str, Any]):
    """The tensors of several files, as an index gives them; a file is opened when it is needed."""

    def __init__(self, folder: Path, files: Mapping[str, str], name: str) -> None:
        self._folder, self._files, self._name = folder, files, name
        self._open: dict[str, SafeTensors] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, tensor: str) -> Any:
        file = self._files[tensor]
        if file not in self._open:
            self._open[file] = SafeTensors(self._folder / file, self._name)
        return self._open[file][tensor]


class Weights:
    """Tensors as a model asks for them: by name, and of a shape that must be.

    Args:
        tensors: any mapping of arrays: SafeTensors, Shards, a state_dict.
        prefix: what may stand before every name, such as "bert.".
        name: the model's, as messages show it.
    """

    def __init__(self, tensors: Mapping[str, Any], prefix: str = "", name: str = "") -> None:
        self._tensors, self._name = tensors, name
        self._prefix = prefix if any(each.startswith(prefix) for each in tensors) else ""

    def __contains__(self, tensor: str) -> bool:
        return self._find(tensor) is not None

    def __call__(self, tensor: str, *shape: int) -> Array:
        """A whole tensor, of finite numbers."""
        found = self.rows(tensor, *shape)
        array = found[...] if isinstance(found, Half) else found
        if isinstance(array, np.ndarray) and not np.isfinite(array).all():
            raise BadInput(
                _("{name}: tensor {tensor} is not finite").format(name=self._name, tensor=tensor),
                _("sound weights"),
                _("fetching it again"),
            )
        return array

    def rows(self, tensor: str, *shape: int) -> Any:
        """A tensor of which rows will be taken: not read as yet, and Half where it is so stored."""
        where = self._find(tensor)
        if where is None:
            raise BadInput(
                _("{name}: tensor {tensor} is missing").format(
                    name=self._name, tensor=self._prefix + tensor
                ),
                _("all weights of the model that config.json describes"),
                _("fetching it again"),
            )
        found = self._tensors[where]
        if tuple(found.shape) != shape:
            has, needs = (" × ".join(map(str, each)) or "1" for each in (found.shape, shape))
            raise BadInput(
                _("{name}: tensor {tensor} has the shape {has}").format(
                    name=self._name, tensor=where, has=has
                ),
                _("{needs}, as config.json says").format(needs=needs),
            )
        return found

    def _find(self, tensor: str) -> str | None:
        """Its name in the file: with the prefix or not; old files say gamma and beta in norms."""
        old = tensor.replace("LayerNorm.weight", "LayerNorm.gamma")
        old = old.replace("LayerNorm.bias", "LayerNorm.beta")
        names = [self._prefix + tensor, self._prefix + old, tensor]
        return next((each for each in names if each in self._tensors), None)
