"""Stage base: the parent weights, from a checkpoint or an ONNX export, as a checkpoint of our own."""

from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from steelyard.errors import WeightsError
from steelyard.params import load_params
from steelyard.paths import BASE_MANIFEST, BASE_WEIGHTS, PARAMS, quiet_ultralytics
from steelyard.source import open_source
from steelyard.task import run_task
from steelyard.weights.architecture import count_parameters
from steelyard.weights.checkpoint import Checkpoint, load_checkpoint, save_checkpoint, write_whole
from steelyard.weights.identity import file_sha256, identify
from steelyard.weights.manifest import BaseManifest
from steelyard.weights.onnx import CROPS, import_onnx


def main() -> None:
    root = Path.cwd()
    params = load_params(PARAMS).base
    quiet_ultralytics(root)
    with open_source(params.source, params.sha256, root) as path:
        try:
            checkpoint, batchnorm = _load(path)
        except WeightsError as error:  # the path is a temporary one, gone when the message is read
            raise WeightsError(str(error).replace(str(path), params.source)) from None
        source_sha256 = file_sha256(path)
    model = checkpoint.model
    save_checkpoint(model, BASE_WEIGHTS, image_size=checkpoint.image_size)
    manifest = BaseManifest(
        source=params.source,
        sha256=source_sha256,
        format="onnx" if path.suffix == ".onnx" else "pt",
        licence=params.licence,
        identity=identify(model.state_dict()),
        file_sha256=file_sha256(BASE_WEIGHTS),
        architecture=model.yaml["yaml_file"].removesuffix(".yaml"),
        parameters=count_parameters(model),
        layers=len(model.model),
        classes=checkpoint.classes,
        image_size=checkpoint.image_size,
        batchnorm=batchnorm,
    )
    write_whole(BASE_MANIFEST, (manifest.model_dump_json(indent=2) + "\n").encode())
    first = ", ".join(list(manifest.classes.values())[:3])
    more = ", ..." if len(manifest.classes) > 3 else ""
    size = f"{manifest.parameters:,} parameters in {manifest.layers} layers"
    print(f"base weights: {manifest.architecture}, {size}")
    print(f"classes: {len(manifest.classes)} ({first}{more})")
    print(f"batchnorm: {manifest.batchnorm}")
    print(f"licence: {manifest.licence}")
    print(f"identity: {manifest.identity}")


def _load(path: Path) -> tuple[Checkpoint, str]:
    """The weights, and where the statistics of their BatchNorm layers come from."""
    if path.suffix == ".pt":
        return load_checkpoint(path), "as in the checkpoint"
    if path.suffix == ".onnx":
        console = Console(stderr=True)
        with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
            task = progress.add_task("measuring BatchNorm", total=CROPS)
            imported = import_onnx(path, watch=lambda done, total: progress.update(task, completed=done, total=total))
        return imported, f"measured again on {CROPS} crops"
    raise WeightsError(f"{path}: ends with {path.suffix!r}; needed is a .pt checkpoint or an .onnx export")


if __name__ == "__main__":
    run_task(main)
