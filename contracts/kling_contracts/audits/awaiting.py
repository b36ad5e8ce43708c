"""Callables under test that are asynchronous: what they return is awaited."""

import asyncio
import inspect
from typing import Any


def finished(returned: Any) -> Any:
    """Return what a call returned, awaited where it is a coroutine or another awaitable."""
    if not inspect.isawaitable(returned):
        return returned
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(_wait(returned))
    # Within a running loop, as of an asynchronous test, another one needs a thread of its own.
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, _wait(returned)).result()


async def _wait(returned: Any) -> Any:
    return await returned
