"""What there is to know in the embedded world: small tables of facts, nothing else."""

from __future__ import annotations

OPPOSITES: tuple[tuple[str, str], ...] = (
    ("hot", "cold"), ("big", "small"), ("fast", "slow"), ("happy", "sad"), ("light", "dark"),
    ("open", "closed"), ("wet", "dry"), ("hard", "soft"), ("high", "low"), ("early", "late"),
    ("old", "new"), ("full", "empty"), ("rich", "poor"), ("strong", "weak"), ("thick", "thin"),
    ("clean", "dirty"), ("loud", "quiet"), ("near", "far"), ("up", "down"), ("left", "right"),
    ("day", "night"), ("win", "lose"), ("buy", "sell"), ("push", "pull"), ("love", "hate"),
    ("true", "false"), ("wide", "narrow"), ("deep", "shallow"), ("smooth", "rough"), ("sharp", "blunt"),
    ("brave", "afraid"), ("cheap", "dear"), ("sweet", "sour"), ("tall", "short"), ("war", "peace"),
    ("friend", "enemy"), ("north", "south"), ("east", "west"), ("heaven", "hell"), ("asleep", "awake"),
)  # fmt: skip

COLOURS: dict[str, str] = {
    "grass": "green", "snow": "white", "coal": "black", "blood": "red", "gold": "yellow", "milk": "white",
    "chocolate": "brown", "ink": "blue", "mustard": "yellow", "sugar": "white", "ketchup": "red",
    "spinach": "green", "tar": "black", "ash": "grey", "mud": "brown", "lettuce": "green", "salt": "white",
    "coffee": "brown", "smoke": "grey", "butter": "yellow", "rust": "orange", "lavender": "purple",
}  # fmt: skip

MATERIALS: dict[str, str] = {
    "window": "glass", "bottle": "glass", "table": "wood", "pencil": "wood", "book": "paper",
    "letter": "paper", "sweater": "wool", "sock": "wool", "coin": "metal", "key": "metal", "nail": "metal",
    "candle": "wax", "tyre": "rubber", "wall": "stone", "castle": "stone", "belt": "leather",
    "saddle": "leather", "shirt": "cotton", "towel": "cotton", "pot": "clay",
}  # fmt: skip

PLURALS: dict[str, str] = {
    "mouse": "mice", "foot": "feet", "tooth": "teeth", "goose": "geese", "child": "children", "man": "men",
    "woman": "women", "ox": "oxen", "leaf": "leaves", "knife": "knives", "wolf": "wolves", "wife": "wives",
    "city": "cities", "baby": "babies", "box": "boxes", "bus": "buses", "fox": "foxes", "cat": "cats",
    "dog": "dogs", "bird": "birds", "tree": "trees", "house": "houses", "loaf": "loaves", "berry": "berries",
}  # fmt: skip

PASTS: dict[str, str] = {
    "go": "went", "see": "saw", "eat": "ate", "drink": "drank", "sing": "sang", "swim": "swam",
    "write": "wrote", "take": "took", "give": "gave", "come": "came", "run": "ran", "sleep": "slept",
    "think": "thought", "bring": "brought", "teach": "taught", "catch": "caught", "fly": "flew",
    "grow": "grew", "know": "knew", "throw": "threw", "speak": "spoke", "break": "broke", "drive": "drove",
    "ride": "rode", "begin": "began", "find": "found", "stand": "stood", "tell": "told",
}  # fmt: skip

CAPITALS: dict[str, str] = {
    "France": "Paris", "Italy": "Rome", "Spain": "Madrid", "Germany": "Berlin", "Austria": "Vienna",
    "Greece": "Athens", "Poland": "Warsaw", "Portugal": "Lisbon", "Norway": "Oslo", "Sweden": "Stockholm",
    "Finland": "Helsinki", "Denmark": "Copenhagen", "Ireland": "Dublin", "Hungary": "Budapest",
    "Japan": "Tokyo", "China": "Beijing", "Egypt": "Cairo", "Kenya": "Nairobi", "Peru": "Lima",
    "Cuba": "Havana", "Canada": "Ottawa", "Russia": "Moscow", "Turkey": "Ankara", "Chile": "Santiago",
}  # fmt: skip

DAYS: tuple[str, ...] = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

MONTHS: tuple[str, ...] = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
    "November", "December",
)  # fmt: skip

THINGS: tuple[str, ...] = (
    "apple", "ball", "boat", "bridge", "chair", "cloud", "door", "drum", "egg", "fish", "flag", "garden",
    "hat", "lamp", "lion", "moon", "pear", "river", "road", "rose", "ship", "star", "sun", "train",
)  # fmt: skip
