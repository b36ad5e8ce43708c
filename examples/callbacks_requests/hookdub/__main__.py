"""`python -m hookdub VIDEO_URL VOICE.wav -o OUT.mp4`."""

import argparse
import logging
import sys
from pathlib import Path

from . import config, job, voice
from .kling import JobError


def main() -> int:
    """Run the job; 1 and a line on standard error where it fails."""
    parser = argparse.ArgumentParser("hookdub", description="Let the person in a video speak with a recorded voice.")
    parser.add_argument("video_url", help="mp4 or mov, 2 to 60 seconds, reachable by the service")
    parser.add_argument("voice", type=Path, help="WAV file, 2 to 60 seconds, at most 5 MB")
    parser.add_argument("-o", "--output", type=Path, default=Path("hookdub.mp4"))
    given = parser.parse_args()
    logging.basicConfig(stream=sys.stdout, format="%(message)s", level=logging.INFO)
    try:
        if not given.output.parent.is_dir():
            raise JobError(f"there is no directory {given.output.parent}")
        task_id = job.make(config.from_environment(), given.video_url, voice.read(given.voice), given.output)
    except (config.ConfigError, JobError, OSError) as error:
        print("error:", " ".join(str(error).split()), file=sys.stderr)
        return 1
    logging.info("task %s succeeded", task_id)
    return 0


if __name__ == "__main__":
    sys.exit(main())
