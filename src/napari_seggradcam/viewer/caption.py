"""Text of a compare mode on the canvas, where the user may have text as well."""

from napari.components import ViewerModel

from .view_state import text_of


class Caption:
    """What a mode says on the canvas, in the place of what it finds there.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        The viewer, or napari's proxy of it.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self._said = ""
        self._found = ("", False)

    @property
    def stands(self) -> bool:
        """Whether the text on the canvas is what was said last; else it is the user's."""
        return bool(self._said) and bool(text_of(self._viewer).text == self._said)

    def say(self, text: str) -> None:
        """Show a text; an empty one gives back what was found."""
        if not text:
            self.give_back()
            return
        overlay = text_of(self._viewer)
        if not self.stands:
            self._found = overlay.text, overlay.visible
        overlay.text = self._said = text
        overlay.visible = True

    def give_back(self) -> None:
        """Put back what was found, unless the user has written since."""
        if self.stands:
            overlay = text_of(self._viewer)
            overlay.text, overlay.visible = self._found
        self._said = ""
