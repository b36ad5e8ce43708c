"""`klingkit schemathesis init`: the shipped files, written where they do no harm."""

import subprocess
import sys
import tomllib

import pytest
from click.testing import CliRunner

from kling_mock_server.cli.schemathesis import FILES, schemathesis


def init(*arguments):
    return CliRunner().invoke(schemathesis, ["init", *map(str, arguments)])


def test_both_files_are_written_and_the_next_command_is_told(tmp_path):
    done = init(tmp_path / "new")

    assert done.exit_code == 0
    assert {file.name for file in (tmp_path / "new").iterdir()} == set(FILES)
    assert f"cd {tmp_path}/new && schemathesis run http://127.0.0.1:8080/_mock/openapi.json" in done.output
    assert "klingkit serve --token klingkit" in done.output


def test_without_a_folder_they_are_written_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    assert init().exit_code == 0
    assert {file.name for file in tmp_path.iterdir()} == set(FILES)


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_there_is_not_overwritten(tmp_path, name):
    (tmp_path / name).write_text("mine")

    done = init(tmp_path)

    assert done.exit_code == 1
    assert name in done.output
    assert (tmp_path / name).read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_file_that_is_there_is_overwritten_when_told_to(tmp_path):
    (tmp_path / FILES[0]).write_text("mine")

    assert init(tmp_path, "--force").exit_code == 0
    assert (tmp_path / FILES[0]).read_text() != "mine"


def test_a_folder_that_cannot_be_written_to_is_told(tmp_path):
    (tmp_path / "file").write_text("")

    done = init(tmp_path / "file" / "folder")

    assert done.exit_code == 1
    assert "cannot write" in done.output


def test_the_settings_mute_no_check(tmp_path):
    init(tmp_path)

    settings = tomllib.loads((tmp_path / "schemathesis.toml").read_text())

    assert settings["checks"] == {"contract_rules": {"fail_under": 100}}


def test_the_command_does_without_schemathesis():
    program = "import sys; import kling_mock_server.cli.schemathesis; sys.exit('schemathesis' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
