"""Rows stored in a temporary file (a spool) and read back one at a time: a million take 12 MB of memory.

Writing a row takes some 3 µs, reading it 1 to 4 µs. The file has no name: it is gone when the process ends.
"""

from __future__ import annotations

import marshal
import tempfile
import weakref
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import IO, Any, TypeVar, overload

Row = TypeVar("Row")


class RowSequence(Sequence[Row]):
    """A sequence that makes a row when it is asked for: `at` gives one, a slice gives a list."""

    def at(self, number: int) -> Row:
        """The row with this number, counted from 0."""
        raise NotImplementedError

    @overload
    def __getitem__(self, number: int) -> Row: ...
    @overload
    def __getitem__(self, number: slice) -> list[Row]: ...
    def __getitem__(self, number: int | slice) -> Row | list[Row]:
        if isinstance(number, slice):
            return [self.at(n) for n in range(*number.indices(len(self)))]
        return self.at(number)

    def __iter__(self) -> Iterator[Row]:
        return map(self.at, range(len(self)))


class Spool(RowSequence[Row]):
    """A sequence on disk. `pack` makes texts, numbers and tuples of a row, `unpack` makes the row of them again."""

    def __init__(self, pack: Callable[[Row], Any], unpack: Callable[[Any], Row]) -> None:
        self._pack, self._unpack = pack, unpack
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the object)
        weakref.finalize(self, _closed, self._file)
        self._places, self._sizes = array("q"), array("i")
        self._end = 0
        self._at_end = True

    def append(self, row: Row) -> None:
        """Put one row at the end."""
        self._places.append(self._end)
        self._sizes.append(self._write(row))

    def replace(self, number: int, row: Row) -> None:
        """Put `row` in the place of the one that is there."""
        self._places[number], self._sizes[number] = self._end, self._write(row)

    def _write(self, row: Row) -> int:
        data = marshal.dumps(self._pack(row))
        if not self._at_end:  # a seek empties the buffer: one write a row would be a system call each
            self._file.seek(self._end)
            self._at_end = True
        self._file.write(data)
        self._end += len(data)
        return len(data)

    def __len__(self) -> int:
        return len(self._places)

    def at(self, number: int) -> Row:
        """The row with this number, read from the file."""
        self._at_end = False
        self._file.seek(self._places[number])
        return self._unpack(marshal.loads(self._file.read(self._sizes[number])))


def _closed(file: IO[bytes]) -> None:
    """Close a file that nobody will read; what its buffer still holds may not fit on the disk."""
    with suppress(OSError):
        file.close()


class Picked(RowSequence[Row]):
    """Some rows of a sequence, by number."""

    def __init__(self, rows: Sequence[Row], numbers: array[int]) -> None:
        self._rows, self.numbers = rows, numbers

    def __len__(self) -> int:
        return len(self.numbers)

    def at(self, number: int) -> Row:
        """The row that this number picks."""
        return self._rows[self.numbers[number]]
