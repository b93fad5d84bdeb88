"""The training loop: sentence-transformers' trainer on our batches, with a stop where the loss is lost."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from accelerate.data_loader import prepare_data_loader
from safetensors import safe_open
from safetensors.torch import save_file
from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from torch.utils.data import DataLoader
from transformers import PrinterCallback, TrainerCallback
from transformers.trainer import OPTIMIZER_NAME, SCHEDULER_NAME

from embedkit.data.run_folder import CHECKPOINTS
from embedkit.data.shapes import texts_of
from embedkit.errors import UserError
from embedkit.messages import Phrase, tr
from embedkit.trainer.config import RunConfig
from embedkit.trainer.losses.base import BatchLoss
from embedkit.trainer.model.precision import DTypeName
from embedkit.trainer.rows.sources import Mixture
from embedkit.trainer.step import distributed, processes, sharding
from embedkit.trainer.step.batch import MixedCollator, Plan
from embedkit.trainer.step.memory import fitting, texts_in

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_WEIGHTS = "weights.safetensors"
_AT_ONCE = "texts_at_once"  # how many texts fitted into memory
_OPTIMISERS = {"adamw": "adamw_torch_fused"}  # our name -> the training library's, where they differ
_MIXED = {"bfloat16": "bf16", "float16": "fp16"}
_NEEDS_BITSANDBYTES = ("adamw_8bit", "paged_adamw_8bit", "lion_8bit")


class Arguments(SentenceTransformerTrainingArguments):  # type: ignore[misc]
    """One process trains on one device: several GPUs are several processes, never threads of one."""

    @property
    def n_gpu(self) -> int:
        """At most one."""
        return min(1, int(super().n_gpu))


class NumberedRows(torch.utils.data.Dataset[int]):  # type: ignore[misc]
    """A dataset whose rows are their own numbers: the collator looks them up."""

    def __init__(self, rows: Mixture) -> None:
        self._count = len(rows)

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> int:
        return index


class PairTrainer(SentenceTransformerTrainer):  # type: ignore[misc]
    """SentenceTransformerTrainer over a `Mixture`: data, a check of the loss and checkpoints are overridden."""

    def __init__(
        self,
        *,
        model: SentenceTransformer,
        loss: BatchLoss,
        rows: Mixture,
        collator: MixedCollator,
        config: RunConfig,
        args: Arguments,
        callbacks: list[TrainerCallback],
        on_loss: Callable[[float], None],
    ) -> None:
        self._rows = rows
        self._config = config
        self._on_loss = on_loss
        self._window: list[dict[str, Any]] = []  # the batches of the optimiser step that is under way
        self._undone = False
        super().__init__(
            model=model,
            args=args,
            train_dataset=NumberedRows(rows),
            loss=loss,
            data_collator=collator,
            callbacks=callbacks,
        )
        self.remove_callback(PrinterCallback)

    def preprocess_dataset(self, dataset: Any = None, dataset_name: str | None = None) -> Any:
        """Our rows need no preparation."""
        return dataset

    def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
        """Our model card is written from the run, not collected while training."""

    def create_accelerator_and_postprocess(self) -> None:
        """The model stays unwrapped: gradients meet in `training_step`, however many passes a step has."""
        super().create_accelerator_and_postprocess()
        if distributed.joined():
            self.accelerator.prepare_model = partial(self.accelerator.prepare_model, evaluation_mode=True)

    def get_train_dataloader(self) -> DataLoader[int]:
        """Batches in an order that depends on seed and epoch alone; every process gets all of them."""
        train = self._config.train
        seed, devices = self._config.seed, processes.world_size()
        batches = self._rows.batches(train, seed=seed, devices=devices)
        loader: DataLoader[int] = DataLoader(
            self.train_dataset,
            batch_sampler=batches,
            collate_fn=self.data_collator,
            num_workers=train.num_workers,
            pin_memory=self.args.device.type == "cuda",
        )
        alone = {"num_processes": 1, "process_index": 0}
        prepared: DataLoader[int] = prepare_data_loader(
            loader, device=self.args.device, put_on_device=True, **alone
        )
        return prepared

    def training_step(self, model: Any, inputs: dict[str, Any], *args: Any) -> torch.Tensor:
        """Forward and backward of one batch, in smaller turns where memory runs out; after the last batch of an
        optimiser step the gradients of all processes are averaged.
        """
        earlier = self._window
        self._window = [*earlier, inputs]

        def forward_and_backward() -> torch.Tensor:
            for batch in earlier if self._undone else ():
                super(PairTrainer, self).training_step(model, dict(batch), *args)
            loss: torch.Tensor = super(PairTrainer, self).training_step(model, dict(inputs), *args)
            return loss

        self._undone = False
        texts = texts_in(self.collect_features(dict(inputs))[0])
        loss = fitting(self.loss, texts, forward_and_backward, undo=self._undo)
        if self.accelerator.sync_gradients:
            self._window = []
            distributed.average_gradients(parameter for _, parameter in self.trained())
        return loss

    def _undo(self) -> None:
        """Forget the optimiser step's gradients: which part of them came of the batch that failed is not known."""
        self._undone = True
        for _, parameter in self.trained():
            parameter.grad = None

    def compute_loss(self, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """The batch's loss.

        Raises:
            UserError: it is not a number any more.
        """
        plan: Plan = inputs["label"]
        # Entered here, not pass by pass: all passes of a step share one short copy of the weights.
        with self.accelerator.autocast():
            loss = super().compute_loss(model, inputs, *args, **kwargs)
        value = float((loss[0] if isinstance(loss, tuple) else loss).detach())
        if value != value or value in (float("inf"), float("-inf")):
            raise self._lost(value, plan)
        self._on_loss(value)
        return loss

    def _lost(self, value: float, plan: Plan) -> UserError:
        rows = [(number, self._rows.store[number]) for number in plan.rows[:5]]
        shown = ", ".join(
            f"{getattr(row, 'id', '') or tr('row {number}', number=number + 1)} {texts_of(row)[0][:40]!r}"
            for number, row in rows
        )
        return UserError(
            "the loss is {value} at step {step}, in the batch of {shown}, …",
            hint=self._way_out(),
            value=value,
            step=self.state.global_step + 1,
            shown=shown,
        )

    def _way_out(self) -> str:
        """What to change, by what is no number any more."""
        if not all(parameter.isfinite().all() for _, parameter in self.trained()):
            return Phrase(
                "an earlier step broke the weights: lower optim.lr (now {lr:g}) or raise optim.warmup_ratio, "
                "and start again",
                lr=self._config.optim.lr,
            )
        if self._config.dtype != "float32":
            return Phrase(
                "the weights are sound, {dtype} is too short for them: set dtype to float32",
                dtype=self._config.dtype,
            )
        return "the weights are sound: look at these rows, and raise loss.temperature"

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        """A checkpoint's weights: everything that is trained, the loss's own parameters too."""
        folder = Path(output_dir or self.args.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        weights = self.whole_weights()
        if processes.is_first():
            save_file(weights, folder / _WEIGHTS, metadata={_AT_ONCE: str(self.loss.texts_at_once or "")})

    def whole_weights(self) -> dict[str, torch.Tensor]:
        """What is trained, by name, on the CPU; in every process at the same place."""
        return {name: sharding.whole(parameter).cpu().contiguous() for name, parameter in self.trained()}

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """The optimiser, which reads a whole state where the weights are split."""
        optimiser: torch.optim.Optimizer = super().create_optimizer(model)
        if sharding.is_split(self.loss):
            sharding.split_as_loaded(optimiser)
        return optimiser

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        """Every process has a part of a split state; the first one writes the whole."""
        if not sharding.is_split(self.loss):
            super()._save_optimizer_and_scheduler(output_dir)
            return
        state = sharding.whole_state(self.optimizer)
        if processes.is_first():
            torch.save(state, Path(output_dir) / OPTIMIZER_NAME)
            torch.save(self.lr_scheduler.state_dict(), Path(output_dir) / SCHEDULER_NAME)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        with safe_open(Path(resume_from_checkpoint) / _WEIGHTS, framework="pt") as saved:
            for name, parameter in self.trained():
                sharding.put(parameter, saved.get_tensor(name))
            at_once = (saved.metadata() or {}).get(_AT_ONCE)
        if at_once and self._config.train.micro_batch_size is None:
            self.loss.texts_at_once = int(at_once)

    def trained(self) -> list[tuple[str, torch.nn.Parameter]]:
        """The parameters that are trained, the loss's own too, by name."""
        return [(name, p) for name, p in self.loss.named_parameters() if p.requires_grad]


def training_arguments(
    config: RunConfig, *, run: Path, device: str, dtype: DTypeName, steps: int
) -> Arguments:
    """Our config in the words of the training library."""
    train, optim, output = config.train, config.optim, config.output
    scheduler = optim.scheduler
    arguments = Arguments(
        output_dir=str(run / CHECKPOINTS),
        run_name=run.name,
        seed=config.seed,
        use_cpu=device == "cpu",
        bf16=dtype == "bfloat16",
        fp16=dtype == "float16",
        per_device_train_batch_size=train.batch_size,
        num_train_epochs=train.epochs,
        gradient_accumulation_steps=train.grad_accum_steps,
        learning_rate=optim.lr,
        weight_decay=optim.weight_decay,
        warmup_steps=math.ceil(steps * optim.warmup_ratio),
        lr_scheduler_type="constant_with_warmup" if scheduler == "constant" else scheduler,
        optim=_OPTIMISERS.get(optim.name, optim.name),
        max_grad_norm=optim.max_grad_norm,
        save_strategy="no",
        eval_strategy="no",
        logging_steps=output.log_steps,
        logging_nan_inf_filter=False,
        report_to=list(output.report_to) or "none",
        disable_tqdm=True,
        dataloader_pin_memory=device == "cuda",
    )
    arguments.mixed_precision = _MIXED.get(dtype, "no")  # not what `accelerate launch` was configured with
    return arguments


def require_packages(config: RunConfig) -> None:
    """Raise `UserError` when a tracker or an optimiser that the config names is not installed."""
    wanted: dict[str, str] = {name: f"output.report_to {name}" for name in config.output.report_to}
    if config.optim.name in _NEEDS_BITSANDBYTES:
        wanted["bitsandbytes"] = f"optim.name {config.optim.name}"
    for package, setting in wanted.items():
        if find_spec(package) is None:
            raise UserError(
                "{setting} needs the package {package!r}, which is not installed",
                hint="pip install {package}, or change {key}",
                setting=setting,
                package=package,
                key=setting.split()[0],
            )
