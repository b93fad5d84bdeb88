"""Learning a teacher's scores: of the rows' own texts, or of everything in the batch."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from embedkit.trainer.losses.base import EXCLUDED, BatchLoss, LossContext
from embedkit.trainer.losses.second_model import load_second
from embedkit.trainer.losses.sections import DistillSection
from embedkit.trainer.step.batch import BatchPlan


class DistillLoss(BatchLoss):
    """The student's dot products are to be the teacher's scores.

    With a teacher model the scores are its cosine similarities of an anchor to all candidates of the batch;
    without, those that the rows carry, for their own positive and hard negatives. `margin_mse` (Hofstätter et
    al. 2020) compares the differences of positive and negatives, `kl` (Lin et al. 2020) the softmaxes. Where
    every row has as many negatives these are sentence-transformers' MarginMSELoss and DistillKLDivLoss.

    Requirements: two candidates a row, that is a hard negative each or a teacher model.
    """

    def __init__(self, settings: DistillSection, context: LossContext) -> None:
        super().__init__(context.model)
        self.settings = settings
        name, device = settings.teacher_model, str(context.model.device)
        self.teacher = None if name is None else load_second(name, context.config, device=device)

    def score(self, vectors: Tensor, plan: BatchPlan) -> Tensor:  # type: ignore[override]
        """The loss of vectors `(U, D)`."""
        student = vectors[plan.anchors] @ vectors[plan.candidates].T
        teacher, counted = self._wanted(plan, vectors)
        if self.settings.objective == "kl":
            return self._divergence(student, teacher, ~counted)
        negatives = counted & ~F.one_hot(plan.targets, student.shape[1]).bool()
        error = (_margins(student, plan.targets) - _margins(teacher, plan.targets)).square() * negatives
        return error.sum() / negatives.sum().clamp(min=1)

    def _wanted(self, plan: BatchPlan, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """The teacher's scores `(B, C)`, and which of them count."""
        if self.teacher is not None:
            anchors, candidates = self.teacher.vectors(plan, vectors.device)
            return anchors @ candidates.T, plan.own.new_ones(plan.own.shape)
        assert plan.scores is not None  # noqa: S101 (checked before the run begins)
        return plan.scores, plan.own

    def _divergence(self, student: Tensor, teacher: Tensor, excluded: Tensor) -> Tensor:
        temperature = self.settings.temperature
        teacher_temperature = self.settings.teacher_temperature or temperature
        learnt = (student / temperature).masked_fill(excluded, EXCLUDED).log_softmax(dim=1)
        wanted = (teacher / teacher_temperature).masked_fill(excluded, EXCLUDED).softmax(dim=1)
        return F.kl_div(learnt, wanted, reduction="batchmean") * temperature**2


def _margins(scores: Tensor, targets: Tensor) -> Tensor:
    return scores.gather(1, targets[:, None]) - scores
