"""Growable numpy arrays: append in place, read as views."""

from typing import Any

import numpy as np
import numpy.typing as npt


class Column:
    """Rows of one dtype, scalars or vectors of `width`; appending costs amortised constant time.

    A view stays valid when the column grows: growing moves the rows to a new block and leaves the old one alone.
    """

    def __init__(self, dtype: npt.DTypeLike, width: int | None = None) -> None:
        self._block: npt.NDArray[Any] = np.zeros((0,) if width is None else (0, width), dtype)
        self._size = 0

    def __len__(self) -> int:
        return self._size

    @property
    def nbytes(self) -> int:
        """What is in use: the system gives no memory for room that was never written to."""
        return self.view.nbytes

    @property
    def view(self) -> npt.NDArray[Any]:
        return self._block[: self._size]

    def append_many(self, rows: npt.ArrayLike) -> None:
        added = np.asarray(rows, self._block.dtype)
        size = self._size + len(added)
        if size > len(self._block):
            room = max(2 * size, 16)  # also at first: one memory added to many must not move all of them
            block = np.empty((room, *self._block.shape[1:]), self._block.dtype)
            block[: self._size] = self.view
            self._block = block
        self._block[self._size : size] = added
        self._size = size
