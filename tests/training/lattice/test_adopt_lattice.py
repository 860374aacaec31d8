"""The lattice of new frames is that of a model, whatever basis it is found in, or it is refused."""

from __future__ import annotations

import numpy as np
import pytest

from shiftvae_rt import LatticeError
from shiftvae_training.lattice.find import Lattice, adopt_lattice

KNOWN = np.array([[12.0, 1.0], [-2.0, 14.0]])


def found(vectors) -> Lattice:
    return Lattice(np.array(vectors), 1.0, "lattice", "made up", np.ones((4, 4), bool))


@pytest.mark.parametrize(
    "basis",
    [[[1, 0], [0, 1]], [[0, 1], [-1, 0]], [[1, 1], [0, 1]], [[2, 1], [1, 1]]],
    ids=["same", "turned", "sheared", "long"],
)
@pytest.mark.parametrize("scale", [1.0, 1.02])
def test_any_basis_of_the_same_lattice_will_do(basis, scale):
    here = found(scale * np.array(basis) @ KNOWN)
    adopted = adopt_lattice(here, KNOWN)
    assert np.array_equal(adopted.vectors, KNOWN)
    assert adopted.where is here.where
    assert adopted.reason == here.reason


@pytest.mark.parametrize(
    "vectors",
    [1.05 * KNOWN, 2 * KNOWN, KNOWN / 2, [[2, 0], [0, 1]] @ KNOWN, KNOWN[:1], np.zeros((0, 2)), KNOWN[:, ::-1]],
    ids=["stretched", "doubled", "halved", "superlattice", "lines", "none", "mirrored"],
)
def test_another_lattice_is_refused_with_both(vectors):
    with pytest.raises(LatticeError, match=r"12\.0\d x 14\.\d+ px.*within 3 %, got"):
        adopt_lattice(found(vectors), KNOWN)


def test_a_signal_has_one_vector():
    assert np.array_equal(adopt_lattice(found([[0.0, -10.1]]), np.array([[0.0, 10.0]])).vectors, [[0.0, 10.0]])
    with pytest.raises(LatticeError, match=r"10\.00 px.*got 11\.00 px"):
        adopt_lattice(found([[0.0, 11.0]]), np.array([[0.0, 10.0]]))
