"""Which of two cues a network goes by, shape or texture, on images in which they contradict each other."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor


def accuracies(answers: Tensor, y: Tensor, classes: Sequence[str], name: str) -> dict[str, float]:
    """Return the fraction of right answers: <name>, and <name>/<class> of the images of each class that has some.

    Args:
        answers, y: [N] int64.
        classes: their names.
        name: of the number.
    """
    right = answers == y
    found = {name: right.double().mean().item()}
    for label, one in enumerate(classes):
        of_class = y == label
        if of_class.any():
            found[f"{name}/{one}"] = right[of_class].double().mean().item()
    return found


def cue_bias(
    answers: Tensor, shape: Tensor, texture: Tensor, shapes: Sequence[str], textures: Sequence[str]
) -> dict[str, float | None]:
    """Return how often a network answers by shape and by texture.

        shape bias = answers by shape / (answers by shape + answers by texture)

    A ratio alone misleads: a network that has learned little answers by neither, and may still have a high one.

    Args:
        answers: [N] int64.
        shape, texture: the cues [N] int64; images in which they agree say nothing and are left out.
        shapes, textures: names of the classes as shapes and as textures.

    Returns:
        shape_rate, texture_rate, shape_bias, of all images. shape_rate/<shape>, shape_bias/<shape> of those of a shape,
        texture_rate/<texture> of those of a texture. A bias is None where no answer is by either.

    Source: Geirhos et al., "ImageNet-trained CNNs are biased towards texture", ICLR 2019, section 2.4. Differs from
    the code of Zhang, Lepori, Pavlick, 2023, which counts answers by texture per class of the shape.
    """
    apart = shape != texture
    answers, shape, texture = answers[apart], shape[apart], texture[apart]
    found: dict[str, float | None] = {}
    found |= accuracies(answers, shape, shapes, "shape_rate")
    found |= accuracies(answers, texture, textures, "texture_rate")
    parts = {"shape_bias": shape >= 0} | {f"shape_bias/{name}": shape == i for i, name in enumerate(shapes)}
    for name, part in parts.items():
        by_shape, by_texture = (int((answers[part] == cue[part]).sum()) for cue in (shape, texture))
        if part.any():
            found[name] = by_shape / (by_shape + by_texture) if by_shape + by_texture else None
    return found
