"""Files of ``torch.export`` (``.pt2``)."""

from ...errors import NetworkError, NetworkFileError
from ..comparing import difference
from ..exported.reading import read_exported
from ..exported.scanning import scan
from ..files import Check
from ..trust import Level, Needs
from .blank_images import image_for
from .contents import Contents
from .reading import Reading, Request

NAME = "torch.export"

_MOST = 2**33  # bytes of a member; weights are the largest


def recognises(contents: Contents) -> bool:
    """Whether it is an archive of torch.export, of this version or of one before 2.8."""
    if not contents.is_zip:
        return False
    parts = [name.split("/") for name in contents.names]
    old = any(part[-1] == "serialized_exported_program.json" for part in parts)
    return old or (
        any(part[-1] == "archive_format" for part in parts)
        and any("models" in part[:-1] for part in parts)
    )


def needs(contents: Contents, request: Request) -> Needs:
    """What torch would unpickle or evaluate."""
    found = scan(contents.names, lambda name: contents.read(name, _MOST))
    if found:
        return Needs(Level.CODE, f"in it is {'; '.join(map(str, found))}.")
    return Needs(Level.SCANNED, "an exported graph of torch's own operations.")


def read(contents: Contents, request: Request) -> Reading:
    """Open a file.

    Raises
    ------
    NetworkFileError
        If it is damaged, or was exported for a batch of several images.
    """
    exported = read_exported(contents.path, trust=request.trusted)
    channels, check, notices, size = exported.channels, None, [], None
    try:
        image = image_for(exported.module, str(contents.path), exported.shape[1:], request.patch)
        size = tuple(image.shape[2:])
        channels = channels or image.shape[1]
        same = difference(exported.module, exported.original, image)
        check = Check("torch.export's own result", same)
    except (NetworkError, NetworkFileError) as error:
        if channels is None:
            raise
        notices.append(f"The file's own network could not be run beside it: {error}")
    return Reading(
        exported.module,
        architecture=f"exported graph {len(exported.axes) - 1}D",
        axes=exported.axes,
        channels=channels,
        runs_at=size,
        check=check,
        notices=notices,
    )
