"""``clinica run t1-synth-nce``: synthetic T1nce from the T1ce of a CAPS."""
