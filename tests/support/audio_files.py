"""Real audio files, encoded by FFmpeg, and what FFmpeg plays of any file."""

import io
import random
import struct
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import av

_EXTENSIONS = {"ipod": "m4a", "adts": "aac", "asf": "wma"}
JUNK = b"HTTP/1.1 200 OK, "
"""Bytes that are no mp3 and that decoders skip in front of one."""
_VARIABLE_BIT_RATE = {"flags": "+qscale", "global_quality": "590"}


@dataclass(frozen=True, slots=True)
class Played:
    samples: int
    rate: int
    silent: bool

    @property
    def milliseconds(self):
        return self.samples * 1000 // self.rate


@cache
def encoded(container, codec, rate=44_100, channels=1, *, streamed=False, video=False, vbr=False, **muxer):
    """Return a file of `samples(rate)` samples; a streamed one is written without ever seeking back."""
    source = (container, codec, rate, channels, video, _VARIABLE_BIT_RATE if vbr else {}, muxer)
    if streamed:
        pipe = _Pipe()
        _write(pipe, *source)
        return pipe.written.getvalue()
    with TemporaryDirectory() as folder:
        path = Path(folder, f"audio.{_EXTENSIONS.get(container, container)}")
        _write(path, *source)
        return path.read_bytes()


def samples(rate):
    """Return the length of an encoded file: odd, and no whole number of frames or milliseconds."""
    return rate * 6 // 5 + 333


def milliseconds(rate):
    """Return the duration of an encoded file."""
    return samples(rate) * 1000 // rate


def played(data):
    """Return what FFmpeg plays of the first audio track; a packet that it cannot decode plays nothing."""
    count, rate, silent = 0, 0, True
    resampler = av.AudioResampler("s16")
    with av.open(io.BytesIO(data)) as file:
        for packet in file.demux(audio=0):
            for frame in _frames(packet):
                count, rate = count + frame.samples, frame.sample_rate
                silent = silent and not any(map(_is_loud, resampler.resample(frame)))
    return Played(count, rate, silent)


class _Pipe:
    def __init__(self):
        self.written = io.BytesIO()

    def write(self, data):
        return self.written.write(data)


def _write(sink, container, codec, rate, channels, video, codec_options, muxer_options):
    layout = "mono" if channels == 1 else "stereo"
    with av.open(sink, "w", format=container, container_options=muxer_options) as file:
        streams = {file.add_stream(codec, rate, layout=layout, options=codec_options): _sound(rate, layout)}
        if video:
            streams[file.add_stream("mpeg4", 25, width=32, height=32)] = [_picture()]
        for stream, frames in streams.items():
            for frame in [*frames, None]:
                file.mux(stream.encode(frame))


def _picture():
    picture = av.VideoFrame(32, 32, "yuv420p")
    picture.pts, picture.time_base = 0, Fraction(1, 25)
    return picture


def _sound(rate, layout):
    """Yield a loud and then a silent half, so that a variable bit rate does vary."""
    width = 2 if layout == "mono" else 4
    size = samples(rate) * width
    rest = io.BytesIO(random.Random(1).randbytes(size // 2).ljust(size, b"\0"))
    pts = 0
    while block := rest.read(4096 * width):
        frame = av.AudioFrame("s16", layout, len(block) // width)
        frame.sample_rate, frame.pts = rate, pts
        frame.planes[0].update(block.ljust(frame.planes[0].buffer_size, b"\0"))
        yield frame
        pts += frame.samples


def _frames(packet):
    try:
        return packet.decode()
    except av.FFmpegError:
        return []


def _is_loud(frame):
    size = frame.samples * 2 * frame.layout.nb_channels
    return any(bytes(frame.planes[0])[:size])


def mp3(rate=44_100, channels=1, **options):
    return encoded("mp3", "libmp3lame", rate, channels, **options)


def bare_mp3(rate=44_100, channels=1, **options):
    """An mp3 file without a tag and without a header frame: nothing tells its duration or its padding."""
    return untagged(mp3(rate, channels, write_xing="0", **options))


def wav(codec="pcm_s16le", rate=16_000, channels=1, **options):
    return encoded("wav", codec, rate, channels, **options)


def m4a(codec="aac", rate=44_100, **options):
    return encoded("ipod", codec, rate, **options)


def untagged(data):
    return data[10 + id3_size(data) :]


def id3_size(data):
    return data[6] << 21 | data[7] << 14 | data[8] << 7 | data[9]


def id3(size):
    return b"ID3\3\0\0" + bytes(size >> shift & 127 for shift in (21, 14, 7, 0)) + bytes(size)


def patched(data, mark, offset, layout, *values):
    """Overwrite fields so many bytes behind the first place of a mark."""
    changed = bytearray(data)
    struct.pack_into(layout, changed, data.index(mark) + len(mark) + offset, *values)
    return bytes(changed)


def box(kind, *parts):
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def numbers(*values):
    return struct.pack(f">{len(values)}I", *values)


def movie(*fragments, media=None, data_handler=b"", **changed):
    """An m4a built by hand, 1250 ms long if nothing is changed: ten samples of 1000 ticks, 8000 to the second."""
    bodies = {
        "mvhd": numbers(0, 0, 0, 1000),
        "tkhd": numbers(0, 0, 0, 1),
        "mdhd": numbers(0, 0, 0, 8_000),
        "hdlr": bytes(8) + b"soun",
        "stts": numbers(0, 1, 10, 1_000),
        "stsz": numbers(0, 1, 10),
        "trex": numbers(0, 1, 1, 500, 0, 0),
    } | changed
    boxes = {kind: box(kind.encode(), body) for kind, body in bodies.items() if body is not None}
    part = {kind: boxes.get(kind, b"") for kind in (*bodies, "elst")}
    tables = box(b"minf", data_handler, box(b"stbl", part["stts"], part["stsz"]))
    media_box = box(b"mdia", part["mdhd"], part["hdlr"], tables)
    track = box(b"trak", part["tkhd"], box(b"edts", part["elst"]), media_box)
    moov = box(b"moov", part["mvhd"], track, box(b"mvex", part["trex"]))
    return box(b"ftyp", b"M4A ") + moov + b"".join(fragments) + (media or box(b"mdat", bytes(100)))


def fragment(header, *runs):
    return box(b"moof", box(b"traf", box(b"tfhd", header), *(box(b"trun", run) for run in runs)))
