"""Every epoch shows every example once, in an order of its own that needs nothing before it."""

import torch

from data.epochs import Epochs, log_spaced


def make(**changed):
    x = torch.arange(10.0)[:, None]
    return Epochs(x, torch.arange(10), **{"batch_size": 4, "seed": 3} | changed)


def test_every_example_once_in_an_epoch():
    epochs = make()
    assert epochs.steps == 3
    orders = []
    for epoch in range(3):
        batches = [epochs.batch(3 * epoch + i) for i in range(3)]
        assert [len(y) for _, y in batches] == [4, 4, 2]
        assert all(torch.equal(x[:, 0].long(), y) for x, y in batches)
        orders.append(torch.cat([y for _, y in batches]).tolist())
        assert sorted(orders[-1]) == list(range(10))
    assert orders[0] != orders[1] != orders[2]
    assert make().batch(7)[1].tolist() == orders[2][4:8], "nothing came before"
    assert make(seed=4).batch(0)[1].tolist() != orders[0][:4]


def test_offsets_are_epochs_ahead():
    epochs = make()
    y = epochs.batch(4, (0, 2))[1]
    assert torch.equal(y[:4], epochs.batch(4)[1]) and torch.equal(y[4:], epochs.batch(10)[1])


def test_without_shuffling_the_order_is_that_of_the_examples():
    assert make(shuffle=False).batch(4)[1].tolist() == [4, 5, 6, 7]


def test_log_spaced_epochs():
    assert log_spaced(150, 10) == (1, 2, 3, 5, 9, 16, 28, 49, 86, 150)
    assert log_spaced(100, 20)[-1] == 100 and log_spaced(8, 20) == tuple(range(1, 9))
    assert all(log_spaced(last, count)[-1] == last for last in range(1, 60) for count in (1, 2, 20))
    assert log_spaced(0, 5) == ()
