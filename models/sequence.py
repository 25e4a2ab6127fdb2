"""What sequence-to-sequence networks share: encoding, teacher forcing, and decoding word by word."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor

from models.layered import Layered


class SequenceModel(Layered):
    """Base of these. The index after the last word of a vocabulary ends a sequence, and starts the answer.

    Args:
        source_words, target_words: sizes of the vocabularies.
    """

    def __init__(self, source_words: int, target_words: int):
        super().__init__()
        self.source_end, self.target_end = source_words, target_words

    def forward(
        self, source: Tensor, source_length: Tensor, target: Tensor | None = None, most: int = 0,
        taught: bool = True,
    ) -> Tensor:  # fmt: skip
        """Return the outputs for an answer that is given, or the answer that the network finds.

        Args:
            source: [B, S] words; what is behind the length of a row is not looked at.
            source_length: [B].
            target: [B, T] words of the right answers.
            most: without a target, the longest answer that is tried.
            taught: teacher forcing: the decoder is given the target's words; otherwise those that the network finds, in
                a
                pass of their own: its gradient would be no other, but dropout is drawn twice.

        Returns:
            With a target: [B, T + 1, words + 1]: for every position the next word, the end after the last.
            Without: [B, most] words, the end's number behind the end.
        """
        places = torch.arange(source.shape[1] + 1, device=source.device)
        end = source.new_full((len(source), 1), self.source_end)
        words = torch.where(places < source_length[:, None], torch.cat([source, end], 1), self.source_end)
        state = self.encode(words, source_length + 1)
        begin = words.new_full((len(words), 1), self.target_end)
        if target is not None:
            before = target if taught else self._said(state, begin, target.shape[1])
            return self.decode(state, torch.cat([begin, before], 1))[0]
        found = self._said(state, begin, most, stop=True)
        return torch.where((found == self.target_end).cumsum(1) > 0, self.target_end, found)

    @torch.no_grad()
    def _said(self, state: Any, word: Tensor, steps: int, stop: bool = False) -> Tensor:
        """Return the likeliest words [B, steps], each behind those before; `stop`: up to where all have ended."""
        found = word.new_full((len(word), steps), self.target_end)
        ended = torch.zeros_like(word, dtype=torch.bool)
        for step in range(steps):
            outputs, state = self.decode(state, word)
            word = outputs.argmax(-1)
            found[:, step] = word[:, 0]
            ended |= word == self.target_end
            if stop and bool(ended.all()):
                break
        return found

    @abstractmethod
    def groups(self) -> list[list[str]]:
        """Return the parameter names layer by layer, from input to output."""

    @abstractmethod
    def encode(self, words: Tensor, length: Tensor) -> Any:
        """Return what decoding begins with.

        Args:
            words: [B, S], the end included and behind it.
            length: [B], with the end.
        """

    @abstractmethod
    def decode(self, state: Any, words: Tensor) -> tuple[Tensor, Any]:
        """Return the outputs [B, T, words + 1] of the next words [B, T], and what goes on from there."""
