"""Wrong words for every option of every command: an exit code and a sentence, never a traceback."""

import pytest

from tests.hostile.commands import WORDS, commands, demand_ends

VALUES = 3
"""Wrong words for each command in the short form."""
COMMANDS = dict(commands())


def test_every_command_is_tried():
    assert set(COMMANDS) == set(WORDS)


@pytest.mark.parametrize("name", WORDS)
def test_wrong_words_are_refused(name, shell, monkeypatch):
    demand_ends(name, COMMANDS[name], VALUES, monkeypatch)
