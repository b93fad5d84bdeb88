"""Optional dependencies: a missing one is an error of one line, with the command that installs it."""

from __future__ import annotations

import importlib
from types import ModuleType

from embedkit.errors import UserError

DISTRIBUTION = "embedkit-toolkit"


def require(module: str, *, extra: str) -> ModuleType:
    """Import `module`, or raise `UserError` with the extra to install."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] != module.split(".")[0]:
            raise
        raise UserError(
            "this needs the package {package!r}, which is not installed",
            hint="pip install '{distribution}[{extra}]'",
            package=module.split(".")[0],
            distribution=DISTRIBUTION,
            extra=extra,
        ) from None
