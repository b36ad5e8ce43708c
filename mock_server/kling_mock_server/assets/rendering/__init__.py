"""A result video in which one sees and hears whether the times of a request were right; needs `klingkit[render]`.

The video is the timeline of the request with a walking playhead. Its sound is the caller's own audio, cut, placed and
as loud as asked for, over a tone that stands for the sound of the original video.
"""

import tempfile
from collections.abc import Iterator
from fractions import Fraction
from importlib.util import find_spec
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from kling_mock_server.assets.rendering import encoded_sound, picture, sound
from kling_mock_server.assets.rendering.sound import RenderError

if TYPE_CHECKING:
    from av import AudioStream, Packet, VideoFrame
    from av.stream import Stream
    from av.video.plane import VideoPlane

__all__ = ["MAX_MS", "RenderError", "RenderPlan", "available", "render", "titled"]

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


def available() -> bool:
    """Return whether PyAV is installed."""
    return find_spec("av") is not None


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
    with tempfile.TemporaryDirectory() as folder:
        # FFmpeg moves the index to the front of a file by reading what it has written.
        path = Path(folder, "rendered.mp4")
        _write(path, plan, _heard(plan))
        return path.read_bytes()


_Codec = Literal["libx264", "mpeg4"]
# The best first. Neither reorders pictures, so that the last one is the last to be written.
_CODECS: Final[dict[_Codec, dict[str, str]]] = {
    "libx264": {"preset": "ultrafast", "tune": "zerolatency", "threads": "1", "qp": "23"},
    "mpeg4": {"flags": "+qscale", "global_quality": "354"},
}
_MS: Final = Fraction(1, 1000)
_FRAMES_PER_SECOND: Final = 1000 // picture.FRAME_MS
_FRAMES_OF_SOUND: Final = picture.FRAME_MS * sound.RATE // 1000 // encoded_sound.FRAME + 1
_SEEKABLE_FRAMES: Final = 5 * _FRAMES_PER_SECOND


def _heard(plan: RenderPlan) -> tuple[bytes, ...]:
    """Return the sound of the whole video, encoded."""
    audible_ms = max(0, plan.video_ms - plan.insert_ms)
    end_ms = min(plan.clip_end_ms, plan.clip_start_ms + audible_ms)
    clip = sound.decoded(plan.sound, plan.clip_start_ms, end_ms)
    first, total = (sound.byte_of(ms) // sound.SAMPLE_BYTES for ms in (plan.insert_ms, plan.video_ms))
    return encoded_sound.aac_frames(clip, first, total, plan.sound_volume, plan.original_volume)


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


def _write(path: Path, plan: RenderPlan, heard: tuple[bytes, ...]) -> None:
    import av

    codec = next(name for name in _CODECS if name in av.codecs_available)
    with av.open(path, "w", format="mp4", options={"movflags": "+faststart"}) as file:
        file.metadata["title"] = _TITLE
        video = file.add_stream(codec, _FRAMES_PER_SECOND, _CODECS[codec])
        video.width, video.height, video.pix_fmt = picture.WIDTH, picture.HEIGHT, "yuv420p"
        video.codec_context.time_base = _MS
        video.codec_context.gop_size = _SEEKABLE_FRAMES
        played = _packets(
            heard, plan.video_ms, file.add_stream("aac", sound.RATE, encoded_sound.OPTIONS, layout="mono")
        )
        for shown in chain(_pictures(plan), [None]):
            for packet in video.encode(shown):
                # Encoders give all pictures the same length; the last one ends with the video.
                packet.duration = min(picture.FRAME_MS, plan.video_ms - (packet.pts or 0))
                file.mux(packet)
            # The sound goes with its pictures, for players that read a file as it comes.
            file.mux(list(islice(played, _FRAMES_OF_SOUND if shown else None)))


def _packets(heard: tuple[bytes, ...], video_ms: int, stream: "AudioStream") -> "Iterator[Packet[Stream]]":
    from av import Packet

    total = sound.byte_of(video_ms) // sound.SAMPLE_BYTES
    for number, frame in enumerate(heard, -1):
        packet = Packet(frame)
        packet.stream, packet.time_base = stream, Fraction(1, sound.RATE)
        packet.pts = packet.dts = number * encoded_sound.FRAME
        packet.duration = min(encoded_sound.FRAME, total - packet.pts)
        yield packet


def _pictures(plan: RenderPlan) -> "Iterator[VideoFrame]":
    """Yield the pictures one after the other, all in one frame: large blocks of memory cost as much as drawing."""
    from av import VideoFrame

    base = picture.drawn("ADVANCED LIP-SYNC", _notes(plan), _bars(plan), plan.video_ms)
    drawn, shown = base.copy(), VideoFrame(picture.WIDTH, picture.HEIGHT, "yuv420p")
    shown.time_base = _MS
    for now_ms in range(0, plan.video_ms, picture.FRAME_MS):
        drawn.become(base)
        picture.add_playhead(drawn, now_ms, plan.video_ms)
        # An encoder may still look at the picture before.
        shown.make_writable()
        for plane, pixels in zip(shown.planes, drawn, strict=True):
            _put(pixels, plane)
        shown.pts = now_ms
        yield shown


def _put(pixels: bytearray, plane: "VideoPlane") -> None:
    """Write the lines of a plane, which are as long as FFmpeg keeps them."""
    memory, width, pitch = memoryview(plane), plane.width, plane.line_size
    if width == pitch:
        memory[: len(pixels)] = pixels
        return
    for row in range(plane.height):
        memory[row * pitch : row * pitch + width] = pixels[row * width : (row + 1) * width]
