"""The groups of a batch on several threads: the same vectors in the same places, and errors that come through."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from embedkit.models.resolve import resolve_model
from embedkit.models.vectors import Encoder
from embedkit.serving.encoder import CountingEncoder
from embedkit.serving.parallel import ParallelGroups

TEXTS = [
    "PWM",
    "diode lets current pass one way",
    "펄스 폭 변조",
    "",
    "noise " * 30,
    "필터",
    "a b c",
    "resistor",
]


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_the_vectors_are_those_of_one_thread(tiny_model: Path) -> None:
    source = resolve_model(str(tiny_model))
    encode = CountingEncoder(Encoder(source, cached=False), batch_size=32)
    together = encode(TEXTS, "document").vectors
    alone = np.concatenate([encode([text], "document").vectors for text in TEXTS])
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_results_are_in_order_and_an_error_comes_through() -> None:
    groups = ParallelGroups()
    assert groups.size(8, 16) == 4
    assert groups.run(lambda n: n * n, range(9)) == [n * n for n in range(9)]
    with pytest.raises(ZeroDivisionError):
        groups.run(lambda n: 1 / n, [1, 0])
    assert groups.run(str, [7]) == ["7"]
