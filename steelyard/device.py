"""What a training is computed on: device, precision, threads, processor, versions."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

from steelyard.errors import ParamsError


def choose_device(asked: str) -> str:
    """Turn ``finetune.device`` into ``cpu``, ``mps`` or the number of a GPU that is there.

    Raises:
        ParamsError: the device is not in this machine.
    """
    import torch  # heavy: 2.8 s

    if asked == "auto":
        return "0" if torch.cuda.is_available() else "cpu"
    there = ["cpu"] + ["mps"] * torch.backends.mps.is_available()
    there += [str(number) for number in range(torch.cuda.device_count())]
    if asked not in there:
        raise ParamsError(
            f"params.yaml: finetune.device = {asked!r}: not in this machine, which has {', '.join(there)}; "
            "auto takes a GPU where there is one"
        )
    return asked


def choose_precision(device: str) -> str:
    """``bf16`` on a GPU that computes it in hardware, else ``fp32``.

    Not fp16: its loss scaling needs a check that downloads weights.
    """
    import torch  # heavy: 2.8 s

    if device.isdigit() and torch.cuda.get_device_capability(int(device)) >= (8, 0):
        return "bf16"
    return "fp32"


def name_device(device: str) -> str:
    """The device as people call it."""
    import torch  # heavy: 2.8 s

    return torch.cuda.get_device_name(int(device)) if device.isdigit() else device


def choose_threads(asked: int) -> int:
    """Turn ``finetune.threads`` into a number: 0 is every core that this process may use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return asked or cores


def read_cpu_name() -> str:
    """Name of the processor, as the system tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def read_versions() -> dict[str, str]:
    """Versions of what computes the weights."""
    names = ("torch", "torchvision", "ultralytics", "numpy", "opencv-python")
    return {"python": platform.python_version(), **{name: version(name) for name in names}}
