"""Open damaged copies of a good file of every format, in a process of its own that may crash.

Usage: python tests/networks/damaged_copies.py FOLDER. One line of JSON with the name of every file
that is damaged, and one after that with what came of it; where the process crashes, the last line
is the name.
"""

import io
import json
import shutil
import sys
import time
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

sys.path.insert(0, str(Path(__file__).parent.parent))

import conftest  # noqa: F401  what every test has
import napari_seggradcam as sgc
import network_files
from napari_seggradcam.errors import SegGradCamError
from napari_seggradcam.networks.formats.cellpose_network import CellposeNetwork
from network_files import NetworkOnDisk


def _saved(content: object, path: Path, zipped: bool = True) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    return path


def _pickle(folder: Path) -> NetworkOnDisk:
    # Without trust: Python's own unpickler may ask for as much memory as a flipped bit says.
    good = network_files.WRITERS["pickled module"](folder)
    return NetworkOnDisk(good.path, good.module, good.format)


def _small_smp(folder: Path) -> NetworkOnDisk:
    import segmentation_models_pytorch

    small = {"encoder_depth": 3, "decoder_channels": (4, 4, 4), "encoder_weights": None}
    module = segmentation_models_pytorch.Unet("tu-mobilenetv3_small_050", **small)
    module.save_pretrained(folder / "smp")
    return NetworkOnDisk(folder / "smp", module, "segmentation-models-pytorch")


def _bare(folder: Path) -> NetworkOnDisk:
    module = sgc.UNet(**network_files.OWN)
    save_file(module.state_dict(), folder / "bare.safetensors")
    return NetworkOnDisk(folder / "bare.safetensors", module, "checkpoint")


def _legacy(folder: Path) -> NetworkOnDisk:
    module = sgc.UNet(**network_files.OWN)
    path = _saved(module.state_dict(), folder / "legacy.pth", zipped=False)
    return NetworkOnDisk(path, module, "checkpoint")


def _older_cellpose(folder: Path) -> NetworkOnDisk:
    module = CellposeNetwork((2, 4, 6))
    path = _saved(module.state_dict(), folder / "cyto", zipped=False)
    return NetworkOnDisk(path, module, "Cellpose")


def _zipped_bundle(folder: Path) -> NetworkOnDisk:
    good = network_files.WRITERS["MONAI bundle"](folder)
    path = shutil.make_archive(str(folder / "bundle"), "zip", good.path.parent, good.path.name)
    return NetworkOnDisk(Path(path), good.module, good.format)


WRITERS: dict[str, Callable[[Path], NetworkOnDisk]] = {
    **network_files.WRITERS,
    "pickled module": _pickle,
    "smp": _small_smp,  # the other one has 45 MB
    "safetensors": _bare,
    "legacy checkpoint": _legacy,
    "legacy Cellpose": _older_cellpose,
    "MONAI archive": _zipped_bundle,
    "BioImage.IO 0.5 with TorchScript": network_files._package("folder", "torchscript"),
}
_MEMBERS = 5  # of an archive, those that say what it is


def _flipped(content: bytes, *places: int) -> bytes:
    copy = bytearray(content)
    for at in places:
        copy[at] ^= 1 << (at % 8)
    return bytes(copy)


def damaged(content: bytes) -> Iterator[bytes]:
    """Cut-off and bit-flipped copies of a file."""
    length, random = len(content), np.random.default_rng(len(content))
    yield from (content[: int(share * length)] for share in (0.02, 0.6, 0.995))
    # Where most is decided: the beginning, and an archive's list at its end.
    for start, stop in ((0, 40), (0, 400), (0, length), (0, length), (-400, 0), (-60, 0)):
        yield _flipped(content, int(random.integers(max(start, -length), min(stop, length))))
    yield _flipped(content, *random.integers(0, length, 16).tolist())
    if zipfile.is_zipfile(io.BytesIO(content)):
        yield from damaged_members(content)


def damaged_members(content: bytes) -> Iterator[bytes]:
    """Archives that are whole, whose members are not."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    told = [n for n in members if n.endswith((".pkl", ".json", ".yaml", ".py", ".pt", ".onnx"))]
    for number, name in enumerate(told[:: -(-len(told) // _MEMBERS)]):
        good = members[name]
        random = np.random.default_rng(number)
        places = random.integers(0, len(good), 2).tolist()
        for copy in (good[: len(good) // 2], *(_flipped(good, at) for at in places)):
            file = io.BytesIO()
            with zipfile.ZipFile(file, "w") as archive:
                for other in members:
                    archive.writestr(other, copy if other == name else members[other])
            yield file.getvalue()


def _tell(**what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def open_copies(name: str, good: NetworkOnDisk, file: Path) -> None:
    """Open all damaged copies of one file, and say what came of it."""
    name = f"{name}: {file.name}"
    _tell(file=name)
    start = time.process_time()
    content, said, others, opened = file.read_bytes(), [], [], 0
    for number, copy in enumerate(damaged(content)):
        file.write_bytes(copy)
        try:
            good.opened()
            opened += 1
        except SegGradCamError as error:
            said.append(str(error))
        except BaseException as error:  # which the test tells
            others.append(f"copy {number}: {error!r}")
    file.write_bytes(content)
    seconds = time.process_time() - start
    told = {"opened": opened, "said": said, "others": others, "seconds": round(seconds, 2)}
    _tell(file=name, **told)


def main(root: Path) -> None:
    """Go through the good files of all formats."""
    warnings.simplefilter("ignore")
    arrays: set[str] = set()  # of BioImage.IO, alike in all packages
    for number, (name, write) in enumerate(WRITERS.items()):
        torch.manual_seed(number)
        folder = root / name
        folder.mkdir()
        good = write(folder)
        if name != "pickled module":
            good.opened()  # it is a good one
        for file in sorted(good.path.rglob("*")) or [good.path]:
            seen = file.suffix == ".npy" and file.name in arrays
            arrays.add(file.name)
            if file.is_file() and file.suffix != ".md" and not seen:
                open_copies(name, good, file)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
