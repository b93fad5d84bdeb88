"""From what was measured to the record that `metrics.json` holds: the verdict's word, and what it rests on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from embedkit.data.jsonl import read_objects
from embedkit.data.manifest import versions
from embedkit.evaluation.gates import check_gates
from embedkit.evaluation.known.decision import decide
from embedkit.evaluation.measure.systems import ModelPair
from embedkit.evaluation.plan import EvaluateOptions, EvaluationPlan
from embedkit.evaluation.records import (
    SCHEMA_VERSION,
    Evaluation,
    Findings,
    Forgetting,
    KnownFindings,
    ModelInfo,
    SourceRows,
    shared_fields,
)
from embedkit.evaluation.report.verdict import evaluation_sentence
from embedkit.files import sha256_file
from embedkit.models.run_folder import curves
from embedkit.models.vectors import Encoder
from embedkit.ranking.leak import Leak
from embedkit.shipped_data import data_path


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationParts:
    """What the steps of an evaluation found."""

    found: Findings
    known: KnownFindings | None
    forgetting: Forgetting
    leaks: tuple[Leak, ...]


def evaluation_of(
    plan: EvaluationPlan, options: EvaluateOptions, models: ModelPair, measured: EvaluationParts
) -> Evaluation:
    """Put the parts together, and judge them (`known.decision`)."""
    found = measured.found
    decision = decide(found, measured.known, measured.forgetting, floor=dict(plan.floor))
    evaluation = Evaluation(
        schema_version=SCHEMA_VERSION,
        word=decision.word if plan.compared else "",
        reason=decision.reason,
        sentence="",
        **shared_fields(found, Evaluation),
        model=_model_info(models.after, found.dimensions_after),
        baseline=_model_info(models.before, found.dimensions_before),
        forgetting=measured.forgetting,
        known=measured.known,
        floor=dict(plan.floor),
        compared=plan.compared,
        curves=curves(plan.run.folder) if plan.run else (),
        leaks=measured.leaks,
        gates=tuple(check_gates(found.metrics, bounds=plan.bounds, least_gain=options.fail_under_delta)),
        sources=tuple(_source_rows(plan)),
        files={_file_name(path): sha256_file(path) for path in plan.files},
        run_config=plan.run.config if plan.run else {},
        resamples=options.resamples,
        seed=options.seed,
        versions=versions(),
        test_hash=plan.tests.hash,
    )
    return replace(evaluation, sentence=evaluation_sentence(evaluation))


def _model_info(encoder: Encoder, dimensions: int) -> ModelInfo:
    return ModelInfo(
        name=encoder.source.requested,
        origin=encoder.source.origin,
        weights=encoder.hash,
        dimensions=dimensions,
    )


def _source_rows(plan: EvaluationPlan) -> Iterator[SourceRows]:
    """Rows of the training and test files by source and licence, the largest first."""
    trained = plan.run.trained_on if plan.run else ()
    known = plan.known.files if plan.known else ()
    for path in dict.fromkeys((*trained, plan.test_file, *known)):
        counts = Counter(
            (str(row.get("source") or ""), str(row.get("license") or "")) for _, row in read_objects(path)
        )
        for (source, licence), rows in counts.most_common():
            yield SourceRows(file=path.name, source=source, license=licence, rows=rows)


def _file_name(path: Path) -> str:
    """A file's name in the report; one that ships with embedkit has the same on every machine."""
    shipped = data_path()
    return f"embedkit/shipped/{path.relative_to(shipped)}" if path.is_relative_to(shipped) else str(path)
