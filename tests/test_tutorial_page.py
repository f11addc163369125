"""The hook that runs the tutorial for the pages; the tutorial itself runs when they are built."""

import importlib.util
import sys
import traceback
from pathlib import Path
from types import ModuleType

import pytest

HOOK = Path(__file__).parents[1] / "docs" / "hooks" / "tutorial.py"
SCRIPT = """# ---
# jupyter: {}
# ---

# %% [markdown]
# # Title
#
# A formula $x$.

# %%
import matplotlib.pyplot as plt
import pandas as pd

x = 2
print("printed")
x + 1

# %%
plt.plot([1, 2])
pd.DataFrame({"a": [x]})
"""


@pytest.fixture(scope="module")
def hook() -> ModuleType:
    spec = importlib.util.spec_from_file_location("tutorial_hook", HOOK)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


def test_page_has_text_code_values_and_figures(hook: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    page, figures = hook.page_of(path)
    assert page.startswith("# Title\n\nA formula $x$.\n\n```python\nimport matplotlib")
    assert "```text\nprinted\n```\n\n```text\n3\n```" in page
    assert "<td>2</td>" in page
    assert page.endswith("(images/script/1.png)\n")
    assert list(figures) == ["1.png"]
    assert figures["1.png"].startswith(b"\x89PNG")


def test_failing_cell_says_its_line(hook: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "script.py"
    path.write_text(SCRIPT + "\n# %%\nfirst = 1\nfirst / 0\n")
    with pytest.raises(ZeroDivisionError) as caught:
        hook.page_of(path)
    last = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert (last.filename, last.lineno) == (str(path), SCRIPT.count("\n") + 4)
