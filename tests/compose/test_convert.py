"""`embedkit convert` as a person runs it, and its output in the hands of the projects that it is made for."""

import importlib
import importlib.util
import json
import tracemalloc
from pathlib import Path
from types import ModuleType

import pytest

from embedkit.compose import ConvertOptions, convert
from embedkit.compose.export.source import FOLDERS
from embedkit.data.manifest import Manifest, manifest_path, read_manifest, write_manifest
from embedkit.data.records import Pair, write_pairs
from embedkit.files import sha256_file

from .conftest import GLOSSARY, Run, made_glossary, rows_of

ROWS = (
    Pair(anchor="PWM", positive="펄스 폭 변조", hard_negatives=("펄스 진폭 변조", "위상 변조"), lang="ko"),
    Pair(anchor="PWM", positive="pulse-width modulation", hard_negatives=("phase modulation", "PAM")),
    Pair(
        anchor="ADC",
        positive="아날로그-디지털 변환기",
        hard_negatives=("DAC", "비교기"),
        license="CC BY-SA 4.0",
    ),
)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    write_pairs(tmp_path / "pairs.jsonl", ROWS)
    return tmp_path / "pairs.jsonl"


def made(source: Path, form: str) -> Path:
    """The output of a conversion: a folder, or one file."""
    output = source.with_name("out" if form in FOLDERS else "out.jsonl")
    convert(ConvertOptions(inputs=[str(source)], to=form, output=str(output)))
    return output


def test_the_default_input_is_found_and_the_books_are_said(run: Run, source: Path, tmp_path: Path) -> None:
    done = run("convert", "--to", "flagembedding", "--output", "flag.jsonl", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["in"], told["out"], told["merged"], told["rejected"]) == (3, 2, 1, {})
    assert told["lost_keys"] == {"lang": 1, "license": 1}
    assert "convert: 3 in = 2 out + 0 rejected + 1 merged" in done.stderr
    assert "not carried: the keys lang (1), license (1)" in done.stderr
    assert rows_of(tmp_path / "flag.jsonl")[1] == {
        "query": "ADC",
        "pos": ["아날로그-디지털 변환기"],
        "neg": ["DAC", "비교기"],
    }


def test_a_manifest_lies_beside_the_output(source: Path, tmp_path: Path) -> None:
    with source.open("a", encoding="utf-8") as handle:
        handle.write('{"anchor": "x"}\n')
    output = made(source, "flagembedding")
    manifest = read_manifest(tmp_path / "out.manifest.json")
    assert manifest.step == "convert"
    assert manifest.inputs == {str(source): sha256_file(source)}
    rejected = output.with_name("out.rejected.jsonl")
    assert manifest.outputs == {path.name: sha256_file(path) for path in (output, rejected)}
    assert manifest.settings == {"from": "pairs", "to": "flagembedding"}
    counts = manifest.counts
    assert (counts["in"], counts["out"], counts["merged"], counts["rows"]) == (4, 2, 1, {"train": 3})
    assert counts["rejected"] == {"'positive' is missing or is not a text": 1}


@pytest.mark.parametrize("form", FOLDERS)
def test_a_folder_has_its_manifest_inside_and_reading_it_names_every_file(
    form: str, source: Path, tmp_path: Path
) -> None:
    folder = made(source, form)
    outputs = read_manifest(folder / "manifest.json").outputs
    assert set(outputs) == {path.name for path in folder.rglob("*") if path.is_file()} - {"manifest.json"}
    convert(ConvertOptions(inputs=[str(folder)], from_=form, output=str(tmp_path / "back.jsonl")))
    inputs = {Path(name).name for name in read_manifest(tmp_path / "back.manifest.json").inputs}
    assert inputs == set(outputs) - {"README.md"}


def test_the_manifest_of_an_input_is_never_replaced(run: Run, source: Path, tmp_path: Path) -> None:
    (tmp_path / "pairs.manifest.json").write_text("{}", encoding="utf-8")
    done = run("convert", "--to", "tevatron", "--output", "pairs.json", "--force")
    assert done.returncode == 2
    assert "pairs.manifest.json: is the manifest of pairs.jsonl and would be replaced" in done.stderr


@pytest.mark.parametrize("form", ["sentence-transformers", "flagembedding", "beir", "huggingface"])
def test_rows_are_not_held_in_memory(form: str, tmp_path: Path) -> None:
    rows = 3000
    texts = tuple(str(n) * 600 for n in range(3))
    write_pairs(
        tmp_path / "pairs.jsonl",
        (Pair(anchor=f"a{n // 2}", positive=f"p{n}", hard_negatives=texts) for n in range(rows)),
    )
    convert(ConvertOptions(inputs=[str(tmp_path / "pairs.jsonl")], to=form, output=str(tmp_path / "warm")))
    tracemalloc.start()
    convert(ConvertOptions(inputs=[str(tmp_path / "pairs.jsonl")], to=form, output=str(tmp_path / "out")))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < rows * 3 * 600 / 4


def test_existing_output_is_kept_unless_forced(run: Run, source: Path, tmp_path: Path) -> None:
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub" / "README.md").write_text("mine", encoding="utf-8")
    kept = run("convert", "--to", "huggingface", "--output", "hub")
    assert kept.returncode == 2
    assert "README.md: already exists" in kept.stderr
    assert run("convert", "--to", "huggingface", "--output", "hub", "--force").returncode == 0
    assert (tmp_path / "hub" / "README.md").read_text(encoding="utf-8").startswith("---\n")


def test_a_dry_run_writes_nothing(run: Run, source: Path, tmp_path: Path) -> None:
    done = run("convert", "--to", "beir", "--output", "beir", "--dry-run")
    assert done.returncode == 0
    assert "would write beir/corpus.jsonl" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["pairs.jsonl"]


def test_rows_pass_through_a_pipe(run: Run, source: Path) -> None:
    text = source.read_text(encoding="utf-8")
    there = run("convert", "--input", "-", "--to", "ms-swift", "--output", "-", stdin=text)
    back = run("convert", "--input", "-", "--from", "ms-swift", "--output", "-", stdin=there.stdout)
    assert [json.loads(line)["positive"] for line in back.stdout.splitlines()] == [p.positive for p in ROWS]


def test_a_rejected_row_is_a_failure_only_where_asked_for(run: Run, source: Path) -> None:
    with source.open("a", encoding="utf-8") as handle:
        handle.write('{"anchor": "x"}\n')
    args = ("convert", "--to", "tevatron", "--force", "--output", "t.jsonl")
    assert run(*args).returncode == 0
    strict = run(*args, "--strict")
    assert strict.returncode == 1
    assert "pairs.jsonl:4: 'positive' is missing or is not a text" in strict.stderr
    rejected = {"place": "pairs.jsonl:4", "reason": "'positive' is missing or is not a text"}
    assert rows_of(source.with_name("t.rejected.jsonl")) == [rejected]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--output", "x.jsonl"], "nothing to convert: both sides are pairs.jsonl"),
        (["--to", "beir", "--output", "-"], "--to beir makes a folder, not lines"),
        (["--to", "beir", "--output", "x", "--input", str(GLOSSARY)], "embedkit compose makes pairs of it"),
        (["--to", "beir", "--output", "pairs.jsonl"], "pairs.jsonl: is a file, not a folder"),
        (["--to", "tevatron", "--output", "."], ".: is a folder, not a file"),
        (
            ["--from", "beir", "--input", "pairs.jsonl", "--output", "x"],
            "pairs.jsonl: is a file, not a folder",
        ),
        (["--from", "tevatron", "--output", "x"], "no input"),
        (["--input", "nope.jsonl", "--to", "beir", "--output", "x"], "nope.jsonl: there is no such file"),
        (
            ["--from", "tevatron", "--input", "pairs.jsonl", "--output", "x"],
            "it looks like pairs: --from pairs",
        ),
        (
            ["--from", "llamaindex", "--input", "pairs.jsonl", "--output", "x"],
            "not an EmbeddingQAFinetuneDataset",
        ),
        (
            ["--to", "tevatron", "--negatives", "9", "--output", "x"],
            "3 rejected; the first at 'PWM': fewer negatives than --negatives",
        ),
    ],
)
def test_a_mistake_is_a_message(run: Run, source: Path, args: list[str], message: str) -> None:
    done = run("convert", *args)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_of_another_format_is_recognised(run: Run, source: Path) -> None:
    assert run("convert", "--to", "tevatron", "--output", "t.jsonl").returncode == 0
    done = run("convert", "--input", "t.jsonl", "--to", "beir", "--output", "b")
    assert done.returncode == 2
    assert "t.jsonl: not one usable row\n  it looks like tevatron: --from tevatron" in done.stderr


def test_rows_without_negatives_are_warned_about(run: Run, tmp_path: Path) -> None:
    write_pairs(tmp_path / "pairs.jsonl", [Pair(anchor="a", positive="b")])
    done = run("convert", "--to", "flagembedding", "--output", "f.jsonl")
    assert "warning: 1 rows have no negatives: FlagEmbedding's trainer divides by zero" in done.stderr


def test_datasets_loads_the_hub_folder_with_its_types(source: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets", reason="needs the extra train")
    folder = made(source, "huggingface")
    loaded = datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
    assert list(loaded) == ["train"]
    row = loaded["train"][0]
    assert (row["anchor"], row["hard_negatives"]) == ("PWM", ["펄스 진폭 변조", "위상 변조"])
    assert row["mining"] == []
    assert str(loaded["train"].features["hard_negatives"].feature.dtype) == "string"
    write_pairs(source, [Pair(anchor="a", positive="b"), Pair(anchor="c", positive="d", scores=(0.5,))])
    convert(ConvertOptions(inputs=[str(source)], to="huggingface", output=str(tmp_path / "scored")))
    scored = datasets.load_dataset(str(tmp_path / "scored"), cache_dir=str(tmp_path / "cache"))
    assert list(scored["train"]["scores"]) == [[], [0.5]]


def test_the_card_rolls_up_licences_as_the_hub_reads_them(source: Path) -> None:
    hub = pytest.importorskip("huggingface_hub", reason="needs the extra train")
    card = hub.DatasetCard.load(made(source, "huggingface") / "README.md")
    assert card.data.license == ["cc-by-sa-4.0", "unknown"]
    assert card.data.language == ["ko"]
    assert "2 rows state no licence" in card.text
    assert "share-alike" in card.text


def test_the_card_says_how_the_rows_were_made_and_nothing_of_this_machine(source: Path) -> None:
    settings = {"miner": "dense", "model": "/home/someone/models/mine", "split": [0.8, 0.1, 0.1]}
    made_by = Manifest(
        step="compose",
        inputs={"/home/someone/g.csv": "ab"},
        outputs={},
        settings=settings,
        counts={},
        versions={},
    )
    write_manifest(manifest_path(source), made_by)
    text = (made(source, "huggingface") / "README.md").read_text(encoding="utf-8")
    assert "| model | mine |" in text
    assert "| split | [0.8, 0.1, 0.1] |" in text
    assert "| input g.csv | sha256 ab |" in text
    assert "/home/someone" not in text


def test_sentence_transformers_trains_on_the_columns(source: Path, tmp_path: Path, tiny_model: Path) -> None:
    datasets = pytest.importorskip("datasets", reason="needs the extra train")
    st = pytest.importorskip("sentence_transformers", reason="needs the extra train")
    path = made(source, "sentence-transformers")
    rows = datasets.load_dataset("json", data_files=str(path), split="train", cache_dir=str(tmp_path / "c"))
    assert rows.column_names == ["anchor", "positive", "negative_1", "negative_2"]
    model = st.SentenceTransformer(str(tiny_model), device="cpu")
    args = st.SentenceTransformerTrainingArguments(
        output_dir=str(tmp_path / "run"), max_steps=1, use_cpu=True, report_to="none", save_strategy="no"
    )
    losses = importlib.import_module("sentence_transformers.sentence_transformer.losses")
    loss = losses.MultipleNegativesRankingLoss(model)
    trained = st.SentenceTransformerTrainer(model=model, args=args, train_dataset=rows, loss=loss).train()
    assert trained.training_loss > 0


def test_beir_loads_its_folder(source: Path) -> None:
    loader = pytest.importorskip("beir.datasets.data_loader", reason="pip install --no-deps beir")
    corpus, queries, judged = loader.GenericDataLoader(str(made(source, "beir"))).load(split="test")
    assert (len(corpus), len(queries)) == (9, 2)
    assert sorted(score for scores in judged.values() for score in scores.values()) == [0] * 6 + [1] * 3


def test_flagembedding_loads_its_lines(source: Path, tmp_path: Path) -> None:
    module = "FlagEmbedding.abc.finetune.embedder"
    data = pytest.importorskip(f"{module}.AbsDataset", reason="pip install --no-deps FlagEmbedding")
    arguments = pytest.importorskip(f"{module}.AbsArguments", reason="pip install --no-deps FlagEmbedding")
    path = str(made(source, "flagembedding"))
    args = arguments.AbsEmbedderDataArguments(
        train_data=[path], train_group_size=3, cache_path=str(tmp_path / "cache")
    )
    query, passages, _ = data.AbsEmbedderTrainDataset(args, None)[1]
    assert (query, passages[0], sorted(passages[1:])) == ("ADC", "아날로그-디지털 변환기", ["DAC", "비교기"])


def test_tevatron_reads_its_passages(source: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets", reason="needs the extra train")
    module = pytest.importorskip("tevatron.datasets.preprocessor", reason="pip install --no-deps tevatron")

    class Words:
        def encode(self, text: str, **_: object) -> list[str]:
            return text.split()

    path = str(made(source, "tevatron"))
    rows = datasets.load_dataset("json", data_files=path, split="train", cache_dir=str(tmp_path / "cache"))
    read = module.TrainPreProcessor(Words())(rows[0])
    assert read["positives"] == [["펄스", "폭", "변조"], ["pulse-width", "modulation"]]
    assert len(read["negatives"]) == 4


def llamaindex_module() -> ModuleType:
    """The module with the dataset's class, past its package's __init__, which wants every cloud's client."""
    pytest.importorskip("llama_index.core.bridge.pydantic", reason="pip install llama-index-core")
    folders = [
        Path(folder) / "finetuning" / "embeddings"
        for folder in importlib.import_module("llama_index").__path__
    ]
    path = next((folder / "common.py" for folder in folders if folder.is_dir()), None)
    if path is None:
        pytest.skip("pip install --no-deps llama-index-finetuning")
    spec = importlib.util.spec_from_file_location("llamaindex_common", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_llamaindex_loads_its_document(source: Path) -> None:
    loaded = llamaindex_module().EmbeddingQAFinetuneDataset.from_json(str(made(source, "llamaindex")))
    query, ids = loaded.query_docid_pairs[0]
    assert (query, [loaded.corpus[key] for key in ids]) == ("PWM", ["펄스 폭 변조", "pulse-width modulation"])


def test_ms_swift_loads_its_messages(source: Path) -> None:
    swift = pytest.importorskip("swift.dataset", reason="pip install ms-swift")
    inputs = pytest.importorskip("swift.template.template_inputs", reason="pip install ms-swift")
    rows, _ = swift.load_dataset(str(made(source, "ms-swift")))
    read = inputs.TemplateInputs.from_dict(rows[0])
    assert read.chosen.messages[0]["content"] == "PWM"
    assert [len(read.positive), len(read.negative)] == [1, 2]


def test_compose_and_synth_leave_a_card_that_loads_as_the_folders_readme(run: Run, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets", reason="needs the extra train")
    assert run("synth", "--pack", "games-ko", "--output", "s/games.jsonl").returncode == 0
    card = tmp_path / "s" / "games.card.md"
    card.rename(card.with_name("README.md"))
    loaded = datasets.load_dataset(str(tmp_path / "s"), cache_dir=str(tmp_path / "cache"))
    assert set(loaded) == {"train", "test"}
    made_glossary(tmp_path / "g.csv")
    assert run("compose", "--input", "g.csv", "--miner", "lexical", "--output", "c/p.jsonl").returncode == 0
    text = (tmp_path / "c" / "p.card.md").read_text(encoding="utf-8")
    assert "path: p.dev.jsonl" in text
    assert "license: unknown" in text
    assert "By `embedkit compose`." in text
    assert "All rows of a concept" in text
