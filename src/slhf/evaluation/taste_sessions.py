"""Simulated users who go from prompt to prompt, and whose picks go with them."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slhf.evaluation.answers import BATCH, Model, Request, ask, judged_text
from slhf.evaluation.identity import fingerprint
from slhf.evaluation.remembering import scores
from slhf.evaluation.store import Store
from slhf.evaluation.taste_exact import by_utility
from slhf.evaluation.taste_visits import Array, Ask, Between, Method, Visit, Wanted
from slhf.judges import Annotator
from slhf.taste import Taste, prior
from slhf.types import Prompt

_APART = 1 << 20
"""Samples of two users of one type differ by so much in number, so that none is shared."""


@dataclass(frozen=True)
class Place:
    """One user at one prompt, and what came of it.

    Attributes:
        session: number of the group of prompts the session went through.
        prompt: number of the prompt.
        place: of the prompt in its session, from 0.
        user: number of the user's annotator.
        copy: number among the users of that annotator.
        clicks: until an answer at the user's top level appeared; one more than allowed if none did.
        asked: how many of them were comparisons.
        belief: in the user's own annotator, before the first click.
    """

    session: int
    prompt: int
    place: int
    user: int
    copy: int
    clicks: int
    asked: int
    belief: float


@dataclass(frozen=True)
class Users:
    """Who clicks, and how.

    Attributes:
        names: A annotators.
        copies: users of each.
        clicks: N, at most so many a prompt.
        lapse: how often, of two answers, they click the one their annotator would never pick.
        seed: of their lapses and ties.
    """

    names: tuple[str, ...]
    copies: int = 1
    clicks: int = 12
    lapse: float = 0.05
    seed: int = 0


class World:
    """Prompts, the answers that have been given to them, and what annotators think of these.

    Args:
        model: who answers, both roles.
        annotators: A annotators.
        prompts: X prompts.
        columns: their extra columns.
        store: where answers and scores are kept.
        temperature: of the annotators' preferences; None for hard ones.
        batch: answers generated at once.
    """

    def __init__(
        self,
        model: Model,
        annotators: Sequence[Annotator],
        prompts: Sequence[Prompt],
        columns: Sequence[Mapping[str, Any]],
        store: Store,
        *,
        temperature: float | None = None,
        batch: int = BATCH,
    ):
        self._temperature = temperature
        self._model, self._annotators, self._store, self._batch = model, annotators, store, batch
        self._identities = [fingerprint(a) for a in annotators]
        self._prompts, self._columns = prompts, columns
        self._texts = [judged_text(x) for x in prompts]
        self._numbers: list[dict[str, int]] = [{} for _ in prompts]
        self._utilities = [np.empty((len(annotators), 0)) for _ in prompts]

    def utilities(self, x: int) -> Array:
        """Return what the annotators think of the answers known to prompt x, more being better, shape (A, Y)."""
        return self._utilities[x]

    def answers(self, wanted: Sequence[tuple[int, int, Wanted]]) -> list[list[int]]:
        """Return the numbers of sampled answers, generating and scoring what is not kept yet.

        Args:
            wanted: (prompt, copy of the user, what is wanted) of many visits at once.
        """
        known = [list(numbers) for numbers in self._numbers]
        requests = [
            Request(
                self._prompts[x],
                None if one.previous is None else known[x][one.previous],
                copy * _APART + sample,
                one.step,
            )
            for x, copy, one in wanted
            for sample in one.samples
        ]
        texts = iter(ask(self._model, requests, self._store, batch=self._batch))
        found = [(x, [next(texts) for _ in one.samples]) for x, _, one in wanted]
        self.learn([(x, text) for x, row in found for text in row])
        return [[self._numbers[x][text] for text in row] for x, row in found]

    def learn(self, answers: Sequence[tuple[int, str]]) -> None:
        """Number and score answers that are new to their prompt."""
        new = [(x, text) for x, text in dict.fromkeys(answers) if text not in self._numbers[x]]
        if not new:
            return
        found = scores(
            self._annotators,
            [self._texts[x] for x, _ in new],
            [[text] for _, text in new],
            self._store,
            columns=[self._columns[x] for x, _ in new],
            identities=self._identities,
        )[:, :, 0]
        for (x, text), u in zip(new, found.T, strict=True):
            self._numbers[x][text] = len(self._numbers[x])
            self._utilities[x] = np.column_stack([self._utilities[x], u])

    def between(self, x: int) -> Between:
        """Return the annotators' preferences between answers to prompt x."""
        return lambda answers: by_utility(self.utilities(x), self._temperature)(answers)


def run_sessions(
    world: World,
    users: Users,
    groups: Sequence[Sequence[int]],
    levels: NDArray[np.float64],
    method: Method,
    beliefs: Sequence[Taste],
) -> list[Place]:
    """Let every user go through every group of prompts, all of them side by side.

    Args:
        world: who answers what.
        users: who clicks.
        groups: numbers of prompts, one list a session, in order.
        levels: levels[x, k], the utility at which annotator k is content with an answer to prompt x.
        method: how clicks are spent.
        beliefs: A beliefs, those a session of a user of each annotator begins with.

    Returns:
        One entry a user and prompt, users within sessions.
    """
    visitors = [
        _Visitor(g, user, copy)
        for g in range(len(groups))
        for user in range(len(users.names))
        for copy in range(users.copies)
    ]
    loops = [_session(v, world, users, groups[v.session], levels, method, beliefs[v.user]) for v in visitors]
    waiting = [(i, one) for i, loop in enumerate(loops) if (one := next(loop, None)) is not None]
    ended: dict[int, list[Place]] = {}
    while waiting:
        answers = world.answers([(x, visitors[i].copy, wanted) for i, (x, wanted) in waiting])
        going = []
        for (i, _), given in zip(waiting, answers, strict=True):
            try:
                going.append((i, loops[i].send(given)))
            except StopIteration as stop:
                ended[i] = stop.value
        waiting = going
    return [place for i in range(len(visitors)) for place in ended[i]]


@dataclass(frozen=True)
class _Visitor:
    session: int
    user: int
    copy: int


def _session(
    who: _Visitor,
    world: World,
    users: Users,
    prompts: Sequence[int],
    levels: NDArray[np.float64],
    method: Method,
    belief: Taste,
) -> Generator[tuple[int, Wanted], list[int], list[Place]]:
    """Go through one session: yields (prompt, what is wanted), is sent answers, and returns its places."""
    rng = np.random.default_rng([users.seed, who.session, who.user, who.copy])
    law = prior(users.names, lapse=users.lapse)
    found = []
    for place, x in enumerate(prompts):
        between, visit = world.between(x), Visit(belief)
        believed, content = float(belief.weights[who.user]), False
        while not content and visit.clicks < users.clicks:
            action = method.next(visit, between)
            if isinstance(action, Ask):
                chosen = _click(law, between(action.pair), who.user, rng)
                visit = visit.told(action.pair, chosen, between)
                continue
            answers = yield x, action
            visit = visit.showing(method.choose(visit, answers, between))
            content = bool(world.utilities(x)[who.user, visit.shown[-1]] >= levels[x, who.user])
        clicks = visit.clicks if content else users.clicks + 1
        found.append(Place(who.session, x, place, who.user, who.copy, clicks, len(visit.asked), believed))
        belief = visit.ended(_click(law, between(visit.seen), who.user, rng), between)
    return found


def _click(law: Taste, preferences: Array, user: int, rng: np.random.Generator) -> int:
    p = law.clicks(preferences)[user]
    return int(rng.choice(len(p), p=p / p.sum()))
