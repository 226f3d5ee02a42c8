"""Any number of models, each in any role, against each other: from prompts to a table, through the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from slhf.errors import InputError, suggestion
from slhf.evaluation.answers import BATCH, ROLES, Model, judged_text, leader_answers, refined_answers
from slhf.evaluation.remembering import RememberedJudge, remembered
from slhf.evaluation.store import Store
from slhf.evaluation.tournament import Answers, Tournament, tournament
from slhf.judges import Judge
from slhf.types import Prompt


@dataclass(frozen=True)
class Player:
    """A model in one role.

    Attributes:
        model: who plays.
        role: ``leader``, or ``follower``: the model's refinement of its own first answer.
        name: shown in tables; ``"NAME leader"`` or ``"NAME follower"`` if not given.
    """

    model: Model
    role: str = "leader"
    name: str = ""

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise InputError(f"role {self.role!r} is not one of {', '.join(ROLES)}.{suggestion(self.role, ROLES)}")
        if not self.name:
            object.__setattr__(self, "name", f"{self.model.name} {self.role}")


def round_robin(
    judge: Judge,
    prompts: Sequence[Prompt],
    players: Sequence[Player],
    store: Store,
    *,
    others: Mapping[str, Answers] | None = None,
    columns: Sequence[Mapping[str, Any]] | None = None,
    samples: int = 1,
    batch: int = BATCH,
) -> Tournament:
    """Let models answer and every two of them be judged on every prompt.

    Answers and judgements come from the store where they are there already; a killed process loses at most one
    batch, and its repetition ends with the same table.

    Paper: SLHF Table 3.

    Args:
        judge: who decides; it is remembered in the store unless it is already.
        prompts: X prompts, text or conversations.
        players: models and roles.
        store: where answers and judgements are kept.
        others: further contenders by name, with their answers: other people's, from a file say.
        columns: the prompts' extra columns, for the judge.
        samples: answers a prompt.
        batch: answers generated at once.

    Raises:
        InputError: fewer than two contenders, a name twice, or contenders that lack answers.
        JudgeError: the judge's answer is no preference.
    """
    given = dict(others or {})
    names = [player.name for player in players] + list(given)
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"two contenders are called {twice!r}; give each one its own name")
    if len(names) < 2:
        raise InputError(f"a tournament needs at least two contenders, got {names}")
    for name, answers in given.items():
        if len(answers) != len(prompts):
            raise InputError(f"contender {name!r} has answers to {len(answers)} prompts, there are {len(prompts)}")
    contenders: dict[str, Answers] = player_answers(players, prompts, store, samples=samples, batch=batch) | given
    return tournament(keeping(judge, store), [judged_text(x) for x in prompts], contenders, columns)


def player_answers(
    players: Sequence[Player], prompts: Sequence[Prompt], store: Store, *, samples: int = 1, batch: int = BATCH
) -> dict[str, Answers]:
    """Return each player's answers by name, X lists of ``samples`` answers."""
    found: dict[str, Answers] = {}
    for player in players:
        answers = leader_answers(player.model, prompts, store, samples=samples, batch=batch)
        if player.role == "follower":
            answers = refined_answers(player.model, prompts, answers, store, batch=batch)
        found[player.name] = answers
    return found


def keeping(judge: Judge, store: Store) -> RememberedJudge:
    """Return ``judge`` if it is remembered already, else remember it in ``store``."""
    return judge if isinstance(judge, RememberedJudge) else remembered(judge, store)
