"""A mock of Kling's advanced lip-sync endpoint that enforces the vendor's documented constraints."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kling_mock_server.adapters.flask_app import create_app

__all__ = ["create_app"]


def __getattr__(name: str) -> object:
    # Flask takes a tenth of a second to import; the command's help and checks do without.
    if name == "create_app":
        from kling_mock_server.adapters.flask_app import create_app

        return create_app
    raise AttributeError(name)
