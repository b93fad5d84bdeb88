"""embedkit from Python: glossary, rows, model, verdict, search. Nothing is printed unless `verbose=True`.

    from embedkit.api import Glossary, compose, evaluate, search, train

    glossary = Glossary.read("electronics.en.csv")
    model = train(compose(glossary), run="runs/mine")
    print(evaluate(model).word, search("what is PWM used for", model=model)[0].term)

A person's mistake is a `UserError`, the answer no an `AnswerNoError`; both are `EmbedkitError`.
docs/python.md shows more.
"""

from embedkit.api.calls import compose, crawl, evaluate, search, train
from embedkit.api.records import FoundEntry, MetricChange, ModelVerdict, SearchHits, TrainedRun
from embedkit.api.tables import Glossary, Pairs
from embedkit.data.entries import Alias, Entry
from embedkit.data.records import Mining, Pair
from embedkit.errors import AnswerNoError, EmbedkitError, UserError
from embedkit.models.run_folder import Series

__all__ = (
    "Alias",
    "AnswerNoError",
    "EmbedkitError",
    "Entry",
    "FoundEntry",
    "Glossary",
    "MetricChange",
    "Mining",
    "ModelVerdict",
    "Pair",
    "Pairs",
    "SearchHits",
    "Series",
    "TrainedRun",
    "UserError",
    "compose",
    "crawl",
    "evaluate",
    "search",
    "train",
)
