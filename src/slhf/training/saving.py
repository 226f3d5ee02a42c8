"""What a saved model carries beside its weights, so that it plays its roles again, on another machine too."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from transformers import Trainer

from slhf.errors import JudgeError
from slhf.policies.causal_lm import CausalPolicy
from slhf.policies.load import RoleSettings
from slhf.training.arguments import GameArguments

log = logging.getLogger(__name__)


def save_roles(folder: str | Path, args: GameArguments | RoleSettings, policy: CausalPolicy, base: str | None) -> None:
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


@contextmanager
def saved_if_the_judge_fails(trainer: Trainer, model: Any) -> Iterator[None]:
    """Keep what a run has reached when its judge gives up: save a checkpoint of the last whole step.

    Only where there is a single process: several cannot be asked to save together once one of them has failed.

    Args:
        trainer: between two steps, no gradient collected.
        model: what it trains.

    Raises:
        JudgeError: the judge's own, after saying where the run is saved.
    """
    try:
        yield
    except JudgeError:
        step = trainer.state.global_step
        folder = Path(str(trainer.args.output_dir)) / f"checkpoint-{step}"
        if step == 0 or trainer.args.world_size > 1:
            raise
        if not folder.is_dir():
            trainer._save_checkpoint(model, None)
        log.warning("the judge gave up; the run is saved at step %d in %s and can be resumed from there", step, folder)
        raise


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
