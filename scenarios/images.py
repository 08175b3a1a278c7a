"""Images of digits: scikit-learn's own, or MNIST as the user has it, in IDX files or as npz."""

from __future__ import annotations

import math
import os
import struct
import zipfile
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from scenarios.errors import ScenarioError, printable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from scenarios.scenario import Scenario

#: Height and width of MNIST's images.
SIDE = 28

#: Bytes that a file may unpack to: MNIST's largest takes 47 MB.
_MOST_BYTES = 2**30

#: What an IDX file begins with: two zeros, the type (8: bytes) and the number of dimensions.
_IMAGES, _LABELS = b"\0\0\x08\x03", b"\0\0\x08\x01"

#: Fixes which of scikit-learn's digits are held out.
_SPLIT_SEED = 1797


class _Unusable(Exception):
    """Why a file cannot be used, in words that follow its name."""


@dataclass(frozen=True, slots=True)
class Images:
    """Pixels from 0 to 1, (N, pixels) in float32, and labels 0 to 9, (N,)."""

    train: NDArray[np.float32]
    train_labels: NDArray[np.uint8]
    test: NDArray[np.float32]
    test_labels: NDArray[np.uint8]

    @property
    def mean_square(self) -> float:
        """Of the pixels to train on."""
        flat = self.train.reshape(-1)
        return float(flat @ flat) / flat.size


def read_images(scenario: Scenario) -> Images:
    """The images that a scenario's task.file names, scikit-learn's where it names none.

    A path is taken from the folder the program was started in. Raises ScenarioError naming the
    key and the file.
    """
    written = scenario.task.file
    if not written:
        try:
            return _small_digits()
        except _Unusable as reason:
            name = scenario.task.name
            raise ScenarioError(scenario.origin, str(reason), key="task.name", value=name) from None
    try:
        path = Path(os.path.expanduser(written))
        status = path.stat()
        return _mnist(path, status.st_mtime_ns, status.st_size)
    except _Unusable as reason:
        line = str(reason)
    except OSError as error:
        line = f"cannot be read: {(error.strerror or str(error)).lower()}"
    except (MemoryError, ValueError) as error:
        line = f"cannot be read: {printable(str(error))}"
    # The whole path, however long: its end tells which file it is.
    raise ScenarioError(scenario.origin, f"{printable(written)}: {line}", key="task.file")


@lru_cache(maxsize=1)
def _small_digits() -> Images:
    """The 1,797 digits that scikit-learn brings along, a fifth of them held out."""
    import numpy as np

    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise _Unusable(
            "needs scikit-learn, which is not installed (the extra nablascope[data]); "
            "or give an MNIST file as task.file"
        ) from None
    found = load_digits()
    order = np.random.default_rng(_SPLIT_SEED).permutation(len(found.target))
    pixels = (found.data[order] / 16.0).astype(np.float32)
    labels = found.target[order].astype(np.uint8)
    held_out = len(order) // 5
    return Images(pixels[held_out:], labels[held_out:], pixels[:held_out], labels[:held_out])


# The time and size of the file tell whether it is still the same.
@lru_cache(maxsize=2)
def _mnist(path: Path, changed: int, size: int) -> Images:
    if path.is_dir():
        raise _Unusable("is a folder; name a file of images in it, or an npz")
    if zipfile.is_zipfile(path):
        train, train_labels, test, test_labels = _from_npz(path)
    else:
        train, train_labels, test, test_labels = _from_idx(path)
    return Images(_pixels(train), train_labels, _pixels(test), test_labels)


def _pixels(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    import numpy as np

    flat = images.reshape(len(images), -1).astype(np.float32)
    flat /= 255.0
    return flat


def _from_npz(path: Path) -> tuple[NDArray[np.uint8], ...]:
    """x_train, y_train, x_test, y_test, as Keras's mnist.npz has them."""
    import numpy as np

    names = ("x_train", "y_train", "x_test", "y_test")
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > _MOST_BYTES:
            raise _Unusable(f"unpacks to more than {_MOST_BYTES // 2**30} GiB")
        with np.load(path, allow_pickle=False) as found:
            missing = [name for name in names if name not in found]
            if missing:
                raise _Unusable(f"has no {missing[0]}; an npz needs {', '.join(names)}")
            arrays = [found[name] for name in names]
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        # Encrypted, or compressed in a way that is not known, is a RuntimeError.
        raise _Unusable(f"is damaged: {error}") from None
    for (images, labels), part in zip((arrays[:2], arrays[2:]), ("train", "test"), strict=True):
        if images.dtype != np.uint8 or images.ndim != 3:
            raise _Unusable(
                f"x_{part} must hold bytes, images x {SIDE} x {SIDE}, "
                f"not {images.dtype} of shape {images.shape}"
            )
        if labels.ndim != 1 or labels.dtype.kind not in "iu":
            raise _Unusable(f"y_{part} must hold whole numbers, one an image")
        _check(images, labels, f"x_{part}", f"y_{part}")
    return arrays[0], arrays[1].astype(np.uint8), arrays[2], arrays[3].astype(np.uint8)


def _from_idx(path: Path) -> tuple[NDArray[np.uint8], ...]:
    """The images of `path` with the labels beside it, and t10k's to hold out.

    Where no file of test images lies beside it, the last sixth is held out.
    """
    train, train_labels = _images_and_labels(path)
    beside = path.with_name(path.name.replace("train-", "t10k-", 1))
    if beside != path and beside.exists():
        return train, train_labels, *_images_and_labels(beside)
    held_out = max(1, len(train) // 6)
    if held_out == len(train):
        raise _Unusable("has a single image; some must be held out")
    return train[:-held_out], train_labels[:-held_out], train[-held_out:], train_labels[-held_out:]


def _images_and_labels(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    images = _idx(path, _IMAGES)
    name = path.name.replace("images", "labels", 1).replace("idx3", "idx1", 1)
    if name == path.name:
        raise _Unusable(f"{path.name} needs images in its name, so that its labels can be found")
    # One of the two may be packed and the other not.
    stem = name.removesuffix(".gz")
    labels_path = next(
        (p for p in (path.with_name(name), path.with_name(stem), path.with_name(f"{stem}.gz"))
         if p.exists()),
        None,
    )  # fmt: skip
    if labels_path is None:
        raise _Unusable(f"there are no labels beside {path.name}: {stem} is missing")
    labels = _idx(labels_path, _LABELS)
    _check(images, labels, path.name, labels_path.name)
    return images, labels


def _idx(path: Path, magic: bytes) -> NDArray[np.uint8]:
    """An IDX file of bytes, packed by gzip or not (http://yann.lecun.com/exdb/mnist)."""
    import gzip

    import numpy as np

    what = "images" if magic == _IMAGES else "labels"
    dimensions = magic[3]
    with open(path, "rb") as plain:
        packed = plain.read(2) == b"\x1f\x8b"
    try:
        with gzip.open(path, "rb") if packed else open(path, "rb") as file:
            head = file.read(4)
            if head != magic:
                other = {_IMAGES: "images", _LABELS: "labels"}.get(head)
                found = f"IDX {other}" if other else "no IDX file of bytes"
                raise _Unusable(f"{path.name} is {found}, not IDX {what}")
            sizes = file.read(4 * dimensions)
            if len(sizes) < 4 * dimensions:
                raise _Unusable(f"{path.name} is truncated: it ends within its header")
            shape = struct.unpack(f">{dimensions}I", sizes)
            wanted = math.prod(shape)
            if wanted > _MOST_BYTES:
                raise _Unusable(f"{path.name} claims more than {_MOST_BYTES // 2**30} GiB")
            content = file.read(wanted + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _Unusable(f"{path.name} is truncated or damaged: {str(error).lower()}") from None
    if len(content) != wanted:
        how = "truncated" if len(content) < wanted else "longer than its header says"
        raise _Unusable(f"{path.name} is {how}: {wanted} bytes announced, {len(content)} found")
    return np.frombuffer(content, dtype=np.uint8).reshape(shape)


def _check(images: NDArray[np.uint8], labels: NDArray[np.integer], of: str, beside: str) -> None:
    if not len(images):
        raise _Unusable(f"{of} has no images")
    if images.shape[1:] != (SIDE, SIDE):
        height, width = images.shape[1:]
        raise _Unusable(f"{of} has images of {height} x {width}, not {SIDE} x {SIDE}")
    if len(labels) != len(images):
        raise _Unusable(f"{beside} has {len(labels)} labels for {len(images)} images")
    if int(labels.min()) < 0 or int(labels.max()) > 9:
        raise _Unusable(f"{beside} has the label {int(labels.max())}; digits are 0 to 9")
