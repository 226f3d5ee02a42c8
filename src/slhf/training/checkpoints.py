"""Which checkpoints are whole, whose they are, and what they keep beyond transformers' own state."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from slhf.errors import CheckpointError, InputError
from slhf.policies.rollouts import PromptRow

STATE = "slhf_state.json"
"""Written last into a checkpoint: a checkpoint without it was interrupted and is not used."""

log = logging.getLogger(__name__)

_PREFIX = "checkpoint-"
_MATTERS = (
    "seed",
    "data_seed",
    "learning_rate",
    "per_device_train_batch_size",
    "gradient_accumulation_steps",
    "max_steps",
    "num_train_epochs",
    "temperature",
    "max_new_tokens",
    "min_new_tokens",
    "instruction",
    "roles",
    "adapters",
    "sampling_dtype",
    "weight_decay",
    "warmup_steps",
)


def fingerprint(arguments: Any, algorithm: Any, rows: Sequence[PromptRow]) -> dict[str, Any]:
    """Return what makes two runs the same run: settings that matter, and the prompts."""
    digest = hashlib.sha256()
    for number in range(len(rows)):
        digest.update(repr(rows[number].prompt).encode())
    settings = dataclasses.asdict(algorithm) if dataclasses.is_dataclass(algorithm) else {}  # type: ignore[arg-type]
    mine = {f"args.{name}": getattr(arguments, name, None) for name in _MATTERS}
    mine |= {f"algorithm.{name}": value for name, value in settings.items()}
    mine |= {"algorithm": type(algorithm).__name__, "train_dataset": digest.hexdigest()[:16]}
    # through JSON and back, so that a stored fingerprint compares equal to a fresh one
    return json.loads(json.dumps(mine, default=str))


def mark_whole(folder: Path, state: Mapping[str, Any]) -> None:
    """Write the state file, in one step, after everything else in the checkpoint."""
    temporary = folder / (STATE + ".tmp")
    temporary.write_text(json.dumps(state, indent=1))
    os.replace(temporary, folder / STATE)


def whole_checkpoints(output_dir: str | Path) -> list[Path]:
    """Return the usable checkpoints of a run, oldest first."""
    found = [p for p in Path(output_dir).glob(f"{_PREFIX}*") if p.name[len(_PREFIX) :].isdigit()]
    return sorted((p for p in found if (p / STATE).is_file()), key=lambda p: int(p.name[len(_PREFIX) :]))


def remove_partial(output_dir: str | Path) -> None:
    """Delete checkpoints that were being written when a run was interrupted, and say so."""
    for path in Path(output_dir).glob(f"{_PREFIX}*"):
        if path.is_dir() and path.name[len(_PREFIX) :].isdigit() and not (path / STATE).is_file():
            log.warning("removing %s: it was not finished when the run was interrupted", path)
            shutil.rmtree(path, ignore_errors=True)


def choose(resume: bool | str | os.PathLike[str] | None, output_dir: str | Path, mine: Mapping[str, Any]) -> str | None:
    """Turn ``resume_from_checkpoint`` into a whole checkpoint of this very run, or None for a fresh start.

    Raises:
        InputError: there is nothing to resume; the checkpoint is of another run; or a fresh start
            would write over an earlier run.
    """
    whole = whole_checkpoints(output_dir)
    if not resume:
        if whole:
            raise InputError(
                f"output_dir {str(output_dir)!r} already holds {whole[-1].name}; resume it with "
                "resume_from_checkpoint=True, or choose another folder"
            )
        return None
    if resume is True:
        if not whole:
            raise InputError(f"nothing to resume: no whole checkpoint in {str(output_dir)!r}")
        chosen = whole[-1]
    else:
        chosen = Path(str(resume))
        if not (chosen / STATE).is_file():
            raise InputError(f"{chosen}: not a whole checkpoint (no {STATE})")
    theirs = json.loads((chosen / STATE).read_text())["fingerprint"]
    different = [k for k in sorted({*mine, *theirs}) if mine.get(k) != theirs.get(k)]
    if different:
        listed = "; ".join(f"{k}: {theirs.get(k)!r} there, {mine.get(k)!r} here" for k in different)
        raise InputError(f"{chosen} belongs to a different run ({listed}); use its settings or another output_dir")
    return str(chosen)


def read_state(checkpoint: str | Path) -> dict[str, Any]:
    """Return what ``mark_whole`` wrote."""
    return json.loads(Path(checkpoint, STATE).read_text())


def failed(folder: Path, error: BaseException, last: Path | None) -> CheckpointError:
    """Clear away a half-written checkpoint and return the error that says what is left."""
    shutil.rmtree(folder, ignore_errors=True)
    kept = f"the last good checkpoint is {last}" if last else "there is no earlier checkpoint"
    return CheckpointError(
        f"could not write {folder}: {error}; {kept}. Free some space, then resume with resume_from_checkpoint=True"
    )
