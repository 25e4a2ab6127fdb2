"""DeepMind mathematics: does a mask trained on easy questions still answer the hard ones?"""

from __future__ import annotations

import logging

import torch

from data.dm_math import CHARACTERS, load_dm_math
from data.sequences import Sequences
from models.sequence import SequenceModel
from models.transformer import Transformer
from tasks.modularity.deepmind_math_options import DeepMindMathOptions
from tasks.modularity.seq2seq import SequenceTask

log = logging.getLogger("sieve")
DIFFICULTIES = ("easy", "medium", "hard")
TESTS = {**{f"test_{name}": name for name in DIFFICULTIES}, "interpolate": "interpolate", "extrapolate": "extrapolate"}


class DeepMindMath(SequenceTask[DeepMindMathOptions]):
    """A character-level Transformer with an embedding shared by encoder and decoder.

    Source: Saxton et al., "Analysing Mathematical Reasoning Abilities of Neural Models", ICLR 2019; the masks: Csordas
    et al., "Are Neural Nets Modular?", ICLR 2021, section 4.
    """

    @property
    def subtasks(self) -> tuple[str, ...]:
        """The difficulties whose questions give the other mask, as one."""
        return ("_".join(self.options.dm_math.mask_splits),)

    def load(self) -> dict[str, dict[str, Sequences]]:
        data = self.options.dm_math
        found = load_dm_math(data.modules, self.options.run.cache, data.archive, data.generate)
        log.info("questions: %s", found.origin)
        of_network, of_mask = (
            {module: {str(split): sets[f"train_{split}"] for split in splits} for module, sets in found.sets.items()}
            for splits in (data.train_splits, data.mask_splits)
        )
        if self.options.train_baseline:
            self.use(None, of_mask)
        else:
            self.use(None, of_network)
            self.use(self.subtasks[0], of_mask)
        tests: dict[str, dict[str, Sequences]] = {name: {} for name in TESTS.values()}
        for module, sets in found.sets.items():
            for name, test in TESTS.items():
                if len(sets.get(name, ())):
                    tests[test][module] = sets[name].to(self.device)
        return {name: parts for name, parts in tests.items() if parts}

    def make_model(self, rng: torch.Generator) -> SequenceModel:
        options, shape = self.options, self.options.transformer
        words = len(CHARACTERS)
        return Transformer(
            words, words, rng, options.state_size, shape.n_heads, shape.encoder_n_layers, shape.decoder_n_layers,
            round(shape.ff_multiplier * options.state_size), options.dropout, tied=True,
        )  # fmt: skip
