"""What `ask` and `judge` are told, what passes between their modules, and what they answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from embedkit.data.entries import Entry
from embedkit.data.tally import Tally

Style = Literal["keyword", "question", "other_name", "description", "problem", "beginner"]
STYLES: tuple[Style, ...] = get_args(Style)  # a model is told them by number, from 1
KEY_VARIABLE = "EMBEDKIT_LLM_API_KEY"


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointOptions:
    """Where the language model is and how it is asked. Prices are for a million tokens; 0 seconds is no time-out.

    `budget` is what the calls of one run may cost at these prices; None: as much as they cost.
    """

    endpoint: str = ""
    llm: str = ""
    llm_license: str = ""
    allow_plain: bool = False
    concurrency: int = 4
    timeout: float = 120.0
    retries: int = 5
    temperature: float = 0.7
    max_tokens: int = 1000
    price_in: float = 0.0
    price_out: float = 0.0
    budget: float | None = None
    limit: int = 0
    seed: int = 0
    dry_run: bool = False
    as_json: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AskOptions(EndpointOptions):
    """The options of `ask`; each field is the flag of its name, `per_concept` is `--questions`."""

    inputs: Sequence[str] = ()
    output: str = "data/questions.jsonl"
    mapping: Sequence[str] = ()
    prompt: str = ""
    per_concept: int = 6
    styles: str = ""
    langs: Sequence[str] = ()
    model: str = ""
    top: int = 10
    judge: bool = False
    judge_llm: str = ""
    force: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeOptions(EndpointOptions):
    """The options of `judge`; without `output` the table of candidates is filled in where it is."""

    candidates: str = ""
    inputs: Sequence[str] = ()
    output: str = ""
    prompt: str = ""
    temperature: float = 0.0
    force: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One concept in one language: its entry, its names in all languages, and the style of each question to write.

    `concept` numbers it among the concepts of the input, `entry` is in `lang` where the input has one that is.
    """

    concept: int
    entry: Entry
    names: tuple[str, ...]
    lang: str
    styles: tuple[Style, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenQuestion:
    """A question that a model wrote for a subject. `subject` is the place of the subject in the list of all."""

    text: str
    style: Style
    subject: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedQuestion:
    """A question, or the place of one that the model left out, and why it goes no further."""

    question: WrittenQuestion
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One prompt to a model. `key` is what its answer is kept under: model, prompt, subject and seed."""

    key: str
    system: str
    user: str
    schema: Mapping[str, Any]
    seed: int

    @property
    def messages(self) -> list[dict[str, str]]:
        """As the endpoint takes them."""
        return [{"role": "system", "content": self.system}, {"role": "user", "content": self.user}]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a model said, whether it came to its end, the tokens that it read and wrote, and the seconds it took."""

    text: str
    finished: bool
    tokens_in: int
    tokens_out: int
    seconds: float


@dataclass(slots=True)
class Usage:
    """What the calls of a run cost: calls, tokens, money. `kept` answers came from the cache and cost nothing."""

    calls: int = 0
    kept: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    price: float = 0.0
    unanswered: dict[str, int] = field(default_factory=dict)
    stopped: str = ""

    def to_object(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self) | {"price": round(self.price, 4)}


@dataclass(frozen=True, slots=True, kw_only=True)
class AskResult:
    """What `ask` did: the books, the accepted questions by style, what it cost and what it wrote."""

    llm: str
    llm_license: str
    concepts: int
    tally: Tally
    asked: Mapping[str, int]
    accepted: Mapping[str, int]
    usage: Usage
    outputs: tuple[str, ...]

    def counts(self) -> dict[str, Any]:
        """The counts that the manifest carries too: those of equal answers are equal, whatever a run had to pay."""
        styles = {style: [self.accepted[style], self.asked[style]] for style in self.asked}
        return {**self.tally.to_object(), "concepts": self.concepts, "accepted_of_asked": styles}

    def to_object(self) -> dict[str, Any]:
        """The JSON document of `--json`."""
        return {
            "llm": self.llm,
            "llm_license": self.llm_license,
            **self.counts(),
            "usage": self.usage.to_object(),
            "outputs": list(self.outputs),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeResult:
    """What `judge` did: how many pairs it was given, decided and left open, what it cost and what it wrote."""

    llm: str
    candidates: int
    decided_before: int
    accepted: int
    rejected: int
    unsure: int
    usage: Usage
    output: str

    def to_object(self) -> dict[str, Any]:
        """The JSON document of `--json`."""
        return asdict(self) | {"usage": self.usage.to_object()}
