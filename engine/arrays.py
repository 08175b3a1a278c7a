"""Array types, for annotations only: nothing here imports NumPy at run time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    #: float64 results on the host.
    HostArray: TypeAlias = NDArray[np.float64]
    #: Powers of two carried beside scaled gradients, on the host.
    Exponents: TypeAlias = NDArray[np.int64]

#: An array on the backend's device, NumPy's or CuPy's: the two share no static type.
Array: TypeAlias = Any
#: The array module itself, `numpy` or `cupy`.
ArrayModule: TypeAlias = Any
