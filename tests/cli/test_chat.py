"""`--chat` and `--system`: every command that takes a prompt asks in the tokenizer's template."""

import json
import shutil

import pytest
from transformers import AutoTokenizer

import pellucid
from pellucid.lens.labels import token_labels
from pellucid.task.corrupt import candidates
from tests.models.ioi_prompts import CORRUPTED, PROMPT

TEMPLATE = (
    "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: John gave{% endif %}"
)
"""It ends in words that a corrupted prompt could be made of, were it not the template's."""
HEAD, TAIL = "user: ", "\nassistant: John gave"
ANSWERS = ["--answer", " Mary", "--foil", " John"]


@pytest.fixture(scope="module")
def chatty(random_gpt2, tmp_path_factory):
    folder = tmp_path_factory.mktemp("chat") / "model"
    shutil.copytree(random_gpt2, folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("words", [["lens"], ["attention", "--head", "L0H1"]])
def test_one_prompt_is_read_in_the_template(run, chatty, words):
    tokenizer = pellucid.load(chatty).tokenizer
    for more, before in ([], HEAD), (["--system", "store"], f"system: store\n{HEAD}"):
        call = [*words, "The store", "--chat", *more, "--json"]
        code, out, err = run(*call, question=False, model=chatty)
        assert code == 0, err
        read = pellucid.Result.from_json(out)
        ids = tokenizer(f"{before}The store{TAIL}")["input_ids"]
        if words == ["lens"]:
            assert read.prompt.tokens == token_labels(tokenizer, ids)
        else:
            assert read.tokens == tuple(ids)


def test_a_question_is_asked_in_the_template_and_so_is_its_corrupted_prompt(run, chatty):
    asked = [PROMPT, *ANSWERS, "--corrupted", CORRUPTED, "--chat", "--json"]
    code, out, err = run("patch", *asked, question=False, model=chatty)
    assert code == 0, err
    model = pellucid.load(chatty)
    meant = pellucid.Contrast.chat(model.tokenizer, PROMPT, CORRUPTED, " Mary", " John")
    assert meant.clean == HEAD + PROMPT + TAIL
    effect = pellucid.patch(model, meant).effect
    assert pellucid.Result.from_json(out).effect.equal(effect)


@pytest.mark.parametrize("system", [None, "The store is near."])
def test_corrupted_prompts_change_the_message_alone(chatty, system):
    tokenizer = pellucid.load(chatty).tokenizer
    prompt = pellucid.chat_prompt(tokenizer, PROMPT, system=system)
    plain = candidates(tokenizer, PROMPT, " Mary", " John")
    made = candidates(tokenizer, prompt, " Mary", " John")
    head, tail = prompt.split(PROMPT)
    assert tail == TAIL
    assert [one.contrast.corrupted for one in made] == [
        head + one.contrast.corrupted + tail for one in plain
    ]
    assert len(made) > 1


def test_files_of_messages_are_written_out_row_by_row(run, chatty, tmp_path):
    file = tmp_path / "asked.jsonl"
    row = {"prompt": PROMPT, "clean": PROMPT, "answer": " Mary", "foil": " John"}
    file.write_text(json.dumps({**row, "corrupted": CORRUPTED}) + "\n")
    code, out, err = run(
        "attribute", "--prompts", str(file), "--chat", "--json", question=False, model=chatty
    )
    assert code == 0, err
    model = pellucid.load(chatty)
    asked = pellucid.Contrast.chat(model.tokenizer, PROMPT, CORRUPTED, " Mary", " John")
    meant = pellucid.attribute(model, asked).per_example
    assert pellucid.Result.from_json(out).per_example.equal(meant)
    ids = {**row, "clean": [1, 2, 3], "corrupted": [1, 4, 3]}
    file.write_text(json.dumps(ids) + "\n")
    code, _, err = run("patch", "--prompts", str(file), "--chat", question=False, model=chatty)
    assert code == 2
    assert "cannot be a message" in err


def test_what_cannot_be_a_chat_is_refused(run):
    code, _, err = run("lens", PROMPT, "--chat", question=False)
    assert code == 2
    assert "no chat template" in err
    code, _, err = run("lens", PROMPT, "--system", "x", question=False)
    assert code == 2
    assert "--system goes with --chat" in " ".join(err.split())
