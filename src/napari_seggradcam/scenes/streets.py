"""Generated street scenes with the seven class groups of Cityscapes.

A scene is drawn by painting planes from far to near: sky, ground, distant skyline, houses,
hedges, then everything that stands in the street. Its colours come from one pool that all
classes share and its layout changes from seed to seed, so that neither the colour of a pixel
nor its place tells the class; texture, shape and surroundings do.
"""

from __future__ import annotations

import numpy as np

from . import street_buildings as buildings
from . import street_plants as plants
from .scene import Scene, check_size, renumbered
from .street_camera import Camera
from .street_canvas import CLASSES, COLOURS, Canvas
from .street_ground import Street, paint_ground, paint_sky
from .street_look import Look, draw_look
from .street_materials import paint_materials
from .street_photo import photograph
from .street_population import Population

__all__ = ["CLASSES", "COLOURS", "SIZE", "SMALLEST", "generate"]

SIZE = (256, 512)
SMALLEST = 64


def generate(seed: int, size: tuple[int, int] = SIZE) -> Scene:
    """Return the generated street scene of this seed.

    Parameters
    ----------
    seed : int
        Whole number from 0.
    size : tuple of int
        Rows and columns, at least 64 each.

    Returns
    -------
    Scene
        ``image`` is uint8 (Y, X, 3), red, green and blue; ``labels`` has the classes flat,
        construction, object, nature, sky, human and vehicle; every object, human and vehicle
        is one instance.

    Raises
    ------
    ShapeError
        If the size is smaller than 64 pixels along an axis.
    """
    size = check_size(size, SMALLEST)
    rng = np.random.default_rng(seed)
    look = draw_look(rng)
    camera = _draw_camera(rng, size)
    street = _draw_street(rng)
    canvas = Canvas(size)
    paint_sky(canvas, camera, look, rng)
    paint_ground(canvas, camera, look, street, rng)
    sides = [str(rng.choice(["town", "suburb", "park"], p=[0.5, 0.3, 0.2])) for _ in range(2)]
    _paint_distance(canvas, camera, look, street, rng)
    for sign, kind in zip((-1, 1), sides, strict=True):
        _paint_side(canvas, camera, look, street, rng, sign, kind)
    Population(canvas, camera, look, street, rng).paint()
    paint_materials(canvas, rng)
    return Scene(
        image=photograph(canvas, look, rng),
        labels=canvas.labels,
        instances=renumbered(canvas.instances),
        axes="YXC",
        classes=CLASSES,
        colours=COLOURS,
        seed=seed,
        info={"weather": look.weather, "left": sides[0], "right": sides[1]},
    )


def _draw_camera(rng: np.random.Generator, size: tuple[int, int]) -> Camera:
    rows, columns = size
    return Camera(
        size=size,
        focal=rows * float(rng.uniform(0.85, 1.3)),
        horizon=rows * float(rng.uniform(0.34, 0.6)),
        centre=columns * float(rng.uniform(0.3, 0.7)),
        height=float(rng.uniform(1.4, 2.7)),
    )


def _draw_street(rng: np.random.Generator) -> Street:
    road = float(rng.uniform(3.2, 5.5))
    pavement = float(rng.uniform(1.6, 4.0))
    gardens = [float(rng.choice([0.0, rng.uniform(2, 6)])) for _ in range(2)]
    junction = (-1.0, -1.0)
    if rng.random() < 0.35:
        begin = float(rng.uniform(9, 25))
        junction = (begin, begin + float(rng.uniform(5, 8)))
    return Street(
        middle=float(rng.uniform(-0.65, 0.65)) * road,
        road=road,
        pavement=pavement,
        front=(road + pavement + gardens[0], road + pavement + gardens[1]),
        end=float(rng.uniform(35, 110)),
        crossing=float(rng.uniform(5, 20)) if rng.random() < 0.35 else -1.0,
        junction=junction,
    )


def _paint_distance(
    canvas: Canvas, camera: Camera, look: Look, street: Street, rng: np.random.Generator
) -> None:
    """Paint what closes the view: woods, a row of houses, or nothing but the horizon."""
    kind = rng.random()
    if kind < 0.75:
        plants.paint_wood(canvas, camera, look, rng, street.end * 1.6, float(rng.uniform(6, 14)))
    if kind < 0.4:
        x = street.middle - float(rng.uniform(30, 60))
        while x < street.middle + 60:
            breadth = float(rng.uniform(9, 20))
            facade = buildings.draw_facade(rng, look, int(rng.integers(2, 6)))
            reach = (street.end * 1.15, street.end * 1.15 + 5)
            buildings.paint_house(canvas, camera, look, facade, x, 1, reach, breadth)
            x += breadth + float(rng.choice([0.0, 4.0]))


def _paint_side(
    canvas: Canvas,
    camera: Camera,
    look: Look,
    street: Street,
    rng: np.random.Generator,
    sign: int,
    kind: str,
) -> None:
    """Paint one side of the street: plots from the far end to the near one."""
    front = street.front[0 if sign < 0 else 1]
    share = {"town": 0.93, "suburb": 0.6, "park": 0.08}[kind]
    plots = _plots(rng, street)
    storeys = int(rng.integers(1, 6)) if kind == "town" else int(rng.integers(1, 3))
    for begin, end in reversed(plots):
        x = street.middle + sign * (front + float(rng.choice([0.0, rng.uniform(0, 2)])))
        if rng.random() < share:
            facade = buildings.draw_facade(rng, look, max(1, storeys + int(rng.integers(-1, 2))))
            breadth = float(rng.uniform(7, 12))
            buildings.paint_house(canvas, camera, look, facade, x, sign, (begin, end), breadth)
        else:
            for _ in range(int(rng.integers(1, 4))):
                where = x + sign * float(rng.uniform(0.5, 7)), float(rng.uniform(begin, end))
                tall = float(rng.uniform(4, 10))
                if where[1] > 3:
                    plants.paint_tree(canvas, camera, look, rng, *where, tall)
    edge = street.middle + sign * (street.kerb + 0.1)
    if front > street.kerb + 0.5:
        for begin, end in reversed(plots):
            what = rng.random()
            if what < 0.4:
                plants.paint_hedge(canvas, camera, look, rng, edge, (begin, end - 0.8))
            elif what < 0.65:
                buildings.paint_barrier(canvas, camera, look, rng, edge, (begin, end - 0.8))


def _plots(rng: np.random.Generator, street: Street) -> list[tuple[float, float]]:
    """Return where plots begin and end along the street; side roads stay free."""
    plots = []
    z = float(rng.uniform(-8, 2))
    while z < street.end:
        end = z + float(rng.uniform(7, 18))
        begin, finish = street.junction
        if begin > 0 and z < finish and end > begin:
            end = begin if z < begin - 3 else z
            if end > z:
                plots.append((z, end))
            z = finish
            continue
        plots.append((z, end))
        z = end + float(rng.choice([0.0, 0.0, 2.0]))
    return plots
