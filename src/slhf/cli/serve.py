"""``slhf serve``: a model and its refinements behind an OpenAI-compatible server."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from slhf.cli.options import Flag
from slhf.cli.streams import quiet_stdout

if TYPE_CHECKING:
    from slhf.judges import Judge
    from slhf.judges.among import Panel


def serve(
    *,
    model: str,
    follower: str | None = None,
    name: str | None = None,
    host: str = "127.0.0.1",
    port: int = 8000,
    steps: int = 1,
    judge: str | None = None,
    annotators: str | None = None,
    candidates: int = 4,
    max_batch: int = 32,
    max_queue: int = 64,
    max_steps: int = 8,
    max_tokens: int | None = None,
    max_choices: int = 8,
    max_body: int = 2**20,
    drain: float = 30.0,
    device: str | None = None,
    dtype: str = "float32",
    picks: Path = Path("picks.sqlite"),
    log_text: Flag = False,
) -> None:
    """Answer chat completions as OpenAI's server does, and refine the answers.

    Example: slhf serve --model runs/quickstart --port 8000

    The key that requests must bring is taken from the environment variable SLHF_API_KEY. Without one, the server
    listens on this machine alone. One line of JSON a request goes to stderr.

    Parameters
    ----------
    model
        A run's folder, a model's folder, a hub name, "toy", the address of a server that speaks OpenAI's protocol
        (http://localhost:8000/v1, with #NAME behind it where it serves several models), or a file of its settings.
    follower
        Another model that improves the answers, likewise.
    name
        What requests call it; the folder's or model's name if not given.
    host
        Address to listen on.
    port
        Port to listen on; 0 takes a free one.
    steps
        Refinements where a request names no number; 0 is the Leader alone.
    judge
        Rates each refinement and finds the best answer: a judge's name, "module:name", or a file of its settings.
    annotators
        The panel that users' tastes are told by (refine.taste): "toy", "stories", "module:name", or a file of settings.
    candidates
        Answers sampled a step where one is chosen for a user.
    max_batch
        Answers made at once.
    max_queue
        Answers that may wait besides; further requests are told to come back (429).
    max_steps
        Refinements a request may ask for.
    max_tokens
        New tokens an answer may have; as many as the model holds if not given.
    max_choices
        Answers a request may ask for (n).
    max_body
        Bytes a request may have.
    drain
        Seconds that requests under way have after SIGTERM.
    device
        Where the model computes, "cuda" say; a GPU where there is one, if not given.
    dtype
        Type of the weights.
    picks
        File that keeps what people pick on the page; made with the first pick.
    log_text
        Write prompts and answers into the log.
    """
    _need_web_server()

    from slhf.runs.remote_models import called, model_of
    from slhf.serving import Refiner
    from slhf.serving.app import AppSettings, make_app
    from slhf.serving.measures import Measures, to_stderr
    from slhf.serving.picks import PickStore
    from slhf.serving.request_fields import Limits
    from slhf.serving.server import key_for, listening
    from slhf.serving.server import serve as run

    key = key_for(host)
    leader = model_of(model, at_once=max_batch)
    improver = None if follower is None else model_of(follower, at_once=max_batch)
    limits = Limits(steps, max_steps, max_tokens, max_choices, judged=judge is not None)
    settings = AppSettings(name or called(leader), limits, max_batch, max_queue, max_body, drain, log_text, candidates)
    rated, panel = _judges(judge, annotators)
    listener = listening(host, port)  # before the model is loaded, which takes longer
    measures = Measures()
    with listener, PickStore(picks) as kept, quiet_stdout():
        refiner = Refiner(
            leader, follower=improver, judge=rated, max_batch=max_batch, dtype=dtype, device=device, watch=measures.rows
        )
        app = make_app(refiner, settings, measures, key, kept, panel)
        to_stderr()
        run(app, listener, name=settings.name, drain=settings.drain, picks=kept.path, models=(leader, improver))


def _judges(judge: str | None, annotators: str | None) -> tuple[Judge | None, Panel | None]:
    """Return who rates, and whose annotators users are like."""
    from slhf.judges.among import as_panel
    from slhf.runs.judges import judge_of

    rated = None if judge is None else judge_of(judge)
    return rated, None if annotators is None else as_panel(judge_of(annotators), "annotators")


def _need_web_server() -> None:
    """Refuse to start where the extra is not installed."""
    from slhf.errors import InputError

    if any(find_spec(module) is None for module in ("starlette", "uvicorn", "prometheus_client")):
        raise InputError('slhf serve needs a web server: pip install "slhf[serve]"')
