"""The room is light, and its page lists what it has."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import slhf.objectives
import slhf.robust


def test_importing_the_room_loads_neither_torch_nor_pictures() -> None:
    code = "import slhf.robust, sys\nprint(' '.join({m.partition('.')[0] for m in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert not set(done.stdout.split()) & {"torch", "transformers", "matplotlib"}


def test_names_are_those_on_the_page(root: Path) -> None:
    page = (root / "docs" / "reference" / "robust.md").read_text(encoding="utf-8")
    source = Path(slhf.robust.__file__).read_text(encoding="utf-8")
    exported = re.findall(r"^from (slhf\.robust\.\w+) import (\w+) as \2$", source, flags=re.MULTILINE)
    assert sorted(exported) == sorted(re.findall(r"^::: (slhf\.robust\.\w+)\.(\w+)$", page, flags=re.MULTILINE))
    assert len(exported) == 7
    for _, name in exported:
        assert (getattr(slhf.robust, name).__doc__ or "").strip()
    for module, name in re.findall(r"^::: (slhf\.objectives\.\w+)\.(\w+)$", page, flags=re.MULTILINE):
        assert getattr(slhf.objectives, name).__module__ == module
