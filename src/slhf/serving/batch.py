"""Rows that are decoded together, though each comes and goes on its own."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from slhf.policies.decoding import COLDEST, drawn
from slhf.policies.engine import Engine, Growth, extend_all
from slhf.policies.ragged_cache import RaggedCache
from slhf.serving.arrivals import grouped
from slhf.serving.jobs import Decoded, Held, Job
from slhf.serving.steps import TokenChoice


@dataclass(eq=False)
class _Row:
    job: Job
    tokens: list[int] = field(default_factory=list)
    choices: list[TokenChoice] = field(default_factory=list)


class Batch:
    """Rows of one engine in one cache; a row's tokens are the same whoever else is there, up to rounding.

    The contexts of rows that join are computed in the same pass as the others' next tokens, without padding between
    the two: every weight is read once for both.

    Args:
        engine: the model.
        most: tokens of a text that it holds; None if it does not say.
    """

    def __init__(self, engine: Engine, most: int | None = None):
        self._engine, self._most = engine, most
        self._rows: list[_Row] = []
        self._joining: list[Job] = []
        self._cache: RaggedCache | None = None

    def __len__(self) -> int:
        return len(self._rows) + len(self._joining)

    def admit(self, jobs: list[Job]) -> None:
        """Let new rows join with the next step."""
        self._joining += jobs

    @torch.inference_mode()
    def step(self) -> None:
        """Sample one token a row; rows that are done leave, the others go on."""
        if not len(self):
            return
        logits = self._engine.logits(extend_all(self._engine, self._growths())).float()
        model = _log_probabilities(logits, self._rows)  # before sampling writes over the logits
        tokens = _chosen(logits, self._rows)
        over = [
            _over(row, token, None if place not in model else _choice(token, model[place], row.job.top_logprobs or 0))
            for place, (row, token) in enumerate(zip(self._rows, tokens, strict=True))
        ]
        self._leave(over)
        if not self._rows:
            self._cache = None  # nobody is here: free the memory

    def _growths(self) -> list[Growth]:
        """Let in who fits, and return what all rows are fed: their last token, or what is new of their context."""
        here = len(self._rows)
        groups, later = grouped(self._joining, self._most)
        arrivals = [one for group in groups for one in group.arrivals]
        cache = self._roomy(here + len(arrivals), max((group.room for group in groups), default=0))
        growths = [Growth(cache.part(0, here), [[row.tokens[-1]] for row in self._rows])] if here else []
        for group in groups:
            at = len(self._rows)
            own = cache.part(at, at + len(group.arrivals))
            for row, one in enumerate(group.arrivals):
                if one.job.held is not None:
                    own.data[:, :, row, :, : one.known] = one.job.held.cache.data[:, :, 0, :, : one.known]
                own.lengths[row] = one.known
            growths.append(Growth(own, [one.tokens for one in group.arrivals]))
            self._rows += [_Row(one.job) for one in group.arrivals]
        self._joining = later  # only now: whoever joins is told, too, if there is no memory for a larger cache
        return growths

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

    def _leave(self, over: list[bool]) -> None:
        """Deliver the rows that are done, and close the ranks: the last rows move into the places that fell free."""
        assert self._cache is not None
        for slot, row in enumerate(self._rows):
            if over[slot] and _wanted(row.job):
                row.job.done.set_result(Decoded(row.tokens, tuple(row.choices), self._kept(slot, row)))
        kept = over.count(False)
        holes = [slot for slot in range(kept) if over[slot]]
        movers = [slot for slot in range(kept, len(over)) if not over[slot]]
        self._cache.move(movers, holes)
        for hole, mover in zip(holes, movers, strict=True):
            self._rows[hole] = self._rows[mover]
        del self._rows[kept:]

    def _kept(self, slot: int, row: _Row) -> Held | None:
        if not row.job.keep or self._cache is None:
            return None
        cache = self._cache.row(slot)  # the last token was never fed
        return Held((row.job.context + row.tokens)[: cache.capacity], cache)

    def fail(self, error: BaseException) -> None:
        """Give every row's job this error, and begin anew without rows."""
        for job in [*(row.job for row in self._rows), *self._joining]:
            if _wanted(job):
                job.done.set_exception(error)
        self._rows, self._joining, self._cache = [], [], None


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
    heat = torch.tensor([[max(row.job.sampling.temperature, COLDEST)] for row in rows], device=logits.device)
    cold, warm = list[int](), dict[tuple[int, float], list[int]]()
    for place, row in enumerate(rows):
        s = row.job.sampling
        (cold if s.temperature < COLDEST else warm.setdefault((s.top_k, s.top_p), [])).append(place)
    tokens = [0] * len(rows)

    def put(places: list[int], found: Tensor) -> None:
        for place, token in zip(places, found.tolist(), strict=True):
            tokens[place] = token

    def of(values: Tensor, places: list[int]) -> Tensor:
        return values if len(places) == len(rows) else values[torch.tensor(places, device=logits.device)]

    if cold:
        put(cold, of(logits, cold).argmax(dim=-1))
    for (top_k, top_p), places in warm.items():
        put(places, drawn(of(logits, places).div_(of(heat, places)), of(noise, places), top_k, top_p)[0])
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
