"""The model a command is given as one word: a folder or name, the address of a server, or a file of its settings."""

from __future__ import annotations

import logging
from dataclasses import fields
from pathlib import Path
from typing import Any, get_type_hints

from slhf.errors import InputError, suggestion
from slhf.judges.chat_failure import UnansweredError
from slhf.judges.chat_loop import finished
from slhf.runs.judges import SETTINGS_FILES
from slhf.runs.strict import read_yaml
from slhf.serving import Budget, Remote, Server
from slhf.serving.remote_player import RemotePlayer
from slhf.settings import typed

_SCHEMES = ("http://", "https://")
_PATIENCE: dict[str, Any] = {"retries": 2, "patience": 5.0}  # somebody waits for the answer
_LIMITS = {"max_calls": "calls", "max_tokens_spent": "tokens", "max_cost": "cost"}  # as the judge "chat" calls them

log = logging.getLogger(__name__)


def model_of(text: str, *, at_once: int = 16) -> str | Remote:
    """Return the model that a command line names; what stands behind a server is asked whether it is there.

    Args:
        text: a run's folder, a model's folder, a hub name or ``toy``, which are returned as they are; a server's
            address, ``http://localhost:8000/v1``, with ``#NAME`` behind it where it serves several models; or a YAML
            or JSON file of settings: those of :class:`Server`, :class:`Remote` and, as ``max_calls``,
            ``max_tokens_spent``, ``max_cost``, ``price_in`` and ``price_out``, of :class:`Budget`.
        at_once: requests to a server under way at once, where no file says otherwise.

    Raises:
        InputError: the file or its settings are wrong, the server is not there or refuses the key, or it serves
            several models and none is named.
    """
    if text.startswith(_SCHEMES):
        address, _, name = text.partition("#")
        settings: dict[str, Any] = {"base_url": address, "model": name}
        return _there(settings, text, at_once)
    if text.endswith(SETTINGS_FILES):
        path = Path(text).expanduser()
        return _there(_checked(read_yaml(path, "a file of a server's settings"), text), text, at_once)
    return text


def called(model: str | Remote) -> str:
    """Return what a model is called: the last part of its folder, or of its name on the hub or at its server.

    >>> called("owner/name"), called(Remote(Server("library/llama3:8b", "http://localhost:11434/v1")))
    ('name', 'llama3-8b')
    """
    if isinstance(model, Remote):
        model = model.server.model.replace(":", "-")  # a colon separates a name from the number of refinements
    return Path(model).expanduser().resolve().name if Path(model).is_dir() else model.rpartition("/")[2]


def _checked(values: dict[str, Any], where: str) -> dict[str, Any]:
    hints = {**get_type_hints(Server), **get_type_hints(Remote), **get_type_hints(Budget)}
    hints |= {setting: hints[field] for setting, field in _LIMITS.items()}
    for name in ("server", "budget", *_LIMITS.values()):
        del hints[name]
    return typed(values, hints | {"extra": dict[str, Any]}, f"{where}: ")


def _there(settings: dict[str, Any], where: str, at_once: int) -> Remote:
    """Make a model from a server's settings, and ask the server whether it is there and what it serves."""
    named = settings.get("model") or ""
    remote = _remote({"concurrency": at_once, **_PATIENCE, **settings, "model": named or "any"})
    address = remote.server.address()
    try:
        listed = finished(RemotePlayer(remote).models())
    except UnansweredError as error:
        if error.status in (401, 403):
            raise InputError(f"{where}: {address} does not accept the key: {error.reason}") from error
        raise InputError(f"{where}: {address} does not answer: {error.reason}. Start that server first") from error
    if remote.server.exposes_key():
        log.warning("the key in %s goes to %s unencrypted; use https", remote.server.key_env, address)
    if not named:
        if len(listed) != 1:
            several = f"it serves {', '.join(listed)}" if listed else "it does not tell what it serves"
            raise InputError(f"{where}: name the model: {address}#NAME, or model: NAME in a file; {several}")
        return _remote({"concurrency": at_once, **_PATIENCE, **settings, "model": listed[0]})
    if listed and named not in listed:
        # some servers load whatever they are asked for
        near = suggestion(named, listed)
        log.warning("%s lists no model %r but %s; asking for it all the same.%s", address, named, listed, near)
    return remote


def _remote(settings: dict[str, Any]) -> Remote:
    def of(kind: type, names: dict[str, str]) -> dict[str, Any]:
        known = {field.name: field.name for field in fields(kind)} | names
        return {known[name]: value for name, value in settings.items() if name in known}

    budget = Budget(**of(Budget, _LIMITS))
    return Remote(Server(**of(Server, {})), budget=budget, **of(Remote, {}))
