"""PandaLM's test set: answers of real models side by side, each pair labelled by several people."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slhf.data.candidates import Candidates, batches, sides_of_votes
from slhf.data.formats import Format, Need, the_format
from slhf.data.sources import open_rows
from slhf.errors import InputError

if TYPE_CHECKING:
    from datasets import Dataset

MODELS = "cmp_key"
SHARES = {0: 0.5, 1: 1.0, 2: 0.0}
"""What a label says: the share of a vote that goes to the first response."""

_LABEL = re.compile(r"annotator\d+")


def prompt_text(instruction: Any, context: Any) -> Any:
    r"""Return instruction and input as one prompt, a blank line between them; either alone where the other is blank.

    >>> prompt_text("Add.", "2 and 3"), prompt_text("Add.", ""), prompt_text(" ", "2 and 3")
    ('Add.\n\n2 and 3', 'Add.', '2 and 3')
    """
    if not isinstance(instruction, str) or not isinstance(context, str):
        return context if instruction is None else instruction
    return "\n\n".join(part for part in (instruction, context) if part.strip())


def prompts(batch: Mapping[str, list[Any]], rows: Sequence[int], source: str) -> list[Any]:
    """Return the prompts of a batch as text."""
    return [prompt_text(a, b) for a, b in zip(batch["instruction"], batch["input"], strict=True)]


def candidates(data: Dataset, attribute: str | None, source: str) -> Iterator[Candidates]:
    """Yield the pairs as they stand; P(first ≻ second) is the share of the people who chose the first, a tie ½.

    An empty response is kept: it is what the model answered, and people judged it.

    Args:
        data: rows in PandaLM's schema.
        attribute: none there are; None.
        source: what the data set is called in errors.

    Yields:
        Comparisons, in order.
    """
    labels = [name for name in data.column_names if _LABEL.fullmatch(name)]
    models = [name for name in (MODELS,) if name in data.column_names]
    read = ("instruction", "input", "response1", "response2", *labels, *models)
    for rows, batch in batches(data, read):
        problems: dict[int, str] = {}
        votes = [_votes(batch, labels, at, f"{source}, row {row}", problems) for at, row in enumerate(rows)]
        answered = [_models(name) for name in batch[MODELS]] if models else []
        sides = {"model": ([a for a, _ in answered], [b for _, b in answered])} if models else {}
        yield Candidates(
            rows=rows,
            prompts=prompts(batch, rows, source),
            first=batch["response1"],
            second=batch["response2"],
            share=[sum(v) / len(v) if v else None for v in votes],
            sides=sides | sides_of_votes(votes),
            columns={"votes": [len(labels)] * len(rows)},
            names=("response1", "response2"),
            problems=problems,
            may_be_empty=True,
        )


def pandalm_answers(path: str | Path) -> dict[str, dict[str, str]]:
    """Return what each of the models answered.

    Where a model's answer to a prompt differs between rows, the one that stands most often is taken, and of equally
    frequent ones the first.

    Args:
        path: PandaLM's test set.

    Returns:
        Model → prompt → answer, in the order of the file. The models did not all answer the same prompts.

    Raises:
        InputError: the file cannot be read, is of another format, or a row does not name its two models.
    """
    name = str(path)
    data = open_rows(name, None).data
    the_format(data, (FORMAT,), name)
    if MODELS not in data.column_names:
        raise InputError(f"{name} has no column {MODELS!r}, which names the models: first_second")
    said: dict[str, dict[str, Counter[str]]] = {}
    for rows, batch in batches(data, ("instruction", "input", "response1", "response2", MODELS)):
        for at, (row, prompt) in enumerate(zip(rows, prompts(batch, rows, name), strict=True)):
            for model, field in zip(_models(batch[MODELS][at]), ("response1", "response2"), strict=True):
                answer = batch[field][at]
                if model is None or not isinstance(answer, str):
                    raise InputError(
                        f"{name}, row {row}: {MODELS} is {batch[MODELS][at]!r} and {field} {answer!r}; needed are "
                        "first_second and a text"
                    )
                said.setdefault(model, {}).setdefault(prompt, Counter())[answer] += 1
    # most_common keeps the order of the file among equals
    return {model: {prompt: seen.most_common(1)[0][0] for prompt, seen in x.items()} for model, x in said.items()}


def _models(key: Any) -> tuple[str | None, str | None]:
    first, line, second = key.partition("_") if isinstance(key, str) else ("", "", "")
    return (first, second) if line and first and second else (None, None)


def _votes(
    batch: Mapping[str, list[Any]], labels: Sequence[str], at: int, where: str, problems: dict[int, str]
) -> list[float]:
    for name in labels:
        if batch[name][at] not in SHARES:
            label = batch[name][at]
            problems[at] = f"{where}: {name} is {label!r}; a label is 1 (response1), 2 (response2) or 0 (a tie)"
            return []
    return [SHARES[batch[name][at]] for name in labels]


FORMAT = Format(
    name="pandalm",
    title="PandaLM's test set: instruction, input, two responses, a label a person",
    needs=(
        Need(("instruction",), ("text",)),
        Need(("input",), ("text",)),
        Need(("response1",), ("text",)),
        Need(("response2",), ("text",)),
        Need(("annotator1",), ("number",)),
    ),
    used=("instruction", "input", "response1", "response2", "annotator1", "annotator2", "annotator3", MODELS),
    prompts=prompts,
    candidates=candidates,
)
