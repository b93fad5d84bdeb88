"""The six architectures that people bring most: a loss sees what `encode` gives. Other kinds are refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from sentence_transformers import SentenceTransformer
from tests.trainer.conftest import topic_rows, write_rows

from embedkit.errors import UserError
from embedkit.models.resolve import load_model, resolve_model
from embedkit.trainer.config import DataSection, RunConfig
from embedkit.trainer.model.load import find_model, prompts_of
from embedkit.trainer.rows.store import read_rows
from embedkit.trainer.run.resume import clear, require_free
from embedkit.trainer.step.batch import PairCollator, features_of
from embedkit.trainer.step.forward import encode_batch

SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
DECODER = {"num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 128}
ARCHITECTURES: dict[str, tuple[str, dict[str, Any], str]] = {
    "BERT": ("Bert", SIZES | {"max_position_embeddings": 128}, "mean"),
    "XLM-RoBERTa": ("XLMRoberta", SIZES | {"max_position_embeddings": 66, "pad_token_id": 0}, "cls"),
    "MPNet": ("MPNet", SIZES | {"max_position_embeddings": 130}, "mean"),
    "ModernBERT": ("ModernBert", SIZES | {"max_position_embeddings": 128, "pad_token_id": 0}, "mean"),
    "Qwen3": ("Qwen3", SIZES | DECODER, "lasttoken"),
    "Gemma 3": ("Gemma3Text", SIZES | DECODER | {"use_bidirectional_attention": True}, "mean"),
}


def _build(name: str, tiny_encoder: Path, folder: Path) -> Path:
    """A model of two layers with the tiny encoder's tokenizer, and queries with a prompt."""
    import transformers
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

    kind, settings, pooling = ARCHITECTURES[name]
    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_encoder)
    if pooling == "lasttoken":
        tokenizer.padding_side = "left"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = getattr(transformers, f"{kind}Config")(vocab_size=len(tokenizer), **settings)
        getattr(transformers, f"{kind}Model")(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    words = Transformer(str(folder))
    model = SentenceTransformer(
        modules=[words, Pooling(32, pooling_mode=pooling)], prompts={"query": "find: ", "document": ""}
    )
    model.save_pretrained(str(folder / "st"), create_model_card=False)
    return folder / "st"


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_loss_sees_the_vectors_that_encode_gives(name: str, tiny_encoder: Path, tmp_path: Path) -> None:
    model = load_model(resolve_model(str(_build(name, tiny_encoder, tmp_path / "m")))).float().eval()
    path = write_rows(tmp_path / "pairs.jsonl", topic_rows())
    rows = read_rows(str(path), DataSection())
    groups, plan = features_of(PairCollator(model, rows, prompts=prompts_of(model))(range(len(rows))))
    with torch.no_grad():
        found = encode_batch(model, groups, plan)[plan.anchors]
    wanted = model.encode_query([row["anchor"] for row in topic_rows()], convert_to_tensor=True)
    torch.testing.assert_close(found, wanted, atol=2e-5, rtol=1e-3)


@pytest.mark.parametrize(
    ("module", "said"),
    [
        ("sentence_transformers.base.modules.router.Router", "Router"),
        ("sentence_transformers.sparse_encoder.models.SpladePooling", "is a SparseEncoder"),
    ],
)
def test_a_model_of_two_ways_or_of_another_kind_is_not_trained(
    tiny_model: Path, tmp_path: Path, module: str, said: str
) -> None:
    folder = shutil.copytree(tiny_model, tmp_path / "other")
    modules = json.loads((folder / "modules.json").read_text())
    modules[0]["type"] = module
    (folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(UserError, match=said):
        find_model(RunConfig(model_id=str(folder)))


@pytest.mark.parametrize("name", ["model", "checkpoints", "config.json"])
def test_a_linked_part_of_a_run_is_not_replaced(tmp_path: Path, name: str) -> None:
    run, elsewhere = tmp_path / "runs" / "r", tmp_path / "elsewhere"
    run.mkdir(parents=True)
    elsewhere.mkdir()
    (run / "README.md").write_text("a card")
    (run / name).symlink_to(elsewhere)
    with pytest.raises(UserError, match="is a link to"):
        require_free(run, resume=False, force=True)
    assert (run / "README.md").is_file()


def test_a_run_may_be_a_link_to_a_folder_elsewhere(tmp_path: Path) -> None:
    elsewhere = tmp_path / "disk"
    elsewhere.mkdir()
    (tmp_path / "r").symlink_to(elsewhere)
    require_free(tmp_path / "r", resume=False, force=False)
    (elsewhere / "config.json").write_text("{}")
    clear(tmp_path / "r")
    assert (tmp_path / "r").is_symlink()
    assert list(elsewhere.iterdir()) == []


def test_a_file_where_the_run_has_to_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("x")
    with pytest.raises(UserError, match="is a file, not a folder"):
        require_free(tmp_path / "runs" / "r", resume=False, force=False)
