"""The options of a mock make the same mock, whichever adapter stands before it."""

import pytest

from kling_mock_server.adapters.options import new_responder, token_for
from support.serving import Mock, documented, payload


def test_without_any_switch_the_document_is_enforced_as_published():
    assert Mock(new_responder()).post(payload(sound_volume=0.5)).broken == ["sound_volume.type"]


@pytest.mark.parametrize(
    ("options", "body"),
    [
        ({"profile": "upstream"}, payload(sound_volume=0.5)),
        ({"profile": "upstream"}, payload(sound_end_time=3999.5) | {"callback_url": None}),
        ({"null_is_absent": True}, payload() | {"external_task_id": None, "callback_url": None}),
        ({"upstream_state": False}, payload() | {"external_task_id": "twice"}),
    ],
)
def test_a_profile_enforces_what_it_is_made_of(options, body):
    mock = Mock(new_responder(**options))
    assert [mock.post(body).status for _ in range(2)] == [200, 200]


def test_the_slack_ends_audios_early():
    mock = Mock(new_responder(contract=documented(), audio_slack_ms=1))
    assert mock.post(payload(sound_end_time=8000)).broken == ["clip-past-audio-end"]


def test_a_contract_is_compiled_once_and_no_account_is_shared():
    one, other = new_responder(), new_responder()
    assert one.contract is other.contract
    assert one.accounts is not other.accounts


@pytest.mark.parametrize(("switch", "value"), [("profile", "another"), ("fetch", "some")])
def test_an_unknown_choice_is_refused(switch, value):
    with pytest.raises(ValueError, match=value):
        new_responder(**{switch: value})


@pytest.mark.parametrize("secret", ["", "s3cret"])
@pytest.mark.parametrize("tokens", [(), ("mine", "theirs")])
def test_the_mock_lets_its_token_in(tokens, secret):
    options = {"contract": documented(), "tokens": tokens, "secret": secret}
    assert Mock(new_responder(**options)).post(payload(), token=token_for(options)).status == 200
