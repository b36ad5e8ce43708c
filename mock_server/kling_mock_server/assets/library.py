"""The files of the mock: made when they are asked for, from what the account knows."""

from collections.abc import Callable, Mapping
from functools import cached_property, lru_cache
from typing import Final, NamedTuple

from kling_contracts import Contract
from kling_contracts.facts.sources import FactSources
from kling_contracts.facts.task import Task
from kling_mock_server.assets import speech
from kling_mock_server.protocol.file_urls import Address
from kling_mock_server.state.account import Account
from kling_mock_server.state.accounts import Accounts
from kling_mock_server.state.ids import made_ms
from kling_mock_server.state.stores.store import real_ms
from kling_mock_server.state.tables import RESULTS

RENDERED_MS: Final = 10_000
"""The time after its creation (real time) within which a task's video is rendered, by any process, or never."""
_MAX_MS: Final = 60 * 60 * 1000
_FOREVER: Final = 2**62


class FileKind(NamedTuple):
    """One kind of file that answers of an operation lead to."""

    media_type: str
    content: Callable[["Library", Account, str], bytes | None]
    """Returns the bytes of an account's file by its name; None where there is none, no longer, or not yet."""


class Library:
    """Finds the file of an address; whoever knows it may have it, like on a content delivery network.

    Results and audios can be downloaded for as long as their ids can be used, on the account's clock.
    """

    def __init__(self, accounts: Accounts, contract: Contract, kinds: Mapping[str, FileKind]) -> None:
        """`kinds` are those of files, by the name that their URLs have for them."""
        self.kinds = kinds
        self._accounts = accounts
        self._contract = contract

    @cached_property
    def _audios_kept_ms(self) -> int:
        return self._contract.limit_on("facts.preview.age_ms") or _FOREVER

    @cached_property
    def _results_kept_ms(self) -> int:
        return self._contract.limit_on("facts.made.age_ms") or _FOREVER

    def content(self, address: Address) -> bytes | None:
        """Return the bytes of a file; None where there is none, no longer, or not yet."""
        account = self._accounts.in_folder(address.folder)
        return self.kinds[address.kind].content(self, account, address.name) if account else None

    def footage(self, address: Address) -> bytes | None:
        """Return the bytes that stand for a file as a source video: a rendered result is smaller than one may be."""
        task = self.result(address)
        return _neutral(task.video_ms) if task else self.content(address)

    def result(self, address: Address) -> Task | None:
        """Return the task whose result an address leads to; None: there is none, no longer or not yet."""
        account = self._accounts.in_folder(address.folder) if address.kind == "results" else None
        return self._finished(account, address.name) if account else None

    def is_awaited(self, account: Account, task: Task) -> bool:
        """Return whether another process may still be rendering the task's video."""
        if not account.state.store.shared or real_ms() - made_ms(task.id) > RENDERED_MS:
            return False
        return task.id not in account.state.view(RESULTS)

    def _finished(self, account: Account, video_id: str) -> Task | None:
        task = account.tasks.making(video_id)
        now_ms = account.clock.now_ms()
        if task is None or task.status(now_ms) != "succeed":
            return None
        return None if now_ms - task.updated_ms(now_ms) > self._results_kept_ms else task

    def result_video(self, account: Account, video_id: str) -> bytes | None:
        """Return the video that a task has made: rendered, or a neutral one of its length."""
        task = self._finished(account, video_id)
        if task is None:
            return None
        rendered: bytes | None = account.state.view(RESULTS).get(task.id)
        return rendered or _neutral(task.video_ms)

    def audio(self, account: Account, audio_id: str) -> bytes | None:
        """Return an audio of the account's world, as WAV."""
        audio = account.audio(audio_id)
        clock = account.clock
        at = FactSources(now_ms=clock.now_ms(), advanced_ms=clock.advanced_ms)
        if audio is None or at.age_ms(audio.created_ms) > self._audios_kept_ms:
            return None
        return speech.wav(min(max(audio.duration_ms, 1), _MAX_MS), audio_id)

    def source_video(self, account: Account, session_id: str) -> bytes | None:
        """Return a neutral video as long as that of a session."""
        session = account.session(session_id)
        return None if session is None else _neutral(session.video_ms)

    def portrait(self, account: Account, name: str) -> bytes | None:
        """Return the picture of a face; its name is `SESSION-FACE`."""
        session_id, _, face_id = name.partition("-")
        session = account.session(session_id)
        return None if session is None or face_id not in session.faces else _portrait()


@lru_cache(maxsize=16)
def _neutral(duration_ms: int) -> bytes:
    # At first use, like every maker of files.
    from kling_contracts.media import still_video

    return still_video.mp4(min(max(duration_ms, 1), _MAX_MS))


@lru_cache(maxsize=1)
def _portrait() -> bytes:
    """Return a grey square as PNG: the mock has no faces to show."""
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    side = 96
    rows = b"".join(b"\0" + b"\xa0" * side for _ in range(side))
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
