"""The mock behind a library: Flask, httpx transport, respx router, waitress, live server."""
