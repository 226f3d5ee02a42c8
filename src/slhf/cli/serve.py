"""``slhf serve``: a model and its refinements behind an OpenAI-compatible server."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from slhf.cli.options import Flag
from slhf.cli.streams import quiet_stdout


def serve(
    *,
    model: str,
    name: str | None = None,
    host: str = "127.0.0.1",
    port: int = 8000,
    steps: int = 1,
    judge: str | None = None,
    max_batch: int = 32,
    max_queue: int = 64,
    max_steps: int = 8,
    max_tokens: int | None = None,
    max_choices: int = 8,
    max_body: int = 2**20,
    drain: float = 30.0,
    device: str | None = None,
    dtype: str = "float32",
    log_text: Flag = False,
) -> None:
    """Answer chat completions as OpenAI's server does, and refine the answers.

    Example: slhf serve --model runs/quickstart --port 8000

    The key that requests must bring is taken from the environment variable SLHF_API_KEY. Without one, the server
    listens on this machine alone. One line of JSON a request goes to stderr.

    Parameters
    ----------
    model
        A run's folder, a model's folder, a hub name, or "toy".
    name
        What requests call it; the folder's name if not given.
    host
        Address to listen on.
    port
        Port to listen on; 0 takes a free one.
    steps
        Refinements where a request names no number; 0 is the Leader alone.
    judge
        Rates each refinement and finds the best answer: a judge's name, "module:name", or a file of its settings.
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
        Where the model computes, "cuda" say; the CPU if not given.
    dtype
        Type of the weights.
    log_text
        Write prompts and answers into the log.
    """
    from slhf.errors import InputError

    if any(find_spec(module) is None for module in ("starlette", "uvicorn", "prometheus_client")):
        raise InputError('slhf serve needs a web server: pip install "slhf[serve]"')

    from slhf.runs.judges import judge_of
    from slhf.serving import Refiner
    from slhf.serving.app import AppSettings, make_app
    from slhf.serving.chat_request import Limits
    from slhf.serving.measures import Measures, to_stderr
    from slhf.serving.server import key_for, listening
    from slhf.serving.server import serve as run

    key = key_for(host)
    limits = Limits(steps, max_steps, max_tokens, max_choices, judged=judge is not None)
    settings = AppSettings(name or _named(model), limits, max_batch, max_queue, max_body, drain, log_text)
    rated = None if judge is None else judge_of(judge)
    listener = listening(host, port)  # before the model is loaded, which takes longer
    measures = Measures()
    with listener, quiet_stdout():
        refiner = Refiner(model, judge=rated, max_batch=max_batch, dtype=dtype, device=device, watch=measures.rows)
        app = make_app(refiner, settings, measures, key)
        to_stderr()
        run(app, listener, name=settings.name, drain=settings.drain)


def _named(model: str) -> str:
    """Return what a model is called: the last part of its folder or hub name."""
    return Path(model).expanduser().resolve().name if Path(model).is_dir() else model.rpartition("/")[2]
