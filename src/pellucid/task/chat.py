"""A user's message as a chat model reads it: in the tokenizer's template, up to the answer.

The prompt is kept as text, so that it can be read and typed again, if the tokenizer makes of that
text the ids that the template means; where it does not, it is those ids.
"""

from typing import Any

from pellucid.errors import TokenError
from pellucid.task.tokens import Tokenizer


def chat_prompt(
    tokenizer: Tokenizer | None, message: str, *, system: str | None = None
) -> str | tuple[int, ...]:
    """``message`` in the tokenizer's chat template, with its generation prompt.

    The beginning token is left out of the text where the tokenizer adds its own: a model reads one.

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
