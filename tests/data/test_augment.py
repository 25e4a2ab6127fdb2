"""Every augmented image is a window of the image with a black border, as it is or mirrored."""

import torch
import torch.nn.functional as F

from data.augment import cropped_and_flipped
from data.epochs import Epochs


def test_windows():
    x = torch.rand(40, 2, 6, 5, generator=torch.Generator().manual_seed(0))
    black = torch.tensor([-1.0, -2.0]).view(2, 1, 1)
    found = cropped_and_flipped(x, black, torch.Generator().manual_seed(1), padding=2)
    padded = F.pad(x - black, (2,) * 4) + black
    places = set()
    for image, made in zip(padded, found, strict=True):
        hits = [
            (top, left, flip)
            for top in range(5)
            for left in range(5)
            for flip in (False, True)
            if torch.allclose(made.flip(2) if flip else made, image[:, top : top + 6, left : left + 5])
        ]
        assert len(hits) == 1
        places |= set(hits)
    assert len(places) > 20 and {flip for *_, flip in places} == {False, True}


def test_images_lie_in_memory_as_torch_makes_them():
    # with other strides, a backward pass through side-by-side convolutions on CPU crashes the process
    for channels in (1, 3):
        found = cropped_and_flipped(torch.rand(4, channels, 8, 8), torch.zeros(channels, 1, 1), torch.Generator())
        assert found.stride() == torch.empty(found.shape).stride()


def test_batches_are_a_function_of_seed_and_step():
    x, y = torch.rand(10, 1, 8, 8), torch.arange(10)
    epochs = Epochs(x, y, 4, 0, augment=True)
    assert torch.equal(epochs.batch(5)[0], Epochs(x, y, 4, 0, augment=True).batch(5)[0])
    assert not torch.equal(epochs.batch(0)[0], Epochs(x, y, 4, 0).batch(0)[0])
    assert torch.equal(epochs.batch(1, (0, 2))[0], torch.cat([epochs.batch(1)[0], epochs.batch(7)[0]]))
