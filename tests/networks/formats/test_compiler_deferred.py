"""Libraries that hardly use torch's compiler are imported without it, and find it when they do.

Each program runs in a process of its own, as the compiler stays once it is loaded.
"""

import subprocess
import sys
from pathlib import Path

import pytest

LIBRARY = """
import torch
from torch._dynamo.utils import is_compile_supported

@torch.compiler.disable
def compiled(x):
    return x + 1, torch.compiler.is_compiling()

@torch.compiler.disable(recursive=False, reason="a test")
def compiled_alone(x):
    return x + 1, torch.compiler.is_compiling()
"""
START = """
import sys, torch
own = torch.compiler.disable
from napari_seggradcam.networks.formats.packages import load_package
"""
LOADED = START + 'library = load_package("library", "a library", "all")\n'


def run(folder: Path, program: str, library: str = LIBRARY) -> None:
    """Run a program that ends with an error if something is wrong."""
    (folder / "library.py").write_text(library)
    path = f"import sys; sys.path.insert(0, {str(folder)!r})\n"
    done = subprocess.run(
        [sys.executable, "-c", path + program], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr


def test_importing_leaves_nothing_behind(tmp_path: Path) -> None:
    run(
        tmp_path,
        "import sys, torch; finders = list(sys.meta_path)\n"
        + LOADED
        + "assert not [name for name in sys.modules if name.startswith('torch._dynamo')]\n"
        "assert torch.compiler.disable is own and sys.meta_path == finders\n",
    )


def test_segmentation_models_need_no_compiler(tmp_path: Path) -> None:
    pytest.importorskip("segmentation_models_pytorch")
    run(
        tmp_path,
        START + "kept = torch.library.Library('torchvision', 'FRAGMENT')\n"  # see conftest.py
        "for name in ('nms', 'qnms'):\n"
        "    kept.define(f'{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor')\n"
        "smp = load_package('segmentation_models_pytorch', 'smp', 'smp')\n"
        "smp.Unet('resnet18', encoder_weights=None)(torch.zeros(2, 3, 32, 32))\n"
        "assert 'torch._dynamo' not in sys.modules\n",
    )


def test_what_was_deferred_is_what_the_compiler_says(tmp_path: Path) -> None:
    run(
        tmp_path,
        LOADED + "said = library.is_compile_supported('cpu')\n"
        "import torch._dynamo.utils as real\n"
        "assert real.__file__ and real.is_compile_supported is not library.is_compile_supported\n"
        "assert said == real.is_compile_supported('cpu')\n"
        "assert torch._dynamo.utils is real is sys.modules['torch._dynamo.utils']\n",
    )


def test_functions_that_shall_not_be_compiled_are_not(tmp_path: Path) -> None:
    run(
        tmp_path,
        LOADED + "for inner in (library.compiled, library.compiled_alone):\n"
        "    assert inner.__name__.startswith('compiled')\n"
        "    outer = torch.compile(lambda x: inner(x * 2), backend='eager')\n"
        "    for _ in range(2):\n"
        "        result, compiling = outer(torch.ones(2))\n"
        "        assert result.tolist() == [3, 3] and not compiling\n"
        "    assert inner(torch.zeros(1))[0].tolist() == [1]\n",
    )


@pytest.mark.parametrize(
    "first",
    [
        "import torch._dynamo",
        "from torch._dynamo.utils import counters",
        "import torch; torch.compiler.disable(torch.nn.ReLU())",
    ],
)
def test_a_library_that_uses_the_compiler_gets_it(tmp_path: Path, first: str) -> None:
    run(
        tmp_path,
        LOADED + "import torch._dynamo\n"
        "from torch._dynamo import convert_frame, utils\n"
        "assert utils is sys.modules['torch._dynamo.utils'] and utils.__file__\n"
        "assert convert_frame.counters is utils.counters\n"
        "outer = torch.compile(lambda x: library.compiled(x * 2)[0], backend='eager')\n"
        "assert outer(torch.ones(1)).tolist() == [3]\n"
        "assert torch.compiler.disable is own\n",
        first + LIBRARY,
    )


def test_a_compiler_that_is_loaded_is_used(tmp_path: Path) -> None:
    run(
        tmp_path,
        "import torch._dynamo.utils as real\n"
        + LOADED
        + "assert library.is_compile_supported is real.is_compile_supported\n",
    )
