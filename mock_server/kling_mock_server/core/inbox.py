"""A receiver of callbacks that everyone has at hand: what is posted to `/_mock/inbox/NAME` can be read there."""

from typing import Any, Final, NamedTuple

from kling_contracts import Request
from kling_contracts.jsonio import strict_json as strict
from kling_mock_server.protocol.envelope import new_request_id
from kling_mock_server.state.account import Account
from kling_mock_server.state.stores.store import Table

MAX_POSTS: Final = 1000
"""Posts that are kept, of all names together."""
MAX_POST_LENGTH: Final = 64 * 1024
"""Characters of a body that are kept."""

_MAX_HEADERS: Final = 8
_MAX_NAME_LENGTH: Final = 100
_MAX_VALUE_LENGTH: Final = 1024


class Post(NamedTuple):
    """One post: the name it was for, the webhook headers that it came with, its body as text."""

    name: str
    headers: dict[str, str]
    body: str


POSTS: Final = Table(
    "posts", MAX_POSTS, list, lambda row: Post(*row), is_log=True, bytes_of=lambda post: 512 + len(post.body)
)


def put(account: Account, name: str, request: Request) -> dict[str, Any]:
    """Keep a post."""
    webhook = [(key, value) for key, value in request.headers.items() if key.startswith("webhook-")]
    headers = {key[:_MAX_NAME_LENGTH]: value[:_MAX_VALUE_LENGTH] for key, value in webhook[:_MAX_HEADERS]}
    body = request.body[:MAX_POST_LENGTH].decode("utf-8", "backslashreplace")[:MAX_POST_LENGTH]
    post = Post(name, headers, body)
    account.state.transaction(lambda rows: rows.put(POSTS, new_request_id(), post))
    return {}


def posts_json(account: Account, name: str) -> list[dict[str, Any]]:
    """Return what was posted to a name, the oldest first; a body that is JSON as such."""
    rows = account.state.transaction(lambda rows: rows.items(POSTS))
    return [{"headers": post.headers, "body": _readable(post.body)} for _, post in rows if post.name == name]


def _readable(body: str) -> Any:
    try:
        return strict.decode(body.encode())
    except strict.BodyError:
        return body
