"""Command signatures of explore: search, similarity, odd-one-out, cluster, classify, recommend, graph, faq."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class SimilarityFunction(StrEnum):
    """How two vectors are compared."""

    COSINE = "cosine"
    DOT = "dot"
    EUCLIDEAN = "euclidean"
    MANHATTAN = "manhattan"


class ClassifyMethod(StrEnum):
    """How labels are learnt."""

    KNN = "knn"
    PROBE = "probe"


class SearchRanker(StrEnum):
    """How entries are ranked for a question."""

    AUTO = "auto"
    HYBRID = "hybrid"
    DENSE = "dense"
    LEXICAL = "lexical"


ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model", help="A run, a folder or a hub id; by default the newest run in runs/, else MiniLM-L6."
    ),
]
CorpusOption = Annotated[
    Path | None,
    typer.Option("--corpus", help="A glossary or pairs file; by default what the run was trained on."),
]
FileOption = Annotated[
    str | None,
    typer.Option("--file", help="Texts: a line each, or a column of .csv, .tsv or .jsonl; - for stdin."),
]
ColumnOption = Annotated[
    str | None, typer.Option("--column", help="The file's column; by default text, sentence, term …")
]
RankerOption = Annotated[
    SearchRanker,
    typer.Option(
        help="dense: the model alone; lexical: words alone, no model; hybrid: both together; auto: what the run's dev "
        "questions say, for each language."
    ),
]
TopOption = Annotated[int, typer.Option("--top-k", min=1, help="How many results.")]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace an existing output.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def search(
    query: Annotated[str, typer.Argument(help="What to look for; - reads a query a line from stdin.")],
    model: ModelOption = None,
    corpus: CorpusOption = None,
    top_k: TopOption = 5,
    ranker: RankerOption = SearchRanker.AUTO,
    cross_encoder: Annotated[
        str,
        typer.Option(
            help="Order the first entries anew with this cross-encoder, which reads question and entry together: "
            "a folder or a hub id."
        ),
    ] = "",
    candidates: Annotated[
        int, typer.Option(min=1, help="Entries a question that the cross-encoder reads.")
    ] = 32,
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON object a query.")] = False,
) -> None:
    """Find the glossary entries nearest to a question or a term."""
    from embedkit.explore.search import SearchOptions
    from embedkit.explore.search import search as run

    run(
        SearchOptions(
            query=query,
            model=model,
            corpus=corpus,
            top_k=top_k,
            ranker=ranker.value,
            cross_encoder=cross_encoder,
            candidates=candidates,
            as_json=json_,
        )
    )


def similarity(
    texts: Annotated[list[str] | None, typer.Argument(help="Two texts or more; - for stdin.")] = None,
    file: FileOption = None,
    column: ColumnOption = None,
    model: ModelOption = None,
    function: Annotated[
        list[SimilarityFunction] | None,
        typer.Option(help="Repeatable; by default all four for two texts, cosine for more."),
    ] = None,
    json_: JsonOption = False,
) -> None:
    """Compare every text with every other: cosine, dot product, Euclidean and Manhattan distance."""
    from embedkit.explore.similarity import SimilarityOptions
    from embedkit.explore.similarity import similarity as run

    names = tuple(one.value for one in function or ())
    run(
        SimilarityOptions(
            texts=texts or (), file=file, column=column, model=model, functions=names, as_json=json_
        )
    )


def odd_one_out(
    texts: Annotated[list[str] | None, typer.Argument(help="Three words or more; - for stdin.")] = None,
    file: FileOption = None,
    column: ColumnOption = None,
    model: ModelOption = None,
    json_: JsonOption = False,
) -> None:
    """Say which of the words belongs least to the others, and how far each is from them."""
    from embedkit.explore.similarity import OddOneOutOptions
    from embedkit.explore.similarity import odd_one_out as run

    run(OddOneOutOptions(texts=texts or (), file=file, column=column, model=model, as_json=json_))


def cluster(
    input_: Annotated[
        str,
        typer.Option("--input", help="Texts: a line each, or a column of .csv, .tsv or .jsonl; - for stdin."),
    ],
    column: ColumnOption = None,
    k: Annotated[int | None, typer.Option("--k", min=1, help="How many groups (k-means).")] = None,
    threshold: Annotated[
        float | None,
        typer.Option(min=-1, max=1, help="Least mean cosine of two groups that join (average linkage)."),
    ] = None,
    model: ModelOption = None,
    output: Annotated[
        Path | None, typer.Option(help="Write text, cluster, representative to a .csv or .jsonl.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of k-means.")] = 0,
    force: ForceOption = False,
    json_: JsonOption = False,
) -> None:
    """Put texts into groups, each with the text that stands for it."""
    from embedkit.explore.cluster import ClusterOptions
    from embedkit.explore.cluster import cluster as run

    run(
        ClusterOptions(
            input=input_,
            column=column,
            k=k,
            threshold=threshold,
            model=model,
            output=output,
            seed=seed,
            force=force,
            as_json=json_,
        )
    )


def classify(
    labelled: Annotated[
        str,
        typer.Option(
            "--labelled", help="Texts with their labels: .csv, .tsv or .jsonl (text, label); - for stdin."
        ),
    ],
    texts: Annotated[list[str] | None, typer.Argument(help="Texts to label; none: only measure.")] = None,
    file: FileOption = None,
    column: ColumnOption = None,
    label_column: Annotated[
        str | None, typer.Option(help="The column of labels; by default label, class, category …")
    ] = None,
    method: Annotated[
        ClassifyMethod | None,
        typer.Option(help="knn: nearest neighbours; probe: logistic regression; by default the better one."),
    ] = None,
    model: ModelOption = None,
    output: Annotated[
        Path | None, typer.Option(help="Write text, label, confidence to a .csv or .jsonl.")
    ] = None,
    force: ForceOption = False,
    json_: JsonOption = False,
) -> None:
    """Label texts after the example of a few labelled ones, and say how often that is right."""
    from embedkit.explore.classify import ClassifyOptions
    from embedkit.explore.classify import classify as run

    run(
        ClassifyOptions(
            labelled=labelled,
            texts=texts or (),
            file=file,
            column=column,
            label_column=label_column,
            method=method.value if method else None,
            model=model,
            output=output,
            force=force,
            as_json=json_,
        )
    )


def recommend(
    term: Annotated[str, typer.Argument(help="A term of the glossary, by any of its names, or any text.")],
    model: ModelOption = None,
    corpus: CorpusOption = None,
    top_k: TopOption = 5,
    json_: JsonOption = False,
) -> None:
    """Find the terms nearest to a term; its own aliases and translations are left out."""
    from embedkit.explore.recommend import RecommendOptions
    from embedkit.explore.recommend import recommend as run

    run(RecommendOptions(term=term, model=model, corpus=corpus, top_k=top_k, as_json=json_))


def graph(
    model: ModelOption = None,
    corpus: CorpusOption = None,
    min_similarity: Annotated[
        float | None,
        typer.Option(
            min=-1, max=1, help="Least cosine of a link; by default the one that leaves two links a concept."
        ),
    ] = None,
    output: Annotated[
        Path, typer.Option(help="The page, with a .graphml beside it; NAME.graphml writes that alone.")
    ] = Path("graph.html"),
    force: ForceOption = False,
    json_: JsonOption = False,
) -> None:
    """Draw the glossary's concepts and their links as one interactive HTML file, and as GraphML."""
    from embedkit.explore.graph import GraphOptions
    from embedkit.explore.graph import graph as run

    run(
        GraphOptions(
            corpus=corpus,
            model=model,
            min_similarity=min_similarity,
            output=output,
            force=force,
            as_json=json_,
        )
    )


def faq(
    questions: Annotated[
        str, typer.Option(help="Questions: .txt, .csv, .tsv or .jsonl; - reads one a line from stdin.")
    ],
    answers: Annotated[
        Path, typer.Option(help="Answers: .txt, .csv, .tsv or .jsonl; a column question is used too.")
    ],
    question_column: Annotated[
        str | None, typer.Option(help="Column of the questions; by default question, query, 질문 …")
    ] = None,
    answer_column: Annotated[
        str | None, typer.Option(help="Column of the answers; by default answer, text, 답변 …")
    ] = None,
    model: ModelOption = None,
    top_k: TopOption = 1,
    ranker: RankerOption = SearchRanker.AUTO,
    min_similarity: Annotated[
        float, typer.Option(min=-1, max=1, help="Leave out answers below this cosine.")
    ] = -1.0,
    output: Annotated[
        Path | None, typer.Option(help="A .csv or .jsonl to write; by default CSV on stdout.")
    ] = None,
    force: ForceOption = False,
    json_: JsonOption = False,
) -> None:
    """Match the questions of one file to the answers of another."""
    from embedkit.explore.faq import FaqOptions
    from embedkit.explore.faq import faq as run

    run(
        FaqOptions(
            questions=questions,
            answers=answers,
            question_column=question_column,
            answer_column=answer_column,
            model=model,
            top_k=top_k,
            ranker=ranker.value,
            min_similarity=min_similarity,
            output=output,
            force=force,
            as_json=json_,
        )
    )


def register(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    app.command("search")(search)
    app.command("similarity")(similarity)
    app.command("odd-one-out")(odd_one_out)
    app.command("cluster")(cluster)
    app.command("classify")(classify)
    app.command("recommend")(recommend)
    app.command("graph")(graph)
    app.command("faq")(faq)
