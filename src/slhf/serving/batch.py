"""Rows that are decoded together, though each comes and goes on its own."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from slhf.policies.decoding import next_tokens
from slhf.policies.engine import Engine, extend
from slhf.policies.ragged_cache import RaggedCache
from slhf.serving.arrivals import parts
from slhf.serving.jobs import Decoded, Held, Job
from slhf.serving.steps import TokenChoice


@dataclass(eq=False)
class _Row:
    job: Job
    tokens: list[int] = field(default_factory=list)
    choices: list[TokenChoice] = field(default_factory=list)


class Batch:
    """Rows of one engine in one cache; a row's tokens are the same whoever else is there, up to rounding.

    Args:
        engine: the model.
        most: tokens of a text that it holds; None if it does not say.
    """

    def __init__(self, engine: Engine, most: int | None = None):
        self._engine, self._most = engine, most
        self._rows: list[_Row] = []
        self._cache: RaggedCache | None = None
        self._hidden: Tensor | None = None

    def __len__(self) -> int:
        return len(self._rows)

    @torch.inference_mode()
    def admit(self, jobs: list[Job]) -> None:
        """Compute the contexts of new rows, as far as nothing held has them already, and let them join."""
        for part in parts(jobs, self._most):
            here, room = len(self._rows), part.room
            fresh = self._roomy(here + len(part.arrivals), room).part(here, here + len(part.arrivals))
            for i, one in enumerate(part.arrivals):
                if one.job.held is not None:
                    fresh.data[:, :, i, :, : one.known] = one.job.held.cache.data[:, :, 0, :, : one.known]
                fresh.lengths[i] = one.known
            hidden = extend(self._engine, fresh, [one.job.context[one.known :] for one in part.arrivals], part.chunk)
            self._rows += [_Row(one.job) for one in part.arrivals]
            self._hidden = hidden if self._hidden is None else torch.cat([self._hidden, hidden])

    def _roomy(self, rows: int, capacity: int) -> RaggedCache:
        """Return a cache with so many rows and slots that holds the present rows; today's where it is large enough."""
        old, here = self._cache, len(self._rows)
        if old is not None and rows <= old.data.shape[2] and capacity <= old.capacity:
            return old
        if old is not None:
            rows, capacity = max(rows, old.data.shape[2]), max(capacity, old.capacity)
        self._cache = self._engine.new_cache(1 << (rows - 1).bit_length(), capacity)
        if old is not None and here:
            width = int(old.lengths[:here].max())
            self._cache.data[:, :, :here, :, :width] = old.data[:, :, :here, :, :width]
            self._cache.lengths[:here] = old.lengths[:here]
        return self._cache

    @torch.inference_mode()
    def step(self) -> None:
        """Sample one token a row; rows that are done leave, the others go on."""
        if not self._rows:
            return
        assert self._hidden is not None
        assert self._cache is not None
        logits = self._engine.logits(self._hidden).float()
        model = _log_probabilities(logits, self._rows)  # before sampling writes over the logits
        tokens = _chosen(logits, self._rows)
        over = [
            _over(row, token, None if place not in model else _choice(token, model[place], row.job.top_logprobs or 0))
            for place, (row, token) in enumerate(zip(self._rows, tokens, strict=True))
        ]
        self._leave(over)
        if not self._rows:
            self._cache = self._hidden = None  # nobody is here: free the memory
            return
        self._hidden = extend(self._engine, self._cache, [[row.tokens[-1]] for row in self._rows])

    def _leave(self, over: list[bool]) -> None:
        """Deliver the rows that are done, and close the ranks: the last rows move into the places that fell free."""
        assert self._cache is not None
        for slot, row in enumerate(self._rows):
            if over[slot] and _wanted(row.job):
                row.job.done.set_result(Decoded(row.tokens, tuple(row.choices), self._kept(slot, row)))
        kept = over.count(False)
        holes = [slot for slot in range(kept) if over[slot]]
        movers = [slot for slot in range(kept, len(over)) if not over[slot]]
        self._cache.swap(holes, movers)
        for hole, mover in zip(holes, movers, strict=True):
            self._rows[hole] = self._rows[mover]
        del self._rows[kept:]

    def _kept(self, slot: int, row: _Row) -> Held | None:
        if not row.job.keep or self._cache is None:
            return None
        length = int(self._cache.lengths[slot])  # the last token was never fed
        return Held((row.job.context + row.tokens)[:length], self._cache.select([slot], length))

    def fail(self, error: BaseException) -> None:
        """Give every row's job this error, and begin anew without rows."""
        for row in self._rows:
            if _wanted(row.job):
                row.job.done.set_exception(error)
        self._rows, self._cache, self._hidden = [], None, None


def _over(row: _Row, token: int, choice: TokenChoice | None) -> bool:
    """Note a row's new token; return True if the row is done, or has failed, or nobody wants it any more."""
    job = row.job
    row.tokens.append(token)
    if choice is not None:
        row.choices.append(choice)
    if job.done.cancelled():
        return True
    if token in job.sampling.end_tokens:
        return True
    try:
        enough = job.hear is not None and job.hear(token, choice)
    except Exception as error:  # one listener's fault must not take the other rows with it
        if _wanted(job):
            job.done.set_exception(error)
        return True
    return enough or len(row.tokens) >= job.sampling.max_new_tokens


def _chosen(logits: Tensor, rows: list[_Row]) -> list[int]:
    """Sample one token a row, each as its job wants; overwrites the logits."""
    noise = torch.tensor([row.job.noise[len(row.tokens)] for row in rows], dtype=torch.float32, device=logits.device)
    groups: dict[tuple[float, int, float], list[int]] = {}
    for place, row in enumerate(rows):
        s = row.job.sampling
        groups.setdefault((s.temperature, s.top_k, s.top_p), []).append(place)
    if len(groups) == 1:
        return next_tokens(logits, noise, rows[0].job.sampling)[0].tolist()
    tokens = [0] * len(rows)
    for places in groups.values():
        index = torch.tensor(places, device=logits.device)
        found, _ = next_tokens(logits[index], noise[index], rows[places[0]].job.sampling)
        for place, token in zip(places, found.tolist(), strict=True):
            tokens[place] = token
    return tokens


def _log_probabilities(logits: Tensor, rows: list[_Row]) -> dict[int, Tensor]:
    """Return log softmax(logits) of the rows whose jobs ask for log-probabilities, by place."""
    places = [place for place, row in enumerate(rows) if row.job.top_logprobs is not None]
    if not places:
        return {}
    found = torch.log_softmax(logits[torch.tensor(places, device=logits.device)], dim=-1)
    return dict(zip(places, found, strict=True))


def _choice(token: int, logprobs: Tensor, top: int) -> TokenChoice:
    values, index = logprobs.topk(min(top, len(logprobs)))
    return TokenChoice(token, float(logprobs[token]), tuple(zip(index.tolist(), values.tolist(), strict=True)))


def _wanted(job: Job) -> bool:
    """Tell whether a job still waits for what comes of it; from then on it can no longer be cancelled."""
    return not job.done.done() and job.done.set_running_or_notify_cancel()
