"""A receiver of callbacks that does everything right, written on the reference library, to plant defects in."""

import json
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from support.receivers import CallbackServer
from support.serving import in_thread

SECRET = "whsec_a25vd24gdG8gYm90aCBzaWRlcyBvbmx5"


class GoodReceiver:
    """Answers a callback by a status; each step is a method, which a broken receiver replaces."""

    def __init__(self, secret=SECRET):
        self.webhook = Webhook(secret) if secret else None
        self.statuses = {}
        self.seen = set()

    def answer(self, headers, body):
        """Return the status of the answer; headers by their names in lower case."""
        if self.webhook and not self.is_signed(headers, body):
            return 401
        try:
            task = self.read(headers, body)
        except (ValueError, RecursionError):
            return 400
        return self.take(headers, task) if isinstance(task, dict) else self.no_object(task)

    def is_signed(self, headers, body):
        try:
            self.webhook.verify(body, headers, json_parse=False)
        except (WebhookVerificationError, ValueError, OverflowError):
            return False
        return True

    def read(self, headers, body):
        return json.loads(body)

    def no_object(self, value):
        return 400

    def take(self, headers, task):
        self.statuses[str(task.get("task_id"))] = str(task.get("task_status"))
        return 200


@contextmanager
def served(receiver):
    """Serve a receiver until the end of the block; yields its URL. What it raises is a 500, `None` hangs up."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length", 0)))
            try:
                status = receiver.answer(headers, body)
            except Exception:
                status = 500
            if status is not None:
                self.send_response_only(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

        def log_message(self, *_):
            pass

    with in_thread(CallbackServer(("127.0.0.1", 0), Handler)) as server:
        yield f"http://127.0.0.1:{server.server_address[1]}/hook"
