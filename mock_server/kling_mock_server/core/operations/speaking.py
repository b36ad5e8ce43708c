"""TTS: an audio whose length follows its text, ready at once."""

from kling_contracts.facts.world import Audio
from kling_mock_server.assets.speech import duration_ms
from kling_mock_server.core.exchange import Exchange
from kling_mock_server.core.operations.work import Done, Judged, Work
from kling_mock_server.protocol.file_urls import Address
from kling_mock_server.protocol.task_json import cost_json, seconds


class Speak(Work):
    """One text, said by one voice."""

    def carry_out(self, exchange: Exchange, judged: Judged) -> Done:
        """Issue an audio."""
        account, payload, now_ms = exchange.account, judged.payload, exchange.now_ms
        lasts_ms = duration_ms(payload["text"], payload.get("voice_speed", 1.0))
        task_id = self._resources.ids.next()
        audio_id = str(int(task_id) + 1)
        url = Address(account.folder, "audios", audio_id).url(exchange.request.origin)
        data = {
            "task_id": task_id,
            "task_status": "succeed",
            "task_status_msg": "",
            "task_result": {"audios": [{"id": audio_id, "url": url, "duration": seconds(lasts_ms)}]},
            **cost_json(self._resources.contract.prices.get(self._operation.name)),
            "created_at": now_ms,
            "updated_at": now_ms,
        }
        entry = self._entry(exchange, judged, data)
        account.put_audio(audio_id, Audio(lasts_ms, now_ms), self._beside(exchange, entry))
        return Done(data, entry=entry)
