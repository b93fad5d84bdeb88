"""The house: rooms meet in core and in files only, and asking for help loads nothing heavy."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGES = Path(__file__).resolve().parents[1] / "packages"
ROOMS = sorted(path.name for path in PACKAGES.iterdir() if path.is_dir() and path.name != "core")
HEAVY = ("torch", "pandas", "requests", "pydantic", "numpy", "transformers", "sentence_transformers", "scipy")
FUNCTION_LINES = 60


def sources(folder: str) -> list[Path]:
    return sorted((PACKAGES / folder).rglob("*.py"))


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_no_other_room(room: str) -> None:
    others = tuple(f"embedkit.{other}" for other in ROOMS if other != room)
    for path in sources(room):
        crossing = [n for n in imported(path) if any(n == o or n.startswith(f"{o}.") for o in others)]
        assert not crossing, f"{path} imports {crossing}"


def test_core_imports_no_room() -> None:
    rooms = tuple(f"embedkit.{room}" for room in ROOMS)
    for path in sources("core"):
        assert not [n for n in imported(path) if n.startswith(rooms)], path


def test_the_namespace_has_no_init() -> None:
    assert not list(PACKAGES.glob("*/embedkit/__init__.py"))


@pytest.mark.parametrize("path", sources("."), ids=lambda path: str(path.relative_to(PACKAGES)))
def test_every_module_says_what_it_is_for_and_no_function_is_long(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            assert lines <= FUNCTION_LINES or path.name.startswith("commands"), f"{node.name}: {lines} lines"


def test_signatures_are_evaluated_once() -> None:
    """Typer evaluates every annotation that is a text twice: half the time of `--help`."""
    signatures = [*PACKAGES.rglob("commands*.py"), *PACKAGES.rglob("cli.py")]
    assert len(signatures) > len(ROOMS)
    assert not [path for path in signatures if "__future__" in imported(path)]


def commands() -> list[str]:
    import typer

    from embedkit.cli import app

    group = typer.main.get_command(app)
    return sorted(group.commands)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["", *commands()])
def test_help_loads_nothing_heavy(name: str) -> None:
    code = (
        "import sys, atexit\n"
        f"atexit.register(lambda: print([m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr))\n"
        f"sys.argv = ['embedkit', *{[name] if name else []!r}, '--help']\n"
        "from embedkit.cli import main\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Usage: embedkit" in done.stdout
    assert done.stderr.strip() == "[]"
