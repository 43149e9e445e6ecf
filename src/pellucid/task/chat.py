"""A user's message as a chat model reads it: in the tokenizer's template, up to the answer.

The prompt is kept as text, so that it can be read and typed again, if the tokenizer makes of that
text the ids that the template means; where it does not, it is those ids.
"""

import re
from typing import Any

from pellucid.arguments import checks_kinds
from pellucid.errors import TokenError
from pellucid.task.tokens import Tokenizer, is_templated

_MESSAGE, _SYSTEM = "PELLUCIDMESSAGE", "PELLUCIDSYSTEM"
"""Stand for the two messages where a template is asked what it writes around them."""


@checks_kinds
def chat_prompt(
    tokenizer: Tokenizer | None, message: str, *, system: str | None = None
) -> str | tuple[int, ...]:
    """``message`` in the tokenizer's chat template, with its generation prompt: what a model reads.

    The text that the template makes, or its ids where the tokenizer makes others of that text. The
    beginning token is left out of the text where the tokenizer adds its own: a model reads one.

    **Raises** ``TokenError`` when there is no template, or it refuses the messages.
    """
    if tokenizer is None or not getattr(tokenizer, "chat_template", None):
        raise TokenError(
            "The tokenizer has no chat template, so a message cannot be written out as a chat. "
            "Give the whole prompt as text, or set tokenizer.chat_template."
        )
    messages = [{"role": "user", "content": message}]
    if system is not None:
        messages = [{"role": "system", "content": system}, *messages]
    template: Any = tokenizer
    try:
        text = template.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    except Exception as error:  # templates raise what their authors chose
        raise TokenError(
            f"The tokenizer's chat template refuses these messages: {error}. Some templates take "
            "no system message."
        ) from error
    meant = tuple(tokenizer(text, add_special_tokens=False)["input_ids"])
    start = str(getattr(tokenizer, "bos_token", None) or "")
    for spelled in (text, text.removeprefix(start).lstrip(" "), text.removeprefix(start)):
        if spelled and tuple(tokenizer(spelled)["input_ids"]) == meant:
            return str(spelled)
    return meant


def around_message(tokenizer: Tokenizer | None, prompt: str) -> tuple[str, str, str]:
    """What stands before the user's message in a prompt that the template wrote, it, and the rest.

    The system message belongs to what stands before. A prompt of another form, or of several
    turns, is all message: ("", prompt, "").
    """
    for system in (None, _SYSTEM):
        try:
            frame = chat_prompt(tokenizer, _MESSAGE, system=system)
        except TokenError:  # no template, or none that takes a system message
            continue
        if not isinstance(frame, str) or frame.count(_MESSAGE) != 1:
            continue
        shape = re.escape(frame).replace(_SYSTEM, "(?:.*?)")
        before, after = shape.split(_MESSAGE)
        found = re.fullmatch(f"({before})(.*)({after})", prompt, re.DOTALL)
        if found and not is_templated(tokenizer, found.group(2)):
            return found.group(1), found.group(2), found.group(3)
    return "", prompt, ""
