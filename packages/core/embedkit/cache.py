"""The one cache folder for HTTP answers, vectors and indexes: `EMBEDKIT_CACHE`, else the platform's own place."""

from __future__ import annotations

import os
from pathlib import Path


def cache_dir(room: str) -> Path:
    """The folder that `room` (http, vectors, index) may fill; it is created."""
    root = os.environ.get("EMBEDKIT_CACHE")
    if root:
        base = Path(root)
    else:
        from platformdirs import user_cache_path

        base = user_cache_path("embedkit", appauthor=False)
    folder = base / room
    folder.mkdir(parents=True, exist_ok=True)
    return folder
