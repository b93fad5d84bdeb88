"""Execute each notebook of notebooks/ in an empty folder, with trainings of two steps; its file stays as it is.

`make test-notebooks` runs it in a venv with nbclient and ipykernel that sees the packages of the one with embedkit.
Names on the command line choose notebooks: `scripts/test_notebooks.py 2- 4-`. EMBEDKIT_TINY=0 trains in full.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
TINY = {
    "EMBEDKIT_MODEL_ID": "sentence-transformers/all-MiniLM-L6-v2",
    "EMBEDKIT_TRAIN__BATCH_SIZE": "9",
    "EMBEDKIT_TRAIN__EPOCHS": "1",
    "EMBEDKIT_TRAIN__MAX_LENGTH": "24",
    "EMBEDKIT_TRAIN__STEPS_PER_EPOCH": "2",
}


def main() -> None:
    """Run the notebooks one after another; a cell that fails ends it with its traceback."""
    if os.environ.get("EMBEDKIT_TINY", "1") != "0":
        os.environ.update(TINY)
    wanted = sys.argv[1:] or [""]
    for path in sorted(FOLDER.rglob("*.ipynb")):
        if not any(path.name.startswith(name) for name in wanted):
            continue
        book = nbformat.read(path, as_version=4)
        nbformat.validate(book)
        if any(cell.get("outputs") for cell in book.cells):
            sys.exit(f"{path} has outputs: scripts/build_notebooks.py writes it without")
        with tempfile.TemporaryDirectory() as folder:
            start = time.monotonic()
            NotebookClient(book, timeout=600, resources={"metadata": {"path": folder}}).execute()
        print(f"{path.relative_to(FOLDER)}: {time.monotonic() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
