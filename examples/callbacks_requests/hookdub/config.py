"""The environment, read once."""

import os
from typing import NamedTuple

from standardwebhooks.webhooks import EmptyWebhookSecretError, Webhook


class ConfigError(Exception):
    """A variable is missing or makes no sense."""


class Config(NamedTuple):
    """The `KLING_*` variables; times in seconds."""

    base_url: str
    api_key: str
    callback_url: str
    callback_port: int
    webhook_secret: str
    poll_s: float
    retry_s: float
    timeout_s: float
    deadline_s: float


def from_environment() -> Config:
    """Read the environment. Raises `ConfigError`."""
    base_url = os.environ.get("KLING_BASE_URL", "").rstrip("/")
    if not base_url.startswith(("http://", "https://")):
        raise ConfigError("KLING_BASE_URL must be the http(s) address of the API")
    api_key = os.environ.get("KLING_API_KEY", "").strip()
    if not (api_key and api_key.isascii() and api_key.isprintable()):
        raise ConfigError("KLING_API_KEY must be the key of the account")
    return Config(
        base_url,
        api_key,
        callback_url=os.environ.get("KLING_CALLBACK_URL", ""),
        callback_port=int(_number("KLING_CALLBACK_PORT", 0, largest=65535)),
        webhook_secret=_secret(os.environ.get("KLING_WEBHOOK_SECRET", "").strip()),
        poll_s=_number("KLING_POLL_S", 30),
        retry_s=_number("KLING_RETRY_S", 1),
        timeout_s=_number("KLING_TIMEOUT_S", 60),
        deadline_s=_number("KLING_DEADLINE_S", 900),
    )


def _secret(secret: str) -> str:
    if not secret:
        return ""
    try:
        Webhook(secret)
    except (ValueError, EmptyWebhookSecretError) as error:
        raise ConfigError(f"KLING_WEBHOOK_SECRET is no webhook secret: {error}") from error
    return secret


def _number(name: str, default: float, largest: float = 1e6) -> float:
    try:
        value = float(os.environ.get(name, default))
    except ValueError:
        value = -1
    if not 0 <= value <= largest:
        raise ConfigError(f"{name} must be a number from 0 to {largest:g}")
    return value
