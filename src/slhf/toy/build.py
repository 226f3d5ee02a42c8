"""Make every file of the embedded world: ``python -m slhf.toy.build --out DIR [--check]``."""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
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
from slhf.toy.world import Question, fact, questions
from slhf.toy.writer import INSTRUCTION, Writer, preference_rows

SIZES, RESPONSES = (1100, 200, 400), 4
"""Prompts of train, validation and test; responses a prompt in the preference set."""

TINY = Settings(hidden=32, layers=1, heads=2, reading_steps=4, chatting_steps=4, batch=8, tokenizer_texts=60, threads=1)
"""Settings of a build that takes seconds and makes a model that knows nothing."""


def build(out: Path, settings: Settings, sizes: tuple[int, int, int], report: Callable[[str], None] = print) -> None:
    """Write the model, the prompts and the preferences under ``out``.

    Args:
        out: folder, made if it is not there.
        settings: of the model and its training.
        sizes: numbers of prompts to train on, to choose settings on, and to test on.
        report: is told about progress.
    """
    started = time.monotonic()
    threads = torch.get_num_threads()
    torch.set_num_threads(settings.threads)
    try:
        out.mkdir(parents=True, exist_ok=True)
        streams = np.random.default_rng(settings.seed).spawn(2)
        parts = split(questions(streams[0], sum(sizes)), *sizes[1:])
        for name, asked in parts.items():
            _write(out / f"{name}.jsonl", (q.columns() for q in asked))
        training, validation = parts["train"], parts["validation"]
        writer = Writer(streams[1], held_out=[q.prompt for q in (*validation, *parts["test"])])
        model, tokenizer = train(writer, settings, report)
        model.save_pretrained(out / "model")
        tokenizer.save_pretrained(out / "model")
        rows = [q.columns() for q in training]
        answers = sample_answers(model, tokenizer, rows, RESPONSES, seed=settings.seed + 1)
        _write(out / "preferences.jsonl", _preferences(training, answers))
        _tell(model, tokenizer, validation, settings, report)
    finally:
        torch.set_num_threads(threads)
    report(f"built in {time.monotonic() - started:.0f} s")


def split(asked: Sequence[Question], validation: int, test: int) -> dict[str, list[Question]]:
    """Hold questions out, each family in proportion: from the front for test, from the back for validation.

    A fact is held out in one wording at most: nobody can guess the capital of a country, but who
    knows it should know it in other words.

    Args:
        asked: questions in random order.
        validation: how many to hold out for choosing settings.
        test: how many to hold out for the last look.

    Returns:
        ``train``, ``validation`` and ``test``.

    Raises:
        InputError: too few different facts are asked about.
    """
    taken: set[tuple[str, ...]] = set()

    def take(source: Iterable[Question], size: int) -> list[Question]:
        left, found = _quotas(asked, size), []
        for question in source:
            if left[question.task] and fact(question.prompt) not in taken:
                left[question.task] -= 1
                taken.add(fact(question.prompt))
                found.append(question)
        if left.total():
            missing = ", ".join(sorted(+left))
            raise InputError(f"{len(asked)} questions ask about too few facts to hold {size} out: {missing}")
        return found

    tested, validated = take(asked, test), take(reversed(asked), validation)
    held_out = {q.prompt for q in (*tested, *validated)}
    train = [q for q in asked if q.prompt not in held_out]
    return {"train": train, "validation": validated, "test": tested}


def _quotas(asked: Sequence[Question], size: int) -> Counter[str]:
    """Share ``size`` out among the families by how much is asked of each; largest remainders round up."""
    counts = Counter(question.task for question in asked)
    exact = {task: count * size / len(asked) for task, count in counts.items()}
    quotas = Counter({task: int(value) for task, value in exact.items()})
    rest = sorted(exact, key=lambda task: (quotas[task] - exact[task], task))
    quotas.update(rest[: size - quotas.total()])
    return quotas


def _preferences(asked: list[Question], answers: list[list[str]]) -> Iterable[Mapping[str, Any]]:
    for question, texts in zip(asked, answers, strict=True):
        yield from preference_rows(question, texts)


def _tell(
    model: Any, tokenizer: Any, validation: list[Question], settings: Settings, report: Callable[[str], None]
) -> None:
    """Report what the model is like on the validation prompts."""
    rows = [q.columns() for q in validation]
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
    report(f"right on {right_share(rows, answers):.3f} of validation prompts at T=.9")
    report(f"cycles on {cycle_share(rows, answers):.3f} of validation prompts")
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
    settings, sizes = (TINY, (40, 5, 10)) if options.tiny else (Settings(), SIZES)
    out = options.out or shipped.folder()
    if not options.check:
        build(out, settings, sizes)
        return 0
    if not out.is_dir():
        raise InputError(f"--out {out}: there is no such folder to check; build it first, without --check")
    with tempfile.TemporaryDirectory() as temporary:
        build(Path(temporary), settings, sizes)
        different = differences(Path(temporary), out)
    print("the same bit for bit" if not different else f"different: {', '.join(different)}")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
