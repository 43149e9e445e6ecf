"""A small model with a tokenizer, opened once, and commands on it that reach nobody."""

import pytest

from pellucid import Model, load


@pytest.fixture(scope="session")
def attacked(random_gpt2) -> Model:
    model = load(random_gpt2)
    model.tokenizer.chat_template = "{{ messages[0].content }}"
    return model


@pytest.fixture
def in_a_folder(tmp_path, monkeypatch):
    """Paths that are tried are not written into the repository."""
    monkeypatch.chdir(tmp_path)


class Listening:
    """A socket that nobody can reach."""

    def getsockname(self):
        return "127.0.0.1", 0


@pytest.fixture
def shell(attacked, in_a_folder, tmp_path, monkeypatch):
    """Commands open the small model, and serve nobody."""
    from tests.hostile.commands import put_prompts

    put_prompts(tmp_path)
    for module in ("options", "commands.zoo"):
        monkeypatch.setattr(f"pellucid.cli.{module}.open_model", lambda *a, **b: attacked)
    monkeypatch.setattr("uvicorn.Server.run", lambda self, sockets: None)
    monkeypatch.setattr("pellucid.cli.commands.serve.bound", lambda *where: Listening())
