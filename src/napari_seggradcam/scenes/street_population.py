"""Everything that stands or moves in the street: where it is, and in which order it is painted."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from .street_camera import Camera
from .street_canvas import Canvas
from .street_ground import Street
from .street_look import Look
from .street_objects import draw_kind, paint_object
from .street_people import paint_person
from .street_plants import paint_tree
from .street_vehicles import (
    Body,
    draw_body,
    paint_crossing_vehicle,
    paint_vehicle,
)

# X from and to, Z from and to, metres.
Box = tuple[float, float, float, float]


class Population:
    """Places vehicles, people, trees and objects, none inside another, and paints them.

    Parameters
    ----------
    canvas, camera, look, street
        What is painted on, from where, in which light, and the plan of the street.
    rng : numpy.random.Generator
        Source of every choice, of places and of looks.
    """

    def __init__(
        self,
        canvas: Canvas,
        camera: Camera,
        look: Look,
        street: Street,
        rng: np.random.Generator,
    ) -> None:
        self._canvas = canvas
        self._camera = camera
        self._look = look
        self._street = street
        self._rng = rng
        self._boxes: list[Box] = []
        self._things: list[tuple[float, Callable[[], None]]] = []

    def paint(self) -> None:
        """Place everything and paint it from far to near."""
        for sign in (-1, 1):
            self._place_traffic(sign)
            self._place_parked(sign)
        if self._rng.random() < 0.3:
            self._place_crossing()
        self._place_furniture()
        for sign in (-1, 1):
            if self._rng.random() < 0.4:
                self._place_trees(sign)
        self._place_people()
        for _, paint in sorted(self._things, key=lambda thing: -thing[0]):
            paint()

    def _add(self, box: Box, paint: Callable[..., None], *arguments: object) -> bool:
        """Take a place if it is free, and return whether it was."""
        for other in self._boxes:
            if box[0] < other[1] and other[0] < box[1] and box[2] < other[3] and other[2] < box[3]:
                return False
        self._boxes.append(box)
        context = (self._canvas, self._camera, self._look, self._rng)
        self._things.append((box[2], partial(paint, *context, *arguments)))
        return True

    def _add_vehicle(self, body: Body, x: float, z: float, sign: int) -> None:
        half = body.width / 2 + 0.1
        box = (x - half, x + half, z, z + body.length + 0.3)
        # On the left, what drives comes towards the camera.
        self._add(box, paint_vehicle, body, x, z, sign < 0)

    def _place_traffic(self, sign: int) -> None:
        z = float(self._rng.uniform(5, 18))
        for _ in range(int(self._rng.integers(0, 3))):
            body = draw_body(self._rng, self._look)
            off = max(0.3 * self._street.road, body.width / 2 + 0.1)
            self._add_vehicle(body, self._street.middle + sign * off, z, sign)
            z += body.length + float(self._rng.uniform(4, 15))

    def _place_parked(self, sign: int) -> None:
        if self._rng.random() > 0.65:
            return
        z = float(self._rng.uniform(2, 14))
        while z < min(self._street.end, 34):
            body = draw_body(self._rng, self._look)
            x = self._street.middle + sign * (self._street.road - body.width / 2 - 0.15)
            if self._rng.random() < 0.7:
                self._add_vehicle(body, x, z, sign)
            z += body.length + float(self._rng.uniform(0.8, 6))

    def _place_crossing(self) -> None:
        body = draw_body(self._rng, self._look)
        begin = self._street.junction[0]
        z = begin + 1 if begin > 0 else float(self._rng.uniform(12, 26))
        x = self._street.middle + float(self._rng.uniform(-0.8, 0.3)) * self._street.road
        box = (x, x + body.length, z, z + body.width)
        self._add(box, paint_crossing_vehicle, body, x, z)

    def _place_people(self) -> None:
        """Place people in small groups, mostly on the pavements, some on the road."""
        street, rng = self._street, self._rng
        for _ in range(int(rng.integers(3, 7))):
            z = float(np.exp(rng.uniform(np.log(3.2), np.log(7.5))))
            if rng.random() < 0.75:
                off = street.road + float(rng.uniform(0.3, 0.9)) * street.pavement
                x = street.middle + float(rng.choice([-1, 1])) * off
            else:
                x = street.middle + float(rng.uniform(-0.9, 0.9)) * street.road
            for _ in range(int(rng.choice([1, 2, 3], p=[0.5, 0.3, 0.2]))):
                box = (x - 0.25, x + 0.25, z - 0.15, z + 0.15)
                self._add(box, paint_person, x, z)
                x += float(rng.choice([-1, 1])) * float(rng.uniform(0.5, 0.9))
                z += float(rng.uniform(-0.3, 0.5))

    def _place_furniture(self) -> None:
        """Place signs, lights and boards along the kerbs."""
        rng = self._rng
        for _ in range(int(rng.integers(2, 7))):
            z = float(np.exp(rng.uniform(np.log(4.2), np.log(9.5))))
            off = self._street.road + float(rng.uniform(0.3, 0.8))
            x = self._street.middle + float(rng.choice([-1, 1])) * off
            kind = draw_kind(rng)
            self._add((x - 0.3, x + 0.3, z - 0.3, z + 0.3), paint_object, kind, x, z)

    def _place_trees(self, sign: int) -> None:
        """Place a row of trees along one pavement."""
        z = float(self._rng.uniform(6, 14))
        step = float(self._rng.uniform(7, 14))
        x = self._street.middle + sign * (self._street.road + 0.75 * self._street.pavement)
        while z < min(self._street.end, 60):
            height = float(self._rng.uniform(4, 9))
            self._add((x - 0.4, x + 0.4, z - 0.4, z + 0.4), paint_tree, x, z, height)
            z += step
