"""Which server judges, and how patiently it is asked."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from slhf.errors import IncompleteError, InputError

_LATEST = re.compile(r"([-:@]latest|@main|\.gguf)\Z")
_DATE = re.compile(r"[-:@](\d{4}|\d{6}|\d{8}|\d{4}-\d{2}(-\d{2})?)\Z")

LOOPBACK = {"localhost", "127.0.0.1", "::1"}
"""Names of this machine."""

OPENAI = "https://api.openai.com/v1"
NO_KEY = "none"
"""Stands where a key would: the client insists on one, a server of your own need not."""


@dataclass(frozen=True)
class Server:
    """Who is asked, and how patiently.

    Attributes:
        model: the model's name at the server.
        base_url: the server's address, up to ``/v1``; None is the environment variable ``OPENAI_BASE_URL``,
            or OpenAI's own.
        key_env: environment variable that holds the key; a server of your own needs none.
        concurrency: requests under way at once.
        timeout: seconds after which a request counts as not answered.
        retries: how often a request is sent again that the server, which answers others, did not answer.
        patience: seconds to wait for a server that answers nobody.
        pause: seconds before a request is first sent again; doubled each time, up to a minute, less a random
            part of up to half.
        answers_as: the name the server answers by, where that is another than ``model``.

    Raises:
        InputError: a number out of range, an address that is none, or one that holds a password.
    """

    model: str
    base_url: str | None = None
    key_env: str = "OPENAI_API_KEY"
    concurrency: int = 16
    timeout: float = 120.0
    retries: int = 6
    patience: float = 600.0
    pause: float = 0.5
    answers_as: str | None = None

    def __post_init__(self) -> None:
        if not self.model.strip():
            raise InputError("model is empty; name the model as the server does")
        if self.concurrency < 1:
            raise InputError(f"concurrency={self.concurrency}: at least one request is under way at once")
        if self.retries < 0 or self.patience < 0:
            raise InputError(f"retries={self.retries} and patience={self.patience}: both are 0 or more")
        if not self.timeout > 0 or not self.pause > 0:
            raise InputError(f"timeout={self.timeout} and pause={self.pause}: both are more than 0 seconds")
        self.address()  # refuses what is none

    def address(self) -> str:
        """Return where requests go.

        Raises:
            InputError: that is no address, or holds a user's name or password.
        """
        url = self.base_url or os.environ.get("OPENAI_BASE_URL") or OPENAI
        parts = urlsplit(url)
        if parts.username or parts.password or parts.query:
            raise InputError(f"base_url of {parts.hostname} holds a secret; put the key into {self.key_env} instead")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InputError(f"base_url={url!r} is no address; it reads http://localhost:8000/v1, say")
        return url

    def check_model(self, said: str | None) -> None:
        """Refuse an answer of another model than the one that was asked: it would be taken for this one's.

        A date after the name that was asked for is no other model (``gpt-4o`` and ``gpt-4o-2024-08-06``), nor is a
        folder or an owner before it; a word or a number is (``gpt-4o`` and ``gpt-4o-mini``), and so is another date.

        Args:
            said: who the server says has answered; None if it does not tell, which is let pass.

        Raises:
            IncompleteError: it is another model.
        """
        wanted = self.model if self.answers_as is None else self.answers_as
        if said is None:
            return
        asked, answered = _plain_name(wanted), _plain_name(said)
        if asked in (answered, _DATE.sub("", answered)):
            return
        raise IncompleteError(
            f"{self.address()} was asked for the model {wanted!r} and answers as {said!r}, whose answers would be "
            f"taken for those of {self.model!r}; set model to what it serves, or answers_as: {said!r} if that is the "
            "same"
        )

    def key(self) -> str:
        """Return the key; a word that means nothing for a server that may need none.

        Raises:
            InputError: OpenAI's own server needs a key, and there is none.
        """
        found = os.environ.get(self.key_env, "").strip()
        if not found and self.address() == OPENAI:
            raise InputError(
                f"{OPENAI} needs a key: put it into the environment variable {self.key_env}, or set base_url to a "
                "server of your own"
            )
        return found or NO_KEY

    def exposes_key(self) -> bool:
        """Tell whether the key goes to another machine unencrypted."""
        address = urlsplit(self.address())
        return self.key() != NO_KEY and address.scheme == "http" and address.hostname not in LOOPBACK


def _plain_name(model: str) -> str:
    """Return a model's name without a folder or owner before it and without a word behind it that names no version."""
    return _LATEST.sub("", model.replace("\\", "/").rstrip("/").rpartition("/")[2].casefold())
