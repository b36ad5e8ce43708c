"""`python -m kling_mock_server` is `klingkit`."""

from kling_mock_server.cli.main import main

main()
