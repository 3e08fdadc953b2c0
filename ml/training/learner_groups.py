"""Groups of learners that are left out together, by the difficulty table and by the models that measure a training.

Two visits to one objective cannot be ranked fairly if each was predicted from rates that hold the other's outcome: the
one that was a struggle leaves an easier objective to itself, and a harder one to the other. With few objectives, the
ranking then runs against the outcomes, and an AUC without any signal lies far below 0.5 (Parker, Guenter & Bedo 2007
and Airola et al. 2011 describe the same of cross-validation in general). Learners of one group share one table and one
model, which hold no outcome of either, so that an AUC compares visits within groups alone.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from ml.storage.difficulty_table import FOLDS, fold_of

GROUPS = 5
FEWEST_TO_GROUP = 10
"""Of fewer learners, a fifth is one learner, whose visits would be compared with each other alone."""
FOLDS_OF_GROUPS = [list(range(group, FOLDS, GROUPS)) for group in range(GROUPS)]
"""Each group's folds of a difficulty table."""


def groups_of(learner_ids: npt.NDArray[np.str_]) -> npt.NDArray[np.int64] | None:
    """Each row's group, from 0, by its learner's id alone; None where there are too few learners to divide."""
    names, place = np.unique(learner_ids, return_inverse=True)
    groups = _groups(names.tolist())
    if len(names) < FEWEST_TO_GROUP or len(np.unique(groups)) < 2:
        return None
    return groups[place]


def _groups(names: Iterable[str]) -> npt.NDArray[np.int64]:
    return np.array([fold_of(name) % GROUPS for name in names], np.int64)
