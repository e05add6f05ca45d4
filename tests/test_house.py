"""The rules of the house: who may import whom, and what starting up may cost."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import seqlab
from seqlab import catalogue

ROOT = Path(seqlab.__file__).parent
EXPERIMENTS = [e.name for e in catalogue.EXPERIMENTS]


def imports(path: Path, inside_functions: bool = True) -> set[str]:
    """All that a module imports, as dotted names; relative imports are not used here."""
    tree = ast.parse(path.read_text())
    functions = [
        n for n in ast.walk(tree) if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))
    ]
    hidden = {id(n) for f in functions for n in ast.walk(f)} if not inside_functions else set()
    found: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in hidden:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(node.module or "")
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def rooms(name: str) -> list[Path]:
    paths = sorted((ROOT / name).glob("*.py"))
    assert paths, name
    return paths


def top(names: set[str]) -> set[str]:
    return {name.split(".")[0] for name in names}


@pytest.mark.parametrize("path", rooms("book"), ids=lambda p: p.stem)
def test_a_page_imports_its_equations_only(path: Path) -> None:
    allowed = {"einops", "math", "typing", "collections", "seqlab"}
    if path.stem == "ops":
        allowed |= {"numpy", "sys", "collections", "functools"}
    names = imports(path)
    assert top(names) <= allowed
    assert all(n.startswith("seqlab.book") for n in names if n.startswith("seqlab"))
    assert "torch" not in top(names)


@pytest.mark.parametrize("path", rooms("figures"), ids=lambda p: p.stem)
def test_a_figure_knows_no_experiment(path: Path) -> None:
    names = imports(path)
    assert not top(names) & {"torch", "typer", "einops"}
    known = ("seqlab.figures", "seqlab.locale")
    assert all(n == "seqlab" or n.startswith(known) for n in names if n.startswith("seqlab"))


@pytest.mark.parametrize("path", rooms("lab"), ids=lambda p: p.stem)
def test_an_experiment_computes_and_draws_but_writes_nothing(path: Path) -> None:
    names = imports(path)
    rooms_known = "book figures tasks train trees images locale lab checkpoints heads models tokens"
    rooms_known += " classifiers saved oracles"
    known = tuple(f"seqlab.{room}" for room in rooms_known.split())
    assert all(n == "seqlab" or n.startswith(known) for n in names if n.startswith("seqlab"))
    others = {f"seqlab.lab.{name}" for name in EXPERIMENTS if name != path.stem}
    assert not names & others
    assert not {"torch", "transformers"} & top(imports(path, inside_functions=False))
    calls = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call)]
    called = {c.func.id for c in calls if isinstance(c.func, ast.Name)}
    assert not called & {"print", "input", "open"}
    assert "stdout" not in path.read_text() and "stderr" not in path.read_text()


def test_nothing_imports_the_command_line() -> None:
    for path in ROOT.rglob("*.py"):
        if path.stem not in ("cli", "__main__"):
            assert not any(n.startswith("seqlab.cli") for n in imports(path)), path


def test_only_emit_writes_to_a_stream() -> None:
    for path in ROOT.rglob("*.py"):
        if path.stem == "emit" or path.parent.name == "figures":
            continue  # a figure's demonstration prints when its file is run
        calls = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call)]
        called = {ast.unparse(c.func) for c in calls}
        written = {"print", "typer.echo", "sys.stdout.write", "sys.stderr.write", "os.write"}
        assert not called & written, path


def test_no_pickle_anywhere() -> None:
    for path in ROOT.rglob("*.py"):
        assert "pickle" not in top(imports(path)), path
        assert "torch.load" not in path.read_text(), path


def loaded_by(code: str) -> set[str]:
    """The top-level modules that a fresh process has loaded after running `code`."""
    script = f"{code}\nimport sys; print('\\n' + '\\n'.join(sorted(sys.modules)))"
    process = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return {line.split(".")[0] for line in process.stdout.splitlines()}


@pytest.mark.parametrize("arguments", [[], ["--help"], ["--version"]])
def test_the_bare_command_loads_neither_numpy_nor_torch(arguments: list[str]) -> None:
    loaded = loaded_by(f"from seqlab.cli import main; main({arguments!r})")
    assert "rich" in loaded and "seqlab" in loaded
    assert not loaded & {"numpy", "torch", "PIL", "tokenizers", "transformers", "einops"}


@pytest.mark.parametrize(
    "line",
    [
        "vanish",
        "patchify",
        "unroll",
        "attend",
        "position --no-train",
        "cost --no-measure",
        "reach",
        "windows",
        "mix",
    ],
)
def test_instant_commands_never_load_torch(line: str) -> None:
    loaded = loaded_by(f"from seqlab.cli import main; main({line.split()!r})")
    assert "numpy" in loaded
    assert not loaded & {"torch", "transformers", "huggingface_hub"}
    assert "tokenizers" not in loaded or line == "attend"


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_experiment_has_all_its_parts(name: str) -> None:
    module = __import__(f"seqlab.lab.{name}", fromlist=["run"])
    for part in ("run", "show", "takeaways", "question"):
        assert callable(getattr(module, part)), part
        assert getattr(module, part).__doc__, part
    assert module.__doc__


def test_the_wheel_says_that_it_is_typed() -> None:
    assert (ROOT / "py.typed").exists()
