"""A head as a label map, small enough for tests: nested balls in place of organs."""

import numpy as np


def label_map(side: int = 48) -> np.ndarray:
    """Return a side^3 label map in RAS order with every structure that effects look for."""
    x, y, z = (np.indices((side,) * 3) - (side - 1) / 2) * (48 / side)
    radius = np.sqrt(x**2 + y**2 + z**2)
    right = x > 0
    labels = np.zeros((side,) * 3, np.int32)
    labels[radius < 23] = 511
    labels[radius < 21] = 515
    labels[radius < 19] = 24
    labels[(radius < 19) & (abs(x) < 1.5) & (z > 10)] = 514
    labels[radius < 16] = 3
    labels[radius < 13] = 2
    labels[radius < 5] = 4
    labels[(radius < 3) & (y < 0)] = 136
    labels[np.isin(labels, (2, 3, 4)) & right] += 39
    labels[(labels == 136) & right] = 163
    labels[(abs(x) < 1.2) & (radius >= 5) & (radius < 16)] = 24
    below = (z < -8) & (radius < 16)
    labels[below] = np.where(right, 47, 8)[below]
    labels[below & (radius < 13)] = np.where(right, 46, 7)[below & (radius < 13)]
    labels[(abs(x) < 3) & (abs(y) < 3) & (z < -6) & (z > -16)] = 16
    labels[(abs(x) < 3) & (abs(y - 8) < 2.5) & (abs(z + 11) < 2)] = 85
    labels[(abs(x - 6) < 1.5) & (abs(y) < 1.5) & (z < -16) & (radius < 19)] = 502
    return labels
