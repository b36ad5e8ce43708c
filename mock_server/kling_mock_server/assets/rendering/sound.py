"""The sound of a rendered video: the caller's audio where it was inserted, over a tone for the original sound."""

import io
from fractions import Fraction
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, cast

from kling_contracts.media import audio

if TYPE_CHECKING:
    from collections.abc import Iterator

    from av import AudioFrame
    from av.container import InputContainer
    from av.filter import Graph
    from av.filter.context import FilterContext

RATE: Final = 48_000
"""Samples per second of the mixed sound."""
SAMPLE_BYTES: Final = 2
"""Its samples are signed and one channel."""
TONE_HZ: Final = 220
"""The pitch of the tone that stands for the sound of the original video."""
PERIOD: Final = 2400
"""Samples after which the tone is the same again: 11 of its waves."""

# FFmpeg's own names; a file is never probed, since some of what it would recognise opens other files.
_DEMUXERS: Final = {"wav": "wav", "mp3": "mp3", "m4a": "mov"}
# Outside of these, resampling takes more memory than any real audio is worth.
_MIN_RATE: Final = 1_000
_MAX_RATE: Final = 384_000
# Packets that do not decode before a file is given up.
_MAX_BROKEN: Final = 1_000


class RenderError(ValueError):
    """The reason why a video cannot be rendered, in one sentence."""


def sample_of(instant_ms: int) -> int:
    """Return which sample of a sound an instant is."""
    return instant_ms * RATE // 1000


def byte_of(instant_ms: int) -> int:
    """Return where an instant is in the bytes of a sound."""
    return sample_of(instant_ms) * SAMPLE_BYTES


def decoded(sound: bytes, start_ms: int, end_ms: int) -> bytes:
    """Return the audio between two instants, as samples; what it does not hold is missing.

    Nothing after the end is decoded, and nothing before the start is kept.

    Raises:
        RenderError: the sound is no wav, mp3 or m4a file, or does not decode.
    """
    import av

    audio_format = audio.identify(sound) or ""
    if audio_format not in _DEMUXERS:
        raise RenderError("The sound is not a wav, mp3 or m4a file.")
    try:
        # Our own reader first: it refuses tables that promise more than the file holds.
        audio.measure(sound, audio_format)
        with av.open(io.BytesIO(sound), "r", _DEMUXERS[audio_format], **_lenient()) as file:
            return _cut(_samples(file), byte_of(start_ms), byte_of(end_ms))
    except RenderError:
        raise
    except (av.FFmpegError, ValueError, IndexError, RuntimeError) as error:
        raise RenderError(f"The {audio_format} file does not decode.") from error


def _lenient() -> dict[str, Any]:
    """Return the option by which tags in any encoding are no error; PyAV 19 always reads them so and has no option."""
    import av

    return {"metadata_errors": "replace"} if int(av.__version__.partition(".")[0]) < 19 else {}


def silence(samples: int) -> bytes:
    """Return so many samples of silence, none where the number is negative."""
    return bytes(samples * SAMPLE_BYTES) if samples > 0 else b""


def mixed(voice: bytes, first: int, voice_volume: float, tone_volume: float) -> bytes:
    """Return samples at one volume over the tone at another, as many as there are; what is too loud is clipped.

    The tone is as from its sample `first`.
    """
    graph, inputs = _mixer(voice_volume, tone_volume)
    for source, samples in zip(inputs, (voice, _tone(first, len(voice))), strict=True):
        source.push(framed(samples, 0))
        source.push(None)
    return b"".join(_pulled(graph))


def _tone(first: int, size: int) -> bytes:
    """Return so many bytes of the tone from one of its samples on."""
    begin = first % PERIOD * SAMPLE_BYTES
    return (_period() * (size // (PERIOD * SAMPLE_BYTES) + 2))[begin : begin + size]


@cache
def _period() -> bytes:
    from av.filter import Graph

    graph = Graph()
    tone = graph.add("sine", frequency=str(TONE_HZ), sample_rate=str(RATE), samples_per_frame=str(PERIOD))
    graph.link_nodes(tone, graph.add("abuffersink"))
    graph.configure()
    return _bytes(cast("AudioFrame", graph.pull()))


def framed(samples: bytes, at_byte: int) -> "AudioFrame":
    """Return samples as FFmpeg takes them, for a place in the sound."""
    from av import AudioFrame

    made = AudioFrame("s16", "mono", len(samples) // SAMPLE_BYTES)
    made.sample_rate, made.pts = RATE, at_byte // SAMPLE_BYTES
    made.planes[0].update(samples)
    return made


def _cut(blocks: "Iterator[bytes]", start: int, end: int) -> bytes:
    """Return the bytes between two places, both of which may be beyond the last block."""
    kept = bytearray()
    position = 0
    for block in blocks:
        kept += block[max(0, start - position) : max(0, end - position)]
        position += len(block)
        if position >= end:
            break
    if not position:
        raise RenderError("The sound has no audio that decodes.")
    return bytes(kept)


def _samples(file: "InputContainer") -> "Iterator[bytes]":
    from av import AudioResampler

    resampler = AudioResampler("s16", "mono", RATE)
    for frame in chain(_frames(file), (None,)):
        # At the end, a resampler that had nothing to do returns the None that it was given.
        yield from (_bytes(part) for part in resampler.resample(frame) if part is not None)


def _frames(file: "InputContainer") -> "Iterator[AudioFrame]":
    """Yield what decodes of the first audio track, as players do, until too much of it does not."""
    from av import FFmpegError

    stream = file.streams.audio[0]
    broken = 0
    for packet in file.demux(stream):
        try:
            frames = stream.decode(packet)
        except FFmpegError:
            broken += 1
            if broken > _MAX_BROKEN:
                raise
            continue
        yield from map(_bearable, frames)


def _bearable(frame: "AudioFrame") -> "AudioFrame":
    if not _MIN_RATE <= frame.sample_rate <= _MAX_RATE:
        raise RenderError(f"The sound has {frame.sample_rate} samples a second, not from {_MIN_RATE} to {_MAX_RATE}.")
    return frame


def _mixer(voice_volume: float, tone_volume: float) -> "tuple[Graph, list[FilterContext]]":
    from av.filter import Graph

    graph = Graph()
    mix = graph.add("amix", inputs="2", duration="first", normalize="0")
    inputs = []
    for place, volume in enumerate((voice_volume, tone_volume)):
        source = graph.add_abuffer(sample_rate=RATE, format="s16", layout="mono", time_base=Fraction(1, RATE))
        scale = graph.add("volume", volume=f"{volume:f}")
        source.link_to(scale)
        scale.link_to(mix, 0, place)
        inputs.append(source)
    # The mix is in floating point; this format is what clips it.
    samples = graph.add("aformat", sample_fmts="s16", sample_rates=str(RATE), channel_layouts="mono")
    graph.link_nodes(mix, samples, graph.add("abuffersink"))
    graph.configure()
    return graph, inputs


def _pulled(graph: "Graph") -> "Iterator[bytes]":
    while True:
        try:
            yield _bytes(cast("AudioFrame", graph.pull()))
        except EOFError:
            return


def _bytes(frame: "AudioFrame") -> bytes:
    return bytes(frame.planes[0])[: frame.samples * SAMPLE_BYTES]
