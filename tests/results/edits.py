"""Saved results changed by chance, as disks, editors and people do it."""

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file

from pellucid import Result
from pellucid.errors import ResultFileError

BODY = "result.json"


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place inside a JSON value, as what holds it and the key."""
    inside = value.items() if isinstance(value, dict) else enumerate(value)
    for key, one in list(inside):
        yield value, key
        if isinstance(one, dict | list):
            yield from places(one)


def other(value: Any, rng: random.Random) -> Any:
    """Another value of the same kind or not."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return rng.choice([value + 1, -value - 1, 999, float(value), str(value)])
    if isinstance(value, float):
        return rng.choice([-value, value * (1 + 1e-9), value + 1e-3, 0, None])
    if isinstance(value, str):
        return value + rng.choice([" ", "x", "\u202e"])
    return rng.choice([0, "x", {}, [[]]])


def a_value(body: bytes, rng: random.Random) -> bytes:
    parsed = json.loads(body)
    holder, key = rng.choice(list(places(parsed)))
    holder[key] = other(holder[key], rng)
    return json.dumps(parsed).encode()


def a_key_gone(body: bytes, rng: random.Random) -> bytes:
    parsed = json.loads(body)
    holder, key = rng.choice([one for one in places(parsed) if isinstance(one[0], dict)])
    del holder[key]
    return json.dumps(parsed).encode()


def two_values_exchanged(body: bytes, rng: random.Random) -> bytes:
    parsed = json.loads(body)
    (one, first), (two, second) = rng.sample(list(places(parsed["fields"])), 2)
    one[first], two[second] = two[second], json.loads(json.dumps(one[first]))
    return json.dumps(parsed).encode()


def a_key_twice(body: bytes, rng: random.Random) -> bytes:
    name = rng.choice(["schema", "type", "checksum", "fields"])
    written = json.dumps({name: rng.choice([2, "Attribution", {}])})[1:-1]
    return b"{" + written.encode() + b", " + body.lstrip()[1:]


def a_schema(body: bytes, rng: random.Random) -> bytes:
    return json.dumps(
        {**json.loads(body), "schema": rng.choice([0, 1, -1, 3, "2", 2.0, True])}
    ).encode()


def a_number_that_is_none(body: bytes, rng: random.Random) -> bytes:
    parsed = json.loads(body)
    numbers = [one for one in places(parsed["fields"]) if isinstance(one[0][one[1]], float)]
    holder, key = rng.choice(numbers)
    holder[key] = float(rng.choice(["nan", "inf", "-inf"]))
    return json.dumps(parsed).encode()


def a_bit(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    changed[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def cut_short(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data))]


OF_BODY = (a_value, a_key_gone, two_values_exchanged, a_key_twice, a_schema, a_number_that_is_none)
OF_BYTES = (a_bit, cut_short)


def tensors_in(folder: Path) -> Path:
    (found,) = folder.glob("tensors*.safetensors")
    return found


def one_tensor_number(folder: Path, rng: random.Random) -> None:
    tensors = load_file(tensors_in(folder))
    names = [name for name, tensor in tensors.items() if tensor.numel()]
    if not names:
        tensors_in(folder).unlink()
        return
    flat = tensors[rng.choice(names)].view(-1)
    place = rng.randrange(len(flat))
    flat[place] = ~flat[place] if flat.dtype.is_signed is False else flat[place] + 1
    save_file(tensors, tensors_in(folder))


def edit(folder: Path, rng: random.Random) -> str:
    """Change one thing about a saved result; what was done."""
    kind: Callable[..., Any] = rng.choice([*OF_BODY, *OF_BYTES, one_tensor_number])
    if kind is one_tensor_number:
        one_tensor_number(folder, rng)
        return kind.__name__
    bodies = [folder / BODY]
    file = rng.choice(bodies if kind in OF_BODY else [*bodies, tensors_in(folder)])
    file.write_bytes(kind(file.read_bytes(), rng))
    return f"{kind.__name__} of {file.name}"


def demand_edits_are_seen(
    results: list[Result], folder: Path, *, count: int, seed: int = 0
) -> None:
    """Edit saved results ``count`` times: each is refused, or reads as what was saved."""
    rng = random.Random(seed)
    saved = [one.save(folder / f"{number}") for number, one in enumerate(results)]
    kept = [{file.name: file.read_bytes() for file in one.iterdir()} for one in saved]
    written = [one.to_json() for one in results]
    refused = 0
    for _ in range(count):
        number = rng.randrange(len(results))
        done = edit(saved[number], rng)
        try:
            found: Result = Result.load(saved[number])
        except ResultFileError:
            refused += 1
        else:
            assert found.to_json() == written[number], f"{done} was read as measured"
        for name, data in kept[number].items():
            (saved[number] / name).write_bytes(data)
    assert refused > 0.9 * count
