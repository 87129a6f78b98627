"""The bar: where somebody can see it, and nowhere else."""

import io

import rich
from rich.console import Console

import nanolstm as nl


def test_nothing_is_said_where_there_is_no_terminal(make, sums, capfd):
    nl.fit(make(), sums, epochs=3, validation=0.25)
    assert capfd.readouterr() == ("", "")


def shown(monkeypatch, make, sums, **options):
    text = io.StringIO()
    monkeypatch.setattr(rich, "_console", Console(file=text, force_terminal=True, width=120, _environ={}))
    nl.fit(make(), sums, epochs=40, validation=0.25, batch_size=6, **options)
    return text.getvalue()


def test_a_terminal_shows_epochs_losses_and_speed(monkeypatch, make, sums):
    monkeypatch.setattr("nanolstm.train.progress._EVERY", 0.0)
    text = shown(monkeypatch, make, sums)
    for word in ("epoch", "39/40", "loss 0.", "validation loss 0.", "steps/s"):
        assert word in text, word


def test_progress_can_be_switched_off(monkeypatch, make, sums):
    assert shown(monkeypatch, make, sums, progress=False) == ""
