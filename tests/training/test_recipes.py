import json

import pytest

from napari_seggradcam import open_network
from napari_seggradcam.scenes.generators import TEST_SEEDS, TRAIN_SEEDS, VALIDATION_SEEDS
from napari_seggradcam.scenes.samples import DATA
from napari_seggradcam.training.generated import GeneratedScenes
from napari_seggradcam.training.recipes import RECIPES
from napari_seggradcam.training.sources import Mixed


@pytest.mark.parametrize("name", RECIPES)
def test_shipped_network_was_made_by_its_recipe(name):
    recipe, network = RECIPES[name], open_network(DATA / f"{name}.safetensors", device="cpu")
    assert network.path.stat().st_size < 4_000_000
    made = network.provenance
    assert made["settings"] == json.loads(json.dumps(recipe.options.result_settings()))
    assert made["training data"] == recipe.source("train").describe()
    assert made["validation data"] == recipe.source("validation").describe()
    assert (network.classes, network.colours) == (
        recipe.source("train").classes,
        recipe.source("train").colours,
    )


def generated_scenes(source):
    if isinstance(source, Mixed):
        return [scenes for one in source.sources for scenes in generated_scenes(one)]
    return [source] if isinstance(source, GeneratedScenes) else []


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize(
    ("part", "allowed"), [("train", TRAIN_SEEDS), ("validation", VALIDATION_SEEDS)]
)
def test_recipes_keep_to_the_seeds_of_their_part(name, part, allowed):
    (scenes,) = generated_scenes(RECIPES[name].source(part))
    assert scenes.first_seed in allowed
    assert scenes.first_seed + scenes.count - 1 in allowed
    assert not set(allowed) & set(TEST_SEEDS)
