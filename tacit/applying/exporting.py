"""An encoder as another tool loads it: `tacit export`."""

from __future__ import annotations

from pathlib import Path

from tacit.encoder import TrainedEncoder
from tacit.engine import files
from tacit.errors import UsageError


def export_to(encoder: TrainedEncoder, out: Path) -> list[Path]:
    """Write the folder `out`, which is new or empty, as sentence-transformers loads it; returns its files.

    Raises `UsageError` where `out` holds something, or where no other tool reads this encoder, and `RunError` where it
    cannot be written.
    """
    modality = encoder.modality
    if modality.export is None:
        raise UsageError(
            f"encoders of {modality.unit} are loaded by tacit alone: {encoder.path} holds all there is, config.json "
            "and model.safetensors, and tacit.load(...) gives its network"
        )
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} is there already and holds something: name another --out")
    written = modality.export(encoder.network, encoder.layout)
    for name, content in written.items():
        try:
            (out / name).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise files.WriteError(out / name, error) from error
        files.write(out / name, content)
    return [out / name for name in written]
