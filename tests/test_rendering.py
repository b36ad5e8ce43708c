"""A rendered video shows and plays the times of its plan; FFmpeg is the oracle."""

import io
import os
import subprocess
import sys
import wave
from array import array
from functools import cache
from operator import mul, sub

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostile.media import hostile_files
from kling_contracts.media import audio, silent_audio
from kling_mock_server.assets import renderer, rendering, speech
from kling_mock_server.assets.rendering import (
    RenderError,
    RenderPlan,
    encoded_picture,
    encoded_sound,
    font,
    picture,
    titled,
)
from kling_mock_server.assets.rendering import sound as rendering_sound
from support.audio_files import encoded

RATE = 48_000
FULL = 32_767

# Many tests look at the same video.
render = cache(rendering.render)


def beeps(*parts, rate=8_000):
    """A wav file of a square wave of 100 Hz: parts of so many ms, each at its level from 0 to 1."""
    samples = array("h")
    for milliseconds, level in parts:
        period = [round(level * FULL)] * (rate // 200) + [round(-level * FULL)] * (rate // 200)
        samples.extend((period * milliseconds)[: milliseconds * rate // 1000])
    written = io.BytesIO()
    with wave.open(written, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())
    return written.getvalue()


def plan(**changes):
    usual = RenderPlan(
        video_ms=3_000,
        face=(1_000, 2_500),
        insert_ms=500,
        clip_start_ms=0,
        clip_end_ms=1_500,
        sound_volume=1.0,
        original_volume=0.0,
        sound=beeps((2_000, 0.25)),
    )
    return usual._replace(**changes)


def claiming_samples(count):
    """An m4a file of which FFmpeg plays what is there, whatever its tables claim."""
    data = bytearray(silent_audio.m4a(2_000))
    for place in (data.index(b"stsz") + 12, data.index(b"stts") + 12, data.index(b"stsc") + 16):
        data[place : place + 4] = count.to_bytes(4, "big")
    return bytes(data)


def heard(data):
    """The samples of a video."""
    resampler = av.AudioResampler("s16", "mono", RATE)
    samples = array("h")
    with av.open(io.BytesIO(data)) as file:
        for frame in file.decode(audio=0):
            for part in resampler.resample(frame):
                samples.frombytes(bytes(part.planes[0])[: part.samples * 2])
    return samples


def level(samples, start_ms, end_ms):
    """How loud samples are between two instants, from 0 to 1."""
    part = samples[start_ms * RATE // 1000 : end_ms * RATE // 1000]
    return (sum(map(mul, part, part)) / len(part)) ** 0.5 / FULL


def seen(data):
    """The pictures of a video, each as its instant in ms and its planes without padding."""
    with av.open(io.BytesIO(data)) as file:
        return [(round(frame.time * 1000), planes(frame)) for frame in file.decode(video=0)]


def planes(frame):
    return picture.Picture(*(bytearray(unpadded(plane)) for plane in frame.planes))


def unpadded(plane):
    data, size = bytes(plane), plane.line_size
    return b"".join(data[row * size : row * size + plane.width] for row in range(plane.height))


def columns(shown, colour, within=16):
    """The columns in which a colour is seen; two share theirs, the first is named."""
    half = picture.WIDTH // 2
    pairs = enumerate(zip(shown.blue, shown.red, strict=True))
    found = (
        at % half for at, (blue, red) in pairs if abs(blue - colour.blue) < within and abs(red - colour.red) < within
    )
    return sorted({2 * column for column in found})


def playhead(shown):
    """The columns that are white in a row between the bars, where nothing else is."""
    row = next(row for row in range(picture.HEIGHT // 2, picture.HEIGHT) if not is_barred(shown, row))
    return [column for column in range(picture.WIDTH) if shown.light[row * picture.WIDTH + column] > 180]


def is_barred(shown, row):
    line = shown.light[row * picture.WIDTH : (row + 1) * picture.WIDTH]
    return sum(light > picture.BACKGROUND.light + 8 for light in line) > 20


def expected(start_ms, end_ms, video_ms, timeline):
    """The first column of an interval and the one behind it, by the timeline's own: its first, and how many."""
    left, width = timeline
    return left + start_ms * width / video_ms, left + end_ms * width / video_ms


@pytest.mark.parametrize("video_ms", [1, 199, 200, 201, 2_345, 3_000])
def test_a_video_lasts_exactly_as_long_as_its_source(video_ms):
    with av.open(io.BytesIO(render(plan(video_ms=video_ms)))) as file:
        lengths = {stream.type: stream.duration * stream.time_base * 1000 for stream in file.streams}
        assert file.duration == video_ms * 1000
    assert lengths == {"video": video_ms, "audio": video_ms}


def test_every_picture_decodes_five_a_second():
    assert [instant for instant, _ in seen(render(plan(video_ms=1_050)))] == list(range(0, 1_050, 200))


def test_a_video_is_what_every_player_knows():
    data = render(plan())

    with av.open(io.BytesIO(data)) as file:
        video, sound = file.streams.video[0], file.streams.audio[0]
        assert (video.width, video.height, video.pix_fmt) == (picture.WIDTH, picture.HEIGHT, "yuv420p")
        assert (video.codec_context.name, sound.codec_context.name) == ("h264", "aac")
    assert audio.identify(data) == "mp4"


def test_a_video_plays_before_all_of_it_has_come():
    data = render(plan())

    assert 0 < data.index(b"moov") < data.index(b"mdat")


def test_a_decoder_has_nothing_to_complain_about():
    data = render(plan())
    before = av.logging.get_level()
    av.logging.set_level(av.logging.WARNING)
    try:
        with av.logging.Capture() as complaints:
            seen(data)
            heard(data)
    finally:
        av.logging.set_level(before)
    assert complaints == []


def test_without_h264_the_pictures_are_mpeg_4(monkeypatch):
    monkeypatch.setattr(av, "codecs_available", av.codecs_available - {"libx264"})

    data = rendering.render(plan(video_ms=2_345))

    with av.open(io.BytesIO(data)) as file:
        assert file.streams.video[0].codec_context.name == "mpeg4"
        assert file.duration == 2_345_000
    assert len(seen(data)) == 12


def test_the_sound_is_heard_where_it_was_inserted_and_nowhere_else():
    samples = heard(render(plan(insert_ms=700, clip_end_ms=1_000)))

    assert level(samples, 0, 650) < 0.001
    assert level(samples, 700, 1_700) == pytest.approx(0.25, rel=0.1)
    assert level(samples, 1_750, 3_000) < 0.001


@pytest.mark.parametrize("volume", [0.5, 2.0])
def test_a_sound_is_as_loud_as_asked_for(volume):
    usual, changed = (heard(render(plan(sound_volume=each))) for each in (1.0, volume))

    assert level(changed, 600, 1_900) / level(usual, 600, 1_900) == pytest.approx(volume, rel=0.05)


def test_a_sound_without_volume_is_silent():
    assert level(heard(render(plan(sound_volume=0))), 0, 3_000) < 0.001


def test_what_is_too_loud_is_clipped():
    samples = heard(render(plan(sound=beeps((2_000, 1.0)), sound_volume=2.0, original_volume=2.0)))

    assert level(samples, 600, 1_900) > 0.9


@pytest.mark.parametrize(
    ("clip", "loud_ms"),
    [((0, 1_000), None), ((1_000, 2_000), (500, 1_500)), ((600, 1_600), (900, 1_500)), ((900, 1_100), (600, 700))],
)
def test_a_clip_is_cut_out_of_its_sound(clip, loud_ms):
    sound = beeps((1_000, 0.0), (1_000, 0.25))

    samples = heard(render(plan(sound=sound, clip_start_ms=clip[0], clip_end_ms=clip[1])))

    # A frame of AAC on either side of a change is a mixture.
    loud = [at for at in range(0, 3_000, 20) if level(samples, at, at + 20) > 0.1]
    first, last = (loud[0], loud[-1] + 20) if loud else (0, 0)
    assert (first, last) == (pytest.approx(loud_ms, abs=25) if loud_ms else (0, 0))


@pytest.mark.parametrize("audio_format", ["wav", "mp3", "m4a"])
def test_a_sound_of_every_documented_format_is_heard(audio_format):
    sound = {
        "wav": encoded("wav", "pcm_s16le", channels=2),
        "mp3": encoded("mp3", "libmp3lame"),
        "m4a": encoded("ipod", "aac", 22_050),
    }[audio_format]

    samples = heard(render(plan(sound=sound)))

    # The first half of these files is noise, the second is silent.
    assert level(samples, 550, 1_000) > 0.2
    assert level(samples, 1_250, 3_000) < 0.01


@pytest.mark.parametrize("rate", [1_000, 8_000, 44_100, 48_000])
def test_a_sound_is_decoded_to_its_last_sample(rate):
    sound = beeps((1_000, 0.25), rate=rate)

    assert len(rendering_sound.decoded(sound, 0, 5_000)) == rendering_sound.byte_of(1_000)


def test_what_a_sound_does_not_hold_is_silence():
    samples = heard(render(plan(sound=beeps((1_000, 0.25)), clip_end_ms=2_000)))

    assert level(samples, 550, 1_450) > 0.2
    assert level(samples, 1_550, 3_000) < 0.001


def test_a_clip_beyond_its_sound_is_silence():
    assert level(heard(render(plan(clip_start_ms=2_500, clip_end_ms=3_500))), 0, 3_000) < 0.001


def test_a_sound_ends_with_the_video():
    samples = heard(render(plan(insert_ms=2_500)))

    assert level(samples, 0, 2_450) < 0.001
    assert level(samples, 2_550, 2_990) == pytest.approx(0.25, rel=0.1)


@pytest.mark.parametrize("insert_ms", [3_000, 3_001, 10**15])
def test_a_sound_inserted_after_the_video_is_not_heard(insert_ms):
    assert level(heard(render(plan(insert_ms=insert_ms))), 0, 3_000) < 0.001


def test_the_original_sound_is_a_tone_as_loud_as_asked_for():
    loud, soft = (heard(render(plan(sound_volume=0, original_volume=volume))) for volume in (2.0, 1.0))

    for start_ms in (100, 1_000, 2_800):
        assert 0.05 < level(soft, start_ms, start_ms + 100) < 0.15
        assert level(loud, start_ms, start_ms + 100) / level(soft, start_ms, start_ms + 100) == pytest.approx(
            2, rel=0.1
        )


def test_the_sound_is_mixed_with_the_original():
    samples = heard(render(plan(original_volume=1.0)))

    around, inside = level(samples, 2_100, 2_900), level(samples, 600, 1_900)
    assert inside**2 == pytest.approx(around**2 + 0.25**2, rel=0.1)


@pytest.mark.parametrize(
    ("insert_ms", "length_ms"), [(0, 1_500), (701, 803), (1_000, 1), (2_900, 2_000), (3_000, 2_000)]
)
def test_where_the_clip_is_silent_the_tone_goes_on(insert_ms, length_ms):
    # Around the clip are frames that were encoded for another video.
    quiet = plan(video_ms=5_000, insert_ms=insert_ms, original_volume=1.0, sound=beeps((2_000, 0.0)))

    with_clip, without = (heard(render(quiet._replace(clip_end_ms=end_ms))) for end_ms in (length_ms, 0))

    assert len(with_clip) == len(without)
    assert max(abs(one - other) for one, other in zip(with_clip, without, strict=True)) < 0.02 * max(without)


@pytest.mark.parametrize("insert_ms", [0, 1, 21, 22, 777, 1_499, 1_500])
def test_a_clip_is_heard_at_its_millisecond(insert_ms):
    first, other = (heard(render(plan(insert_ms=each))) for each in (500, insert_ms))

    played = slice(0, 1_490 * RATE // 1_000)
    assert other[insert_ms * RATE // 1_000 :][played] == first[500 * RATE // 1_000 :][played]


def test_a_clip_is_encoded_once_wherever_it_is_inserted(monkeypatch):
    made, encode = [], encoded_sound._encoded
    monkeypatch.setattr(encoded_sound, "_encoded", lambda voice, *rest: made.append(len(voice)) or encode(voice, *rest))
    encoded_sound._clip.cache_clear()
    encoded_sound._tone.cache_clear()

    for insert_ms in (0, 1_000, 2_000):
        rendering.render(plan(insert_ms=insert_ms, clip_end_ms=500))

    assert made == [rendering_sound.byte_of(500), 0]


@pytest.fixture(params=["libx264", "mpeg4"])
def codec(request, monkeypatch):
    monkeypatch.setattr(encoded_picture, "_CODECS", {request.param: encoded_picture._CODECS[request.param]})
    return request.param


@pytest.mark.usefixtures("codec")
def test_every_picture_shows_the_bars_of_its_own_plan():
    # What is between key frames is that of all plans.
    wanted = plan(video_ms=5_400, face=(700, 2_800))
    shown = seen(rendering.render(wanted))

    still = picture.drawn("ADVANCED LIP-SYNC", rendering._notes(wanted), rendering._bars(wanted), wanted.video_ms)
    for instant, planes in (shown[at] for at in (0, 1, 24, 25, 26)):
        drawn = still.copy()
        picture.add_playhead(drawn, instant, wanted.video_ms)
        for plane, expected in zip(planes, drawn, strict=True):
            assert max(map(abs, map(sub, plane, expected))) < 24


@pytest.mark.usefixtures("codec")
def test_the_playhead_moves_with_time():
    shown = seen(rendering.render(plan()))

    heads = [(instant, playhead(planes)) for instant, planes in shown]
    left = heads[0][1][0]
    # The head has two columns; compression may add one on either side.
    assert all(1 <= len(head) <= 4 for _, head in heads)
    speed = (heads[-1][1][0] - left) / heads[-1][0]
    assert speed * 3_000 > picture.WIDTH / 2
    assert [head[0] for _, head in heads] == [pytest.approx(left + instant * speed, abs=3) for instant, _ in heads]


def test_the_instant_is_shown():
    (_, first), (_, second) = seen(render(plan(video_ms=400, face=(0, 0))))

    changed = {at % picture.WIDTH for at in range(60 * picture.WIDTH) if abs(first.light[at] - second.light[at]) > 60}
    assert changed
    assert min(changed) > picture.WIDTH / 2


@pytest.mark.parametrize(("now_ms", "clock"), [(0, "0.0 S"), (6_600, "6.6 S"), (6_799, "6.7 S"), (61_000, "61.0 S")])
def test_the_instant_is_shown_in_tenths_of_a_second(now_ms, clock):
    shown = picture.drawn("", "", (), 100_000)
    picture.add_playhead(shown, now_ms, 100_000)

    # Three pixels wide and high is each dot of a letter.
    rows = (shown.light[row * picture.WIDTH : (row + 1) * picture.WIDTH : 3] for row in range(picture.HEIGHT))
    dots = {"".join("#" if light > 200 else "." for light in row) for row in rows}
    assert all(any(letters in row for row in dots) for letters in font.rows(clock))


@pytest.mark.parametrize(
    ("face", "insert_ms", "length_ms", "overlap"),
    [
        ((1_000, 2_500), 500, 1_500, (1_000, 2_000)),
        ((500, 2_000), 1_000, 1_500, (1_000, 2_000)),
        ((0, 3_000), 1_000, 500, (1_000, 1_500)),
        ((1_000, 1_500), 0, 3_000, (1_000, 1_500)),
        ((1_000, 4_000), 2_000, 1_500, (2_000, 3_000)),
    ],
)
@pytest.mark.parametrize("clip_start_ms", [0, 700])
def test_the_overlap_is_where_both_intervals_are(face, insert_ms, length_ms, overlap, clip_start_ms):
    clip_end_ms = clip_start_ms + length_ms
    shown = seen(render(plan(face=face, insert_ms=insert_ms, clip_start_ms=clip_start_ms, clip_end_ms=clip_end_ms)))[0][
        1
    ]

    everywhere = columns(seen(render(plan(face=(0, 3_000))))[0][1], picture.FACE)
    timeline = everywhere[0], everywhere[-1] + 2 - everywhere[0]
    for colour, interval in (
        (picture.OVERLAP, overlap),
        (picture.FACE, (face[0], min(face[1], 3_000))),
        (picture.AUDIO, (insert_ms, min(insert_ms + length_ms, 3_000))),
    ):
        found = columns(shown, colour)
        assert (found[0], found[-1] + 2) == pytest.approx(expected(*interval, 3_000, timeline), abs=4)
        assert len(found) >= (found[-1] - found[0]) / 2 - 2


@pytest.mark.parametrize(
    ("face", "insert_ms"), [((0, 500), 500), ((2_000, 3_000), 0), ((0, 0), 0), ((5_000, 6_000), 0)]
)
def test_no_overlap_has_no_colour(face, insert_ms):
    shown = seen(render(plan(face=face, insert_ms=insert_ms)))[0][1]

    assert columns(shown, picture.OVERLAP) == []
    assert columns(shown, picture.AUDIO)


def test_the_shortest_interval_is_visible():
    bar = picture.ColouredBar("FACE", 30_000, 30_001, picture.FACE)

    assert len(columns(picture.drawn("", "", (bar,), 60_000), picture.FACE)) == 1


@pytest.mark.parametrize(("video_ms", "ticks"), [(3_000, 4), (2_345, 3), (10_000, 11), (60_000, 61), (300_000, 11)])
def test_the_axis_has_a_tick_for_every_second_or_number(video_ms, ticks):
    bar = picture.ColouredBar("VIDEO", 0, video_ms, picture.VIDEO)
    with_axis = picture.drawn("", "", (bar,), video_ms)

    assert under_axis(with_axis).count(b"\1\1") == ticks


def under_axis(drawn):
    """The row of pixels under the lowest long line, each bright or not."""
    rows = [drawn.light[start : start + picture.WIDTH] for start in range(0, len(drawn.light), picture.WIDTH)]
    bright = [bytes(light > 100 for light in row) for row in rows]
    return bright[max(at for at, row in enumerate(bright) if sum(row) > picture.WIDTH / 2) + 1]


@pytest.mark.parametrize("task_id", ["825451760499568680", "x" * 100, "任务-1"])
def test_a_title_says_which_task_a_video_is_of_and_changes_nothing_else(task_id):
    video = render(plan(video_ms=100))
    named = titled(video, task_id)

    with av.open(io.BytesIO(named)) as file:
        assert f"task {task_id}".startswith(file.metadata["title"].rstrip().removesuffix("\ufffd"))
        assert len(file.metadata["title"]) > len("task ")
    assert len(named) == len(video)
    assert seen(named)[0][1].light == seen(video)[0][1].light


def test_equal_plans_make_equal_files():
    assert rendering.render(plan(video_ms=300)) == rendering.render(plan(video_ms=300))


def test_text_beyond_the_picture_is_left_out():
    long, cut = (picture.drawn(title, "", (), 1_000) for title in ("A" * 1_000, "A" * 36))

    assert len(long.light) == picture.WIDTH * picture.HEIGHT
    assert long == cut


def test_letters_and_digits_are_all_drawn_and_differ():
    characters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:/"

    drawn = {tuple(font.rows(character)) for character in characters}

    assert len(drawn) == len(characters)
    assert tuple(font.rows(" ")) not in drawn


def test_text_is_drawn_letter_beside_letter():
    rows = font.rows("hi 对!")

    assert rows == font.rows("HI   ")
    assert {len(row) for row in rows} == {5 * font.WIDTH}
    assert len(rows) == font.HEIGHT
    assert rows[0] == "#...#." + ".###.." + "." * 18


@pytest.mark.parametrize(
    ("sound", "message"),
    [
        (b"", "The sound is not a wav, mp3 or m4a file."),
        (b"\x89PNG\r\n\x1a\n", "The sound is not a wav, mp3 or m4a file."),
        (b"OggS" + bytes(100), "The sound is not a wav, mp3 or m4a file."),
        # FFmpeg would open the files that these name.
        (b"#EXTM3U\n#EXTINF:1,\n/etc/hostname\n#EXT-X-ENDLIST\n", "The sound is not a wav, mp3 or m4a file."),
        (b"ffconcat version 1.0\nfile /etc/hostname\n", "The sound is not a wav, mp3 or m4a file."),
        (claiming_samples(100_000_000), "The m4a file does not decode."),
        (beeps((100, 1.0))[:40], "The wav file does not decode."),
        (silent_audio.m4a(2_000)[:-100], "The m4a file does not decode."),
        (b"ID3\3\0\0\0\0\0\0" + b"#EXTM3U\n/etc/hostname\n" * 40, "The mp3 file does not decode."),
        (silent_audio.m4a(2_000).replace(b"\0\0\0\7", b"\xff\xff\xff\xff"), "The sound has no audio that decodes."),
        (silent_audio.m4a(60_000).replace(b"\0\0\0\7", b"\xff\xff\xff\xff"), "The sound has no audio that decodes."),
        (beeps((100, 1.0), rate=400), "The sound has 400 samples a second, not from 1000 to 384000."),
    ],
)
def test_a_sound_that_does_not_decode_is_refused_in_one_sentence(sound, message):
    with pytest.raises(RenderError) as refused:
        render(plan(sound=sound))

    assert str(refused.value) == message


def test_tags_in_another_encoding_are_no_hindrance():
    title = "标题".encode("gbk")
    frame = b"TIT2" + (len(title) + 1).to_bytes(4, "big") + b"\0\0" + b"\3" + title
    tagged = b"ID3\3\0\0" + bytes([0, 0, 0, len(frame)]) + frame + encoded("mp3", "libmp3lame", id3v2_version="0")

    assert level(heard(render(plan(sound=tagged))), 550, 1_000) > 0.2


SOUNDS = (
    speech.wav(1_000),
    silent_audio.mp3(1_000),
    silent_audio.m4a(1_000),
    encoded("ipod", "aac"),
    encoded("mp3", "libmp3lame"),
)


@st.composite
def damaged(draw):
    data = bytearray(draw(st.sampled_from(SOUNDS)))
    for _ in range(draw(st.integers(1, 5))):
        at = draw(st.integers(0, len(data) - 1))
        data[at : at + 4] = draw(st.binary(max_size=8))
        data = data or bytearray(1)
    return bytes(data)


def outcome(wanted):
    """Which format a plan is rendered to, or the sentence that refuses it."""
    try:
        return audio.identify(render(wanted))
    except RenderError as refused:
        return str(refused)


@settings(max_examples=100)
@given(damaged() | st.binary(max_size=200))
def test_damaged_sound_renders_or_is_refused(sound):
    wanted = plan(video_ms=100, insert_ms=0, clip_end_ms=1_000, sound=sound)

    assert outcome(wanted).endswith(("mp4", "."))


def test_hostile_sound_renders_or_is_refused():
    for name, sound in hostile_files().items():
        assert outcome(plan(video_ms=100, sound=sound)).endswith(("mp4", "does not decode.")), name


@pytest.mark.parametrize(
    "changes",
    [
        {"video_ms": 0},
        {"video_ms": rendering.MAX_MS + 1},
        {"insert_ms": -1},
        {"clip_start_ms": -1},
        {"clip_start_ms": 1_501},
        {"clip_end_ms": rendering.MAX_MS + 1},
    ],
)
def test_a_plan_that_cannot_be_is_refused(changes):
    with pytest.raises(RenderError, match=str(*changes.values())):
        render(plan(**changes))


def test_an_empty_clip_is_silence():
    assert level(heard(render(plan(clip_end_ms=0))), 0, 3_000) < 0.001


def test_rendering_is_available_where_pyav_is(monkeypatch):
    monkeypatch.setattr(renderer, "_can_render", renderer._can_render.__wrapped__)
    assert renderer.Renderer().can_render

    monkeypatch.setitem(sys.modules, "av", None)

    assert not renderer.Renderer().can_render


def test_asking_for_rendering_loads_nothing_that_renders():
    code = """
import sys
from kling_mock_server.assets import renderer
renderer.Renderer().can_render
print(bool(sys.modules.keys() & {"av", "kling_mock_server.assets.rendering"}))
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}

    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)

    assert run.stdout == "False\n"
