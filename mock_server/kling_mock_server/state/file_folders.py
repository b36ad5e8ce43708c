"""The names of accounts in the URLs of files: a name can be read by the mock alone, and guessed by nobody.

A URL of a file works without a token and travels far, in callbacks among others. An account's key is the digest of its
token, which is easily guessed where the token is weak. Its name is therefore the key encrypted and authenticated
with a random secret of the store: it survives a restart, and is the same for every process that shares the store.
"""

import hashlib
import hmac
import re
from functools import lru_cache
from typing import Final

from kling_mock_server.state.stores.store import Store

_TAG_BYTES: Final = 16
_KEY: Final = re.compile("[0-9a-f]{16}")
_NAME: Final = re.compile("[0-9a-f]{48}")


class FileFolders:
    """The folders of accounts: the part of a URL between the prefix of all files and the kind of a file."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def name_of(self, account: str) -> str:
        """Return the folder of the account with that key."""
        return _name(self._store.secret(), account)

    def account_in(self, name: str) -> str:
        """Return the key of the account whose folder has that name; empty where none has."""
        return _account(self._store.secret(), name) if _NAME.fullmatch(name) else ""


@lru_cache(maxsize=4096)
def _name(secret: bytes, account: str) -> str:
    # A synthetic initialization vector (RFC 5297): the tag authenticates the key and is the nonce that hides it.
    assert _KEY.fullmatch(account), "the account of requests without a token has no files"
    key = bytes.fromhex(account)
    tag = hmac.digest(secret, b"tag" + key, hashlib.sha256)[:_TAG_BYTES]
    return (tag + _masked(secret, tag, key)).hex()


@lru_cache(maxsize=4096)
def _account(secret: bytes, name: str) -> str:
    sealed = bytes.fromhex(name)
    tag, hidden = sealed[:_TAG_BYTES], sealed[_TAG_BYTES:]
    account = _masked(secret, tag, hidden).hex()
    return account if hmac.compare_digest(_name(secret, account), name) else ""


def _masked(secret: bytes, tag: bytes, text: bytes) -> bytes:
    mask = hmac.digest(secret, b"mask" + tag, hashlib.sha256)
    return bytes(one ^ other for one, other in zip(text, mask, strict=False))
