"""The command line, in the process of the test."""

import sys

from gtp_mini.cli import main


def command(capsys, monkeypatch, *args):
    """Runs `gtp-mini ARGS`: (exit status, standard output, standard error)."""
    capsys.readouterr()
    monkeypatch.setattr(sys, "argv", ["gtp-mini", *map(str, args)])
    try:
        main()
        status = 0
    except SystemExit as stop:
        status = stop.code or 0
    return status, *capsys.readouterr()
