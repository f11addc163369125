"""The largest image on which each library still makes the heatmaps of one region.

Usage: python benchmarks/limits.py [--from 1024] [--to 16384] [--memory 20] [--minutes 10]
    [--threads 2] [--peers captum pytorch-grad-cam torch-cam] [--write FILE]

The nuclei network and its sample, tiled; a region of 64 × 64 pixels in the middle, and the second
convolution of every block: nine network layers. Sizes double until a library fails. Every run is a
process of its own, ended when its resident memory exceeds ``--memory`` GiB, when the machine has
little left, or after ``--minutes``. At the first size the maps are compared with ours, after the
library's memory was read. Figures are time on the clock and the peak of the whole process.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from cases import Case
from contestants import PEERS, installed, ours_new
from measuring import check, in_gib, in_seconds, markdown, write

import napari_seggradcam as sgc

SIDE = 64
# Bytes that the machine keeps for everyone else.
_RESERVE = 2**30


def nuclei(size: int) -> tuple[Case, np.ndarray, np.ndarray]:
    """The network, its sample tiled to a size and normalised, and the region."""
    sample = sgc.open_sample("nuclei")
    opened = sgc.open_network(sample.network_path, device="cpu")
    normalised = opened.prepare(sample.image, sample.axes).tensor[0, 0].numpy()
    copies = [-(-size // length) for length in normalised.shape]
    image = np.ascontiguousarray(np.tile(normalised, copies)[:size, :size])
    mask = np.zeros((size, size), bool)
    middle = slice((size - SIDE) // 2, (size + SIDE) // 2)
    mask[middle, middle] = True
    # Without its normalisation, because the image is normalised already.
    return Case(opened.module, sgc.Network.from_module(opened.module), size), image, mask


def run_one(peer: str, size: int, compare: bool) -> None:
    """What the process does: one call, and a line of JSON."""
    installed([peer])
    case, image, mask = nuclei(size)
    started = time.perf_counter()
    maps = PEERS[peer](case, image, mask)
    seconds = time.perf_counter() - started
    peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if compare:
        check(peer, [maps], [ours_new(case, image, mask)])
    print(json.dumps({"seconds": seconds, "peak": peak}))


def watch(peer: str, size: int, given: argparse.Namespace) -> dict[str, Any]:
    """Run one process within its limits: seconds, peak of resident memory, how it failed."""
    command = [sys.executable, __file__, "--one", peer, "--from", str(size)]
    command += ["--threads", str(given.threads), *(["--compare"] if size == given.first else [])]
    started, peak, failed = time.monotonic(), 0, ""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        seen = psutil.Process(process.pid)
        while process.poll() is None and not failed:
            time.sleep(0.05)
            try:
                peak = max(peak, seen.memory_info().rss)
            except psutil.Error:
                break  # it has just ended
            if peak > given.memory * 2**30:
                failed = f"more than {given.memory} GiB"
            elif psutil.virtual_memory().available < _RESERVE:
                failed = f"the machine's memory was used up, {in_gib(peak)} of it here"
            elif time.monotonic() - started > 60 * given.minutes:
                failed = f"more than {given.minutes:g} minutes"
        if failed:
            process.kill()
        output, errors = process.communicate()
    seconds = time.monotonic() - started
    if not failed and process.returncode:
        failed = (errors.strip().splitlines() or [f"ended with {process.returncode}"])[-1]
    if failed:
        return {"seconds": seconds, "peak": peak, "failed": failed}
    print(output.rpartition("{")[0], end="")
    return {**json.loads(output.strip().splitlines()[-1]), "failed": ""}


def main() -> None:
    """Run every library at growing sizes, print, and write if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--from", dest="first", type=int, default=1024)
    parser.add_argument("--to", dest="last", type=int, default=16384)
    parser.add_argument("--memory", type=float, default=20, help="GiB for a process")
    parser.add_argument("--minutes", type=float, default=10, help="for a process")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--peers", nargs="*", default=list(PEERS), choices=list(PEERS))
    parser.add_argument("--one", choices=list(PEERS), help=argparse.SUPPRESS)
    parser.add_argument("--compare", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--write", type=Path, help="Markdown file for the table")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    if given.one:
        run_one(given.one, given.first, given.compare)
        return
    rows = []
    for peer in installed(given.peers):
        size, failed = given.first, ""
        while size <= given.last and not failed:
            print(f"{peer}, {size}²", flush=True)
            found = watch(peer, size, given)
            failed = found["failed"]
            took = in_seconds(found["seconds"])
            rows.append([peer, f"{size}²", took, in_gib(found["peak"]), failed or "ran"])
            print(f"  {took}, {in_gib(found['peak'])}, {failed or 'ran'}", flush=True)
            size *= 2
    head = ["library", "image", "seconds", "resident at peak", "outcome"]
    write(given.write, markdown(head, rows))


if __name__ == "__main__":
    main()
