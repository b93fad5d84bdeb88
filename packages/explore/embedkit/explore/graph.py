"""`embedkit graph`: a glossary's concepts and which of them lie near one another, as a page to explore and as GraphML.

Compares every two concepts, in blocks: 20,000 concepts take seconds and little memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from embedkit.console import out, out_json, say
from embedkit.errors import UserError
from embedkit.explore.concepts import GlossaryConcept, concept_vectors, concepts_of
from embedkit.explore.model import ModelOptions, open_corpus, open_encoder
from embedkit.extras import require
from embedkit.files import atomic, refuse_existing, require_writable, write_text
from embedkit.html.render import require_charts
from embedkit.messages import language, tr
from embedkit.models.readable import warn_if_unreadable
from embedkit.text import clean

if TYPE_CHECKING:
    from networkx import Graph

LINKS_A_CONCEPT = 2
MOST_LINKS = 200_000
_BLOCK = 1024
Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Two concepts, by their place, and the cosine of their vectors."""

    first: int
    second: int
    similarity: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphResult:
    """What was drawn: `alone` concepts have no link, `groups` were found by Louvain's method."""

    model: str
    corpus: str
    min_similarity: float
    concepts: int
    links: int
    alone: int
    groups: int
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphOptions(ModelOptions):
    """What `embedkit graph` is asked for. Without `min_similarity`: the one that leaves two links a concept.

    `output` is the page, and the GraphML lies beside it with the ending `.graphml`; an output that ends in
    `.graphml` is that alone.
    """

    corpus: Path | None = None
    min_similarity: float | None = None
    output: Path = Path("graph.html")
    force: bool = False


def graph(options: GraphOptions) -> GraphResult:
    """Link concepts whose cosine is at least the least similarity, and write the page and the GraphML.

    Raises:
        UserError: an output that is there, no link, too many links, or a model or corpus that is missing.
    """
    files = _files(options.output, options.force)
    encoder = open_encoder(options.model)
    corpus = open_corpus(options.corpus, encoder)
    concepts = concepts_of(corpus.items)
    if len(concepts) < 2:
        raise UserError("holds only one concept: there is nothing to link", place=corpus.name)
    warn_if_unreadable(
        encoder.source, [text for item in corpus.items for text in (item.term, item.definition)]
    )
    vectors = concept_vectors(concepts, encoder)
    least = _usual_least(vectors) if options.min_similarity is None else options.min_similarity
    links = tuple(_links(vectors, least))
    if not links:
        raise UserError(
            "no two concepts have a cosine of {least} or more",
            place=corpus.name,
            hint="lower --min-similarity",
            least=least,
        )
    network = _network(concepts, links)
    result = GraphResult(
        model=encoder.source.requested,
        corpus=corpus.name,
        min_similarity=round(least, 4),
        concepts=len(concepts),
        links=network.number_of_edges(),
        alone=sum(degree == 0 for _, degree in network.degree()),
        groups=len({group for _, group in network.nodes(data="group")} - {-1}),
        files=tuple(map(str, files)),
    )
    _write(files, network, result)
    if options.as_json:
        out_json(asdict(result))
    else:
        _print(result)
    return result


def _files(output: Path, force: bool) -> tuple[Path, ...]:
    if output.suffix not in (".html", ".graphml"):
        raise UserError("expected a name that ends in .html or .graphml", place=str(output))
    files = tuple(dict.fromkeys((output, output.with_suffix(".graphml"))))
    for path in files:
        refuse_existing(path, force=force)
    require("networkx", extra="train")
    if output.suffix == ".html":
        require_charts()
    require_writable(output.parent)
    return files


def _usual_least(vectors: Vectors) -> float:
    """The cosine that `LINKS_A_CONCEPT` links a concept have at least."""
    wanted = LINKS_A_CONCEPT * len(vectors)
    best = np.zeros(0, dtype=np.float32)
    for _, cosines in _blocks(vectors):
        best = np.concatenate([best, cosines[np.isfinite(cosines)]])
        if len(best) > wanted:
            best = np.partition(best, len(best) - wanted)[-wanted:]
    # rounded down, so that the number a person sees gives these links again
    return float(np.floor(best.min() * 10_000) / 10_000)


def _blocks(vectors: Vectors) -> Iterator[tuple[int, Vectors]]:
    """Cosines `(block, N)` of a block of concepts with all; each two concepts have one that is not -inf."""
    for start in range(0, len(vectors), _BLOCK):
        cosines = vectors[start : start + _BLOCK] @ vectors.T
        rows, columns = np.tril_indices(len(cosines), k=start, m=len(vectors))
        cosines[rows, columns] = -np.inf
        yield start, cosines


def _links(vectors: Vectors, least: float) -> Iterator[Link]:
    found = 0
    for start, cosines in _blocks(vectors):
        rows, columns = np.nonzero(cosines >= least)
        found += len(rows)
        if found > MOST_LINKS:
            raise UserError(
                "over {most} links: raise --min-similarity above {least:.2f}", most=MOST_LINKS, least=least
            )
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
            yield Link(first=start + row, second=column, similarity=round(float(cosines[row, column]), 4))


def _network(concepts: Sequence[GlossaryConcept], links: Sequence[Link]) -> Graph:
    """A networkx graph with what GraphML can carry; `group` counts from the largest group, -1 where alone."""
    from networkx import Graph
    from networkx.algorithms.community import louvain_communities

    network = Graph()
    for place, concept in enumerate(concepts):
        network.add_node(
            place,
            label=" · ".join(map(clean, concept.terms_in(language()))),
            names=" · ".join(map(clean, concept.other_names)),
            definition=clean(concept.items[0].definition),
            group=-1,
        )
    network.add_weighted_edges_from(((k.first, k.second, k.similarity) for k in links), weight="similarity")
    linked = network.subgraph([node for node, degree in network.degree() if degree])
    groups = louvain_communities(linked, weight=None, seed=0) if len(linked) else []
    for number, members in enumerate(sorted(groups, key=lambda members: (-len(members), min(members)))):
        for node in members:
            network.nodes[node]["group"] = number
    return network


def _write(files: Sequence[Path], network: Graph, result: GraphResult) -> None:
    from networkx import generate_graphml

    if files[0].suffix == ".html":
        from embedkit.explore.graph_page import render_graph

        write_text(files[0], render_graph(network, result))
    with atomic(files[-1]) as handle:
        handle.write('<?xml version="1.0" encoding="utf-8"?>\n')
        handle.writelines(f"{line}\n" for line in generate_graphml(network))


def _print(result: GraphResult) -> None:
    out(
        tr(
            "{concepts} concepts, {links} links of similarity {least} or more, {groups} groups, "
            "{alone} concepts without a link",
            least=result.min_similarity,
            **asdict(result),
        )
    )
    say("wrote {paths}", paths=", ".join(result.files))
