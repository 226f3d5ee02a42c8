"""The public names: pinned, all importable, and quick to reach."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import slhf

ROOT = Path(__file__).resolve().parents[2]
PUBLIC = {
    "GameTrainer",
    "GameArguments",
    "StackelbergGDA",
    "RLOO",
    "NashMD",
    "OnlineIPO",
    "SPPO",
    "load_policy",
    "Refiner",
    "Comparison",
    "Judge",
    "MatrixJudge",
    "RuleJudge",
    "PanelJudge",
    "CallableJudge",
    "__version__",
}


def test_public_names_are_pinned() -> None:
    assert set(slhf.__all__) == PUBLIC
    assert set(slhf.__dir__()) >= PUBLIC


@pytest.mark.parametrize("name", sorted(PUBLIC - {"__version__"}))
def test_every_public_name_loads_and_is_documented(name: str) -> None:
    value = getattr(slhf, name)
    assert value.__name__ == name
    assert (value.__doc__ or "").strip()


def test_unknown_name_lists_what_there_is() -> None:
    with pytest.raises(AttributeError, match=r"GameTrainr.*GameTrainer"):
        _ = slhf.GameTrainr


def modules_after(statement: str) -> set[str]:
    """Return the top-level modules a fresh interpreter has loaded after ``statement``."""
    code = f"{statement}\nimport sys\nprint(' '.join({{m.partition('.')[0] for m in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return set(done.stdout.split())


def test_names_of_finite_games_are_those_on_their_page() -> None:
    import slhf.games

    page = (ROOT / "docs" / "reference" / "games.md").read_text(encoding="utf-8")
    source = Path(slhf.games.__file__).read_text(encoding="utf-8")
    exported = re.findall(r"^from (slhf\.games\.\w+) import (\w+) as \2$", source, flags=re.MULTILINE)
    assert sorted(exported) == sorted(re.findall(r"^::: (slhf\.games\.\w+)\.(\w+)$", page, flags=re.MULTILINE))
    assert len(exported) > 50
    for _, name in exported:
        assert (getattr(slhf.games, name).__doc__ or "").strip()


@pytest.mark.parametrize(
    "statement", ["import slhf", "import slhf.toy", "import slhf.games", "import slhf, slhf.types, slhf.errors"]
)
def test_light_rooms_load_no_framework(statement: str) -> None:
    loaded = modules_after(statement)
    assert "slhf" in loaded
    assert not loaded & {"torch", "transformers", "peft", "datasets", "matplotlib"}


def test_import_slhf_loads_nothing_but_itself() -> None:
    """``import slhf`` must be instant: it may load the standard library and nothing else."""
    extra = modules_after("import slhf") - modules_after("import importlib, typing") - {"slhf", "__future__"}
    assert extra <= set(sys.stdlib_module_names)


def test_version_is_the_installed_one() -> None:
    from importlib.metadata import version

    assert version("slhf") == slhf.__version__
