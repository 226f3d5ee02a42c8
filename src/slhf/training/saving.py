"""What a saved model carries beside its weights, so that it plays its roles again, on another machine too."""

from __future__ import annotations

import json
from pathlib import Path

from slhf.policies.causal_lm import CausalPolicy
from slhf.policies.load import RoleSettings
from slhf.training.arguments import GameArguments


def save_roles(folder: str | Path, args: GameArguments, policy: CausalPolicy, base: str | None) -> None:
    """Write how the model plays its roles, and what its adapters stand on, beside the saved weights.

    Args:
        folder: holds the saved model.
        args: instruction, sampling.
        policy: knows the adapters.
        base: the base model's name, as the user gave it.
    """
    _name_base(Path(folder), base)
    # transformers pickles its arguments; nothing here reads them, and a pickle is not safe to pass on
    Path(folder, "training_args.bin").unlink(missing_ok=True)
    RoleSettings(
        roles=args.roles,
        instruction=args.instruction,
        repeat_prompt=args.repeat_prompt,
        temperature=args.temperature,
        max_new_tokens=args.max_new_tokens,
        adapters=None if policy.shared else policy.adapters,
        base_model=base,
    ).save(folder)


def _name_base(folder: Path, base: str | None) -> None:
    """Write the base's name into every adapter configuration.

    PEFT writes the path the weights were loaded from, which for the embedded model is a
    folder inside the installed package.
    """
    if base is None:
        return
    for path in [folder / "adapter_config.json", *folder.glob("*/adapter_config.json")]:
        if path.is_file() and not path.parent.name.startswith("checkpoint-"):
            settings = json.loads(path.read_text())
            settings["base_model_name_or_path"] = base if "/" not in base else str(_absolute(base))
            path.write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n")


def _absolute(base: str) -> Path | str:
    """Return a folder by its full path, a hub name as it is."""
    return Path(base).resolve() if Path(base).is_dir() else base
