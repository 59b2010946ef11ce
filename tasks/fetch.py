"""Stage fetch: the source of params.yaml becomes data/dataset and data/dataset.json."""

from pathlib import Path

from steelyard.dataset.build import build_dataset
from steelyard.params import load_params
from steelyard.paths import DATASET, DATASET_MANIFEST, PARAMS
from steelyard.task import run_task


def main() -> None:
    build_dataset(load_params(PARAMS).fetch, Path(), DATASET, DATASET_MANIFEST, print)


if __name__ == "__main__":
    run_task(main)
