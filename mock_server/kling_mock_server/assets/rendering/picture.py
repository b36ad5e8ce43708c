"""The picture of a rendered video: its times as bars over one clock, and a playhead that moves behind them.

A picture is three planes of bytes, as video has them: the light of every pixel, and the colour of every second one.
"""

from typing import Final, NamedTuple

from kling_mock_server.assets.rendering import font

WIDTH: Final = 640
HEIGHT: Final = 360
FRAME_MS: Final = 200
"""How long a picture is shown."""
ROW: Final = 16
"""Pixels of a row of macroblocks: what codecs encode in one go. No such row shows both the playhead and a bar."""


class Colour(NamedTuple):
    """A colour in the limited range of BT.601."""

    light: int
    blue: int = 128
    red: int = 128


BACKGROUND: Final = Colour(28, 132, 126)
TRACK: Final = Colour(44, 132, 126)
VIDEO: Final = Colour(120, 134, 122)
FACE: Final = Colour(120, 176, 92)
AUDIO: Final = Colour(160, 60, 158)
OVERLAP: Final = Colour(150, 90, 84)
PLAYHEAD: Final = Colour(235)


class ColouredBar(NamedTuple):
    """One labelled interval in ms."""

    label: str
    start_ms: int
    end_ms: int
    colour: Colour


class Picture(NamedTuple):
    """The planes of a picture: `WIDTH` by `HEIGHT`, and twice half as wide and high."""

    light: bytearray
    blue: bytearray
    red: bytearray

    def copy(self) -> "Picture":
        """Return a picture of its own."""
        return Picture(*map(bytearray, self))

    def become(self, other: "Picture") -> None:
        """Take over what another picture shows; no memory is asked for."""
        for mine, theirs in zip(self, other, strict=True):
            mine[:] = theirs


def drawn(title: str, notes: str, bars: tuple[ColouredBar, ...], video_ms: int) -> Picture:
    """Return the picture without its playhead: a title, a row for each bar (4 at most), an axis, and notes below."""
    picture = _titled(title, video_ms)
    _write(picture, _MARGIN, _NOTES_TOP, notes, 1, _DIM)
    for top, bar in zip(_BARS_TOP, bars, strict=False):
        _draw_bar(picture, top, bar, video_ms)
    return picture


def template(title: str, video_ms: int) -> Picture:
    """Return what all pictures with a title and of a length have in common; where bars are, it is like nothing else."""
    picture = _titled(title, video_ms)
    for top in _BARS_TOP:
        _fill(picture, 0, top, WIDTH, _BAR_HEIGHT, VIDEO)
    return picture


def add_playhead(picture: Picture, now_ms: int, video_ms: int) -> None:
    """Draw the playhead at an instant of the video, and the instant in seconds. It passes behind the bars."""
    column = _column(now_ms, video_ms)
    _fill(picture, column - 4, _HEAD_TOP, 10, 8, PLAYHEAD)
    for top, end in _GAPS:
        _fill(picture, column, top, 2, end - top, PLAYHEAD)
    clock = f"{now_ms // 1000}.{now_ms % 1000 // 100} S"
    _write(picture, WIDTH - _MARGIN - len(clock) * 3 * font.WIDTH, _TITLE_TOP - 4, clock, 3, PLAYHEAD.light)


_SIZES: Final = (WIDTH * HEIGHT, WIDTH * HEIGHT // 4, WIDTH * HEIGHT // 4)
_BRIGHT: Final = 220
_DIM: Final = 150

_MARGIN: Final = 24
_TITLE_TOP: Final = 30
_MAX_TITLE_LENGTH: Final = 36
_HEAD_TOP: Final = 4 * ROW
_BARS_TOP: Final = range(5 * ROW, 17 * ROW, 3 * ROW)
_BAR_HEIGHT: Final = 2 * ROW
_AXIS_TOP: Final = 276
_TICK: Final = 8
_GAPS: Final = tuple(
    zip(
        (_HEAD_TOP + 8, *(top + _BAR_HEIGHT for top in _BARS_TOP)),
        (*_BARS_TOP, _AXIS_TOP + _TICK),
        strict=True,
    )
)
"""First row of pixels of each gap between bars, and the row behind it."""
_NOTES_TOP: Final = 330

_LEFT: Final = 128
_SPAN: Final = 488

# Seconds between the numbers of the axis, and the least columns between two of them, and between two ticks.
_STEPS: Final = (1, 2, 5, 10, 15, 30, 60)
_NUMBER_COLUMNS: Final = 40
_TICK_COLUMNS: Final = 4


def _titled(title: str, video_ms: int) -> Picture:
    picture = Picture(*(bytearray([value]) * size for value, size in zip(BACKGROUND, _SIZES, strict=True)))
    _write(picture, _MARGIN, _TITLE_TOP, title[:_MAX_TITLE_LENGTH], 2, _BRIGHT)
    _draw_axis(picture, video_ms)
    return picture


def _column(instant_ms: int, video_ms: int) -> int:
    """Return where an instant is, an even column: two share their colour."""
    return _LEFT + instant_ms * _SPAN // video_ms // 2 * 2


def _draw_bar(picture: Picture, top: int, bar: ColouredBar, video_ms: int) -> None:
    _write(picture, _MARGIN, top + 3, bar.label, 2, _BRIGHT)
    _fill(picture, _LEFT, top, _SPAN, _BAR_HEIGHT, TRACK)
    start_ms, end_ms = max(0, bar.start_ms), min(bar.end_ms, video_ms)
    if start_ms >= end_ms:
        _write(picture, _MARGIN, top + 22, "NONE", 1, _DIM)
        return
    _write(picture, _MARGIN, top + 22, f"{bar.start_ms}-{bar.end_ms} MS", 1, _DIM)
    left = _column(start_ms, video_ms)
    _fill(picture, left, top, max(2, _column(end_ms, video_ms) - left), _BAR_HEIGHT, bar.colour)


def _draw_axis(picture: Picture, video_ms: int) -> None:
    _fill(picture, _LEFT, _AXIS_TOP, _SPAN, 2, VIDEO)
    step = _step(video_ms)
    ticked = _columns(1, video_ms) >= _TICK_COLUMNS
    for second in range(video_ms // 1000 + 1):
        column = _column(second * 1000, video_ms)
        if second % step == 0:
            _fill(picture, column, _AXIS_TOP, 2, _TICK + 4, VIDEO)
            number = str(second)
            _write(picture, column - len(number) * font.WIDTH + 2, _AXIS_TOP + 18, number, 2, _BRIGHT)
        elif ticked:
            _fill(picture, column, _AXIS_TOP, 2, _TICK, VIDEO)


def _step(video_ms: int) -> int:
    return next((step for step in _STEPS if _columns(step, video_ms) >= _NUMBER_COLUMNS), _STEPS[-1])


def _columns(seconds: int, video_ms: int) -> int:
    return seconds * 1000 * _SPAN // video_ms


def _fill(picture: Picture, left: int, top: int, width: int, height: int, colour: Colour) -> None:
    """Fill a rectangle; all its edges are even."""
    for plane, value, share in zip(picture, colour, (1, 2, 2), strict=True):
        pitch, columns, rows = WIDTH // share, width // share, height // share
        first = top // share * pitch + left // share
        end = first + rows * pitch
        # Along the longer side: what is narrow and high is drawn for every picture.
        if columns < rows:
            for start in range(first, first + columns):
                plane[start : end - first + start : pitch] = bytes([value]) * rows
        else:
            for start in range(first, end, pitch):
                plane[start : start + columns] = bytes([value]) * columns


def _write(picture: Picture, left: int, top: int, text: str, scale: int, light: int) -> None:
    """Write a line of text upon the background, as far as the picture goes."""
    shades = {"#": bytes([light]) * scale, ".": bytes([BACKGROUND.light]) * scale}
    for row, pixels in enumerate(font.rows(text)):
        line = b"".join(shades[pixel] for pixel in pixels)[: WIDTH - left]
        for start in range((top + row * scale) * WIDTH + left, (top + (row + 1) * scale) * WIDTH + left, WIDTH):
            picture.light[start : start + len(line)] = line
