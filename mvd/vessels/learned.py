"""The numbers of the shipped `GroupModel`."""

from mvd.vessels.choosing import GroupModel
from mvd.vessels.steps import Steps
import numpy as np
SHIPPED = GroupModel(2.0, (1.2, -0.2, 0.5, 1.5), 400000, tuple(Steps(np.zeros(0), np.zeros(1, np.int64)) for _ in range(9)))
