"""The error of a command that cannot listen where it was told to."""

import click


def cannot_listen(host: str, port: int, error: OSError | ValueError) -> click.ClickException:
    """Return the error for a host and a port, with the reason that the system or the server gives."""
    reason = str(getattr(error, "strerror", None) or error).rstrip(".")
    return click.ClickException(f"cannot listen on {host}:{port}: {reason}; try another --host, or --port 0")
