"""``slhf annotate``: sample answers to prompts, label them, write pairs."""

from __future__ import annotations

from pathlib import Path

from slhf.cli.options import Json
from slhf.cli.streams import print_json, result_console


def annotate(
    *,
    model: str,
    out: Path,
    prompts: str = "toy",
    split: str | None = None,
    limit: int | None = None,
    answers: int = 2,
    temperature: float = 0.7,
    max_new_tokens: int | None = None,
    by: str = "implicit",
    reference: str | None = None,
    beta: float = 0.1,
    seed: int = 0,
    agree: str | None = None,
    json: Json = False,
) -> None:
    """Sample answers to prompts and label them, by the model itself, its Follower or a judge: a file of pairs.

    Example: slhf annotate --model toy --prompts toy --by toy --limit 100 --out pairs.parquet

    Parameters
    ----------
    model
        Who answers: a run's folder, a model's folder, a hub name or "toy".
    out
        The file of pairs, .parquet or .jsonl; what is made on the way is kept in a file beside it.
    prompts
        Prompts: "toy", "stories", a file, or a hub name.
    split
        Which part of the prompts.
    limit
        At most so many prompts.
    answers
        Answers a prompt, two or more; the best and the worst make a pair.
    temperature
        Sampling temperature, above 0.
    max_new_tokens
        An answer is cut after so many tokens; the model's own number if not given.
    by
        Who labels: "implicit", the model's own log-probability over its reference's; "follower", which makes one
        answer and prefers its refinement of it; or a judge's name, package.module:name, or a YAML file of judge
        settings.
    reference
        The model that was trained from, for implicit labels of a model without adapters.
    beta
        Scale of the margins of implicit labels.
    seed
        Fixes what is sampled.
    agree
        A judge, as of --by: of what the Follower labels, keep those pairs alone whose refinement it prefers.
    json
        Print how many pairs there are as JSON, and nothing else, on stdout.
    """
    from slhf.cli.bars import playing
    from slhf.runs.annotate import Annotation
    from slhf.runs.annotate import annotate as make_pairs

    wanted = Annotation(
        model, prompts, out, split, limit, answers, temperature, max_new_tokens, by, reference, beta, seed, agree=agree
    )
    with playing(wanted.store, [model], prompts) as watch:
        found = make_pairs(wanted, watch)
    if json:
        print_json({**found.as_dict(), "out": str(out)})
        return
    result_console().print(f"{found.words()}. Written to {out}", markup=False, highlight=False, soft_wrap=True)
