"""Where the data that ships with embedkit lies: inside the wheel, or `data/` of an editable checkout."""

from __future__ import annotations

from pathlib import Path

_HERE = Path(__file__).resolve().parent


def data_path(name: str = "") -> Path:
    """The path of a shipped file or folder; in a wheel it is `embedkit/data/`, in a checkout `data/`."""
    installed = _HERE / "data"
    root = installed if installed.is_dir() else _HERE.parents[2] / "data"
    return root / name
