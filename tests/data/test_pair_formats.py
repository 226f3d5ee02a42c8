"""Every format, in every kind of file that can hold it, gives the same pairs."""

from __future__ import annotations

import datasets
import pytest
from datasets import Dataset, DatasetDict
from tests.pair_rows import BYE, FLAT, HI, ROWS, completion, said, write

from slhf.data import candidates, load_pairs, load_prompts
from slhf.data.formats import kinds, recognised
from slhf.data.known import KNOWN

TALK = [HI, said("Owl"), BYE]
EXPECTED = {
    "helpsteer2": {
        "prompt": [HI],
        "chosen": "Owl",
        "rejected": "A long story about owls",
        "preference": 1.0,
        "chosen_rating": 4.0,
        "rejected_rating": 2.0,
        "margin": 2.0,
        "attribute": "helpfulness",
    },
    # of sixteen pairs of annotators, fourteen side with the owl and two are level
    "helpsteer2-disagreements": {
        "prompt": [HI],
        "chosen": "Owl",
        "rejected": "Fish",
        "preference": 15 / 16,
        "chosen_rating": 3.5,
        "rejected_rating": 1.5,
        "chosen_raters": 4,
        "rejected_raters": 4,
        "margin": 2.0,
        "attribute": "helpfulness",
    },
    # three votes, two of them for the first; −100 is none
    "helpsteer2-preference": {
        "prompt": [HI],
        "chosen": "Owl",
        "rejected": "Fish",
        "preference": 2 / 3,
        "margin": 2.0,
        "chosen_position": 1,
        "rejected_position": 2,
        "chosen_votes": [1.0, 1.0, 0.0],
        "rejected_votes": [0.0, 0.0, 1.0],
        "split": "train",
        "preference_statement": "@Response 1 is better: a fish is no bird.",
        "preference_elaboration": "It is a bird.",
    },
    # one vote for the second, one tie
    "helpsteer3": {
        "prompt": [HI],
        "chosen": "Owl",
        "rejected": "Fish",
        "preference": 0.75,
        "margin": 1.0,
        "chosen_position": 2,
        "rejected_position": 1,
        "chosen_votes": [1.0, 0.5],
        "rejected_votes": [0.0, 0.5],
        "domain": "general",
        "language": "english",
    },
    "ultrafeedback": {
        "prompt": "Name a bird.",
        "chosen": "Owl",
        "rejected": "Fish",
        "preference": 1.0,
        "chosen_rating": 4.5,
        "rejected_rating": 1.0,
        "chosen_model": "a",
        "rejected_model": "b",
        "margin": 3.5,
        "attribute": "fine-grained_score",
        "source": "own",
        "correct_answers": ["None"],
        "incorrect_answers": ["None"],
    },
    "conversations": {
        "prompt": TALK,
        "chosen": "Eel",
        "rejected": "Tit",
        "preference": 1.0,
        "chosen_rating": 4.5,
        "rejected_rating": 2.0,
        "margin": 2.5,
        "id": "own-0",
    },
    "hh-rlhf": {"prompt": TALK, "chosen": "Eel: a fish", "rejected": "Tit", "preference": 1.0},
    # two of three people chose the second, one found a tie: 5/6
    "pandalm": {
        "prompt": "Name an animal.\n\nIt flies.",
        "chosen": "Owl",
        "rejected": "Fish",
        "chosen_model": "small",
        "rejected_model": "big",
        "preference": 5 / 6,
        "chosen_votes": [1.0, 1.0, 0.5],
        "rejected_votes": [0.0, 0.0, 0.5],
        "votes": 3,
        "idx": 0,
        "motivation_app": "own",
    },
    "pairs": {"prompt": "Name a bird.", "chosen": "Owl", "rejected": "Fish", "preference": 1.0, "n": 3},
    "labelled": {
        "prompt": "Name a bird.",
        "chosen": "Owl",
        "rejected": "Fish",
        "preference": 1.0,
        "chosen_position": 2,
        "rejected_position": 1,
    },
}
FILES = [
    (name, ending)
    for name in ROWS
    for ending in (".jsonl", ".json", ".parquet", ".csv")
    if ending != ".csv" or name in FLAT
]


def test_there_are_rows_of_every_format():
    assert set(ROWS) == set(EXPECTED) == {one.name for one in KNOWN}


@pytest.mark.parametrize(("name", "ending"), FILES)
def test_a_file_gives_the_expected_pairs(tmp_path, name, ending):
    data = load_pairs(write(tmp_path / f"data{ending}", ROWS[name]))
    assert data.column_names[:3] == ["prompt", "chosen", "rejected"]
    assert data.features["preference"] == datasets.Value("float64")
    pair = data[0]
    assert pair.pop("preference") == pytest.approx(EXPECTED[name]["preference"], abs=1e-12)
    assert pair == {column: value for column, value in EXPECTED[name].items() if column != "preference"}


@pytest.mark.parametrize("name", ROWS)
def test_a_format_is_recognised_and_no_other(tmp_path, name):
    data = Dataset.from_list(ROWS[name])
    assert [one.name for one in recognised(kinds(data), KNOWN)] == [name]
    path = write(tmp_path / "data.jsonl", ROWS[name])
    assert load_pairs(path, format=name).to_list() == load_pairs(path).to_list()


@pytest.mark.parametrize("name", ROWS)
def test_a_set_of_pairs_is_a_set_of_prompts_too(tmp_path, name):
    path = write(tmp_path / "data.jsonl", ROWS[name])
    prompts = load_prompts(path)
    assert prompts[0]["prompt"] == EXPECTED[name]["prompt"]
    assert len({repr(prompt) for prompt in prompts["prompt"]}) == len(prompts)
    assert not {"chosen", "rejected", "response", "completions", "winner"} & set(prompts.column_names)
    assert {row["prompt"] if isinstance(row["prompt"], str) else repr(row["prompt"]) for row in prompts} >= {
        row["prompt"] if isinstance(row["prompt"], str) else repr(row["prompt"])
        for row in load_pairs(path, ties="half")
    }


@pytest.mark.parametrize("name", ["helpsteer2", "ultrafeedback"])
def test_compressed_files_and_folders(tmp_path, name):
    import gzip

    plain = write(tmp_path / "train.jsonl", ROWS[name])
    packed = tmp_path / "packed.jsonl.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert load_pairs(packed).to_list() == load_pairs(plain).to_list()
    folder = tmp_path / "saved"
    Dataset.from_list(ROWS[name]).save_to_disk(folder)
    assert load_pairs(folder).to_list() == load_pairs(plain).to_list()


def test_short_names_ask_the_hub_for_the_right_part(monkeypatch):
    asked = []

    def hub(name, config=None, *, data_dir=None):
        asked.append((name, config, data_dir))
        rows = Dataset.from_list(ROWS[formats[name, config, data_dir]])
        return DatasetDict(train=rows, validation=rows)

    formats = {
        ("nvidia/HelpSteer2", None, None): "helpsteer2",
        ("nvidia/HelpSteer2", None, "disagreements"): "helpsteer2-disagreements",
        ("nvidia/HelpSteer2", None, "preference"): "helpsteer2-preference",
        ("nvidia/HelpSteer3", "preference", None): "helpsteer3",
        ("openbmb/UltraFeedback", None, None): "ultrafeedback",
        ("allenai/llama-3.1-tulu-3-8b-preference-mixture", None, None): "conversations",
        ("Anthropic/hh-rlhf", None, None): "hh-rlhf",
    }
    monkeypatch.setattr(datasets, "load_dataset", hub)
    for short, count in zip(("", "-disagreements", "-preference"), (1, 1, 2), strict=True):
        assert len(load_pairs(f"helpsteer2{short}", "validation")) == count
    for short in ("helpsteer3", "ultrafeedback", "tulu3", "hh-rlhf"):
        assert len(load_pairs(short, "validation")) == 1 + (short == "ultrafeedback")
    assert asked == list(formats)
    assert load_pairs("Anthropic/hh-rlhf")[0] == EXPECTED["hh-rlhf"]


def test_splits_for_preferences_are_found_by_their_plain_names(monkeypatch):
    rows = {name: Dataset.from_list([ROWS["conversations"][0] | {"id": name}]) for name in ("train_sft", "train_prefs")}
    rows |= {name: Dataset.from_list([ROWS["conversations"][0] | {"id": name}]) for name in ("test_sft", "test_prefs")}
    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: DatasetDict(rows))
    found = {
        split: load_pairs("ultrafeedback-binarized", split)["id"][0] for split in (None, "train", "test", "held_out")
    }
    assert found == {None: "train_prefs", "train": "train_prefs", "test": "test_prefs", "held_out": "test_prefs"}


def test_a_column_that_names_the_split_is_followed(tmp_path):
    path = write(tmp_path / "hs.jsonl", ROWS["helpsteer2-preference"])
    assert len(load_pairs(path)) == 2
    for split in ("val", "validation", "held_out", "test"):
        assert load_pairs(path, split)["chosen"][:] == ["La"]
        assert load_prompts(path, split)["prompt"][0][-1]["content"] == "Sing."
    assert load_pairs(path, "train")["chosen"][:] == ["Owl"]
    assert load_pairs(path, "val")[0]["preference"] == 1.0  # no single votes: the overall strength is the one vote


def test_on_the_hub_that_column_decides_too_and_training_is_the_default(monkeypatch):
    rows = Dataset.from_list(ROWS["helpsteer2-preference"])
    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: DatasetDict(train=rows))
    for split, chosen in ((None, "Owl"), ("train", "Owl"), ("validation", "La")):
        assert load_pairs("helpsteer2-preference", split)["chosen"][:] == [chosen]


@pytest.mark.parametrize("nested", [False, True])
def test_a_prompt_of_its_own_goes_with_responses_alone(tmp_path, nested):
    prompt = [{"role": "system", "content": "Be brief."}, HI] if nested else "Name a bird."
    rows = [{"prompt": prompt, "chosen": [said("Owl")], "rejected": [said("Fish")]}]
    pair = load_pairs(write(tmp_path / "own.jsonl", rows))[0]
    assert pair["prompt"] == (prompt if nested else [HI])
    assert (pair["chosen"], pair["rejected"]) == ("Owl", "Fish")


def test_further_fields_of_messages_are_left_out(tmp_path):
    rows = [
        {"chosen": [HI | {"id": 1}, said("Owl") | {"id": 2}], "rejected": [HI | {"id": 7}, said("Fish") | {"id": 8}]}
    ]
    assert load_pairs(write(tmp_path / "ids.jsonl", rows))[0]["prompt"] == [HI]


def test_ultrafeedback_is_compared_on_the_rating_that_is_asked_for(tmp_path):
    row = ROWS["ultrafeedback"][0] | {
        "completions": [
            completion("Owl", "a", None, honesty="2"),
            completion("Fish", "b", None, honesty="5"),
            completion("Tit", "c", None),
        ]
    }
    path = write(tmp_path / "uf.jsonl", [row])
    honest = load_pairs(path, attribute="honesty")
    assert [(r["chosen"], r["rejected"], r["margin"]) for r in honest] == [("Fish", "Owl", 3.0)]
    # without the stored mean it is taken: (3+2+4+5)/4, (3+5+4+5)/4, (3+4+5)/3
    means = load_pairs(path)
    assert {(r["chosen"], r["chosen_rating"]) for r in means} == {("Fish", 4.25), ("Tit", 4.0)}
    assert len(load_pairs(path, attribute="overall_score", ties="half")) == 3


def test_pairs_survive_a_round_trip_through_a_file(tmp_path):
    first = load_pairs(write(tmp_path / "votes.jsonl", ROWS["pandalm"]))
    path = tmp_path / "pairs.parquet"
    first.to_parquet(path)
    again = load_pairs(path)
    assert [{name: row[name] for name in first.column_names} for row in again] == first.to_list()


@pytest.mark.parametrize(
    ("row", "share"),
    [
        ({"response_a": "x", "response_b": "y", "preference": 0.8}, 0.8),
        ({"response_a": "x", "response_b": "y", "winner": "model_a"}, 1.0),
        ({"answer_1": "x", "answer_2": "y", "label": 2}, 0.0),
        ({"output1": "x", "output2": "y", "winner": "Output1"}, 1.0),
        ({"completion_a": "x", "completion_b": "y", "label": " B "}, 0.0),
    ],
)
def test_verdicts_may_be_written_in_several_ways(tmp_path, row, share):
    pair = load_pairs(write(tmp_path / "v.jsonl", [{"prompt": "p"} | row]))[0]
    assert (pair["chosen"], pair["preference"]) == (("x", share) if share > 0.5 else ("y", 1 - share))


@pytest.mark.parametrize("name", ROWS)
def test_rows_read_one_at_a_time_give_the_same_table(tmp_path, monkeypatch, name):
    """Also where a field is missing in the first rows, so that its type shows later."""
    rows = [*ROWS[name], *ROWS[name]]
    if name == "ultrafeedback":
        rows.insert(0, rows[0] | {"completions": [one | {"model": None} for one in rows[0]["completions"]]})
    if name == "conversations":
        rows.insert(0, rows[0] | {"chosen_rating": None, "rejected_rating": None, "id": None})
    path = write(tmp_path / "data.jsonl", rows)
    whole = load_pairs(path, ties="half")
    monkeypatch.setattr(candidates, "BATCH", 1)
    parts = load_pairs(path, ties="half")
    assert parts.features == whole.features
    assert parts.to_list() == whole.to_list()
