"""Many clients at one server: what each was told against what it is told alone, and how long it took."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from scipy import stats

from benchmarks.serve_client import Reply, ask
from benchmarks.serve_mix import Shot, shot
from benchmarks.serve_process import MemoryWatch, ServerProcess


@dataclass
class Storm:
    """What came of a storm.

    Attributes:
        replies: each shot with its reply.
        seconds: it lasted.
        cpu: processor seconds the server spent.
        memory: (second, MiB) of the server.
    """

    replies: list[tuple[Shot, Reply]] = field(default_factory=list)
    seconds: float = 0.0
    cpu: float = 0.0
    memory: list[tuple[float, float]] = field(default_factory=list)


async def alone(port: int, bodies: Sequence[dict[str, Any]]) -> list[Reply]:
    """Return the reply to each request when nobody else asks."""
    return [await ask(port, body) for body in bodies]


def storm(
    server: ServerProcess, bodies: Sequence[dict[str, Any]], *, clients: int, seconds: float, leaving: float, seed: int
) -> Storm:
    """Let clients ask, each one request after another, for a while.

    Args:
        server: who is asked.
        bodies: different requests.
        clients: at once.
        seconds: no request is begun after these.
        leaving: probability that a client leaves before the end of its answer.
        seed: fixes what each client asks for.
    """
    found = Storm()

    async def client(number: int, until: float) -> None:
        rng = random.Random(f"{seed} {number}")
        while time.perf_counter() < until:
            one = shot(len(bodies), leaving, rng)
            found.replies.append((one, await ask(server.port, bodies[one.number], leave_after=one.leave_after)))

    async def everybody() -> None:
        until = time.perf_counter() + seconds
        await asyncio.gather(*(client(number, until) for number in range(clients)))

    watch, cpu, began = MemoryWatch(server), server.cpu(), time.perf_counter()
    asyncio.run(everybody())
    found.seconds, found.cpu, found.memory = time.perf_counter() - began, server.cpu() - cpu, watch.stop()
    return found


def pace(found: Storm) -> dict[str, float]:
    """Return answers, tokens and seconds of a storm: totals, rates, and times by share of the answers."""
    whole = [reply for _, reply in found.replies if reply.ended]
    streamed = [reply for reply in whole if reply.first < reply.seconds]
    tokens = sum(reply.count for reply in whole)

    def share(values: list[float], q: float) -> float:
        return float(np.quantile(values, q)) if values else 0.0

    times = {f"total_p{q}": share([reply.seconds for reply in whole], q / 100) for q in (50, 95, 99)}
    firsts = {f"first_p{q}": share([reply.first for reply in streamed], q / 100) for q in (50, 95, 99)}
    return {
        "answers": len(whole),
        "tokens": tokens,
        "seconds": found.seconds,
        "answers_s": len(whole) / found.seconds,
        "tokens_s": tokens / found.seconds,
        "cpu_ms_answer": 1000 * found.cpu / max(1, len(whole)),
        "tokens_cpu_s": tokens / max(found.cpu, 1e-9),
        **times,
        **firsts,
    }


def verdict(found: Storm, references: Sequence[Reply]) -> dict[str, Any]:
    """Compare a storm's replies with what the same requests got alone.

    Returns:
        How many there were of each kind; ``differ`` are finished answers that are not the reference's, ``crossed``
        those of them that are another request's reference, ``cut`` those of whoever left that do not begin it.
    """
    others = {reply.texts: number for number, reply in enumerate(references)}
    faults = [asdict(reply) for _, reply in found.replies if reply.fault]
    finished = [(one, reply) for one, reply in found.replies if reply.ended]
    left = [(one, reply) for one, reply in found.replies if reply.cancelled]
    differ = [(one, reply) for one, reply in finished if reply.texts != references[one.number].texts]
    begun = [
        (one, reply)
        for one, reply in left
        if not all(b.startswith(a) for a, b in zip(reply.texts, references[one.number].texts, strict=False))
    ]
    lost = len(found.replies) - len(faults) - len(finished) - len(left)
    return {
        "sent": len(found.replies),
        "finished": len(finished),
        "left": len(left),
        "faults": len(faults),
        "first_faults": faults[:5],
        "lost": lost,
        "differ": len(differ),
        "crossed": sum(others.get(reply.texts) is not None for _, reply in differ),
        "cut": len(begun),
        "different": [
            {"number": one.number, "got": reply.texts, "alone": references[one.number].texts}
            for one, reply in [*differ, *begun][:50]
        ],
    }


def flatness(memory: Sequence[tuple[float, float]]) -> dict[str, float]:
    """Return the slope of memory after the first quarter, MiB a minute with its 95 % interval, and quarters' means.

    The interval is from the means of twelve blocks, fewer in a short run: seconds are no independent observations.
    """
    seen = np.array(memory)
    late = seen[len(seen) // 4 :]
    blocks = np.array([block.mean(axis=0) for block in np.array_split(late, min(12, len(late)))])
    fit: Any = stats.linregress(blocks[:, 0], blocks[:, 1])
    wide = float(stats.t.ppf(0.975, len(blocks) - 2) * fit.stderr * 60)
    quarters = [float(part[:, 1].mean()) for part in np.array_split(seen, 4)]
    return {
        "slope_mib_min": float(fit.slope * 60),
        "plus_minus": wide,
        "second_quarter": quarters[1],
        "last_quarter": quarters[3],
        "highest": float(seen[:, 1].max()),
    }
