"""How the code is organised, as promises that a machine can keep."""

import subprocess
import sys
import tokenize
from itertools import pairwise
from pathlib import Path

import grimp
import pytest

SOURCE = Path(__file__).parents[1] / "src" / "rlaw"
LIGHT = ("fitting", "forecasting", "decisions", "analysis")
HEAVY = ("matplotlib", "jinja2", "jax", "torch")


def test_the_house_has_at_most_24_entries():
    entries = [path.name for path in SOURCE.iterdir() if path.name != "__pycache__"]
    assert len(entries) <= 24, sorted(entries)


def test_no_modules_import_each_other_in_a_circle_lazy_and_type_checking_imports_counted():
    graph = grimp.build_graph("rlaw", exclude_type_checking_imports=False)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join((*path[path.index(module) :], module))
        if module not in done:
            for imported in sorted(imports[module]):
                visit(imported, (*path, module))
            done.add(module)

    for module in sorted(imports):
        visit(module, ())


@pytest.mark.parametrize("room", LIGHT)
def test_judgement_imports_no_pictures_and_no_tensors(room):
    modules = sorted(
        ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts).removesuffix(".__init__")
        for path in (SOURCE / room).rglob("*.py")
    )
    code = f"import sys\nfor name in {modules}: __import__(name)\nprint(sorted(set(sys.modules) & set({HEAVY})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_rlaw_help_imports_nothing_heavy():
    heavy = ("numpy", "scipy", "polars", "pydantic", *HEAVY)
    code = (
        "import sys\nfrom rlaw.cli import main\n"
        f"try: main(['--help'])\nfinally: print(sorted(set(sys.modules) & set({heavy})), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_no_name_is_of_a_private_idiom():
    idiom = {"told", "tell", "tells", "looks", "standing", "narrator", "narrate", "narration", "outlook"}
    found = []
    for path in SOURCE.rglob("*.py"):
        with path.open("rb") as file:
            tokens = list(tokenize.tokenize(file.readline))
        names = {
            t.string.strip("_") for before, t in pairwise(tokens) if t.type == tokenize.NAME and before.string != "."
        }
        found += [f"{path.relative_to(SOURCE)}: {name}" for name in sorted(names & idiom)]
    assert not found
