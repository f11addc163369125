"""TorchScript files, traced, scripted or frozen.

Their modules take no hooks, so that the network is mirrored as ordinary modules.
"""

import zipfile

from ...errors import NetworkError
from ..comparing import difference
from ..files import Check
from ..torchscript.mirroring import mirror
from ..torchscript.reading import read_scripted, trained_mode
from ..torchscript.scanning import scan
from ..trust import Level, Needs
from .blank_images import image_for
from .contents import Contents
from .reading import Reading, Request

NAME = "TorchScript"


def recognises(contents: Contents) -> bool:
    """Whether it is an archive with constants and source text."""
    parts = [name.split("/") for name in contents.names] if contents.is_zip else []
    has_code = any("code" in part[:-1] for part in parts)
    return has_code and any(part[-1] == "constants.pkl" for part in parts)


def needs(contents: Contents, request: Request) -> Needs:
    """What its source text does beside arithmetic."""
    try:
        with zipfile.ZipFile(contents.path) as archive:
            found = scan(archive)
    except (OSError, zipfile.BadZipFile) as error:
        found = [f"can't be looked through: {error}"]
    if found:
        what = "; ".join(finding.rstrip(".") for finding in found)
        return Needs(Level.CODE, f"the TorchScript {what}.")
    return Needs(Level.SCANNED, "TorchScript without operations that touch files.")


def read(contents: Contents, request: Request) -> Reading:
    """Open a file.

    Raises
    ------
    NetworkFileError
        If it is damaged, or does what can't be mirrored.
    """
    scripted = read_scripted(contents.path)
    module = mirror(scripted)
    image = image_for(module, str(contents.path), patch=request.patch)
    notices = [notice for notice in [trained_mode(scripted)] if notice is not None]
    check = None
    try:
        check = Check("TorchScript's own result", difference(module, scripted, image))
    except NetworkError as error:
        notices.append(f"The file's own network could not be run beside it: {error}")
    return Reading(
        module,
        architecture=f"{type(module).__name__} {image.ndim - 2}D",
        axes="CYX" if image.ndim == 4 else "CZYX",
        channels=image.shape[1],
        runs_at=tuple(image.shape[2:]),
        check=check,
        notices=notices,
    )
