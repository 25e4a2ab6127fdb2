"""Signals become a flag; a person who does not want to wait gets out."""

import os
import signal

import pytest

from core.signals import Signals


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2])
def test_a_signal_is_noted_however_often_it_comes(number):
    before = signal.getsignal(number)
    with Signals() as signals:
        for _ in range(5):
            os.kill(os.getpid(), number)
        assert signals.received == signal.Signals(number).name
    assert signal.getsignal(number) == before


def test_the_third_interrupt_is_not_kept_waiting():
    with Signals() as signals:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        assert signals.received == "SIGINT"
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
            signal.sigtimedwait([], 1)  # the handler runs at the next opportunity
