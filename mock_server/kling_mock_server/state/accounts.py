"""Accounts: callers with different keys never meet."""

import hmac
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from kling_contracts import Contract, Violation
from kling_contracts.judging.request_rules import RequestRules
from kling_mock_server.state.account import Account
from kling_mock_server.state.account_state import InitialState
from kling_mock_server.state.file_folders import FileFolders
from kling_mock_server.state.journal import journal_table
from kling_mock_server.state.stores.store import MemoryStore, Store, real_ms
from kling_mock_server.state.tables import ONE, STATE
from kling_mock_server.state.tokens import Bearer, bearer_of, signed_with, violation_of_time

JWT_CLOCKS: Final = ("real", "account")
"""The clock for the `exp` and `nbf` of a JWT: real time, since they come from outside, or the account's."""
MAX_ACCOUNTS: Final = 1000
"""Accounts that are kept; the one longest unused is forgotten."""


class Accounts:
    """Admits bearer tokens to accounts.

    A token that is a JWT belongs to the account of its `iss`, and its `exp` and `nbf` are judged by the clock that
    `jwt_clock` names, one of `JWT_CLOCKS`. Any other token is its own account. `tokens` closes the list: only these, or
    a JWT of one of these issuers, are let in. With a `secret`, every token must be a JWT that it signs (HS256).

    Raises `ValueError` for a clock of another name.
    """

    def __init__(
        self,
        contract: Contract,
        beginning: InitialState,
        *,
        tokens: tuple[str, ...] = (),
        secret: str = "",
        jwt_clock: str = "real",
        store: Store | None = None,
    ) -> None:
        if jwt_clock not in JWT_CLOCKS:
            raise ValueError(f"unknown JWT clock {jwt_clock!r}; there are: {', '.join(JWT_CLOCKS)}")
        self.store: Store = MemoryStore() if store is None else store
        self._folders = FileFolders(self.store)
        self._beginning = beginning
        self._journal = journal_table(contract)
        self._tokens = frozenset(tokens)
        self._secret = secret
        self._by_real_time = jwt_clock == "real"
        self._by_key: OrderedDict[str, Account] = OrderedDict()
        self._lock = threading.Lock()
        self.on_due: Callable[[], None] | None = None
        """Called when callbacks of an account may have become due."""
        self.nobody = Account(_NOBODY, self.store, InitialState(beginning.world), self._journal)
        """The account of requests that are refused before theirs is known."""
        self.store.on_lost = self._begin_anew

    def admit(self, bearer: Bearer, rules: RequestRules) -> Account | Violation:
        """Return the account of a token, or the violation of the rule by which the token is refused."""
        account = self.admit_at_any_time(bearer, rules)
        if bearer.claims is None or isinstance(account, Violation):
            return account
        now_ms = real_ms() if self._by_real_time else account.clock.now_ms()
        return violation_of_time(bearer.claims, now_ms, rules) or account

    def admit_at_any_time(self, bearer: Bearer, rules: RequestRules) -> Account | Violation:
        """Return the account of a token, whatever its `exp` and `nbf` say; otherwise like `admit`."""
        if self._secret and not _is_signed(bearer, self._secret):
            remedy = "a JWT with an iss, signed (HS256) with the secret the mock was started with"
            return rules.violation("authorization-invalid", remedy=remedy)
        if self._tokens and not self._is_welcome(bearer.name):
            return rules.violation("authorization-invalid", remedy="one of the tokens the mock was started with")
        return self.of(bearer.account)

    def of_token(self, token: str) -> Account:
        """Return the account of a token that need not be judged."""
        return self.of(bearer_of(token).account)

    def _is_welcome(self, name: str) -> bool:
        return any(hmac.compare_digest(_bytes(name), _bytes(known)) for known in self._tokens)

    def of(self, key: str) -> Account:
        """Return the account of a key, the digest of a token or issuer."""
        with self._lock:
            account = self._by_key.get(key)
            if account is None:
                account = self._by_key[key] = Account(key, self.store, self._beginning, self._journal, self._announce)
                if len(self._by_key) > MAX_ACCOUNTS:
                    self._forget_oldest()
            else:
                self._by_key.move_to_end(key)
            while self.store.is_full() and len(self._by_key) > 1:
                self._forget_oldest()
            return account

    def _forget_oldest(self) -> None:
        self.store.forget(self._by_key.popitem(last=False)[0])

    def _begin_anew(self, key: str) -> None:
        account = self.nobody if key == _NOBODY else self.of(key)
        account.state.reset()
        account.journal.note(account.clock.now_ms(), _LOST)
        _LOG.warning("%s (account %s)", _LOST, key)

    def _announce(self) -> None:
        if self.on_due:
            self.on_due()

    def in_folder(self, name: str) -> Account | None:
        """Return the account whose files are in a folder; None where none that was ever used has it."""
        key = self._folders.account_in(name)
        return self.of(key) if key and self._knows(key) else None

    def _knows(self, key: str) -> bool:
        return key in self._by_key or ONE in self.store.view(key, STATE)


_NOBODY: Final = "nobody"
_LOG: Final = logging.getLogger("klingkit")
_LOST: Final = (
    "the store has lost a part of this account, which begins anew: its tasks, journal and world are gone. Where the "
    "server evicts keys, set its maxmemory-policy to noeviction"
)


def _bytes(name: str) -> bytes:
    return name.encode("utf-8", "backslashreplace")


def _is_signed(bearer: Bearer, secret: str) -> bool:
    claims = bearer.claims
    return claims is not None and isinstance(claims["iss"], str) and signed_with(bearer.token, secret)
