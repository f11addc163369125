"""The questions that the demo networks are asked, about images that they were never trained on."""

from pathlib import Path

import numpy as np

from ..networks.opening import open_network
from ..networks.progress import Progress
from ..scenes import nuclei, streets
from ..scenes.generators import TEST_SEEDS
from ..scenes.samples import DATA, open_sample
from .observations import Observations, Question, observe

STREET_SEEDS = TEST_SEEDS[:6]
# Smaller things are cut off by the border or hidden, or hardly reach one bottleneck position.
_LEAST_NUCLEUS = 40
_LEAST_INSTANCE = 200
_LEAST_SHARE_OF_CLASS = 0.01
_INSTANCES_PER_CLASS = 2


def observe_demo_networks(
    progress: Progress | None = None, folder: Path = DATA
) -> list[Observations]:
    """Ask both demo networks all questions; some seconds a question on one processor core.

    Parameters
    ----------
    progress
        Called with questions done, questions in all (of both networks) and the question.
    folder
        Where ``nuclei.safetensors`` and ``streets.safetensors`` are.

    Returns
    -------
    list of Observations
        Of the nuclei network and of the streets network.

    Raises
    ------
    NetworkFileError
        If one of them is missing.
    """
    asked = {"nuclei": nuclei_questions(), "streets": streets_questions()}
    total = sum(map(len, asked.values()))
    observed: list[Observations] = []
    before = 0
    for name, questions in asked.items():

        def report(done: int, _: int, what: str, name: str = name, before: int = before) -> None:
            if progress is not None:
                progress(before + done, total, f"{name}: {what}")

        network = open_network(folder / f"{name}.safetensors")
        observed.append(observe(network, questions, report))
        before += len(questions)
    return observed


def nuclei_questions() -> list[Question]:
    """One question for each annotated nucleus of the part of the real image kept for tests."""
    sample = open_sample("nuclei")
    image = np.ascontiguousarray(sample.image[nuclei.TEST_PART])
    instances = sample.instances[nuclei.TEST_PART]
    values, sizes = np.unique(instances[instances > 0], return_counts=True)
    return [
        Question(f"nucleus {value}", image, sample.axes, instances == value, "nucleus")
        for value in values[sizes >= _LEAST_NUCLEUS]
    ]


def streets_questions() -> list[Question]:
    """Questions about classes and instances of street scenes with test seeds.

    For each scene: every class with at least one hundredth of the pixels, M being its true pixels;
    and the two largest objects, humans and vehicles each, M being one instance.
    """
    return [question for seed in STREET_SEEDS for question in _scene_questions(seed)]


def _scene_questions(seed: int) -> list[Question]:
    scene = streets.generate(seed)
    name = f"scene {seed - TEST_SEEDS.start}"
    questions = []
    for index, class_name in enumerate(scene.classes):
        of_class = scene.labels == index
        if of_class.mean() >= _LEAST_SHARE_OF_CLASS:
            title = f"{name}, all {class_name}"
            questions.append(Question(title, scene.image, scene.axes, of_class, class_name))
        sizes = np.bincount(scene.instances[of_class], minlength=1)
        sizes[0] = 0  # what belongs to no instance
        largest = np.argsort(-sizes, kind="stable")[:_INSTANCES_PER_CLASS]
        questions += [
            Question(
                f"{name}, {class_name} {value}",
                scene.image,
                scene.axes,
                scene.instances == value,
                class_name,
            )
            for value in largest
            if sizes[value] >= _LEAST_INSTANCE
        ]
    return questions
