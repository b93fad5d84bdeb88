"""The signatures of `embedkit ask` and `embedkit judge`."""

from pathlib import Path
from typing import Annotated

import typer

Endpoint = Annotated[
    str,
    typer.Option(
        metavar="URL",
        help="An OpenAI-compatible endpoint, as http://127.0.0.1:11434/v1. It alone gets the texts.",
    ),
]
Llm = Annotated[
    str, typer.Option(metavar="NAME", help="The language model. Default: the only one that the server has.")
]
AllowPlain = Annotated[
    bool, typer.Option("--allow-plain", help="Send texts in plain text (http) to a public host.")
]
Concurrency = Annotated[int, typer.Option(min=1, max=256, help="Calls at a time.")]
Timeout = Annotated[
    float, typer.Option(min=0, metavar="SECONDS", help="How long one call may take. 0: no limit.")
]
Retries = Annotated[
    int,
    typer.Option(min=0, max=100, help="How often a call that failed (429, 5xx, connection) is made again."),
]
MaxTokens = Annotated[int, typer.Option(min=0, help="The longest answer, in tokens. 0: no limit.")]
PriceIn = Annotated[float, typer.Option(min=0, help="The price of a million tokens that the model reads.")]
PriceOut = Annotated[float, typer.Option(min=0, help="The price of a million tokens that the model writes.")]
Budget = Annotated[
    float | None, typer.Option(min=0, help="Stop before the calls of this run cost more, at these prices.")
]
Seed = Annotated[int, typer.Option(help="The seed of the answers: another one asks for others.")]
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="Print calls, tokens, minutes, price and three prompts; call nobody."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def ask(
    input_: Annotated[
        list[str] | None, typer.Option("--input", "-i", help="A glossary with definitions. Repeatable.")
    ] = None,
    endpoint: Endpoint = "",
    llm: Llm = "",
    output: Annotated[
        str, typer.Option(help="The questions; what failed and the manifest lie beside it. - is stdout.")
    ] = "data/questions.jsonl",
    questions: Annotated[
        int, typer.Option(min=1, max=60, metavar="N", help="Questions for each concept and language.")
    ] = 6,
    styles: Annotated[
        str,
        typer.Option(
            help="Styles, comma-separated, by name or number: 1 keyword, 2 question, 3 other_name, 4 description, "
            "5 problem, 6 beginner. Default: all, in turn."
        ),
    ] = "",
    lang: Annotated[
        list[str] | None,
        typer.Option(metavar="CODE", help="A language beside the glossary's own, as ko or de. Repeatable."),
    ] = None,
    prompt: Annotated[
        str, typer.Option(metavar="FILE", help="A prompt of your own (TOML). Default: the one that ships.")
    ] = "",
    map_: Annotated[
        list[str] | None,
        typer.Option("--map", help="Which column is what, as in compose --map. Repeatable."),
    ] = None,
    model: Annotated[
        str,
        typer.Option(
            help="The embedding model of the round trip; none: words alone. Default: all-MiniLM-L6-v2, where it is."
        ),
    ] = "",
    top: Annotated[
        int,
        typer.Option(
            min=0,
            help="A question must find its concept among so many, but in a tenth of the concepts. 0: no round trip.",
        ),
    ] = 10,
    judge: Annotated[
        bool,
        typer.Option(
            "--judge", help="Let the language model say of five entries which one a lost question means."
        ),
    ] = False,
    judge_llm: Annotated[
        str, typer.Option(metavar="NAME", help="Another model of the endpoint for --judge.")
    ] = "",
    llm_license: Annotated[
        str,
        typer.Option(
            metavar="TEXT", help="What to note of the language model's licence, in manifest and card."
        ),
    ] = "",
    limit: Annotated[int, typer.Option(min=0, help="Only the first concepts, to look at. 0: all.")] = 0,
    budget: Budget = None,
    price_in: PriceIn = 0.0,
    price_out: PriceOut = 0.0,
    concurrency: Concurrency = 4,
    timeout: Timeout = 120.0,
    retries: Retries = 5,
    temperature: Annotated[float, typer.Option(min=0, max=2, help="How freely the model writes.")] = 0.7,
    max_tokens: MaxTokens = 1000,
    allow_plain: AllowPlain = False,
    seed: Seed = 0,
    force: Annotated[bool, typer.Option("--force", help="Replace output that was changed by hand.")] = False,
    dry_run: DryRun = False,
    json_: AsJson = False,
) -> None:
    """Have a language model write questions for a glossary's concepts, check them and keep those that hold.

    The key, where the endpoint wants one, is EMBEDKIT_LLM_API_KEY.
    """
    from embedkit.compose import AskOptions
    from embedkit.compose import ask as run

    run(
        AskOptions(
            inputs=input_ or (),
            endpoint=endpoint,
            llm=llm,
            output=output,
            per_concept=questions,
            styles=styles,
            langs=lang or (),
            prompt=prompt,
            mapping=map_ or (),
            model=model,
            top=top,
            judge=judge or bool(judge_llm),
            judge_llm=judge_llm,
            llm_license=llm_license,
            limit=limit,
            budget=budget,
            price_in=price_in,
            price_out=price_out,
            concurrency=concurrency,
            timeout=timeout,
            retries=retries,
            temperature=temperature,
            max_tokens=max_tokens,
            allow_plain=allow_plain,
            seed=seed,
            force=force,
            dry_run=dry_run,
            as_json=json_,
        )
    )


def judge(
    candidates: Annotated[
        str, typer.Option(metavar="FILE", help="The synonym_candidates.csv that compose wrote.")
    ] = "",
    endpoint: Endpoint = "",
    llm: Llm = "",
    input_: Annotated[
        list[str] | None,
        typer.Option("--input", "-i", help="The glossary, whose definitions the model is shown. Repeatable."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(help="Where the table goes. Default: its decisions are filled in where it is."),
    ] = None,
    prompt: Annotated[
        str, typer.Option(metavar="FILE", help="A prompt of your own (TOML). Default: the one that ships.")
    ] = "",
    limit: Annotated[int, typer.Option(min=0, help="Only the first undecided pairs. 0: all.")] = 0,
    budget: Budget = None,
    price_in: PriceIn = 0.0,
    price_out: PriceOut = 0.0,
    concurrency: Concurrency = 4,
    timeout: Timeout = 120.0,
    retries: Retries = 5,
    max_tokens: MaxTokens = 1000,
    allow_plain: AllowPlain = False,
    seed: Seed = 0,
    force: Annotated[bool, typer.Option("--force", help="Replace --output.")] = False,
    dry_run: DryRun = False,
    json_: AsJson = False,
) -> None:
    """Have a language model accept or reject synonym candidates; what a person decided stays.

    The key, where the endpoint wants one, is EMBEDKIT_LLM_API_KEY.
    """
    from embedkit.compose import JudgeOptions
    from embedkit.compose import judge as run

    run(
        JudgeOptions(
            candidates=candidates,
            endpoint=endpoint,
            llm=llm,
            inputs=input_ or (),
            output=str(output or ""),
            prompt=prompt,
            limit=limit,
            budget=budget,
            price_in=price_in,
            price_out=price_out,
            concurrency=concurrency,
            timeout=timeout,
            retries=retries,
            max_tokens=max_tokens,
            allow_plain=allow_plain,
            seed=seed,
            force=force,
            dry_run=dry_run,
            as_json=json_,
        )
    )
