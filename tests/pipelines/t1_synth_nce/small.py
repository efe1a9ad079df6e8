"""The pipeline on small crops."""

from clinica_t1nce.pipelines.t1_synth_nce.synthesis_pipeline import T1SynthNce

TWO = {("sub-01", "ses-1"): "ce-gd", ("sub-02", "ses-1"): "ce-gd"}


def make(caps, weights, **arguments):
    parameters = {"model": weights, "device": "cpu", **arguments.pop("parameters", {})}
    return T1SynthNce(caps, parameters=parameters, **arguments)
