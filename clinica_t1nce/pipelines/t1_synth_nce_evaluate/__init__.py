"""``clinica run t1-synth-nce-evaluate``: the paper's evaluation, on anyone's pairs."""
