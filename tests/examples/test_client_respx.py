"""A client that builds its own httpx client and knows one URL only; respx stands between it and the network."""

import asyncio

import httpx
import pytest
import respx

from kling_mock_server.adapters.respx_router import mount

PAYLOAD = {
    "session_id": "825465778199224380",
    "face_choose": [
        {
            "face_id": "-1",
            "audio_id": "825451760499568680",
            "sound_start_time": 0,
            "sound_end_time": 5000,
            "sound_insert_time": 1000,
            "sound_volume": 1,
            "original_audio_volume": 0,
        }
    ],
}


async def submit(key: str) -> str:
    """Submit one task: the code under test."""
    async with httpx.AsyncClient(base_url="https://gateway.example/ai") as http:
        headers = {"Authorization": f"Bearer {key}"}
        answer = await http.post("/kling/v1/videos/advanced-lip-sync", json=PAYLOAD, headers=headers)
        answer.raise_for_status()
        return answer.json()["data"]["task_id"]


@pytest.fixture
def kling_base_url():
    return "https://gateway.example/ai"


def test_a_task_is_submitted(kling_respx):
    assert asyncio.run(submit(kling_respx.token))


@pytest.mark.kling_violates("session-expired", "audio-id-expired")
def test_nothing_lasts_longer_than_a_month(kling_respx):
    kling_respx.clock.advance(31 * 24 * 60 * 60 * 1000)

    with pytest.raises(httpx.HTTPStatusError):
        asyncio.run(submit(kling_respx.token))


def test_a_vendor_that_does_not_answer(respx_mock, kling_respx):
    # Whoever is asked for first answers first: here the route, and the mock for every other URL.
    respx_mock.post(path__regex="advanced-lip-sync$").mock(side_effect=httpx.ConnectTimeout)

    with pytest.raises(httpx.ConnectTimeout):
        asyncio.run(submit(kling_respx.token))


@respx.mock
def test_without_the_plugin():
    kling = mount(respx.mock, "https://gateway.example/ai")

    asyncio.run(submit(kling.token))

    assert [entry.status for entry in kling.journal] == [200]
