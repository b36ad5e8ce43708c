"""The command line: `python -m lipdub VIDEO_URL TEXT`."""

import argparse
import asyncio
import sys
from functools import partial
from pathlib import Path

from .api import Kling
from .errors import KlingError
from .job import Order, make
from .settings import Settings

say = partial(print, flush=True)


def main() -> int:
    """Make the video; 0 if it was saved, 1 with the reason on standard error if not."""
    arguments = _arguments()
    order = Order(arguments.video_url, arguments.text, arguments.voice, arguments.language)
    try:
        task_id = asyncio.run(_run(order, arguments.output))
    except (KlingError, OSError) as error:
        print("error:", " ".join(str(error).split()), file=sys.stderr)
        return 1
    say(f"task {task_id} succeeded")
    return 0


async def _run(order: Order, output: Path) -> str:
    settings = Settings.from_environment()
    if not output.parent.is_dir():
        raise KlingError(f"{output.parent} is no directory to save the video in")
    try:
        async with asyncio.timeout(settings.deadline_s), Kling(settings, say) as kling:
            return await make(kling, order, output)
    except TimeoutError:
        raise KlingError(f"no video within {settings.deadline_s:g} s") from None


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("lipdub", description="Make the person in a video say a text.")
    parser.add_argument("video_url", help="mp4 or mov, 2 to 60 seconds, reachable by the service")
    parser.add_argument("text", help="what to say; two seconds of speech at least")
    parser.add_argument("-o", "--output", type=Path, default=Path("lipdub.mp4"), help="where to save the video")
    parser.add_argument("--voice", default="oversea_male1", help="a voice of the catalogue")
    parser.add_argument("--language", choices=["en", "zh"], default="en", help="the language of the voice")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
