"""Small repairs to what PEFT writes, so that a saved adapter finds its base on another machine."""

from __future__ import annotations

import json
from pathlib import Path


def name_base(folder: str | Path, base: str | None) -> None:
    """Write the base's name, as the user gave it, into every adapter configuration under ``folder``.

    PEFT writes the path the weights were loaded from, which for the embedded model is a
    folder inside the installed package.
    """
    if base is None:
        return
    for path in [Path(folder, "adapter_config.json"), *Path(folder).glob("*/adapter_config.json")]:
        if path.is_file() and not path.parent.name.startswith("checkpoint-"):
            settings = json.loads(path.read_text())
            settings["base_model_name_or_path"] = base if "/" not in base else str(_absolute(base))
            path.write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n")


def _absolute(base: str) -> Path | str:
    """A folder is stored by its full path, a hub name as it is."""
    return Path(base).resolve() if Path(base).is_dir() else base
