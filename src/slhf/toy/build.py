"""Make every file of the embedded world: ``python -m slhf.toy.build --out DIR [--check]``."""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from slhf.errors import InputError
from slhf.toy import shipped
from slhf.toy.measure import (
    cycle_share,
    right_share,
    sample,
    sample_answers,
    second_over_first,
    style_shares,
    style_values,
)
from slhf.toy.model import Settings, train
from slhf.toy.world import Question, questions
from slhf.toy.writer import INSTRUCTION, Writer, preference_rows

TRAIN, TEST, RESPONSES = 1300, 400, 4
"""Prompts to train on, prompts held out, responses a prompt in the preference set."""

TINY = Settings(hidden=32, layers=1, heads=2, reading_steps=4, chatting_steps=4, batch=8, tokenizer_texts=60, threads=1)
"""Settings of a build that takes seconds and makes a model that knows nothing."""


def build(out: Path, settings: Settings, prompts: tuple[int, int], report: Callable[[str], None] = print) -> None:
    """Write the model, the prompts and the preferences under ``out``.

    Args:
        out: folder, made if it is not there.
        settings: of the model and its training.
        prompts: numbers of training and of held-out prompts.
        report: is told about progress.
    """
    started = time.monotonic()
    threads = torch.get_num_threads()
    torch.set_num_threads(settings.threads)
    try:
        out.mkdir(parents=True, exist_ok=True)
        streams = np.random.default_rng(settings.seed).spawn(2)
        asked = questions(streams[0], sum(prompts))
        training, held_out = asked[: prompts[0]], asked[prompts[0] :]
        _write(out / "train.jsonl", (q.columns() for q in training))
        _write(out / "test.jsonl", (q.columns() for q in held_out))
        writer = Writer(streams[1], held_out=[q.prompt for q in held_out])
        model, tokenizer = train(writer, settings, report)
        model.save_pretrained(out / "model")
        tokenizer.save_pretrained(out / "model")
        rows = [q.columns() for q in training]
        answers = sample_answers(model, tokenizer, rows, RESPONSES, seed=settings.seed + 1)
        _write(out / "preferences.jsonl", _preferences(training, answers))
        _tell(model, tokenizer, held_out, settings, report)
    finally:
        torch.set_num_threads(threads)
    report(f"built in {time.monotonic() - started:.0f} s")


def _preferences(asked: list[Question], answers: list[list[str]]) -> Iterable[Mapping[str, Any]]:
    for question, texts in zip(asked, answers, strict=True):
        yield from preference_rows(question, texts)


def _tell(
    model: Any, tokenizer: Any, held_out: list[Question], settings: Settings, report: Callable[[str], None]
) -> None:
    """Report what the model is like on the held-out prompts."""
    rows = [q.columns() for q in held_out]
    answers = sample_answers(model, tokenizer, rows, 20, seed=settings.seed + 2)
    first = [texts[0] for texts in answers]
    chats = [
        [
            {"role": "user", "content": str(row["prompt"])},
            {"role": "assistant", "content": text},
            {"role": "user", "content": INSTRUCTION},
        ]
        for row, text in zip(rows, first, strict=True)
    ]
    second = sample(model, tokenizer, chats, seed=settings.seed + 3)
    report(f"right on {right_share(rows, answers):.3f} of held-out prompts at T=.9")
    report(f"cycles on {cycle_share(rows, answers):.3f} of held-out prompts")
    report(f"refinement over first answer {second_over_first(rows, first, second):.3f}")
    for name, values in (("share", style_shares(rows, answers)), ("over base", style_values(rows, answers))):
        report(f"{name}: " + ", ".join(f"{style} {value:.3f}" for style, value in values.items()))


def _write(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def fingerprints(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file a build makes, by its path under ``folder``."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix in (".json", ".jsonl", ".jinja", ".safetensors")
    }


def differences(folder: Path, other: Path) -> list[str]:
    """Return the names of the files that are not the same in two folders, or only in one."""
    mine, theirs = fingerprints(folder), fingerprints(other)
    return sorted(name for name in mine.keys() | theirs.keys() if mine.get(name) != theirs.get(name))


def main(arguments: list[str] | None = None) -> int:
    """Build, or check a build: 0 if all is well, 1 if a file differs."""
    parser = argparse.ArgumentParser(prog="python -m slhf.toy.build", description=__doc__)
    parser.add_argument("--out", type=Path, help="folder to write to (or to check); the shipped one by default")
    parser.add_argument("--check", action="store_true", help="build elsewhere and compare with --out")
    parser.add_argument("--tiny", action="store_true", help="a build of seconds, to test the script")
    options = parser.parse_args(arguments)
    settings, prompts = (TINY, (40, 10)) if options.tiny else (Settings(), (TRAIN, TEST))
    out = options.out or shipped.folder()
    if not options.check:
        build(out, settings, prompts)
        return 0
    if not out.is_dir():
        raise InputError(f"--out {out}: there is no such folder to check; build it first, without --check")
    with tempfile.TemporaryDirectory() as temporary:
        build(Path(temporary), settings, prompts)
        different = differences(Path(temporary), out)
    print("the same bit for bit" if not different else f"different: {', '.join(different)}")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
