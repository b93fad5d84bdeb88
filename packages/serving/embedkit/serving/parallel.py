"""The groups of a batch side by side, a core each.

On all cores one group after the other, the threads of each operation wait for the slowest of them, hundreds of times a
batch; where a core is also busy with requests, for a long time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
Result = TypeVar("Result")


class ParallelGroups:
    """Threads for torch on a processor, started when there is something for them. One caller at a time."""

    def __init__(self) -> None:
        self._threads = 0
        self._pool: ThreadPoolExecutor | None = None

    def size(self, count: int, most: int) -> int:
        """How many of so many texts make a group, at most, so that every core gets one."""
        return 1 if count == 1 else min(most, -(-count // self._cores()))

    def run(self, work: Callable[[T], Result], groups: Sequence[T]) -> list[Result]:
        """The results in order. A group alone gets all cores."""
        import torch

        if len(groups) == 1:
            if self._threads:
                torch.set_num_threads(self._threads)
            return [work(groups[0])]
        cores = self._cores()
        if cores == 1:
            return [work(group) for group in groups]
        torch.set_num_threads(1)
        if self._pool is None:
            self._pool = ThreadPoolExecutor(
                cores, thread_name_prefix="group", initializer=torch.set_num_threads, initargs=(1,)
            )
        return list(self._pool.map(work, groups))

    def _cores(self) -> int:
        """As many as torch uses; asked late, for a fork may have fewer."""
        if not self._threads:
            import torch

            self._threads = torch.get_num_threads()
        return self._threads
