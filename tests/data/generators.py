"""Stand-ins for a Synthesizer, at no cost."""

from types import SimpleNamespace

import numpy as np

from clinica_t1nce.synthesis import Synthesis
from clinica_t1nce.volumes.intensity import Scaling


class Generator:
    """Takes a share of everything above an intensity."""

    card = SimpleNamespace(
        inference=SimpleNamespace(batch_statistics=False),
        name="cheap",
        architecture="none",
        sha256="0",
        scaling={"method": "min-max"},
    )
    device = "cpu"

    def __init__(self, share=0.5, above=500.0, *, transfers_change=True):
        self.share = share
        self.above = above
        self.transfers_change = transfers_change
        self.seen = []
        """Volumes that it was given."""

    def transferring_change(self):
        if self.transfers_change:
            return self
        other = Generator(self.share, self.above)
        other.seen = self.seen
        return other

    def __call__(self, volume, affine=None):
        self.seen.append(volume)
        change = np.where(volume > self.above, self.share * volume, 0).astype(np.float32)
        return Synthesis(volume - change, change, 0.9, 0.5, 0.5, Scaling(0.0, 2.0))
