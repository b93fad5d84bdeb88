"""Ask two services the same, and fail where their vectors differ: URL URL LEAST_COSINE REQUEST.json.

Both speak OpenAI's form; the second is asked what is wrong as well, and more texts than any service takes.
"""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np

TEXTS = ["a diode", "다이오드", "pulse width modulation of a motor " * 30, "op"]
WRONG: list[bytes] = [
    b"{",
    b"[]",
    b'{"input": []}',
    b'{"input": ["a", 1]}',
    b'{"input": "a", "dimensions": true}',
]


def main() -> int:
    """Compare vectors, then errors."""
    first, second, least, request = sys.argv[1:]
    sample = json.loads(Path(request).read_text(encoding="utf-8"))
    cosines = []
    for body in (
        sample,
        {"input": TEXTS},
        {"input": TEXTS[0], "input_type": "query"},
        {"input": TEXTS, "dimensions": 64},
    ):
        one, other = (vectors(post(url, json.dumps(body).encode())[1]) for url in (first, second))
        cosines += list((one * other).sum(1))
    print(f"cosine of {len(cosines)} vectors: mean {np.mean(cosines):.6f}, least {min(cosines):.6f}")
    too_many = json.dumps({"input": ["a"] * 2049}).encode()
    for wrong in (*WRONG, too_many):
        status, answer = post(second, wrong)
        if status != 400 or "message" not in answer["error"]:
            print(f"{wrong[:80]!r}: {status} {str(answer)[:200]}")
            return 1
    return 0 if min(cosines) >= float(least) else 1


def post(url: str, body: bytes) -> tuple[int, Any]:
    """Status and JSON of an answer."""
    call = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310 (this machine)
    try:
        with urllib.request.urlopen(call, timeout=60) as answer:  # noqa: S310
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def vectors(answer: Any) -> np.ndarray:
    """The vectors of an answer in OpenAI's form, `(B, D)`."""
    return np.array([row["embedding"] for row in answer["data"]])


if __name__ == "__main__":
    sys.exit(main())
