"""The formats of preference data this package reads; a new one is a file of its own and a line here."""

from __future__ import annotations

from slhf.data import chosen_rejected, disagreements, helpsteer2, hh, labelled, pandalm, strengths, ultrafeedback

KNOWN = (
    helpsteer2.FORMAT,
    disagreements.FORMAT,
    strengths.FORMAT_2,
    strengths.FORMAT_3,
    ultrafeedback.FORMAT,
    chosen_rejected.CONVERSATIONS,
    hh.FORMAT,
    pandalm.FORMAT,
    chosen_rejected.TEXTS,
    labelled.FORMAT,
)
