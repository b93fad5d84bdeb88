"""What the training libraries say on their own is held back."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_NOISY_LOGGERS = ("transformers", "sentence_transformers", "accelerate", "huggingface_hub", "peft")


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Hold back what the training libraries say on their own; their errors still come through."""
    from transformers.utils import logging as hf_logging

    before = {name: logging.getLogger(name).level for name in _NOISY_LOGGERS}
    had_bars = hf_logging.is_progress_bar_enabled()
    for name in _NOISY_LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    hf_logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            # pin_memory is asked for by default and means nothing without a GPU.
            warnings.filterwarnings("ignore", message=".*pin_memory.*", category=UserWarning)
            # torch advises against more workers than cores; how many is the person's choice.
            warnings.filterwarnings("ignore", message="This DataLoader will create", category=UserWarning)
            # peft asks the encoder by the method name of before transformers 5.
            warnings.filterwarnings("ignore", message=".*gradient_checkpointing", category=FutureWarning)
            yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)
        if had_bars:
            hf_logging.enable_progress_bar()
