"""Check that the wheel in a folder carries what the package needs besides code."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

NEEDED = (
    "slhf/py.typed",
    "slhf/judges/templates/alpaca.txt",
    "slhf/recipes/quickstart.yaml",
    "slhf/recipes/stories.yaml",
    "slhf/serving/page/index.html",
    "slhf/serving/page/main.js",
    "slhf/serving/page/page.css",
)


def main(folder: str) -> int:
    """Return 0 if every needed file and the embedded model's weights are in the wheel."""
    (wheel,) = Path(folder).glob("slhf-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    missing = [name for name in NEEDED if name not in names]
    if not any(name.startswith("slhf/toy/") and name.endswith(".safetensors") for name in names):
        missing.append("slhf/toy/**/*.safetensors")
    if not any(name.startswith("slhf/reports/") and name.endswith((".html", ".j2")) for name in names):
        missing.append("slhf/reports/**/*.html")
    if missing:
        print(f"{wheel.name} lacks {', '.join(missing)}; see [tool.hatch.build] in pyproject.toml")
        return 1
    print(f"{wheel.name}: {len(names)} files, {wheel.stat().st_size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
