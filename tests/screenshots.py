"""Take the pictures of the inspector page that the README shows: `make screenshots`.

They need a browser and a font with Chinese characters (Debian: chromium, fonts-noto-cjk).
"""

import io
from fractions import Fraction
from pathlib import Path

import av
import requests

from support import serving
from support.browser import Visitor, browser
from support.serving import PATH, payload

FOLDER = Path(__file__).parents[1] / "docs" / "images"
KEY = "my-client"
REFUSED = payload(face_id="0", sound_end_time=3000, sound_insert_time=500)


def main():
    """Write one picture of each theme."""
    with serving.running() as mock, browser() as chromium:
        exchanges(mock, chromium)
        playground(mock, chromium)


def exchanges(mock, chromium):
    """A refused call with its rule, the vendor's sentence and the timeline, in the light theme."""
    visitor = Visitor(chromium, mock.url, KEY, color_scheme="light")
    call(mock, "/kling/v1/videos/identify-face", {"video_url": "https://example.com/talk.mp4"})
    call(mock, "/kling/v1/audio/tts", {"text": "Hello.", "voice_id": "oversea_male1", "voice_language": "en"})
    for body in (payload(), {}, payload(sound_volume=3), {**payload(), "session_id": "1"}, payload(), REFUSED):
        call(mock, PATH, body)
    visitor.visit()
    visitor.page.wait_for_selector(".violation")
    picture(visitor, "page-light.png", 690)


def playground(mock, chromium):
    """The vendor's example with a clip that is too short, judged while it is typed, in the dark theme."""
    visitor = Visitor(chromium, mock.url, KEY, color_scheme="dark").visit("playground")
    visitor.page.wait_for_selector(".verdict.good")
    editor = visitor.page.get_by_label("Payload, judged as you type")
    editor.fill(editor.input_value().replace("5000", "1999"))
    visitor.page.wait_for_selector(".verdict.bad")
    picture(visitor, "page-dark.png", 880)


def call(mock, path, body):
    requests.post(mock.url + path, json=body, headers={"Authorization": f"Bearer {KEY}"}, timeout=10)


def picture(visitor, name, height):
    """Take a picture of the upper part of the page."""
    visitor.page.set_viewport_size({"width": 1200, "height": height})
    visitor.page.evaluate("document.activeElement.blur()")
    visitor.page.wait_for_timeout(300)
    (FOLDER / name).write_bytes(smaller(visitor.page.screenshot()))
    visitor.leave()


def smaller(png):
    """Return a picture in 256 colours: it shows the same in half the bytes."""
    with av.open(io.BytesIO(png)) as source:
        frame = next(source.decode(video=0))
    graph = av.filter.Graph()
    size = {"width": frame.width, "height": frame.height}
    given = graph.add_buffer(**size, format=frame.format.name, time_base=Fraction(1, 25))
    split, palette = graph.add("split"), graph.add("palettegen")
    painted, made = graph.add("paletteuse", "dither=none"), graph.add("buffersink")
    given.link_to(split)
    split.link_to(palette, 0, 0)
    split.link_to(painted, 1, 0)
    palette.link_to(painted, 0, 1)
    painted.link_to(made)
    graph.configure()
    frame.pts = 0
    graph.push(frame)
    graph.push(None)
    encoder = av.CodecContext.create("png", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = (
        frame.width,
        frame.height,
        "pal8",
        Fraction(1, 25),
    )
    return b"".join(bytes(packet) for packet in encoder.encode(graph.pull()))


if __name__ == "__main__":
    main()
