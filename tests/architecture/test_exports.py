"""The public names: pinned, all importable, and quick to reach."""

from __future__ import annotations

import subprocess
import sys

import pytest

import slhf

PUBLIC = {
    "GameTrainer",
    "GameArguments",
    "StackelbergGDA",
    "load_policy",
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


@pytest.mark.parametrize("statement", ["import slhf", "import slhf.toy", "import slhf, slhf.types, slhf.errors"])
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
