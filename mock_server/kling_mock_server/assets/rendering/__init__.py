"""A result video in which one sees and hears whether the times of a request were right; needs `klingkit[render]`.

The video is the timeline of the request with a walking playhead. Its sound is the caller's own audio, cut, placed and
as loud as asked for, over a tone that stands for the sound of the original video.
"""

import io
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from kling_mock_server.assets.rendering import encoded_picture, encoded_sound, picture, sound
from kling_mock_server.assets.rendering.sound import RenderError

if TYPE_CHECKING:
    from av import AudioStream, Packet
    from av.stream import Stream

__all__ = ["MAX_MS", "RenderError", "RenderPlan", "render", "titled"]

MAX_MS: Final = 5 * 60 * 1000
"""The longest video that is rendered, and the latest end of a clip. So much sound takes 30 MB."""


class RenderPlan(NamedTuple):
    """The changes of a request to a video, all times in ms. `face` is an interval, `sound` a wav, mp3 or m4a file."""

    video_ms: int
    face: tuple[int, int]
    insert_ms: int
    clip_start_ms: int
    clip_end_ms: int
    sound_volume: float
    original_volume: float
    sound: bytes


_TITLE: Final = "task ".ljust(44, "_")
"""The title of a video that is of no task yet: as long as any title is."""


def titled(video: bytes, task_id: str) -> bytes:
    """Return a rendered video with a title that says which task it is of; a long id is cut.

    Only the title tells apart what equal requests make: a video is rendered once for all of them.
    """
    title = f"task {task_id}".encode()[: len(_TITLE)].ljust(len(_TITLE))
    return video.replace(_TITLE.encode(), title, 1)


def render(plan: RenderPlan) -> bytes:
    """Return an mp4 file that lasts exactly as long as the source video: H.264 where PyAV has it, and AAC.

    Equal plans make equal files; `titled` says which task one is of.

    Raises:
        RenderError: the video or the clip is beyond `MAX_MS`, a time is negative, the clip ends before it starts,
            or the sound does not decode.
    """
    if not 1 <= plan.video_ms <= MAX_MS:
        raise RenderError(f"A video of {plan.video_ms} ms is not rendered; it lasts from 1 to {MAX_MS} ms.")
    if plan.insert_ms < 0:
        raise RenderError(f"Sound is not inserted at {plan.insert_ms} ms; the video starts at 0.")
    if not 0 <= plan.clip_start_ms <= plan.clip_end_ms <= MAX_MS:
        raise RenderError(
            f"Sound is not cut from {plan.clip_start_ms} to {plan.clip_end_ms} ms; these go up, from 0 to {MAX_MS}."
        )
    written = io.BytesIO()
    _write(written, plan, _heard(plan))
    return written.getvalue()


# Bytes of the index of a file: about 1,400 without packets, and 6 for each of them.
_INDEX_BYTES: Final = 2048
_ENTRY_BYTES: Final = 12
_MS: Final = Fraction(1, 1000)
_FRAMES_OF_SOUND: Final = picture.FRAME_MS * sound.RATE // 1000 // encoded_sound.FRAME + 1


def _heard(plan: RenderPlan) -> encoded_sound.EncodedSound:
    """Return the sound of the whole video."""
    # More of it is not heard, wherever it is inserted.
    end_ms = min(plan.clip_end_ms, plan.clip_start_ms + plan.video_ms)
    clip = encoded_sound.Clip(plan.sound, plan.clip_start_ms, end_ms, plan.sound_volume, plan.original_volume)
    return encoded_sound.encoded(clip, *(sound.sample_of(ms) for ms in (plan.insert_ms, plan.video_ms)))


def _bars(plan: RenderPlan) -> tuple[picture.ColouredBar, ...]:
    first, last = plan.face
    inserted_to = plan.insert_ms + plan.clip_end_ms - plan.clip_start_ms
    return (
        picture.ColouredBar("VIDEO", 0, plan.video_ms, picture.VIDEO),
        picture.ColouredBar("FACE", first, last, picture.FACE),
        picture.ColouredBar("AUDIO", plan.insert_ms, inserted_to, picture.AUDIO),
        picture.ColouredBar("OVERLAP", max(first, plan.insert_ms), min(last, inserted_to), picture.OVERLAP),
    )


def _notes(plan: RenderPlan) -> str:
    clip = f"CLIP {plan.clip_start_ms}-{plan.clip_end_ms} MS"
    return f"{clip}   SOUND VOLUME {plan.sound_volume:g}   ORIGINAL VOLUME {plan.original_volume:g}"


def _write(written: io.BytesIO, plan: RenderPlan, heard: encoded_sound.EncodedSound) -> None:
    import av

    codec = encoded_picture.codec()
    # Its index comes first; what is not needed of the space that is left for it stays empty.
    count = plan.video_ms // picture.FRAME_MS + len(heard.frames)
    with av.open(written, "w", format="mp4", options={"moov_size": str(_INDEX_BYTES + count * _ENTRY_BYTES)}) as file:
        file.metadata["title"] = _TITLE
        video = file.add_stream(codec, encoded_picture.FRAMES_PER_SECOND)
        encoded_picture.prepare(video.codec_context, codec)
        played = _packets(
            heard, plan.video_ms, file.add_stream("aac", sound.RATE, encoded_sound.OPTIONS, layout="mono")
        )
        shown = encoded_picture.packets(video.codec_context, codec, _bars(plan), _notes(plan), plan.video_ms)
        for packet in shown:
            # Encoders give all pictures the same length; the last one ends with the video.
            packet.stream, packet.duration = video, min(picture.FRAME_MS, plan.video_ms - (packet.pts or 0))
            file.mux(packet)
            # The sound goes with its pictures, for players that read a file as it comes.
            file.mux(list(islice(played, _FRAMES_OF_SOUND)))
        file.mux(list(played))


def _packets(heard: encoded_sound.EncodedSound, video_ms: int, stream: "AudioStream") -> "Iterator[Packet[Stream]]":
    from av import Packet

    time_base, at, end = Fraction(1, sound.RATE), heard.first_sample, sound.sample_of(video_ms)
    for frame in heard.frames:
        packet = Packet(frame)
        packet.stream, packet.time_base = stream, time_base
        packet.pts = packet.dts = at
        packet.duration = min(encoded_sound.FRAME, end - at)
        yield packet
        at += encoded_sound.FRAME
