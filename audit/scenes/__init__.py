"""Procedurally drawn pictures with known content: for the demo, for calibration and for tests."""

from audit.scenes.planted import PROBLEMS, PlantedFile, planted_candidate, planted_reference
from audit.scenes.scene import Scene, calibration_pictures, draw_scene

__all__ = [
    "PROBLEMS",
    "PlantedFile",
    "Scene",
    "calibration_pictures",
    "draw_scene",
    "planted_candidate",
    "planted_reference",
]
