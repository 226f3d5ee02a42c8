"""A tournament from names: load models, prompts and a judge, and let everybody play everybody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slhf.data import load_prompts
from slhf.errors import InputError, suggestion
from slhf.evaluation import Player, Store, Tournament, policy_model, read_answers, round_robin
from slhf.evaluation.answers import ROLES
from slhf.judges import JUDGES, Judge, imported_judge, named_judge
from slhf.runs.sampling import sampling_of


@dataclass(frozen=True)
class Contest:
    """Who plays on what.

    Attributes:
        models: run folders, model folders, hub names or ``toy``; ``name=model`` gives it another name.
        answers: JSONL files of other people's answers, as ``file`` or ``name=file``.
        roles: which roles every model plays.
        judge: a judge's name, or ``package.module:name``.
        data: prompts, as :func:`slhf.data.load_prompts` takes them.
        split: which part of them.
        limit: at most so many prompts.
        samples: answers a prompt.
        seed: of the answers.
    """

    models: Sequence[str]
    answers: Sequence[str] = ()
    roles: Sequence[str] = ROLES
    judge: str = "toy"
    data: str = "toy"
    split: str | None = "test"
    limit: int | None = 200
    samples: int = 1
    seed: int = 0


def compare(contest: Contest, store: str | Path) -> Tournament:
    """Play a tournament; what the store holds already is neither generated nor judged again.

    Args:
        contest: who plays on what.
        store: SQLite file of answers and judgements; made if it is not there.

    Raises:
        InputError: a name twice, an unknown role, judge, model or data set, or a file without the prompts' answers.
    """
    models = _named(contest.models, "model")
    files = _named(contest.answers, "file of answers")
    for role in contest.roles:
        if role not in ROLES:
            raise InputError(f"role {role!r} is not one of {', '.join(ROLES)}.{suggestion(role, ROLES)}")
    if contest.samples < 1:
        raise InputError(f"samples={contest.samples}: at least one answer a prompt is needed")
    count = len(models) * len(contest.roles) + len(files)
    if count < 2:
        raise InputError(f"a tournament needs two contenders or more, got {count}; name another model, role or file")
    judge = contest_judge(contest.judge)
    rows = load_prompts(contest.data, contest.split, contest.limit)
    prompts: list[Any] = list(rows["prompt"])
    columns: list[dict[str, Any]] = rows.remove_columns("prompt").to_list()
    others = {name: read_answers(path, prompts) for name, path in files.items()}
    players = [
        Player(_model(name, path, contest.seed), role) for name, path in models.items() for role in contest.roles
    ]
    Path(store).parent.mkdir(parents=True, exist_ok=True)
    with Store(store) as kept:
        return round_robin(
            judge, prompts, players, kept, others=others, columns=columns, samples=contest.samples
        )  # fmt: skip


def contest_judge(name: str) -> Judge:
    """Return a judge by its name, or by import path if there is a colon in it."""
    return imported_judge(name) if ":" in name and name not in JUDGES else named_judge(name)


def _model(name: str, path: str, seed: int) -> Any:
    from slhf.policies import load_policy

    policy = load_policy(path)
    return policy_model(name, policy, sampling_of(policy), seed=seed)


def _named(given: Sequence[str], what: str) -> dict[str, str]:
    """Split ``name=value``; without a name, the last part of the path is one."""
    found: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        name, value = (
            (name, value) if equals else (Path(text).stem if text.endswith(".jsonl") else Path(text).name, text)
        )
        if not name or not value:
            raise InputError(f"{what} {text!r}: write it as a path, or as name=path")
        if name in found:
            raise InputError(
                f"two contenders are called {name!r} ({found[name]} and {value}); tell them apart by name=path"
            )
        found[name] = value
    return found
