"""``slhf refine``: answer a prompt and improve the answer, as it is written."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from slhf.cli.options import Json
from slhf.cli.streams import print_json, quiet_stdout, result_console

if TYPE_CHECKING:
    from rich.console import Console


def refine(
    *,
    model: str,
    prompt: str,
    steps: int = 1,
    answer: str | None = None,
    seed: int = 0,
    temperature: float | None = None,
    max_new_tokens: int | None = None,
    json: Json = False,
) -> None:
    """Answer a prompt as the Leader, then refine the answer again and again as the Follower.

    Example: slhf refine --model runs/quickstart --prompt "What is 2 plus 3?" --steps 3

    Parameters
    ----------
    model
        A run's folder, a model's folder, a hub name, or "toy".
    prompt
        What to answer.
    steps
        How often to refine.
    answer
        Refine this answer instead of the Leader's.
    seed
        Fixes what is sampled.
    temperature
        Sampling temperature, 0 for the likeliest words; the model's own if not given.
    max_new_tokens
        An answer is cut after so many tokens; the model's own number if not given.
    json
        Print the answers as JSON, and nothing else, on stdout.
    """
    from slhf.errors import InputError
    from slhf.policies import chain, load_policy
    from slhf.runs.sampling import sampling_of

    if not prompt.strip():
        raise InputError("--prompt is empty; give the text to answer")
    with quiet_stdout():
        policy = load_policy(model)
    sampling = sampling_of(policy, temperature=temperature, max_new_tokens=max_new_tokens)
    given = None if answer is None else [answer]
    listener = None if json else _Stream(result_console(), policy.tokenizer, policy.roles.end_tokens)
    if listener is not None and answer is not None:
        listener.heading(0, "given", answer)
    chains = chain(policy, [prompt], steps=steps, answers=given, sampling=sampling, seed=seed, on_token=listener)
    if listener is not None:
        listener.finish()
        return
    answers = [{"step": i, "text": a.text, "ended": a.ended} for i, a in enumerate(chains[0])]
    print_json({"prompt": prompt, "model": model, "answers": answers})


class _Stream:
    """Prints each answer as its tokens come."""

    def __init__(self, console: Console, tokenizer: Any, ends: tuple[int, ...]):
        self._console, self._tokenizer, self._ends = console, tokenizer, ends
        self._step: int | None = None
        self._tokens: list[int] = []
        self._shown = ""

    def heading(self, step: int, name: str, text: str = "") -> None:
        """Begin an answer."""
        self.finish()
        self._step, self._tokens, self._shown = step, [], text
        self._console.print(f"[bold]{name}[/]")
        sys.stdout.write(text)

    def __call__(self, row: int, step: int, token: int) -> None:
        """Take one token; print the text it completes."""
        if step != self._step:
            self.heading(step, "Leader" if step == 0 else f"refinement {step}")
        if token in self._ends:
            return
        self._tokens.append(token)
        text = self._tokenizer.decode(self._tokens, skip_special_tokens=True)
        # a character of several bytes comes in pieces: wait until it is whole
        if not text.endswith("\ufffd"):
            sys.stdout.write(text[len(self._shown) :])
            sys.stdout.flush()
            self._shown = text

    def finish(self) -> None:
        """End the answer that is being printed."""
        if self._step is not None:
            sys.stdout.write("\n\n")
            sys.stdout.flush()
