"""Numbers of JSON, in which `5.0` is an integer (JSON Schema 2020-12)."""


def whole(value: object) -> int | None:
    """Return a number without a fraction as an integer; None for any other value."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if isinstance(value, int) or value.is_integer() else None
