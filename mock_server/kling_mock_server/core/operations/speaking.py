"""TTS: an audio whose length follows its text, ready at once."""

from typing import Any

from kling_contracts.facts.measuring import Measurement
from kling_contracts.facts.sources import FactSources
from kling_contracts.facts.world import Audio
from kling_mock_server.assets.speech import duration_ms
from kling_mock_server.core.answer_record import AnswerRecord
from kling_mock_server.core.operations.work import Work
from kling_mock_server.protocol.file_urls import Address
from kling_mock_server.protocol.names import TTS
from kling_mock_server.protocol.task_json import cost_json, seconds


class Speak(Work):
    """One text, said by one voice."""

    def sources(self) -> FactSources:
        """Return what the payload's facts are measured from."""
        return FactSources(self._account.world)

    def carry_out(self, payload: Any, measured: Measurement, record: AnswerRecord) -> Any:
        """Issue an audio."""
        now_ms = self._account.clock.now_ms()
        lasts_ms = duration_ms(payload["text"], payload.get("voice_speed", 1.0))
        task_id = self._resources.ids.next()
        audio_id = str(int(task_id) + 1)
        url = Address(self._account.folder, "audios", audio_id).url(self._exchange.request.origin)
        data = {
            "task_id": task_id,
            "task_status": "succeed",
            "task_status_msg": "",
            "task_result": {"audios": [{"id": audio_id, "url": url, "duration": seconds(lasts_ms)}]},
            **cost_json(self._resources.contract.prices.get(TTS)),
            "created_at": now_ms,
            "updated_at": now_ms,
        }
        self._account.put_audio(audio_id, Audio(lasts_ms, now_ms), lambda rows: record.write(rows, data))
        return data
