"""Install the built wheel as a user would, outside the source tree, and run the demo from it.

Usage: python scripts/check_wheel.py DIST

DIST is the folder that ``python -m build`` filled. No extras are installed: the demo has to
work without Qt and without a screen.
"""

import os
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "napari_seggradcam"
SHIPPED = (
    "napari.yaml",
    "py.typed",
    *(f"scenes/data/{name}" for name in ("ORIGIN.md", "nuclei.tif", "nuclei-mask.tif")),
    *(f"scenes/data/{name}.safetensors" for name in ("nuclei", "streets")),
)


def check_contents(dist: Path) -> Path:
    """Return the wheel of DIST after a look into it and into the sdist."""
    (wheel,) = dist.glob("*.whl")
    (sdist,) = dist.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        in_wheel = set(archive.namelist())
    with tarfile.open(sdist) as archive:
        in_sdist = {name.partition("/")[2] for name in archive.getnames()}
    missing = [name for name in SHIPPED if f"{PACKAGE}/{name}" not in in_wheel]
    missing += [name for name in ("napari.yaml", "LICENSE", "tox.ini") if name not in in_sdist]
    if missing:
        sys.exit(f"{dist}: files are missing: {', '.join(missing)}")
    return wheel


def run_demo(wheel: Path, folder: Path) -> None:
    """Install the wheel into a new environment in the folder and run the demo there."""
    venv.create(folder / "venv", with_pip=True)
    scripts = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def run(program: str, *arguments: str) -> None:
        subprocess.run(
            [str(scripts / program), *arguments], cwd=folder, env=environment, check=True
        )

    run("python", "-m", "pip", "install", "-q", "-c", str(ROOT / "constraints.txt"), str(wheel))
    run("python", "-m", "pip", "check")
    run("npe2", "validate", "napari-seggradcam")
    run("seggradcam", "demo", "--no-window", "--out", "demo")
    (figure,) = (folder / "demo").rglob("*.png")
    (results,) = (folder / "demo").rglob("*.sgc.zarr")
    check = f"import {PACKAGE} as sgc; print(*sgc.open_explanation(r'{results}').layers, sep=', ')"
    run("python", "-c", check)
    print(
        f"The wheel's demo wrote {figure.name} ({figure.stat().st_size} bytes) and {results.name}"
    )


if __name__ == "__main__":
    built = check_contents(Path(sys.argv[1]).resolve())
    with tempfile.TemporaryDirectory(prefix="seggradcam-wheel-") as temporary:
        run_demo(built, Path(temporary))
