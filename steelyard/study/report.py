"""What a study found: ``report.json``, a function of what its members left behind."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from steelyard.study.curves import average_curves, find_epoch, find_target
from steelyard.study.estimate import Estimate, estimate
from steelyard.study.outcome import Outcome, Sample


class Part(BaseModel):
    """Frozen, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SeedResult(Part):
    """One training."""

    seed: int
    identity: str = Field(description="of the weights of the best epoch")
    run_id: str = Field(description="MLflow run of the training")
    best_epoch: int
    resumed_at: tuple[int, ...] = Field(description="whole epochs that were done when it went on after a kill")
    curve: tuple[float, ...] = Field(description="mAP50-95 on val after each epoch, by Ultralytics' validator")
    seconds: tuple[float, ...] = Field(description="from the start of the first epoch to the end of each")
    epochs_to_target: int | None = Field(description="first epoch with at least the target; null: none")
    seconds_to_target: float | None


class Curve(Part):
    """The mean of the seeds' curves, to the end of the shortest."""

    seconds: tuple[float, ...] = Field(description="mean over the seeds, to the end of each epoch")
    mean: tuple[float, ...]
    low: tuple[float, ...] | None = Field(description="of the 95 % t-interval of the mean; null for a single seed")
    high: tuple[float, ...] | None


class ArmResult(Part):
    """One arm."""

    name: str
    settings: dict[str, Any] = Field(description="what it has otherwise than the others, seeds left out")
    val: Estimate | None = Field(description="mAP50-95 on val of the best epochs, by COCO's protocol")
    score: Estimate | None = Field(description="the same on the split of the final scores")
    curve: Curve
    seeds: tuple[SeedResult, ...]


class Difference(Part):
    """Final scores of one arm less those of another, on the same images and seeds."""

    arm: str
    less: str
    estimate: Estimate


class Report(Part):
    """Schema version 1."""

    schema_version: Literal[1] = 1
    key: str = Field(description="the same study has the same")
    commit: str
    settings: dict[str, Any] = Field(default={}, description="what all arms have otherwise than its params.yaml")
    split: Literal["val", "test"] = Field(description="that the final scores are of")
    images: int = Field(description="of it, as the first arm has it")
    groups: int = Field(description="of them that are drawn together")
    target_share: float
    target: float | None = Field(description="mAP50-95 on val; null: no arm learned anything")
    arms: tuple[ArmResult, ...] = Field(description="the first is what the others are compared with")
    differences: tuple[Difference, ...] = Field(description="of all pairs of arms with the same images")
    other_images: tuple[str, ...] = Field(
        description="arms whose final scores are of other images than the first arm's: not compared with it"
    )
    other_val_images: tuple[str, ...] = Field(description="arms whose curves are: the target says little of them")
    machines: tuple[str, ...] = Field(description="that the seconds are of")

    def arm(self, name: str) -> ArmResult:
        """The arm of that name."""
        return next(arm for arm in self.arms if arm.name == name)

    def difference(self, arm: str, less: str) -> Estimate | None:
        """Of two arms, in this order; None where they were not compared."""
        return next((each.estimate for each in self.differences if (each.arm, each.less) == (arm, less)), None)


def weigh(
    key: str,
    commit: str,
    split: Literal["val", "test"],
    target_share: float,
    settings: Mapping[str, dict[str, Any]],
    outcomes: Sequence[Outcome],
    common: Mapping[str, Any],
) -> Report:
    """Make the report.

    Args:
        key: of the study.
        commit: that was run.
        split: of the final scores.
        target_share: of the best mean score on val.
        settings: of each arm, by name, the first first.
        outcomes: of every arm the same seeds.
        common: settings of all arms.
    """
    by_arm = {name: sorted((o for o in outcomes if o.arm == name), key=lambda o: o.seed) for name in settings}
    curves = {name: average_curves([outcome.curve for outcome in own]) for name, own in by_arm.items()}
    target = find_target([mean for mean, _, _ in curves.values()], target_share)
    final = {name: _Scored.of([outcome.final for outcome in own]) for name, own in by_arm.items()}
    val = {name: _Scored.of([outcome.val for outcome in own]) for name, own in by_arm.items()}
    first = next(iter(by_arm))
    return Report(
        key=key,
        commit=commit,
        settings=dict(common),
        split=split,
        images=len(by_arm[first][0].final.table.images),
        groups=final[first].groups,
        target_share=target_share,
        target=None if target is None else round(target, 6),
        arms=tuple(
            ArmResult(
                name=name,
                settings=settings[name],
                val=val[name].estimate(),
                score=final[name].estimate(),
                curve=_average(own),
                seeds=tuple(_describe(outcome, target) for outcome in own),
            )
            for name, own in by_arm.items()
        ),
        differences=tuple(
            Difference(arm=arm, less=less, estimate=moved)
            for less, arm in combinations(by_arm, 2)
            if final[arm].images == final[less].images and (moved := final[arm].estimate(final[less])) is not None
        ),
        other_images=tuple(name for name in by_arm if final[name].images != final[first].images),
        other_val_images=tuple(name for name in by_arm if val[name].images != val[first].images),
        machines=tuple(sorted({_describe_machine(outcome) for outcome in outcomes})),
    )


@dataclass(frozen=True)
class _Scored:
    """The seeds of one arm on one split.

    Attributes:
        images: fingerprint of the split, for each seed.
        groups: how many there are to draw.
        points: shape (seeds,).
        resampled: shape (seeds, resamples).
    """

    images: tuple[str, ...]
    groups: int
    points: NDArray[np.float64]
    resampled: NDArray[np.float64]

    @classmethod
    def of(cls, samples: Sequence[Sample]) -> Self:
        return cls(
            images=tuple(sample.fingerprint for sample in samples),
            groups=len(set(samples[0].groups)),
            points=np.array([sample.score() for sample in samples]),
            resampled=np.stack([sample.resample() for sample in samples]),
        )

    def estimate(self, less: Self | None = None) -> Estimate | None:
        if less is None:
            return estimate(self.points, self.resampled, self.groups, least=0)
        return estimate(self.points - less.points, self.resampled - less.resampled, self.groups, least=-1)


def _average(outcomes: Sequence[Outcome]) -> Curve:
    mean, low, high = average_curves([outcome.curve for outcome in outcomes])
    return Curve(
        seconds=_round(np.mean([outcome.seconds[: len(mean)] for outcome in outcomes], axis=0)),
        mean=_round(mean),
        low=None if low is None else _round(low),
        high=None if high is None else _round(high),
    )


def _describe(outcome: Outcome, target: float | None) -> SeedResult:
    epoch = None if target is None else find_epoch(outcome.curve, target)
    return SeedResult(
        seed=outcome.seed,
        identity=outcome.training.identity,
        run_id=outcome.training.run_id,
        best_epoch=outcome.training.best_epoch,
        resumed_at=outcome.training.resumed_at,
        curve=outcome.curve,
        seconds=outcome.seconds,
        epochs_to_target=epoch,
        seconds_to_target=None if epoch is None else outcome.seconds[epoch - 1],
    )


def _describe_machine(outcome: Outcome) -> str:
    training = outcome.training
    where = training.cpu if training.device == "cpu" else training.device
    return f"{where}, {training.threads} thread{'s' if training.threads > 1 else ''}"


def _round(values: Iterable[float]) -> tuple[float, ...]:
    return tuple(round(float(value), 6) for value in values)
