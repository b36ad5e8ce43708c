"""Durations in whole milliseconds, and the error that every reader of audio raises."""


class AudioError(ValueError):
    """The bytes do not decode as the audio they claim to be."""


def milliseconds(samples: int, rate: int) -> int:
    """Return how long so many samples last at a rate in samples per second, in whole milliseconds.

    Raises `AudioError` where the rate is 0, or the samples last less than a millisecond.
    """
    if rate == 0:
        raise AudioError("The file names a sample rate of 0.")
    if samples * 1000 < rate:
        raise AudioError("The file holds less than a millisecond of audio.")
    return samples * 1000 // rate
