"""What cannot be used is named with its row and its field, or left out and counted."""

from __future__ import annotations

import logging

import pytest
from tests.pair_rows import BYE, HI, ROWS, completion, helpsteer2, said, write

from slhf.data import load_pairs, load_prompts
from slhf.errors import InputError

GOOD = {"prompt": "Name a bird.", "chosen": "Owl", "rejected": "Fish"}
VOTED = {"prompt": "p", "response_a": "x", "response_b": "y"}
PANDALM = ROWS["pandalm"][0]
STRENGTH = ROWS["helpsteer2-preference"][0]
FEEDBACK = ROWS["ultrafeedback"][0]
CSV_LIKE = {"prompt": "p", "response_1": "x", "response_2": "y"}

BAD = {
    "empty response": (GOOD, GOOD | {"rejected": " "}, "row 1: rejected is empty; write the response"),
    "no response": (GOOD, GOOD | {"chosen": None}, "row 1: chosen is None; a response is text"),
    "twice the same": (GOOD, GOOD | {"rejected": "Owl"}, "row 1: chosen and rejected are the same text"),
    "empty prompt": (GOOD, GOOD | {"prompt": ""}, "row 1: the prompt is empty"),
    "no prompt": (GOOD, GOOD | {"prompt": None}, "row 1: there is no prompt"),
    "preference of the wrong side": (
        GOOD | {"preference": 0.9},
        GOOD | {"preference": 0.3},
        r"row 1: preference is 0\.3; it is P\(chosen ≻ rejected\), from ½ to 1.*exchange the two",
    ),
    "no preference": (GOOD | {"preference": 0.9}, GOOD | {"preference": None}, "row 1: preference is None"),
    "wrong last turn": (
        ROWS["conversations"][0],
        {"chosen": [HI, said("Owl"), BYE], "rejected": [HI, said("Owl")]},
        "row 1: chosen ends with a turn of role 'user'; the response is the assistant's",
    ),
    "other conversation": (
        ROWS["conversations"][0],
        {"chosen": [HI, said("Owl")], "rejected": [BYE, said("Eel")]},
        "row 1: chosen and rejected are no answers to the same conversation, they part at turn 0",
    ),
    "shorter conversation": (
        ROWS["conversations"][0],
        {"chosen": [HI, said("Owl"), BYE, said("Eel")], "rejected": [HI, said("Owl")]},
        "row 1: .*they part at turn 1",
    ),
    "no turns": (ROWS["conversations"][0], {"chosen": [], "rejected": [HI, said("x")]}, r"row 1: chosen is \[\]"),
    "response without prompt": (
        ROWS["conversations"][0],
        {"chosen": [said("Owl")], "rejected": [said("Eel")]},
        "row 1: chosen and rejected hold a response and no prompt",
    ),
    "transcripts that part early": (
        ROWS["hh-rlhf"][0],
        {"chosen": "\n\nHuman: Hi\n\nAssistant: Yes", "rejected": "\n\nHuman: Ho\n\nAssistant: No"},
        "row 1: chosen and rejected are no answers to the same conversation, they part at turn 0",
    ),
    "no transcript": (
        ROWS["hh-rlhf"][0],
        {"chosen": "Owl", "rejected": "Fish"},
        "row 1: chosen starts with 'Owl'; a transcript starts with 'Human:'.*need a column 'prompt'",
    ),
    "transcript that ends with a question": (
        ROWS["hh-rlhf"][0],
        {"chosen": "\n\nHuman: Hi\n\nAssistant: Yes", "rejected": "\n\nHuman: Hi"},
        "row 1: rejected ends with a turn of role 'user'",
    ),
    "two answers in a row": (
        ROWS["hh-rlhf"][0],
        {
            "chosen": "\n\nHuman: Hi\n\nAssistant: Yes\n\nAssistant: a",
            "rejected": "\n\nHuman: Hi\n\nAssistant: Yes\n\nAssistant: b",
        },
        "row 1: the conversation ends with a turn of role 'assistant'",
    ),
    "a rating of several that is none": (
        ROWS["helpsteer2-disagreements"][0],
        ROWS["helpsteer2-disagreements"][1] | {"helpfulness": [1, None, 2]},
        r"row 1: helpfulness\[1\] is None; it is a whole number from 0 to 4",
    ),
    "no ratings": (
        ROWS["helpsteer2-disagreements"][0],
        ROWS["helpsteer2-disagreements"][1] | {"helpfulness": []},
        r"row 1: helpfulness is \[\]; it is a list of whole numbers from 0 to 4, one an annotator",
    ),
    "one of several ratings off the scale": (
        ROWS["helpsteer2-disagreements"][0],
        ROWS["helpsteer2-disagreements"][1] | {"helpfulness": [1, 2, 5]},
        r"row 1: helpfulness\[2\] is 5; it is a whole number from 0 to 4",
    ),
    "rating between two": (
        helpsteer2("Name a bird.", "x", 1, 1, 1, 1, 1),
        helpsteer2("Name a bird.", "y", 1.5, 1, 1, 1, 1),
        r"row 1: helpfulness is 1\.5; it is a whole number from 0 to 4",
    ),
    "missing rating": (
        helpsteer2("Name a bird.", "x", 1, 1, 1, 1, 1),
        helpsteer2("Name a bird.", "y", None, 1, 1, 1, 1),
        "row 1: helpfulness is None",
    ),
    "rating off the scale": (
        helpsteer2("Name a bird.", "x", 1, 1, 1, 1, 1),
        helpsteer2("Name a bird.", "y", 5, 1, 1, 1, 1),
        "row 1: helpfulness is 5; it is a whole number from 0 to 4",
    ),
    "empty second response": (
        helpsteer2("Name a bird.", "x", 1, 1, 1, 1, 1),
        helpsteer2("Name a bird.", "", 2, 1, 1, 1, 1),
        "row 1: response is empty",
    ),
    "unknown label": (PANDALM, PANDALM | {"annotator2": 3}, "row 1: annotator2 is 3; a label is 1 .* 2 .* or 0"),
    "missing label": (PANDALM, PANDALM | {"annotator3": None}, "row 1: annotator3 is None"),
    "strength off the scale": (
        STRENGTH,
        STRENGTH | {"preference_strength": 4},
        "row 1: preference_strength is 4; it is a number from -3 to 3",
    ),
    "single strength off the scale": (
        STRENGTH,
        STRENGTH | {"all_preferences_unprocessed": [{"strength": 9, "justification": ""}]},
        r"row 1: all_preferences_unprocessed\[0\]\.strength is 9",
    ),
    "rating that is a word": (
        FEEDBACK,
        FEEDBACK | {"completions": [completion("x", "a", 12.0), completion("y", "b", 1.0)]},
        r"row 1, completion 0: fine-grained_score is 12\.0; it is a number from 0 to 10",
    ),
    "verdict in other words": (
        VOTED | {"winner": "a"},
        VOTED | {"winner": "left"},
        "row 1: winner is 'left'; it is one of 'response_a', 'response_b', 'a', 'b', 'tie'",
    ),
    "bare number": (
        VOTED | {"label": 1},
        VOTED | {"label": 1},
        "row 0: label is 1; .*a bare number does not say which of the two it means",
    ),
    "bare number as text": (
        VOTED | {"label": "a"},
        VOTED | {"label": "1"},
        "row 1: label is '1'; .*a bare number does not say which of the two it means",
    ),
    "bare nought": (CSV_LIKE | {"label": 1}, CSV_LIKE | {"label": 0}, "row 1: label is 0; it is one of"),
    "no probability": (VOTED | {"preference": 0.1}, VOTED | {"preference": 1.2}, r"row 1: preference is 1\.2"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_row_that_cannot_be_used_is_named(tmp_path, name):
    good, bad, message = BAD[name]
    path = write(tmp_path / "data.jsonl", [good, bad])
    with pytest.raises(InputError, match=rf"data\.jsonl, {message}") as caught:
        load_pairs(path)
    assert str(caught.value).endswith("; invalid='drop' leaves such rows out")


@pytest.mark.parametrize("name", [name for name in BAD if not BAD[name][2].startswith("row 0")])
def test_such_rows_can_be_left_out_and_are_counted(tmp_path, name, caplog):
    good, bad, _ = BAD[name]
    rows = [good, bad]
    if "helpfulness" in good:  # of single responses: another one, so that a pair is left
        third = helpsteer2("Name a bird.", "z", 3, 1, 1, 1, 1)
        several = isinstance(good["helpfulness"], list)
        rows.append({k: [v] if several and isinstance(v, int) else v for k, v in third.items()})
    expected = load_pairs(write(tmp_path / "good.jsonl", [good, *rows[2:]]), ties="half").to_list()
    path = write(tmp_path / "data.jsonl", rows)
    with caplog.at_level(logging.WARNING):
        kept = load_pairs(path, invalid="drop", ties="half").to_list()
    assert [(row["chosen"], row["rejected"], row["preference"]) for row in kept] == [
        (row["chosen"], row["rejected"], row["preference"]) for row in expected
    ]
    said_so = [record.getMessage() for record in caplog.records if "that cannot be used" in record.getMessage()]
    assert len(said_so) == 1
    assert "the first that cannot be used: " in said_so[0]


def test_a_label_that_is_not_a_number_is_refused(tmp_path):
    rows = [helpsteer2("Name a bird.", "x", 1, 1, 1, 1, 1), helpsteer2("Name a bird.", "y", float("nan"), 1, 1, 1, 1)]
    with pytest.raises(InputError, match=r"row 1: helpfulness is nan"):
        load_pairs(write(tmp_path / "data.parquet", rows))


def test_unknown_columns_are_answered_with_what_is_known(tmp_path):
    path = write(tmp_path / "data.jsonl", [{"prompt": "p", "chosen": "x", "n": 1}])
    with pytest.raises(InputError) as caught:
        load_pairs(path)
    text = str(caught.value)
    assert "'prompt' (text), 'chosen' (text), 'n' (number)" in text
    assert "Known are helpsteer2, helpsteer2-disagreements, helpsteer2-preference" in text
    assert text.endswith("Nearest is pairs (a prompt, a chosen and a rejected text); missing there: 'rejected' (text)")


def test_columns_that_fit_two_formats_need_a_word(tmp_path):
    both = GOOD | helpsteer2("Name a bird.", "Owl", 1, 1, 1, 1, 1)
    path = write(tmp_path / "data.jsonl", [both])
    with pytest.raises(InputError, match=r"any of the formats helpsteer2, pairs: .*say which with format"):
        load_pairs(path)
    assert load_pairs(path, format="pairs")["rejected"][:] == ["Fish"]
    with pytest.raises(InputError, match=r"there is no format 'pair'; known are .*Did you mean 'pairs'"):
        load_pairs(path, format="pair")
    with pytest.raises(InputError, match=r"is not of the format ultrafeedback: it lacks 'instruction' \(text\)"):
        load_pairs(path, format="ultrafeedback")


def test_responses_that_do_not_belong_together_are_refused(tmp_path):
    path = write(tmp_path / "d.jsonl", [{"prompt": "p", "response_a": "x", "answer_b": "y", "winner": "a"}])
    with pytest.raises(InputError, match="no two responses whose names belong together; known are response_a with"):
        load_pairs(path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ties": "halve"}, "ties='halve': it is one of drop, half, split.*Did you mean 'half'"),
        ({"invalid": "skip"}, "invalid='skip': it is one of error, drop"),
        ({"attribute": "verbosty"}, "no attribute 'verbosty'; .*Did you mean 'verbosity'"),
        ({"limit": 0}, "limit must be at least 1, got 0"),
        ({"split": "trian"}, "unknown split 'trian'"),
        ({"split": "train", "held_out": 2.0}, "must lie between 0 and 1"),
    ],
)
def test_options_that_make_no_sense(options, message):
    with pytest.raises(InputError, match=message):
        load_pairs("toy", **options)


def test_an_attribute_where_there_is_none_to_choose(tmp_path):
    path = write(tmp_path / "data.jsonl", [GOOD])
    with pytest.raises(InputError, match="of the format pairs, which has one verdict a pair: leave attribute out"):
        load_pairs(path, attribute="helpfulness")


def test_prompts_alone_are_no_preferences():
    with pytest.raises(InputError, match="'stories' has prompts and no preferences"):
        load_pairs("stories")


def test_nothing_left_is_an_error_that_says_why(tmp_path):
    path = write(tmp_path / "ties.jsonl", [VOTED | {"winner": "tie"}] * 3)
    with pytest.raises(InputError, match="no pair stays; left out: 3 ties; ties='half' keeps ties"):
        load_pairs(path)
    single = write(tmp_path / "single.jsonl", [helpsteer2("Name a bird.", "x", 1, 1, 1, 1, 1)])
    with pytest.raises(InputError, match="no pair stays; no prompt has two responses"):
        load_pairs(single)


def test_a_transcript_that_cannot_be_read_is_no_prompt_either(tmp_path):
    path = write(tmp_path / "hh.jsonl", [ROWS["hh-rlhf"][0], {"chosen": "Owl", "rejected": "Fish"}])
    with pytest.raises(InputError, match=r"hh\.jsonl, row 1: chosen starts with 'Owl'"):
        load_prompts(path)


def test_what_is_left_out_is_said_once_in_words(caplog):
    with caplog.at_level(logging.WARNING):
        load_pairs("toy")
    assert [r.getMessage() for r in caplog.records if r.name == "slhf.data.pairs"] == [
        "toy: 2,105 pairs; left out: 3,268 ties, 465 of two identical responses; ties='half' keeps ties"
    ]
