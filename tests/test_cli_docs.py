"""`klingkit docs`: the pages and the files that they use."""

import pytest
from click.testing import CliRunner

from kling_mock_server.cli.main import cli


def docs(*arguments):
    return CliRunner().invoke(cli, ["docs", *map(str, arguments)])


def test_every_page_is_listed_with_its_title():
    listed = docs().output

    assert "readme        klingkit\n" in listed
    assert "mock          The mock\n" in listed


def test_a_page_is_shown():
    assert docs("offline").output.startswith("# Develop offline\n")


def test_a_misspelt_page_is_refused_with_the_nearest():
    done = docs("ofline")

    assert done.exit_code == 2
    assert "did you mean 'offline'?" in done.output


def test_a_page_that_is_near_none_is_refused_without_a_guess():
    done = docs("nosuch")

    assert done.exit_code == 2
    assert "there is no page 'nosuch'; `klingkit docs` lists them" in done.output


def test_the_example_files_are_written(tmp_path):
    assert docs("--examples", tmp_path / "new").exit_code == 0
    assert (tmp_path / "new" / "payload.json").read_text().startswith("{")


def test_a_file_that_is_there_is_kept_and_nothing_is_written(tmp_path):
    (tmp_path / "payload.json").write_text("mine")

    done = docs("--examples", tmp_path)

    assert done.exit_code == 2
    assert "payload.json" in done.output
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("payload.json", "mine")]


@pytest.mark.parametrize("page", ["drill", "readme.zh-cn"])
def test_no_page_is_empty(page):
    assert len(docs(page).output) > 1000
