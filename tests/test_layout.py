"""The walls: rooms meet in core and in files only, folders of a room import downwards only, modules stay small.

Everything here reads the source and imports none of it, except that asking for help must load nothing heavy.
"""

import ast
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

PACKAGES = Path(__file__).resolve().parents[1] / "packages"
ROOMS = sorted(path.name for path in PACKAGES.iterdir() if path.is_dir() and path.name != "core")
HEAVY = ("torch", "pandas", "requests", "pydantic", "numpy", "transformers", "sentence_transformers", "scipy")
FUNCTION_LINES = 60
PARAMETERS = 6
FOLDER_MODULES = 12

# A folder may import itself and the folders before it. Every other room names its order as FOLDERS in its __init__,
# and in it a module that stands lower than the rest of its folder, as "folder.module";
# core is a namespace without one. The modules that stand in core itself are below all its folders, these two above.
CORE_FOLDERS = ("data", "models", "ranking", "html", "commands", "api")
CORE_ENTRIES = ("cli", "__main__")


def sources(folder: str) -> list[Path]:
    return sorted((PACKAGES / folder).rglob("*.py"))


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imported(path: Path) -> frozenset[str]:
    """Names of what a module imports anywhere, also in a function and for types only."""
    names: set[str] = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(names)


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


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


def home(room: str) -> Path:
    return PACKAGES / "core" / "embedkit" if room == "core" else PACKAGES / room / "embedkit" / room


def subpackages(room: str) -> set[str]:
    return {path.parent.name for path in home(room).glob("*/__init__.py")}


def parts_of(room: str) -> set[str]:
    return subpackages(room) | {module.stem for module in home(room).glob("*.py")}


def folder_order(room: str) -> tuple[str, ...]:
    """The room's FOLDERS, lowest first; none where it has no folders."""
    if room == "core":
        return CORE_FOLDERS
    for node in parsed(home(room) / "__init__.py").body:
        if isinstance(node, ast.Assign) and [ast.unparse(t) for t in node.targets] == ["FOLDERS"]:
            return tuple(ast.literal_eval(node.value))
    return ()


def place(room: str, path: Path) -> str:
    """Where in the order a module lies: its own place where it has one, else its folder, else its name."""
    return place_of(room, ".".join(path.relative_to(home(room)).with_suffix("").parts))


def place_of(room: str, name: str) -> str:
    own = ".".join(name.split(".")[:2])
    return own if own in folder_order(room) else name.split(".")[0]


def imports_inside(room: str, path: Path) -> set[str]:
    """The folders and top modules of its own room that a module imports."""
    prefix = "embedkit." if room == "core" else f"embedkit.{room}."
    here = {*folder_order(room), *parts_of(room)}
    return {
        place_of(room, name.removeprefix(prefix)) for name in imported(path) if name.startswith(prefix)
    } & here


def folders_reached(room: str, path: Path) -> set[str]:
    """The folders that a module imports, by itself and through modules that stand beside the folders."""
    folders, seen, waiting = set[str](), {path}, [path]
    while waiting:
        for name in imports_inside(room, waiting.pop()):
            module = home(room) / f"{name}.py"
            if name in folder_order(room):
                folders.add(name)
            elif module not in seen:
                seen.add(module)
                waiting.append(module)
    return folders


@pytest.mark.parametrize("room", ["core", *ROOMS])
def test_a_room_names_the_order_of_its_folders(room: str) -> None:
    order = folder_order(room)
    modules = {name for name in order if "." in name}
    assert set(order) - modules == subpackages(room), (
        f"FOLDERS of {room}, lowest first, names each of its folders"
    )
    assert all((home(room) / f"{name.replace('.', '/')}.py").is_file() for name in modules)
    assert len(set(order)) == len(order)


@pytest.mark.parametrize("room", ["core", *ROOMS])
def test_no_import_runs_up(room: str) -> None:
    order = folder_order(room)
    up = [
        f"{path.relative_to(home(room))} imports {folder}"
        for path in sources(room)
        if place(room, path) in order
        for folder in folders_reached(room, path)
        if folder in order and order.index(folder) > order.index(place(room, path))
    ]
    assert not up


@pytest.mark.parametrize("room", ROOMS)
def test_a_module_imports_modules_of_its_room_and_not_the_room(room: str) -> None:
    """What a room's __init__ offers would hide an import that runs up; it is for commands and for others."""
    prefix = f"embedkit.{room}."
    hidden = [
        f"{path.relative_to(PACKAGES)} imports {name}"
        for path in sources(room)
        if not path.name.startswith("commands")
        for name in imported(path)
        if name.startswith(prefix) and name.removeprefix(prefix).split(".")[0] not in parts_of(room)
    ]
    assert not hidden


def test_modules_of_core_import_none_of_its_folders() -> None:
    helpers = [path for path in home("core").glob("*.py") if path.stem not in CORE_ENTRIES]
    assert helpers
    up = {path.name: imports_inside("core", path) & {*CORE_FOLDERS, *CORE_ENTRIES} for path in helpers}
    assert {name: found for name, found in up.items() if found} == {}


@pytest.mark.parametrize("room", ["core", *ROOMS])
def test_no_folder_has_more_than_a_dozen_modules(room: str) -> None:
    counts = Counter(path.parent for path in sources(room) if not path.stem.startswith("__"))
    crowded = [f"{folder.relative_to(PACKAGES)}: {n}" for folder, n in counts.items() if n > FOLDER_MODULES]
    assert not crowded


@pytest.mark.parametrize("path", sources("."), ids=lambda path: str(path.relative_to(PACKAGES)))
def test_every_module_says_what_it_is_for_and_its_functions_are_small(path: Path) -> None:
    assert ast.get_docstring(parsed(path))
    if path.name.startswith("commands"):
        return  # a command's signature is its options
    for node in functions(path):
        lines = (node.end_lineno or node.lineno) - node.lineno + 1
        assert lines <= FUNCTION_LINES, f"{node.name}: {lines} lines"
        taken = parameters(node)
        assert len(taken) <= PARAMETERS, f"{node.name} takes {len(taken)}: {', '.join(taken)}"


def parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    """Parameter names of a function, self and cls left out, `*args` and `**kwargs` one each."""
    a = node.args
    stars = [one for one in (a.vararg, a.kwarg) if one]
    names = [one.arg for one in (*a.posonlyargs, *a.args, *stars, *a.kwonlyargs)]
    return names[1:] if names[:1] in (["self"], ["cls"]) else names


def test_a_class_name_means_one_thing() -> None:
    """Public names are unique in the whole tree, private ones in their room."""
    places: defaultdict[str, list[str]] = defaultdict(list)
    for room in ("core", *ROOMS):
        for path in sources(room):
            for node in ast.walk(parsed(path)):
                if isinstance(node, ast.ClassDef):
                    name = f"{room}: {node.name}" if node.name.startswith("_") else node.name
                    places[name].append(f"{path.relative_to(PACKAGES)}:{node.lineno}")
    assert not {name: found for name, found in places.items() if len(found) > 1}


def test_no_function_is_called_lines() -> None:
    """The name says what the lines are: `report_lines`, `plan_lines`."""
    vague = [
        f"{path.relative_to(PACKAGES)}:{node.lineno}"
        for path in sources(".")
        for node in functions(path)
        if node.name == "_lines"
    ]
    assert not vague


# What the words of the field replaced: dev evaluation, forward, weight average, preflight, sampling, sources, …
OLD_MODULES = ("looks", "passes", "blend", "traps", "order", "mixture", "told", "telling", "known")
OLD_NAMES = ("EATS", "Mixture", "Ready")


def test_old_names_are_gone() -> None:
    found = [str(path.relative_to(PACKAGES)) for path in sources(".") if path.stem in OLD_MODULES]
    for path in sources("."):
        for node in ast.walk(parsed(path)):
            name = (
                node.id if isinstance(node, ast.Name) else node.name if isinstance(node, ast.ClassDef) else ""
            )
            if name in OLD_NAMES:
                found.append(f"{path.relative_to(PACKAGES)}:{node.lineno}: {name}")
    assert not found


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
