"""Optional packages that some formats are built with."""

import importlib
from types import ModuleType

from ...errors import MissingPackage


def load_package(module: str, package: str, extra: str) -> ModuleType:
    """A module of an optional package.

    Parameters
    ----------
    module
        Its dotted name.
    package
        The package, for people.
    extra
        The extra of this package that installs it.

    Raises
    ------
    MissingPackage
        If it can't be imported.
    """
    try:
        return importlib.import_module(module)
    except Exception as error:  # packages that do not fit each other raise all kinds
        raise MissingPackage(
            f"Opening this network needs {package}, which can't be imported ({error}). Install "
            f'it: pip install "napari-seggradcam[{extra}]". If it is installed, it does not fit '
            "another package here, which the words in brackets name."
        ) from error
