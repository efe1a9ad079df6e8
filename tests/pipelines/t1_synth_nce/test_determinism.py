"""The same bytes for the same images, however the work is dealt out."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from clinica_t1nce.caps import selection
from clinica_t1nce.files import nifti
from clinica_t1nce.pipelines import resumable
from clinica_t1nce.pipelines.t1_synth_nce.synthesis_pipeline import T1SynthNce
from tests import data
from tests.data.caps import make_caps, save_weights
from tests.data.command import SMALL, made

VISITS = {(f"sub-{n:02}", "ses-1"): "ce-gd" for n in range(5)}


@pytest.fixture(autouse=True)
def small_crops(tmp_path, monkeypatch):
    monkeypatch.setattr(nifti, "CROP_SHAPE", SMALL)
    # The processes that are started find it there.
    monkeypatch.syspath_prepend(str(Path(data.__file__).with_name("small")))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return str(save_weights(tmp_path_factory.mktemp("weights")))


def make(caps, weights, plugin, n_procs, **parameters):
    parameters = {"model": weights, "device": "cpu", "report": False, **parameters}
    run = T1SynthNce(caps, parameters=parameters, overwrite_caps=True)
    run.run(plugin=plugin, plugin_args={"n_procs": n_procs}, quiet=True)
    assert {outcome.status for outcome in run.outcomes} <= {"done"}, run.outcomes


def written(caps):
    contents = {}
    for image in made(caps):
        sidecar = json.loads(Path(str(image).replace(".nii.gz", ".json")).read_text())
        del sidecar["DurationSeconds"], sidecar["GeneratedAt"]
        contents[image.name] = image.read_bytes(), sidecar
        image.unlink()
    return contents


@pytest.mark.slow
def test_the_same_bytes_however_the_work_is_dealt_out(tmp_path, weights, monkeypatch):
    caps = make_caps(tmp_path / "caps", VISITS, shape=SMALL)
    make(caps, weights, "Linear", 1)
    expected = written(caps)
    assert len(expected) == len(VISITS)
    assert len({image for image, _ in expected.values()}) == len(VISITS)
    for plugin, n_procs in ((None, 1), (None, 2), (None, 5), ("Linear", 4), ("MultiProc", 2)):
        make(caps, weights, plugin, n_procs)
        assert written(caps) == expected, (plugin, n_procs)
    for index in (2, 3, 1):
        make(caps, weights, "Linear", 1, shard=f"{index}/3")
    assert written(caps) == expected
    monkeypatch.setattr(resumable, "IMAGES_PER_JOB", 1)
    monkeypatch.setattr(resumable, "LOCAL_PLUGINS", ())
    select = selection.select

    def select_in_reverse(request):
        found = select(request)
        return replace(found, crops=found.crops[::-1])

    monkeypatch.setattr(selection, "select", select_in_reverse)
    make(caps, weights, "Linear", 2)
    assert written(caps) == expected
