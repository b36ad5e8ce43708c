"""The web application that Kling calls back."""

import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import Flask, Response, request
from standardwebhooks.webhooks import Webhook, WebhookVerificationError
from werkzeug.serving import make_server

from .board import ENDS, Board
from .config import Config

log = logging.getLogger(__name__)

PATH = "/kling/callback"
MAX_BODY_BYTES = 1024 * 1024


def create_receiver(board: Board, secret: str = "") -> Flask:
    """Return the receiver. With a secret, only signed callbacks count; without one they are hints, to be checked."""
    app = Flask("hookdub")
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    webhook = Webhook(secret) if secret else None

    @app.post(PATH)
    def callback() -> Response:
        body = request.get_data()
        if webhook and not _is_signed(webhook, body, dict(request.headers)):
            log.warning("refused a callback without a valid signature")
            return Response(status=401)
        task = _task(body)
        if task is None:
            log.warning("refused a callback that is no JSON object")
            return Response(status=400)
        response = Response(status=200)
        # Answered first: whoever waits for the news may end the process.
        response.call_on_close(lambda: _take_over(board, task, trusted=webhook is not None))
        return response

    return app


def _is_signed(webhook: Webhook, body: bytes, headers: dict[str, str]) -> bool:
    try:
        webhook.verify(body, headers, json_parse=False)
    except (WebhookVerificationError, ValueError):
        return False
    return True


def _task(body: bytes) -> dict[str, Any] | None:
    try:
        task = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return task if isinstance(task, dict) else None


def _take_over(board: Board, task: dict[str, Any], *, trusted: bool) -> None:
    task_id, status = task.get("task_id"), str(task.get("task_status"))
    if not task_id:
        # The console's test callback, and those of other products, look different; they are none of ours.
        log.info("ignored a callback that names no task")
    elif trusted:
        news = "" if board.note(task) else " (no news)"
        log.info("callback: task %s is %s%s", task_id, status, news)
    else:
        log.info("unsigned callback: task %s is said to be %s", task_id, status)
        if status in ENDS:
            board.hint(str(task_id))


@contextmanager
def receiving(board: Board, config: Config) -> Iterator[str]:
    """Receive callbacks until the end of the block; yields the address to give to Kling."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    app = create_receiver(board, config.webhook_secret)
    server = make_server("127.0.0.1", config.callback_port, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield config.callback_url or f"http://127.0.0.1:{server.server_port}{PATH}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
