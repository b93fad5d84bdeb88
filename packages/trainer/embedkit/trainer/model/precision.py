"""Which device trains, and in which number format: what it has, if the loss survives it."""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from embedkit.errors import UserError
from embedkit.messages import Phrase

DTypeName = Literal["float32", "float16", "bfloat16"]
# The loss of one batch in bfloat16 may differ from float32 by this share of it before float32 is kept.
PROBE_TOLERANCE = 0.02
_CPU_FLAGS = ("avx512_bf16", "amx_bf16", "bf16")


@dataclass(frozen=True, slots=True, kw_only=True)
class Precision:
    """The number format of a run and why it was chosen."""

    dtype: DTypeName
    reason: str


def choose_device(wanted: str) -> str:
    """`cuda`, `mps` or `cpu`; `UserError` when the one asked for is not there."""
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if wanted == "auto":
        return next(name for name, there in present.items() if there)
    if not present[wanted]:
        names = ", ".join(name for name, there in present.items() if there)
        raise UserError(
            "device {wanted!r} is not there",
            hint="set device to auto or one of: {names}",
            wanted=wanted,
            names=names,
        )
    return wanted


def device_name(device: str) -> str:
    """What a person calls the device."""
    if device == "cuda":
        return str(torch.cuda.get_device_name())
    return platform.processor() or platform.machine()


def native_dtype(device: str) -> DTypeName:
    """The fastest format that the hardware computes in itself: emulated bfloat16 is slower than float32."""
    if device == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float16"
    return "bfloat16" if device == "cpu" and cpu_has_bfloat16() else "float32"


def cpu_has_bfloat16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether the processor multiplies bfloat16 (known on Linux only; elsewhere no is assumed)."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    flags = next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
    return any(flag in flags.split() for flag in _CPU_FLAGS)


def autocast(device: str, dtype: str) -> Any:
    """A context in which matrices are multiplied in `dtype`; the weights stay float32."""
    return torch.autocast(device, dtype=getattr(torch, dtype), enabled=dtype != "float32")


def choose_precision(wanted: str, *, device: str, first_loss: Callable[[DTypeName], float]) -> Precision:
    """The format asked for; for `auto` the native one if `first_loss`, the loss of a batch, agrees with float32.

    Raises:
        UserError: float16 on a device whose loss scaling does not work.
    """
    if wanted == "float16" and device != "cuda":
        raise UserError(
            "float16 cannot train on {device}", hint="set dtype to bfloat16, float32 or auto", device=device
        )
    if wanted in ("float32", "float16", "bfloat16"):
        return Precision(dtype=_named(wanted), reason=Phrase("as configured"))
    native = native_dtype(device)
    if native == "float32":
        return Precision(
            dtype="float32", reason=Phrase("{device} computes no shorter format faster", device=device)
        )
    exact, short = first_loss("float32"), first_loss(native)
    agrees = abs(exact - short) <= PROBE_TOLERANCE * max(1.0, abs(exact))
    losses = {"exact": f"{exact:.4f}", "short": f"{short:.4f}", "native": native}
    text = (
        "loss of the first batch agrees: {exact} in float32, {short} in {native}"
        if agrees
        else "loss of the first batch does not agree: {exact} in float32, {short} in {native}"
    )
    return Precision(dtype=native if agrees else "float32", reason=Phrase(text, **losses))


def _named(name: str) -> DTypeName:
    return "float16" if name == "float16" else "bfloat16" if name == "bfloat16" else "float32"
