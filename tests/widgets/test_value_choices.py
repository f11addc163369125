"""What becomes of an image's values, said without reading a large image on the GUI thread."""

import dask.array as da
import numpy as np

from napari_seggradcam.widgets.value_choices import preview


def test_of_an_image_on_the_disk_the_middle_is_read() -> None:
    computed = []

    def block(block_info: dict) -> np.ndarray:
        computed.append(block_info[None]["chunk-location"])
        return np.full((500, 500), 7, np.uint16)

    lazy = da.map_blocks(block, chunks=((500,) * 40, (500,) * 40), dtype=np.uint16)
    assert preview("slide", lazy, "bytes") == "In slide, 7 … 7 becomes 0.0275 … 0.0275."
    assert 0 < len(computed) <= 9
