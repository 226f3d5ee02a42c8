"""Which checkpoints are whole, whose they are, and what they keep beyond transformers' own state."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from transformers import Trainer
from transformers.trainer_utils import rotate_checkpoints

from slhf.errors import CheckpointError, InputError
from slhf.judges.protocol import Judge
from slhf.policies.causal_lm import CausalPolicy
from slhf.policies.rollouts import PromptRow

STATE = "slhf_state.json"
"""Written last into a checkpoint: a checkpoint without it was interrupted and is not used."""

log = logging.getLogger(__name__)

_PREFIX = "checkpoint-"
_UNFINISHED = STATE + ".tmp"
_MATTERS = (
    "seed",
    "data_seed",
    "world_size",
    "per_device_train_batch_size",
    "gradient_accumulation_steps",
    "max_steps",
    "num_train_epochs",
    "optim",
    "learning_rate",
    "lr_scheduler_type",
    "warmup_steps",
    "weight_decay",
    "adam_beta1",
    "adam_beta2",
    "adam_epsilon",
    "max_grad_norm",
    "temperature",
    "max_new_tokens",
    "min_new_tokens",
    "top_k",
    "top_p",
    "sampling_dtype",
    "importance_cap",
    "instruction",
    "roles",
    "repeat_prompt",
    "adapters",
)
_ADAPTER_MATTERS = ("r", "lora_alpha", "lora_dropout", "target_modules", "use_rslora")


def fingerprint(
    args: Any, algorithm: Any, policy: CausalPolicy, judge: Judge, rows: Sequence[PromptRow]
) -> dict[str, Any]:
    """Return what makes two runs the same run: the settings that matter, and the prompts."""
    digest = hashlib.sha256()
    for number in range(len(rows)):
        digest.update(repr(rows[number].prompt).encode())
    settings = dataclasses.asdict(algorithm) if dataclasses.is_dataclass(algorithm) else {}  # type: ignore[arg-type]
    more = {f"algorithm.{name}": value for name, value in settings.items()}
    more |= {"algorithm": type(algorithm).__name__, "judge": judge.name, "train_dataset": digest.hexdigest()[:16]}
    return settings_that_matter(args, policy.model, more)


def settings_that_matter(args: Any, model: Any, more: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments and adapter settings that change what a run computes, and whatever else does.

    Args:
        args: the trainer's arguments.
        model: plain or with adapters.
        more: further names and values.
    """
    mine = {f"args.{name}": getattr(args, name, None) for name in _MATTERS}
    for adapter, config in (getattr(model, "peft_config", None) or {}).items():
        mine |= {f"lora.{adapter}.{name}": getattr(config, name, None) for name in _ADAPTER_MATTERS}
    # through JSON and back, so that a stored fingerprint compares equal to a fresh one
    return json.loads(json.dumps(mine | dict(more), default=_plain))


def _plain(value: Any) -> Any:
    return sorted(value) if isinstance(value, set | frozenset) else str(value)


@contextmanager
def writing(folder: Path, *, main: bool) -> Iterator[None]:
    """Mark a checkpoint as unfinished while it is written; on failure clear it away and say what is left.

    Args:
        folder: the checkpoint.
        main: True in the process that owns the folder.

    Raises:
        CheckpointError: anything went wrong inside; earlier checkpoints are untouched.
    """
    try:
        if main:
            mark_unfinished(folder)
        yield
    except Exception as error:
        if main:
            shutil.rmtree(folder, ignore_errors=True)
        whole = whole_checkpoints(folder.parent)
        kept = f"the last good checkpoint is {whole[-1]}" if whole else "there is no earlier checkpoint"
        raise CheckpointError(
            f"could not write {folder}: {error}; {kept}. Free some space, then resume with resume_from_checkpoint=True"
        ) from error


def mark_unfinished(folder: Path) -> None:
    """Make a checkpoint's folder and mark it as one that is being written."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / STATE).unlink(missing_ok=True)  # an evaluation at the end may save the same step again
    (folder / _UNFINISHED).touch()


def mark_whole(folder: Path, state: Mapping[str, Any]) -> None:
    """Write the state file, in one step, after everything else in the checkpoint."""
    temporary = folder / _UNFINISHED
    temporary.write_text(json.dumps(state, indent=1))
    temporary.replace(folder / STATE)


def save_whole(trainer: Trainer, write: Callable[[], None], state: Callable[[], Mapping[str, Any]]) -> None:
    """Save a checkpoint that is whole or not there; older ones go once the new one is known to be whole.

    Args:
        trainer: between two steps.
        write: writes transformers' part.
        state: returns what goes into the state file; called in every process.

    Raises:
        CheckpointError: it could not be written; earlier checkpoints are untouched.
    """
    args = trainer.args
    output_dir = Path(str(args.output_dir))
    folder = output_dir / f"{_PREFIX}{trainer.state.global_step}"
    # transformers would delete older checkpoints before this one is known to be whole
    limit, args.save_total_limit = args.save_total_limit, None
    try:
        with writing(folder, main=args.should_save):
            trainer.accelerator.wait_for_everyone()  # nobody writes before the folder is marked unfinished
            write()
            kept = state()  # and everybody has written when this returns
            if args.should_save:
                mark_whole(folder, kept)
    finally:
        args.save_total_limit = limit
    if args.should_save:
        best = trainer.state.best_model_checkpoint
        rotate_checkpoints(str(output_dir), save_total_limit=limit, best_model_checkpoint=best, use_mtime=True)


def whole_checkpoints(output_dir: str | Path) -> list[Path]:
    """Return the usable checkpoints of a run, oldest first."""
    return [path for path in _numbered(output_dir) if (path / STATE).is_file()]


def remove_partial(output_dir: str | Path) -> None:
    """Delete checkpoints that were being written when a run was interrupted, and say so."""
    for path in _numbered(output_dir):
        if _partial(path):
            log.warning("removing %s: it was not finished when the run was interrupted", path)
            shutil.rmtree(path, ignore_errors=True)


def _numbered(output_dir: str | Path) -> list[Path]:
    found = [p for p in Path(output_dir).glob(f"{_PREFIX}*") if p.is_dir() and p.name[len(_PREFIX) :].isdigit()]
    return sorted(found, key=lambda p: int(p.name[len(_PREFIX) :]))


def _partial(path: Path) -> bool:
    return not (path / STATE).is_file() and ((path / _UNFINISHED).is_file() or not any(path.iterdir()))


def choose(resume: bool | str | os.PathLike[str] | None, output_dir: str | Path, mine: Mapping[str, Any]) -> str | None:
    """Turn ``resume_from_checkpoint`` into a whole checkpoint of this very run, or None for a fresh start.

    Raises:
        InputError: there is nothing to resume; the checkpoint is of another run; a fresh start
            would write over an earlier run; or the folder holds checkpoints of something else.
    """
    whole = whole_checkpoints(output_dir)
    foreign = [path for path in _numbered(output_dir) if path not in whole and not _partial(path)]
    if foreign:
        raise InputError(
            f"output_dir {str(output_dir)!r} holds {foreign[0].name}, which is not a checkpoint of this trainer "
            f"(no {STATE}); choose another folder"
        )
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
        chosen = Path(resume)
        if not (chosen / STATE).is_file():
            raise InputError(f"{chosen}: not a whole checkpoint (no {STATE})")
    _check_same_run(chosen, mine)
    return str(chosen)


def _check_same_run(checkpoint: Path, mine: Mapping[str, Any]) -> None:
    theirs = _read(checkpoint)["fingerprint"]
    different = [k for k in sorted({*mine, *theirs}) if mine.get(k) != theirs.get(k)]
    if different:
        listed = "; ".join(f"{k}: {theirs.get(k)!r} there, {mine.get(k)!r} here" for k in different)
        raise InputError(f"{checkpoint} belongs to a different run ({listed}); use its settings or another output_dir")


def kept_in(checkpoint: str | None, name: str) -> Any:
    """Return what a trainer kept in a checkpoint under a name of its own; None without a checkpoint."""
    return None if checkpoint is None else _read(Path(checkpoint))[name]


def meter_of(checkpoint: str | None, process: int) -> dict[str, dict[str, float]]:
    """Return what a process had metered since the last log when ``checkpoint`` was written; None: nothing."""
    return {"sums": {}, "counts": {}} if checkpoint is None else _read(Path(checkpoint))["meters"][process]


def _read(checkpoint: Path) -> dict[str, Any]:
    return json.loads((checkpoint / STATE).read_text())
