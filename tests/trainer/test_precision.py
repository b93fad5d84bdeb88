"""Which device and number format a run gets: on the machine at hand, and on machines that are pretended."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.trainer.test_train import same, weights

from embedkit.errors import UserError
from embedkit.trainer.config import RunConfig
from embedkit.trainer.model import precision
from embedkit.trainer.model.precision import (
    Precision,
    choose_device,
    choose_precision,
    cpu_has_bfloat16,
    native_dtype,
)
from embedkit.trainer.run.prepare import prepare
from embedkit.trainer.run.train import run_training
from embedkit.trainer.step.forward import encode_batch

Values = Callable[..., dict[str, Any]]


def machine(
    monkeypatch: pytest.MonkeyPatch, *, cuda: bool = False, mps: bool = False, bf16: bool = False
) -> None:
    """Pretend to stand on a machine that has these."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: bf16)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


@pytest.mark.parametrize(
    ("there", "device"),
    [({"cuda": True, "mps": True}, "cuda"), ({"mps": True}, "mps"), ({}, "cpu")],
)
def test_auto_takes_the_fastest_device_there_is(
    there: dict[str, bool], device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(monkeypatch, **there)
    assert choose_device("auto") == device
    assert choose_device("cpu") == "cpu"


def test_a_device_that_is_not_there_is_told_with_those_that_are(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, mps=True)
    with pytest.raises(UserError, match="'cuda' is not there") as caught:
        choose_device("cuda")
    assert "mps, cpu" in caught.value.hint


def test_a_gpu_without_bfloat16_computes_in_float16(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, cuda=True, bf16=True)
    assert native_dtype("cuda") == "bfloat16"
    machine(monkeypatch, cuda=True, bf16=False)
    assert native_dtype("cuda") == "float16"
    assert native_dtype("mps") == "float32"


@pytest.mark.parametrize(
    ("text", "has"),
    [
        ("processor: 0\nflags\t\t: fpu avx512f avx512_bf16\n", True),
        ("Features : fp asimd bf16\n", True),
        ("flags : fpu avx2 avx512f\n", False),
        ("", False),
    ],
)
def test_bfloat16_is_read_from_what_linux_says_of_the_processor(text: str, has: bool, tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text(text)
    assert cpu_has_bfloat16(tmp_path / "cpuinfo") is has
    assert not cpu_has_bfloat16(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("tolerance", "dtype", "told"), [(0.02, "bfloat16", " agrees: "), (-1, "float32", " does not agree: ")]
)
def test_auto_asks_the_loss_of_a_batch(
    tolerance: float,
    dtype: str,
    told: str,
    workplace: Path,
    config_values: Values,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(precision, "cpu_has_bfloat16", lambda: True)
    monkeypatch.setattr(precision, "PROBE_TOLERANCE", tolerance)
    config = RunConfig.model_validate(config_values(dtype="auto"))
    ready = prepare(config, resume=False, force=False)
    assert (ready.plan.dtype, ready.config.dtype) == (dtype, dtype)
    assert told in ready.plan.dtype_reason


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_a_gpu_trains_in_the_format_asked_for(dtype: Any, config_values: Values) -> None:
    chosen = choose_precision(dtype, device="cuda", first_loss=lambda _: 0.0)
    assert chosen == Precision(dtype=dtype, reason="as configured")


def test_the_config_and_not_accelerates_says_the_format(
    workplace: Path, config_values: Values, monkeypatch: pytest.MonkeyPatch
) -> None:
    formats: list[torch.dtype] = []
    run_training(RunConfig.model_validate(config_values(output={"save_name": "plain"})))
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
    monkeypatch.setattr(
        "embedkit.trainer.losses.base.encode_batch", lambda *a, **b: _seen(formats, encode_batch(*a, **b))
    )
    run_training(RunConfig.model_validate(config_values()))
    assert set(formats) == {torch.float32}
    assert same(weights(Path("runs/run")), weights(Path("runs/plain")))


def _seen(formats: list[torch.dtype], vectors: torch.Tensor) -> torch.Tensor:
    formats.append(vectors.dtype)
    return vectors


@pytest.mark.parametrize(
    ("dtype", "inside"),
    [("float32", None), ("bfloat16", torch.bfloat16), ("float16", torch.float16)],
)
def test_a_pass_is_computed_in_the_format_of_the_run(dtype: str, inside: torch.dtype | None) -> None:
    with precision.autocast("cpu", dtype):
        assert torch.is_autocast_enabled("cpu") == (inside is not None)
        assert inside is None or torch.get_autocast_dtype("cpu") == inside


SHORT: dict[str, dict[str, Any]] = {
    "masked": {"train": {"micro_batch_size": 2}},
    "cached": {"train": {"loss": "cached_mnrl", "micro_batch_size": 2}},
    "matryoshka": {"loss": {"matryoshka_dims": [16, 8]}},
    "lora": {"lora": {"r": 4, "target_modules": "all-linear"}},
}


@pytest.mark.parametrize("name", SHORT)
def test_bfloat16_learns_what_float32_does(name: str, workplace: Path, config_values: Values) -> None:
    done = {
        dtype: run_training(
            RunConfig.model_validate(config_values(dtype=dtype, output={"save_name": dtype}, **SHORT[name]))
        )
        for dtype in ("float32", "bfloat16")
    }
    assert done["bfloat16"].loss == pytest.approx(done["float32"].loss, rel=0.01)
    assert done["bfloat16"].loss != done["float32"].loss
