"""The method: from a question (network, image, region, class) to heatmaps with a record.

Nothing here knows napari, files of images, or how a network was trained.

The room can be called: ``napari_seggradcam.explain(...)`` is
:func:`napari_seggradcam.explain.explainer.explain`. Python binds a subpackage to its
name in the package as soon as anything in it is imported, so a plain function of
the same name would come and go with the order of imports.
"""

import sys
from types import ModuleType
from typing import Any


class _CallableRoom(ModuleType):
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        from .explainer import explain

        return explain(*args, **kwargs)


sys.modules[__name__].__class__ = _CallableRoom
