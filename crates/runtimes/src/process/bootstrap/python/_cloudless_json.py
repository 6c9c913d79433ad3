"""What a handler returns, as JSON in the managed runtime's dialect.

Lives here: the differences between that dialect and the standard library's `json`.
Does not live here: errors' shapes (`__main__`).

The dialect: a decimal is a number, a named tuple is an object, bytes inside a structure are UTF-8 text, NaN is
written as such; from Python 3.12 on, characters beyond ASCII are written as they are.
"""
import decimal
import json
import math
import secrets

_MARK = secrets.token_hex(16)
_PLAIN = (str, int, float, bool, type(None))


class Encoder:
    def __init__(self, ensure_ascii):
        self._encode = json.JSONEncoder(ensure_ascii=ensure_ascii, default=self._default).encode
        self._decimals = []

    def encode(self, value):
        self._decimals.clear()
        if not isinstance(value, str) and _needs_care(value):
            value = _with_care(value)
        text = self._encode(value)
        # The standard encoder cannot write a number that is not its own: the digits take their place afterwards.
        for index, digits in enumerate(self._decimals):
            text = text.replace(f'"{_MARK}{index}."', digits, 1)
        return text

    def _default(self, value):
        if isinstance(value, decimal.Decimal):
            if value.is_nan():
                return math.nan
            self._decimals.append(str(value))
            return f"{_MARK}{len(self._decimals) - 1}."
        raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def _needs_care(value):
    """Whether the standard encoder would write something in it differently; nearly never."""
    stack, seen = [value], 0
    try:
        while stack:
            item = stack.pop()
            kind = type(item)
            if kind in _PLAIN:
                continue
            if kind is dict:
                stack.extend(item.values())
                if any(type(key) is bytes for key in item):
                    return True
            elif kind is list:
                stack.extend(item)
            elif isinstance(item, (bytes, tuple)) or hasattr(item, "_asdict"):
                return True
            elif isinstance(item, dict):
                stack.extend(item.values())
            elif isinstance(item, list):
                stack.extend(item)
            seen += 1
            # A cycle would go on for ever; the careful way finds it.
            if seen > 1_000_000:
                return True
    except Exception:  # whatever its methods do, encoding it will meet the same
        return False
    return False


def _with_care(value, above=()):
    if isinstance(value, bytes):
        return str(value, "utf-8")
    if not isinstance(value, (dict, list, tuple)) and not hasattr(value, "_asdict"):
        return value
    if id(value) in above:
        raise ValueError("Circular reference detected")
    above = (*above, id(value))
    if callable(getattr(value, "_asdict", None)):
        value = value._asdict()
    if isinstance(value, dict):
        return {
            (str(key, "utf-8") if isinstance(key, bytes) else key): _with_care(item, above)
            for key, item in value.items()
        }
    return [_with_care(item, above) for item in value]
