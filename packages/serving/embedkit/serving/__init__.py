"""Put a model to work: an HTTP service for embeddings, and exports to other runtimes.

from embedkit.serving import ExportOptions, export

folder = export(ExportOptions(model="runs/my-run", to=["onnx-int8"]))
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from embedkit.serving.exporter import ExportOptions as ExportOptions
    from embedkit.serving.exporter import export as export
    from embedkit.serving.server import ServeOptions as ServeOptions
    from embedkit.serving.server import serve as serve

FOLDERS = ("score", "http", "ui", "deploy")
_MODULES = {"ExportOptions": "exporter", "ServeOptions": "server", "export": "exporter", "serve": "server"}


def __getattr__(name: str) -> Any:
    """Load the work when it is asked for: `embedkit --help` needs none of it."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"embedkit.serving.{_MODULES[name]}"), name)
