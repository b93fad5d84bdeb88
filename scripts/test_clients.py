"""Ask a running `embedkit serve` with the clients that people have, and compare their vectors with plain HTTP.

    python scripts/test_clients.py http://127.0.0.1:8000

Each client that is installed prints `ok`; one that is missing prints `not installed`. Run by `make test-clients`.
"""

from __future__ import annotations

import asyncio
import json
import sys
import urllib.request
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

TEXTS = ["PWM", "펄스 폭 변조", "a diode lets current pass one way"]
MODEL = "text-embedding-3-small"
Vectors = Sequence[Sequence[float]]


def plain(url: str, **more: Any) -> list[list[float]]:
    """The vectors by plain HTTP."""
    body = json.dumps({"input": TEXTS, **more}).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}/v1/embeddings", body, headers)  # noqa: S310  (our own address)
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310  (our own address)
        return [row["embedding"] for row in json.load(answer)["data"]]


def expect(holds: bool) -> None:
    """Raise where something does not hold."""
    if not holds:
        raise ValueError("an answer is not what it should be")


def cosine(a: Sequence[float], b: Sequence[float]) -> float:
    """Of vectors of length one."""
    return sum(x * y for x, y in zip(a, b, strict=True))


def openai_sync(url: str) -> Vectors:
    """openai asks for base64 by itself."""
    from openai import OpenAI

    client = OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
    expect(client.models.retrieve(MODEL).id == MODEL)
    expect(MODEL in [model.id for model in client.models.list()])
    short = client.embeddings.create(model=MODEL, input=TEXTS, dimensions=8, encoding_format="float")
    expect([len(row.embedding) for row in short.data] == [8, 8, 8])
    tokens = client.embeddings.create(model=MODEL, input=[[9906], [1917]])
    expect(len(tokens.data) == 2)
    return [row.embedding for row in client.embeddings.create(model=MODEL, input=TEXTS).data]


def openai_async(url: str) -> Vectors:
    """Eight at once."""
    from openai import AsyncOpenAI

    async def ask() -> Vectors:
        async with AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
            asked = [client.embeddings.create(model=MODEL, input=TEXTS) for _ in range(8)]
            return [row.embedding for row in (await asyncio.gather(*asked))[-1].data]

    return asyncio.run(ask())


def openai_azure(url: str) -> Vectors:
    """Azure's client sends the model in the path and the key in a header of its own."""
    from openai import AzureOpenAI

    client = AzureOpenAI(azure_endpoint=url, api_key="none", api_version="2024-10-21", max_retries=0)
    return [row.embedding for row in client.embeddings.create(model=MODEL, input=TEXTS).data]


def langchain(url: str) -> Vectors:
    """Sends arrays of tokens unless it is told not to."""
    from langchain_openai import OpenAIEmbeddings

    made = OpenAIEmbeddings(model=MODEL, base_url=f"{url}/v1", api_key="none", max_retries=0)
    expect(len(made.embed_query("")) == len(made.embed_query("PWM")))
    return made.embed_documents(TEXTS)


def langchain_huggingface(url: str) -> Vectors:
    """Speaks to text-embeddings-inference; takes an address in its client alone."""
    from huggingface_hub import InferenceClient
    from langchain_huggingface import HuggingFaceEndpointEmbeddings

    made = HuggingFaceEndpointEmbeddings(model="owner/name", huggingfacehub_api_token="none")
    made.client = InferenceClient(url)
    return made.embed_documents(TEXTS)


def hub(url: str) -> Vectors:
    """huggingface_hub's client asks the bare address."""
    from huggingface_hub import InferenceClient

    return InferenceClient(url).feature_extraction(TEXTS).tolist()


def llama_index(url: str) -> Vectors:
    """llama-index by its class for OpenAI."""
    from llama_index.embeddings.openai import OpenAIEmbedding

    made = OpenAIEmbedding(model=MODEL, api_base=f"{url}/v1", api_key="none", max_retries=0)
    return made.get_text_embedding_batch(TEXTS)


def haystack(url: str) -> Vectors:
    """haystack embeds documents."""
    from haystack import Document
    from haystack.components.embedders import OpenAIDocumentEmbedder
    from haystack.utils import Secret

    made = OpenAIDocumentEmbedder(
        api_key=Secret.from_token("none"), model=MODEL, api_base_url=f"{url}/v1", progress_bar=False
    )
    documents = made.run([Document(content=text) for text in TEXTS])["documents"]
    return [document.embedding for document in documents]


def litellm(url: str) -> Vectors:
    """litellm calls anything that speaks OpenAI's form `openai/NAME`."""
    import litellm as client

    answer = client.embedding(model=f"openai/{MODEL}", input=TEXTS, api_base=f"{url}/v1", api_key="none")
    return [row["embedding"] for row in answer.data]


def chromadb(url: str) -> Vectors:
    """chromadb's embedding function for OpenAI."""
    from chromadb.utils.embedding_functions import OpenAIEmbeddingFunction

    made = OpenAIEmbeddingFunction(api_key="none", api_base=f"{url}/v1", model_name=MODEL)
    return [list(map(float, vector)) for vector in made(TEXTS)]


def qdrant(url: str) -> Vectors:
    """The vectors go into a collection in memory and come back as the nearest of themselves."""
    from qdrant_client import QdrantClient, models

    vectors = plain(url)
    client = QdrantClient(":memory:")
    params = models.VectorParams(size=len(vectors[0]), distance=models.Distance.COSINE)
    client.create_collection("terms", vectors_config=params)
    client.upsert("terms", [models.PointStruct(id=n, vector=vector) for n, vector in enumerate(vectors)])
    found = [client.query_points("terms", query=vector, limit=1).points[0].id for vector in vectors]
    expect(found == list(range(len(TEXTS))))
    return vectors


def ollama(url: str) -> Vectors:
    """ollama's own client."""
    from ollama import Client

    return Client(host=url).embed(model=MODEL, input=TEXTS)["embeddings"]


CLIENTS: tuple[tuple[str, str, Callable[[str], Vectors]], ...] = (
    ("openai", "openai", openai_sync),
    ("openai (async)", "openai", openai_async),
    ("openai (Azure)", "openai", openai_azure),
    ("langchain-openai", "langchain_openai", langchain),
    ("langchain-huggingface", "langchain_huggingface", langchain_huggingface),
    ("huggingface_hub", "huggingface_hub", hub),
    ("llama-index", "llama_index", llama_index),
    ("haystack", "haystack", haystack),
    ("litellm", "litellm", litellm),
    ("chromadb", "chromadb", chromadb),
    ("qdrant-client", "qdrant_client", qdrant),
    ("ollama", "ollama", ollama),
)


def main() -> int:
    """Ask with each; 1 where one fails."""
    url, failed = sys.argv[1].rstrip("/"), 0
    wanted = plain(url)
    for name, module, ask in CLIENTS:
        if find_spec(module) is None:
            print(f"{name:<24}not installed")
            continue
        try:
            least = min(cosine(got, want) for got, want in zip(ask(url), wanted, strict=True))
            said = "ok" if least > 0.999 else f"FAILED: cosine {least:.4f}"
        except Exception as error:  # noqa: BLE001  (a client's failure is a line of the table)
            said = f"FAILED: {type(error).__name__}: {str(error)[:200]}"
        failed += said != "ok"
        print(f"{name:<24}{said}", flush=True)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
