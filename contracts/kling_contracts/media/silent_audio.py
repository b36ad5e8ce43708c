"""The smallest silent audio files of an exact duration.

Decoders play them to the sample and `kling_contracts.media.audio` measures them to the millisecond.
"""

import struct
from collections.abc import Callable

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
# MPEG 2 layer III, 16 kHz, mono: a frame of 8 kbit/s without any audio in it, and one of 40 kbit/s.
_MP3_FRAME = b"\xff\xf3\x18\xc0".ljust(36, b"\0")
_MP3_INFO_HEADER = b"\xff\xf3\x58\xc0".ljust(13, b"\0")
_MP3_INFO_BYTES = 180
# Together with the frame in front of the audio, decoders need seven to be sure that they see an mp3 file.
_MP3_MIN_FRAMES = 6
# Decoders run late by so many samples; with this delay of the encoder, they drop exactly one frame.
_MP3_DECODER_DELAY = 529
_MP3_DELAY = _MP3_FRAME_SAMPLES - _MP3_DECODER_DELAY

_AAC_FRAME_SAMPLES = 1_024
# One channel without any spectrum, and the end of the frame.
_AAC_FRAME = b"\x00\x00\x00\x07"


# AAC-LC (0x40 with 0x15 0x88: 8 kHz, one channel) in the nested descriptors of MPEG-4.
_AAC_DESCRIPTORS = bytes.fromhex("00000000 0319000100 0411 4015000000 00000000 00000000 05021588 060102")
_AAC_ENTRY = box(b"mp4a", struct.pack(">6xH8xHH4xHxx", 1, 1, 16, _M4A_RATE), box(b"esds", _AAC_DESCRIPTORS))
_FULL_VOLUME = 0x100


def wav(duration_ms: int) -> bytes:
    """Return a silent wav file: PCM, 8 bits, 1 kHz, mono.

    Raises:
        ValueError: the duration is below 1 ms or above a day.
    """
    return wav_file(_WAV_SILENCE * _samples(duration_ms, _WAV_RATE), _WAV_RATE)


def mp3(duration_ms: int) -> bytes:
    """Return a silent mp3 file: MPEG 2 layer III, 8 kbit/s, 16 kHz, mono, gapless.

    Raises:
        ValueError: the duration is below 1 ms or above a day.
    """
    samples = _samples(duration_ms, _MP3_RATE)
    frames = max(1 + -(-samples // _MP3_FRAME_SAMPLES), _MP3_MIN_FRAMES)
    padding = frames * _MP3_FRAME_SAMPLES - samples - _MP3_DELAY
    return _mp3_info(frames, padding) + _MP3_FRAME * frames


def m4a(duration_ms: int) -> bytes:
    """Return a silent m4a file: AAC-LC, 8 kHz, mono, with an edit list.

    Raises:
        ValueError: the duration is below 1 ms or above a day.
    """
    samples = _samples(duration_ms, _M4A_RATE)
    # FFmpeg drops a last frame of which less than half is to be played, so one more follows the end.
    frames = -(-samples // _AAC_FRAME_SAMPLES) + 1
    brand = box(b"ftyp", b"M4A \0\0\0\0M4A isom")
    return brand + box(b"mdat", _AAC_FRAME * frames) + _moov(duration_ms, samples, frames, len(brand) + 8)


def make(audio_format: str, duration_ms: int, size_bytes: int | None = None) -> bytes:
    """Return a silent wav, mp3 or m4a file, padded to exactly so many bytes where a size is given.

    The padding is a chunk, tag or box that decoders skip, so it takes 8 bytes at least (mp3: 10).

    Raises:
        ValueError: the format is another one, the duration is below 1 ms or above a day, or the size does not
            hold such a file or is 256 MiB or more.
    """
    if audio_format not in _FORMATS:
        raise ValueError(f"audio_format must be one of {', '.join(_FORMATS)}")
    silent, pad, overhead = _FORMATS[audio_format]
    smallest = silent(duration_ms)
    if size_bytes is None or size_bytes == len(smallest):
        return smallest
    spare = size_bytes - len(smallest) - overhead
    if spare < 0 or size_bytes >= _MAX_BYTES:
        raise ValueError(
            f"{duration_ms} ms of {audio_format} take {len(smallest)} bytes, or {len(smallest) + overhead} "
            f"and more with padding, below {_MAX_BYTES}; not {size_bytes}"
        )
    return pad(smallest, spare)


def _samples(duration_ms: int, rate: int) -> int:
    if not 1 <= duration_ms <= _MAX_MS:
        raise ValueError(f"duration_ms must be from 1 to {_MAX_MS}, not {duration_ms}")
    return duration_ms * rate // 1000


def _mp3_info(frames: int, padding: int) -> bytes:
    """Return the frame in front of the audio that tells how many samples the encoder added around it."""
    size = _MP3_INFO_BYTES + frames * len(_MP3_FRAME)
    seek_table = bytes(256 * percent // 100 for percent in range(100))
    info = struct.pack(">4sIII100sI", b"Info", 0xF, frames, size, seek_table, 0)
    # Decoders believe the delay only of encoders that they know. The 1 says that the bit rate is constant.
    encoder = struct.pack(">9sB11s", b"LAME3.100", 1, b"")
    trims = struct.pack(">I", _MP3_DELAY << 12 | padding)[1:]
    return (_MP3_INFO_HEADER + info + encoder + trims).ljust(_MP3_INFO_BYTES, b"\0")


def _moov(duration_ms: int, samples: int, frames: int, media_at: int) -> bytes:
    # Decoders cut the first frame to the sample, but not the last one, so what is too much goes to the start.
    edits = struct.pack(">5I", 0, 1, duration_ms, -samples % _AAC_FRAME_SAMPLES, 0x10000)
    track = box(
        b"trak",
        track_header_box(duration_ms, volume=_FULL_VOLUME),
        box(b"edts", box(b"elst", edits)),
        media_box(
            _M4A_RATE, frames * _AAC_FRAME_SAMPLES, b"soun", box(b"smhd", bytes(8)), _sample_table(frames, media_at)
        ),
    )
    return movie_box(duration_ms, track)


def _sample_table(frames: int, media_at: int) -> bytes:
    return sample_table_box(
        _AAC_ENTRY,
        box(b"stts", struct.pack(">4I", 0, 1, frames, _AAC_FRAME_SAMPLES)),
        sizes=struct.pack(">3I", 0, len(_AAC_FRAME), frames),
        chunk_samples=frames,
        media_at=media_at,
    )


def _pad_wav(silent: bytes, spare: int) -> bytes:
    # The last chunk may be odd: nothing follows that would have to start at an even place.
    return chunk(b"RIFF", silent[8:] + chunk(b"JUNK", bytes(spare)))


def _pad_mp3(silent: bytes, spare: int) -> bytes:
    # The four bytes of an ID3 size carry seven bits each.
    size = bytes(spare >> shift & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\3\0\0" + size + bytes(spare) + silent


def _pad_m4a(silent: bytes, spare: int) -> bytes:
    return silent + box(b"free", bytes(spare))


# How to make a format, how to pad it, and the bytes that padding takes before the first byte of its own.
_FORMATS: dict[str, tuple[Callable[[int], bytes], Callable[[bytes, int], bytes], int]] = {
    "wav": (wav, _pad_wav, 8),
    "mp3": (mp3, _pad_mp3, 10),
    "m4a": (m4a, _pad_m4a, 8),
}
