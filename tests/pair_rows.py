"""Small hand-made rows in the schema of each known format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from datasets import Dataset

HI = {"role": "user", "content": "Name a bird."}
BYE = {"role": "user", "content": "And a fish?"}


def said(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Write rows in the form the file's ending asks for."""
    if path.suffix == ".parquet":
        Dataset.from_list(rows).to_parquet(path)
    elif path.suffix == ".csv":
        Dataset.from_list(rows).to_csv(path)
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows))
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def helpsteer2(prompt: str, response: str, *ratings: Any) -> dict[str, Any]:
    names = ("helpfulness", "correctness", "coherence", "complexity", "verbosity")
    return {"prompt": prompt, "response": response, **dict(zip(names, ratings, strict=True))}


def completion(response: str, model: str, mean: float | None, honesty: str = "N/A") -> dict[str, Any]:
    aspects = {"helpfulness": "3", "honesty": honesty, "instruction_following": "4", "truthfulness": "5"}
    return {
        "model": model,
        "response": response,
        "fine-grained_score": mean,
        "overall_score": 7.5,
        "critique": "Fine.",
        "annotations": {name: {"Rating": rating, "Rationale": "…"} for name, rating in aspects.items()},
    }


ROWS: dict[str, list[dict[str, Any]]] = {
    "helpsteer2": [
        helpsteer2("Name a bird.", "Owl", 4, 4, 4, 0, 1),
        helpsteer2("Name a bird.", "A long story about owls", 2, 4, 4, 3, 4),
    ],
    "helpsteer2-disagreements": [
        helpsteer2("Name a bird.", "Owl", [4, 4, 3, 3], [4, 4, 4], [4, 4, 4, 4], [0, 1, 0], [1, 1, 0]),
        helpsteer2("Name a bird.", "Fish", [1, 3, 1, 1], [0, 0, 1], [4, 4, 4], [1, 1, 0], [2, 1, 1]),
    ],
    "helpsteer2-preference": [
        {
            "split": "train",
            "prompt": "Name a bird.",
            "response_1": "Owl",
            "response_2": "Fish",
            "preference_strength": -2,
            "preference_statement": "@Response 1 is better: a fish is no bird.",
            "preference_elaboration": "It is a bird.",
            "three_most_similar_preferences": [{"statement": "s", "elaboration": "e", "strength": -2}],
            "all_preferences_unprocessed": [
                {"strength": -2, "justification": "right"},
                {"strength": -3, "justification": "right"},
                {"strength": 1, "justification": "shorter"},
                {"strength": -100, "justification": "neither"},
            ],
        },
        {
            "split": "val",
            "prompt": "Hi\n<extra_id_1>Assistant\nHello!\n<extra_id_1>User\nSing.",
            "response_1": "No",
            "response_2": "La",
            "preference_strength": 3,
            "preference_statement": "@Response 2 sings.",
            "preference_elaboration": "",
            "three_most_similar_preferences": [],
            "all_preferences_unprocessed": [],
        },
    ],
    "helpsteer3": [
        {
            "domain": "general",
            "language": "english",
            "context": [HI],
            "response1": "Fish",
            "response2": "Owl",
            "overall_preference": 1,
            "individual_preference": [{"score": 2, "reasoning": "a"}, {"score": 0, "reasoning": "b"}],
        },
    ],
    "ultrafeedback": [
        {
            "source": "own",
            "instruction": "Name a bird.",
            "models": ["a", "b", "c"],
            "completions": [completion("Owl", "a", 4.5), completion("Fish", "b", 1.0), completion("Tit", "c", 4.5)],
            "correct_answers": ["None"],
            "incorrect_answers": ["None"],
        },
    ],
    "conversations": [
        {
            "id": "own-0",
            "prompt": "Name a bird.",
            "chosen": [HI, said("Owl"), BYE, said("Eel")],
            "rejected": [HI, said("Owl"), BYE, said("Tit")],
            "chosen_rating": 4.5,
            "rejected_rating": 2.0,
        },
    ],
    "hh-rlhf": [
        {
            "chosen": "\n\nHuman: Name a bird.\n\nAssistant: Owl\n\nHuman: And a fish?\n\nAssistant: Eel: a fish",
            "rejected": "\n\nHuman: Name a bird.\n\nAssistant: Owl\n\nHuman: And a fish?\n\nAssistant: Tit",
        },
    ],
    "pandalm": [
        {
            "idx": 0,
            "motivation_app": "own",
            "cmp_key": "big_small",
            "instruction": "Name an animal.",
            "input": "It flies.",
            "response1": "Fish",
            "response2": "Owl",
            "annotator1": 2,
            "annotator2": 2,
            "annotator3": 0,
        },
    ],
    "pairs": [{"prompt": "Name a bird.", "chosen": "Owl", "rejected": "Fish", "n": 3}],
    "labelled": [
        {"prompt": "Name a bird.", "response_a": "Fish", "response_b": "Owl", "winner": "b"},
        {"prompt": "Name a bird.", "response_a": "Owl", "response_b": "Tit", "winner": "tie"},
    ],
}

FLAT = ("helpsteer2", "hh-rlhf", "pandalm", "pairs", "labelled")
"""Formats without nested columns, which CSV can hold."""
