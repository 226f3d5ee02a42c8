"""What a server does with each field of a chat completion, told by how its answers change."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from math import exp
from typing import Any

from benchmarks.serve_asks import Choice, Seen

Ask = Callable[..., Seen]
"""Asks one prompt with further fields."""

HOT: dict[str, Any] = {"temperature": 1.5}  # answers differ from draw to draw
COLD: dict[str, Any] = {"temperature": 0}
TEXT = [{"role": "user", "content": "What is 2 plus 3?"}]
PARTS = [{"role": "user", "content": [{"type": "text", "text": "What is 2 "}, {"type": "text", "text": "plus 3?"}]}]


def verdict(seen: Seen, name: str, honoured: bool) -> str:
    """Return what became of a field: refused by its name or not, failed, honoured, or ignored."""
    if seen.error and seen.status < 400:
        return "fails inside the stream"
    if seen.status >= 500:
        return f"fails ({seen.status})"
    if seen.status >= 400:
        return f"refused ({seen.status})" if name in seen.error else f"refused ({seen.status}, not by name)"
    return "honoured" if honoured else "ignored"


def draws(ask: Ask, **fields: Any) -> list[Seen]:
    """Ask with six seeds at a high temperature."""
    return [ask(**HOT, seed=seed, **fields) for seed in range(1, 7)]


def plain(ask: Ask) -> str:
    seen = ask(**COLD)
    return verdict(seen, "messages", bool(seen.text) and seen.choices[0].finish == "stop")


def parts(ask: Ask) -> str:
    seen = ask(**COLD, messages=PARTS)
    return verdict(seen, "messages", seen.text == ask(**COLD).text)


def temperature(ask: Ask) -> str:
    cold, hot = [ask(**COLD, seed=seed) for seed in range(3)], draws(ask)
    return verdict(cold[0], "temperature", len({s.text for s in cold}) == 1 < len({s.text for s in hot}))


def top_p(ask: Ask) -> str:
    wide, narrow = draws(ask), draws(ask, top_p=1e-6)
    same = {s.text for s in narrow} == {ask(**COLD).text}
    return verdict(narrow[0], "top_p", same and len({s.text for s in wide}) > 1)


def seed(ask: Ask) -> str:
    first, again = draws(ask), draws(ask)
    same = [s.text for s in first] == [s.text for s in again]
    return verdict(first[0], "seed", same and len({s.text for s in first}) > 1)


def seed_in_company(ask: Ask) -> str:
    alone = draws(ask)
    with ThreadPoolExecutor(18) as pool:
        crowd = list(pool.map(lambda number: ask(**HOT, seed=1 + number % 6), range(18)))
    same = all(s.text == alone[number % 6].text for number, s in enumerate(crowd))
    return verdict(crowd[0], "seed", same and len({s.text for s in alone}) > 1)


def several(ask: Ask) -> str:
    seen = ask(**HOT, seed=1, n=3)
    return verdict(seen, "n", len(seen.choices) == 3 and len({c.text for c in seen.choices}) > 1)


def stop_of(stop: Callable[[str], Any]) -> Callable[[Ask], str]:
    def probe(ask: Ask) -> str:
        whole = ask(**COLD).text
        word = whole.split()[3]
        seen = ask(**COLD, stop=stop(word))
        before, there, _ = whole.partition(word)
        if seen.text.strip() == (before + there).strip():
            return "ends the answer, and stays in it"
        return verdict(seen, "stop", seen.text.strip() == before.strip())

    return probe


def limit_of(name: str) -> Callable[[Ask], str]:
    def probe(ask: Ask) -> str:
        seen = ask(**COLD, **{name: 3})
        whole = ask(**COLD)
        cut = seen.text != whole.text and whole.text.startswith(seen.text)
        counted = seen.usage is None or seen.usage["completion_tokens"] == 3
        return verdict(seen, name, cut and counted and seen.choices[0].finish == "length")

    return probe


def log_probabilities(ask: Ask) -> str:
    seen = ask(**COLD, logprobs=True)
    return verdict(seen, "logprobs", bool(seen.choices) and _fit(seen.choices[0], 0))


def top_log_probabilities(ask: Ask) -> str:
    seen = ask(**COLD, logprobs=True, top_logprobs=5)
    return verdict(seen, "logprobs", bool(seen.choices) and _fit(seen.choices[0], 5))


def _fit(choice: Choice, top: int) -> bool:
    """Tell whether log-probabilities belong to the text, are some, and the likeliest come first at temperature 0."""
    tokens = choice.logprobs
    if not tokens or "".join(one["token"] for one in tokens).strip() != choice.text:
        return False
    if not all(one["logprob"] <= 0 and len(one["top_logprobs"]) == top for one in tokens):
        return False
    sums = [sum(exp(other["logprob"]) for other in one["top_logprobs"]) for one in tokens]
    firsts = [one["top_logprobs"][0]["token"] == one["token"] for one in tokens if top]
    return all(total <= 1 + 1e-6 for total in sums) and all(firsts)


def usage(ask: Ask) -> str:
    seen = ask(**COLD)
    return verdict(seen, "usage", bool(seen.usage and seen.usage["completion_tokens"] and seen.usage["prompt_tokens"]))


def usage_in_stream(ask: Ask) -> str:
    seen = ask(**COLD, stream_options={"include_usage": True})
    told = bool(seen.usage and seen.usage["completion_tokens"])
    if told and ask(**COLD).usage is not None:
        return "told unasked too"
    return verdict(seen, "stream_options", told)


def changes(name: str, value: Any) -> Callable[[Ask], str]:
    """A field that is honoured if the same draws come out otherwise with it."""

    def probe(ask: Ask) -> str:
        first, again, other = draws(ask), draws(ask), draws(ask, **{name: value})
        if other[0].status == 200 and [s.text for s in first] != [s.text for s in again]:
            return "cannot be told: no draw comes twice"
        return verdict(other[0], name, [s.text for s in first] != [s.text for s in other])

    return probe


def json_mode(ask: Ask) -> str:
    seen = ask(**COLD, response_format={"type": "json_object"})
    return verdict(seen, "response_format", seen.text.lstrip().startswith("{"))


def tools(ask: Ask) -> str:
    function = {"name": "add", "parameters": {"type": "object", "properties": {}}}
    seen = ask(**COLD, tools=[{"type": "function", "function": function}], tool_choice="required")
    return verdict(seen, "tool", bool(seen.choices) and seen.choices[0].finish == "tool_calls")


def refined(ask: Ask) -> str:
    seen = ask(**COLD, refine={"steps": 1, "answer": "2 plus 3 is 6."})
    return verdict(seen, "refine", seen.text != ask(**COLD).text)


def of_no_effect(name: str, value: Any) -> Callable[[Ask], str]:
    """A field, or a value, that cannot be honoured: either it is refused, or it is ignored."""

    def probe(ask: Ask) -> str:
        return verdict(ask(**{**COLD, name: value}), name, False)

    return probe


def unknown_model(ask: Ask) -> str:
    return verdict(ask(**COLD, model="nobody/nothing"), "nobody/nothing", False)


PROBES: dict[str, Callable[[Ask], str]] = {
    "`messages`, text": plain,
    "`messages`, parts of text": parts,
    "`temperature`": temperature,
    "`top_p`": top_p,
    "`seed`": seed,
    "`seed`, 18 requests at once": seed_in_company,
    "`n`": several,
    "`stop`, a text": stop_of(lambda word: word),
    "`stop`, a list": stop_of(lambda word: ["@@", word]),
    "`max_tokens`": limit_of("max_tokens"),
    "`max_completion_tokens`": limit_of("max_completion_tokens"),
    "`logprobs`": log_probabilities,
    "`top_logprobs`": top_log_probabilities,
    "`usage` in the reply": usage,
    "`stream_options.include_usage`": usage_in_stream,
    "`refine`": refined,
    "`frequency_penalty`": changes("frequency_penalty", 2.0),
    "`presence_penalty`": changes("presence_penalty", 2.0),
    "`logit_bias`": changes("logit_bias", {str(token): -100 for token in range(3, 40)}),
    "`response_format`": json_mode,
    "`tools`": tools,
    "`user`": of_no_effect("user", "me"),
    "a field misspelt (`temprature`)": of_no_effect("temprature", 1.5),
    "a value of another type (`temperature`)": of_no_effect("temperature", "hot"),
    "a value out of range (`n`)": of_no_effect("n", 0),
    "a model that is not there": unknown_model,
    "more than the model holds (`messages`)": of_no_effect("messages", [{"role": "user", "content": "what is " * 600}]),
}
"""What is asked of every server, by the words that stand in the table."""

WHOLE_ONLY = ("`usage` in the reply",)
STREAM_ONLY = ("`stream_options.include_usage`",)
