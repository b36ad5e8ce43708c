"""The smallest silent audio files of an exact duration.

Decoders play them to the sample and `kling_contracts.media.audio` measures them to the millisecond.
"""

import struct
from collections.abc import Callable
from typing import NamedTuple

from kling_contracts.media.iso_writer import box, media_box, movie_box, sample_table_box, track_header_box
from kling_contracts.media.wav_writer import chunk, wav_file

_MAX_MS = 24 * 60 * 60 * 1000
# The size of an ID3 tag has 28 bits.
_MAX_BYTES = 2**28

# Samples per second, chosen so that a millisecond is a whole number of samples.
_WAV_RATE = 1_000
_MP3_RATE = 16_000
_M4A_RATE = 8_000

_WAV_SILENCE = b"\x80"

_MP3_FRAME_SAMPLES = 576
# MPEG 2 layer III, 16 kHz: a frame of 8 kbit/s without any audio in it, and one of 40 kbit/s.
_MP3_FRAME_BYTES = 36
_MP3_FRAME = b"\xff\xf3\x18"
_MP3_INFO_FRAME = b"\xff\xf3\x58"
_MP3_INFO_BYTES = 180
# By the number of channels: the last byte of the header, and how long header and side information are.
_MP3_CHANNELS = {1: (b"\xc0", 13), 2: (b"\x00", 21)}
# Together with the frame in front of the audio, decoders need seven to be sure that they see an mp3 file.
_MP3_MIN_FRAMES = 6
_MP3_SEEK_TABLE = bytes(256 * percent // 100 for percent in range(100))
# Decoders run late by so many samples; with this delay of the encoder, they drop exactly one frame.
_MP3_DECODER_DELAY = 529
_MP3_DELAY = _MP3_FRAME_SAMPLES - _MP3_DECODER_DELAY

AAC_FRAME_SAMPLES = 1_024
"""Samples of each frame of AAC and of each channel."""
# One channel, or a pair of them, without any spectrum, and the end of the frame.
AAC_FRAMES = {1: bytes.fromhex("00000007"), 2: bytes.fromhex("21000000001c")}
"""A silent frame of AAC, by the number of channels."""

# AAC-LC (0x40) in the nested descriptors of MPEG-4; its last bytes say 8 kHz and the number of channels.
_AAC_DESCRIPTORS = "00000000 0319000100 0411 4015000000 00000000 00000000 0502{} 060102"
_AAC_CONFIGS = {1: "1588", 2: "1590"}
_FULL_VOLUME = 0x100


class AacTrack(NamedTuple):
    """A silent track of AAC-LC at 8 kHz, which plays `duration_ms`."""

    duration_ms: int
    channels: int = 1

    @property
    def samples(self) -> int:
        """How many samples of each channel are played."""
        return _samples(self.duration_ms, _M4A_RATE)

    @property
    def frames(self) -> int:
        """The frames that hold them."""
        # FFmpeg drops a last frame of which less than half is to be played, so one more follows the end.
        return -(-self.samples // AAC_FRAME_SAMPLES) + 1

    @property
    def media(self) -> bytes:
        """The frames as bytes."""
        return AAC_FRAMES[self.channels] * self.frames

    def box(self, media_at: int, number: int = 1) -> bytes:
        """Return the `trak` box of media that begin at a byte of the file."""
        # Decoders cut the first frame to the sample, but not the last one, so what is too much goes to the start.
        edits = struct.pack(">5I", 0, 1, self.duration_ms, -self.samples % AAC_FRAME_SAMPLES, 0x10000)
        table = self._sample_table(media_at)
        return box(
            b"trak",
            track_header_box(self.duration_ms, number=number, volume=_FULL_VOLUME),
            box(b"edts", box(b"elst", edits)),
            media_box(_M4A_RATE, self.frames * AAC_FRAME_SAMPLES, b"soun", box(b"smhd", bytes(8)), table),
        )

    def _sample_table(self, media_at: int) -> bytes:
        descriptors = bytes.fromhex(_AAC_DESCRIPTORS.format(_AAC_CONFIGS[self.channels]))
        sound = struct.pack(">6xH8xHH4xHxx", 1, self.channels, 16, _M4A_RATE)
        return sample_table_box(
            box(b"mp4a", sound, box(b"esds", descriptors)),
            box(b"stts", struct.pack(">4I", 0, 1, self.frames, AAC_FRAME_SAMPLES)),
            sizes=struct.pack(">3I", 0, len(AAC_FRAMES[self.channels]), self.frames),
            chunk_samples=self.frames,
            media_at=media_at,
        )


def wav(duration_ms: int) -> bytes:
    """Return a silent wav file: PCM, 8 bits, 1 kHz, mono.

    Raises `ValueError` where the duration is below 1 ms or above a day.
    """
    return wav_file(_WAV_SILENCE * _samples(duration_ms, _WAV_RATE), _WAV_RATE)


def mp3(duration_ms: int, *, channels: int = 1) -> bytes:
    """Return a silent mp3 file: MPEG 2 layer III, 8 kbit/s, 16 kHz, gapless.

    Raises `ValueError` where the duration is below 1 ms or above a day.
    """
    samples = _samples(duration_ms, _MP3_RATE)
    frames = max(1 + -(-samples // _MP3_FRAME_SAMPLES), _MP3_MIN_FRAMES)
    padding = frames * _MP3_FRAME_SAMPLES - samples - _MP3_DELAY
    return _mp3_info(frames, padding, channels) + _mp3_frames(frames, channels)


def bare_mp3(frames: int) -> bytes:
    """Return so many silent frames of mp3, each of 36 ms, without the one in front that tells how long they last."""
    return _mp3_frames(frames, 1)


def m4a(
    duration_ms: int, *, brand: bytes = b"M4A ", channels: int = 1, described: bytes = b"", index_first: bool = False
) -> bytes:
    """Return a silent m4a file: AAC-LC, 8 kHz, with an edit list.

    `described` are boxes beside the track that tell more; `index_first`: what describes the media comes before them.

    Raises `ValueError` where the duration is below 1 ms or above a day.
    """
    track = AacTrack(duration_ms, channels)
    start = box(b"ftyp", brand + bytes(4) + brand + b"isom")
    # The size of the index does not depend on where the media start.
    index_bytes = len(movie_box(duration_ms, track.box(0), described)) if index_first else 0
    index = movie_box(duration_ms, track.box(len(start) + index_bytes + 8), described)
    media = box(b"mdat", track.media)
    return start + (index + media if index_first else media + index)


def make(audio_format: str, duration_ms: int, size_bytes: int | None = None) -> bytes:
    """Return a silent wav, mp3 or m4a file, padded to exactly so many bytes where a size is given.

    The padding is a chunk, tag or box that decoders skip, so it takes 8 bytes at least (mp3: 10).

    Raises `ValueError` where the format is another one, the duration is below 1 ms or above a day, or the size does not
    hold such a file or is 256 MiB or more.
    """
    if audio_format not in _FORMATS:
        raise ValueError(f"audio_format must be one of {', '.join(_FORMATS)}")
    smallest = _FORMATS[audio_format][0](duration_ms)
    return smallest if size_bytes is None else padded(audio_format, smallest, size_bytes)


def padded(audio_format: str, audio: bytes, size_bytes: int, filler: bytes = b"\0") -> bytes:
    """Return a wav, mp3 or m4a file, padded to exactly so many bytes with one that is repeated, as `make` does.

    Raises `ValueError` where the size does not hold the file, or is 256 MiB or more.
    """
    if size_bytes == len(audio):
        return audio
    _, pad, overhead = _FORMATS[audio_format]
    spare = size_bytes - len(audio) - overhead
    if spare < 0 or size_bytes >= _MAX_BYTES:
        raise ValueError(
            f"the {audio_format} takes {len(audio)} bytes, or {len(audio) + overhead} "
            f"and more with padding, below {_MAX_BYTES}; not {size_bytes}"
        )
    return pad(audio, filler * spare)


def id3_tag(body: bytes) -> bytes:
    """Return an ID3v2.3 tag, which stands in front of an mp3, of less than 256 MiB."""
    # The four bytes of its size carry seven bits each.
    size = bytes(len(body) >> shift & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\3\0\0" + size + body


def _samples(duration_ms: int, rate: int) -> int:
    if not 1 <= duration_ms <= _MAX_MS:
        raise ValueError(f"duration_ms must be from 1 to {_MAX_MS}, not {duration_ms}")
    return duration_ms * rate // 1000


def _mp3_frames(frames: int, channels: int) -> bytes:
    return (_MP3_FRAME + _MP3_CHANNELS[channels][0]).ljust(_MP3_FRAME_BYTES, b"\0") * frames


def _mp3_info(frames: int, padding: int, channels: int) -> bytes:
    """Return the frame in front of the audio that tells how many samples the encoder added around it."""
    mode, header_bytes = _MP3_CHANNELS[channels]
    header = (_MP3_INFO_FRAME + mode).ljust(header_bytes, b"\0")
    size = _MP3_INFO_BYTES + frames * _MP3_FRAME_BYTES
    info = struct.pack(">4sIII100sI", b"Info", 0xF, frames, size, _MP3_SEEK_TABLE, 0)
    # Decoders believe the delay only of encoders that they know. The 1 says that the bit rate is constant.
    encoder = struct.pack(">9sB11s", b"LAME3.100", 1, b"")
    trims = struct.pack(">I", _MP3_DELAY << 12 | padding)[1:]
    return (header + info + encoder + trims).ljust(_MP3_INFO_BYTES, b"\0")


def _pad_wav(silent: bytes, spare: bytes) -> bytes:
    # The last chunk may be odd: nothing follows that would have to start at an even place.
    return chunk(b"RIFF", silent[8:] + chunk(b"JUNK", spare))


def _pad_mp3(silent: bytes, spare: bytes) -> bytes:
    return id3_tag(spare) + silent


def _pad_m4a(silent: bytes, spare: bytes) -> bytes:
    return silent + box(b"free", spare)


# How to make a format, how to pad it, and the bytes that padding takes before the first byte of its own.
_FORMATS: dict[str, tuple[Callable[[int], bytes], Callable[[bytes, bytes], bytes], int]] = {
    "wav": (wav, _pad_wav, 8),
    "mp3": (mp3, _pad_mp3, 10),
    "m4a": (m4a, _pad_m4a, 8),
}
