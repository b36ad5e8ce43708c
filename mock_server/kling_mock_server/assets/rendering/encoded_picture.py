"""The pictures of a video as packets of H.264 or MPEG-4. Those between key frames are the same for all of a length.

From one picture to the next only the playhead moves, in rows of macroblocks in which all videos of a length look alike.
Each row is a slice, which hangs on no other; in the rest of them a picture repeats the one before, whatever that shows.
"""

from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal

from kling_mock_server.assets.rendering import picture

if TYPE_CHECKING:
    from av import Packet, VideoCodecContext, VideoFrame
    from av.stream import Stream
    from av.video.plane import VideoPlane

    Codec = Literal["libx264", "mpeg4"]

# The best first. Neither reorders pictures; in MPEG-4, which has no slices, nothing is predicted from another place.
_CODECS: "Final[dict[Codec, dict[str, str]]]" = {
    "libx264": {
        "preset": "ultrafast",
        "tune": "zerolatency",
        "threads": "1",
        "qp": "23",
        "forced-idr": "1",
        "slices": str(-(-picture.HEIGHT // picture.ROW)),
    },
    "mpeg4": {"flags": "+qscale", "global_quality": "354", "motion_est": "zero"},
}
_MS: Final = Fraction(1, 1000)
_TITLE: Final = "ADVANCED LIP-SYNC"
FRAMES_PER_SECOND: Final = 1000 // picture.FRAME_MS
_SEEKABLE_FRAMES: Final = 5 * FRAMES_PER_SECOND
"""Pictures from one key frame to the next."""
_MAX_KEPT: Final = 4
"""Lengths of videos whose common packets are kept; 180 kB hold those of a minute."""


def codec() -> "Codec":
    """Return the best codec that PyAV has here."""
    import av

    return next(name for name in _CODECS if name in av.codecs_available)


def prepare(encoder: "VideoCodecContext", codec: "Codec") -> None:
    """Set an encoder up for `packets`."""
    encoder.options = _CODECS[codec]
    encoder.width, encoder.height, encoder.pix_fmt = picture.WIDTH, picture.HEIGHT, "yuv420p"
    encoder.time_base = _MS
    encoder.framerate = Fraction(FRAMES_PER_SECOND)
    encoder.gop_size = _SEEKABLE_FRAMES


def packets(
    encoder: "VideoCodecContext", codec: "Codec", bars: tuple[picture.ColouredBar, ...], notes: str, video_ms: int
) -> "Iterator[Packet[Stream]]":
    """Yield the packets of a video that shows bars, with notes below, and a playhead that moves along them."""
    from av import Packet

    common = _common(codec, video_ms)
    base = picture.drawn(_TITLE, notes, bars, video_ms)
    key_frames = _encoded(encoder, base, video_ms, _SEEKABLE_FRAMES)
    for number, now_ms in enumerate(range(0, video_ms, picture.FRAME_MS)):
        if number % _SEEKABLE_FRAMES == 0:
            yield next(key_frames)
        else:
            packet = Packet(common[number])
            packet.time_base, packet.pts, packet.dts = _MS, now_ms, now_ms
            yield packet


@lru_cache(_MAX_KEPT)
def _common(codec: "Codec", video_ms: int) -> tuple[bytes, ...]:
    """Return by its number what all videos of a length have of each picture, nothing of a key frame."""
    from av.video.codeccontext import VideoCodecContext

    encoder = VideoCodecContext.create(codec, "w")
    prepare(encoder, codec)
    encoded = _encoded(encoder, picture.template(_TITLE, video_ms), video_ms, 1)
    return tuple(b"" if packet.is_keyframe else bytes(packet) for packet in encoded)


def _encoded(
    encoder: "VideoCodecContext", base: picture.Picture, video_ms: int, step: int
) -> "Iterator[Packet[Stream]]":
    """Yield the packets of every `step`th picture."""
    for shown in _pictures(base, video_ms, step):
        yield from encoder.encode(shown)


def _pictures(base: picture.Picture, video_ms: int, step: int) -> "Iterator[VideoFrame]":
    """Yield the pictures one after the other, all in one frame: large blocks of memory cost as much as drawing."""
    from av import VideoFrame
    from av.video.frame import PictureType

    drawn, shown = base.copy(), VideoFrame(picture.WIDTH, picture.HEIGHT, "yuv420p")
    shown.time_base = _MS
    for number, now_ms in enumerate(range(0, video_ms, step * picture.FRAME_MS)):
        drawn.become(base)
        picture.add_playhead(drawn, now_ms, video_ms)
        # An encoder may still look at the picture before.
        shown.make_writable()
        for plane, pixels in zip(shown.planes, drawn, strict=True):
            _put(pixels, plane)
        shown.pts = now_ms
        shown.pict_type = PictureType.P if number * step % _SEEKABLE_FRAMES else PictureType.I
        yield shown


def _put(pixels: bytearray, plane: "VideoPlane") -> None:
    """Write the lines of a plane, which are as long as FFmpeg keeps them."""
    memory, width, pitch = memoryview(plane), plane.width, plane.line_size
    if width == pitch:
        memory[: len(pixels)] = pixels
        return
    for row in range(plane.height):
        memory[row * pitch : row * pitch + width] = pixels[row * width : (row + 1) * width]
