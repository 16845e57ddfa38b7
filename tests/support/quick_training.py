"""The real training with one candidate alone, for tests of what does not depend on the others.

``python -m tests.support.quick_training DATA TARGET NAME CONTRACT`` publishes in the environment's stores.
"""

import sys
from pathlib import Path

from rich.console import Console

from training.candidates.built_in import CANDIDATES
from training.progress import Progress
from training.table.dataset import load_dataset
from training.table.overrides import read_overrides
from training.train import Settings, train


def main(data: str, target: str, name: str, contract: str) -> None:
    dataset = load_dataset(Path(data), target, overrides=read_overrides(Path(contract)))
    settings = Settings(name, 0.2, 42, Path.cwd())
    with Progress(Console(quiet=True), fits=0) as progress:
        train(dataset, dataset.split(0.2, 42), settings, progress, CANDIDATES[:1])


if __name__ == "__main__":
    main(*sys.argv[1:])
