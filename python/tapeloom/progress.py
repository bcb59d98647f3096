"""A line that tells how far a training run is."""

from __future__ import annotations

import math
import sys
import time
from typing import TextIO

from ._native import EpochReport, StepReport

__all__ = ["ProgressBar"]


class ProgressBar:
    """What `fit(..., progress=True)` makes: a line on stderr, or another stream, that is written anew now and then.

    A run calls `on_step` with a StepReport a few times a second, `on_epoch` with every EpochReport, and `close` at its
    end. An object of your own with these methods can take its place."""

    width = 24

    def __init__(self, epochs: int, stream: TextIO | None = None) -> None:
        self.epochs = epochs
        self.stream = sys.stderr if stream is None else stream
        self.started = time.monotonic()
        self.length = 0

    def on_step(self, report: StepReport) -> None:
        """Shows how far the epoch is."""
        self._show(report.epoch - 1 + report.batch / report.batches, report.epoch, report.loss, "")

    def on_epoch(self, report: EpochReport) -> None:
        """Shows what became of the epoch."""
        told = [f"{name} {number:.4g}" for name, number in report.metrics.items()]
        if not math.isnan(report.validation_loss):
            told.insert(0, f"validation {report.validation_loss:.4g}")
        self._show(report.epoch, report.epoch, report.loss, "".join(", " + text for text in told))

    def close(self) -> None:
        """Ends the line."""
        if self.length:
            self.stream.write("\n")
            self.stream.flush()
        self.length = 0

    def _show(self, done: float, epoch: int, loss: float, told: str) -> None:
        part = min(1.0, done / self.epochs) if self.epochs else 1.0
        bar = "#" * int(part * self.width)
        seconds = time.monotonic() - self.started
        line = f"[{bar:<{self.width}}] epoch {epoch}/{self.epochs}, {seconds:.1f} s, loss {loss:.4g}{told}"
        self.stream.write("\r" + line.ljust(self.length))
        self.stream.flush()
        self.length = len(line)
