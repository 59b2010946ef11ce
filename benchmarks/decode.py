"""``python -m benchmarks.decode FOLDER``: decode every JPEG file below once, on all cores."""

import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from PIL import Image


def decode(path: Path) -> None:
    """All pixels, at full size, as a training would read them."""
    with Image.open(path) as image:
        image.load()


def main() -> None:
    """Decode in a pool of processes, in chunks, since single files would measure the pool."""
    with ProcessPoolExecutor() as pool:
        for _ in pool.map(decode, sorted(Path(sys.argv[1]).rglob("*.jpg")), chunksize=50):
            pass


if __name__ == "__main__":
    main()
