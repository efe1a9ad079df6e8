import os
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest

from clinica_t1nce.caps import names, sidecar
from clinica_t1nce.caps.query import SelectedBy
from clinica_t1nce.errors import ImageError, OutputError, WeightsError
from clinica_t1nce.files import nifti
from clinica_t1nce.translation.jobs import Job
from clinica_t1nce.translation.options import Options
from clinica_t1nce.translation.runner import translate, translate_all
from tests.data.caps import crop_path, head, write_crop
from tests.data.generators import Generator


class Halver(Generator):
    """Takes half of everything, and refuses what is too bright."""

    def __init__(self):
        super().__init__(0.5, -np.inf)

    def __call__(self, volume, affine=None):
        if volume.max() > 10_000:
            raise ImageError("too bright")
        return super().__call__(volume, affine)


@pytest.fixture
def job(tmp_path):
    source = write_crop(crop_path(tmp_path, "sub-01", "ses-1", "ce-gd"), head())
    return Job(source, names.output_path(source, Halver.card.name), tmp_path, SelectedBy("tsv"))


def bright(tmp_path):
    source = write_crop(crop_path(tmp_path, "sub-02", "ses-1", "ce-gd"), head() * 20)
    return Job(source, names.output_path(source, Halver.card.name), tmp_path)


def test_image_and_sidecar_are_written(job):
    content = translate(job, Halver()).sidecar
    written = nifti.load(job.output)
    assert np.array_equal(written.data, head() / np.float32(2))
    assert np.array_equal(written.affine, nifti.load(job.source).affine)
    assert (int(written.header["qform_code"]), int(written.header["sform_code"])) == (2, 2)
    assert sidecar.read(job.output) == content
    assert content["GadoliniumProbability"] == 0.9
    assert content["Flags"] == []
    assert content["IntensityScaling"] == {"method": "min-max", "offset": 0.0, "factor": 2.0}
    assert sorted(path.name for path in job.output.parent.iterdir()) == [
        names.sidecar_path(job.output).name,
        job.output.name,
    ]


def test_the_image_comes_last(job, monkeypatch):
    seen = []

    def save(path, data, like):
        seen.append((path.exists(), names.sidecar_path(path).exists()))
        path.touch()

    job.output.parent.mkdir(parents=True)
    job.output.write_text("old")
    monkeypatch.setattr(nifti, "save", save)
    translate(job, Halver())
    assert seen == [(False, True)]


def test_no_sidecar_is_left_without_an_image(job, monkeypatch):
    def fail(path, data, like):
        raise OutputError(f"{path}: cannot be written (disk full); free space")

    monkeypatch.setattr(nifti, "save", fail)
    with pytest.raises(OutputError, match="disk full"):
        translate(job, Halver())
    assert list(job.output.parent.iterdir()) == []


def test_what_another_process_has_made_meanwhile_is_kept(job):
    class Overtaken(Halver):
        def __call__(self, volume, affine=None):
            if not job.output.exists():
                translate(job, Halver())
                seen.append(job.output.stat().st_ino)
            return super().__call__(volume, affine)

    seen = []
    options = Options(keep_existing=True)
    content = translate(replace(job, options=options), Overtaken()).sidecar
    assert seen == [job.output.stat().st_ino]
    assert content == sidecar.read(job.output)


def test_an_output_folder_that_cannot_be_made_is_named(job):
    job.output.parent.parent.write_text("in the way")
    with pytest.raises(OutputError, match="t1_synth_nce"):
        translate(job, Halver())


@pytest.mark.parametrize("kind", ["a single frame", "big-endian with a slope", "a few NaN"])
def test_odd_crops_give_the_same_image(job, kind):
    plain = nifti.load(job.source)
    expected = plain.data / np.float32(2)
    if kind == "a single frame":
        image = nib.Nifti1Image(plain.data[..., None], plain.affine)
    elif kind == "a few NaN":
        with_nan = plain.data.copy()
        assert (with_nan[0, 0, :50] == 0).all()
        with_nan[0, 0, :50] = np.nan
        image = nib.Nifti1Image(with_nan, plain.affine)
    else:
        header = nib.Nifti1Header(endianness=">")
        header.set_data_dtype(np.int16)
        stored = ((plain.data + 3) / 0.5).astype(np.int16)
        image = nib.Nifti1Image(stored, plain.affine, header)
        image.header.set_slope_inter(0.5, -3)
    nib.save(image, job.source)
    content = translate(job, Halver()).sidecar
    written = nifti.load(job.output)
    assert np.array_equal(written.data, expected)
    assert nib.load(job.output).shape == nifti.CROP_SHAPE
    assert content["NonFiniteVoxelsSetToZero"] == (50 if kind == "a few NaN" else 0)


@pytest.mark.parametrize(
    ("data", "zoom", "message"),
    [
        (head(shape=(20, 20, 20)), 1.0, "20 x 20 x 20 voxels"),
        (head(), 2.0, "2 x 2 x 2 mm"),
        (np.zeros(nifti.CROP_SHAPE, np.int16), 1.0, "every voxel"),
    ],
)
def test_what_is_no_crop_is_refused_by_name(job, data, zoom, message):
    write_crop(job.source, data, zoom=zoom)
    with pytest.raises(ImageError, match=message) as caught:
        translate(job, Halver())
    assert str(job.source) in str(caught.value)
    assert not job.output.parent.exists()


@pytest.mark.parametrize("overlap", [False, True])
def test_one_failure_does_not_stop_the_others(job, tmp_path, overlap):
    missing = Job(tmp_path / "missing.nii.gz", tmp_path / "x.nii.gz")
    jobs = [missing, job, bright(tmp_path)]
    started = []
    results = list(translate_all(jobs, Halver(), overlap=overlap, on_start=started.append))
    assert [result.job for result in results] == started == jobs
    assert [type(result.error) for result in results] == [ImageError, type(None), ImageError]
    assert str(results[2].error) == f"{jobs[2].source}: too bright"
    assert results[1].sidecar["Sources"] == [f"bids::{job.source.relative_to(tmp_path).as_posix()}"]
    assert job.output.exists()


@pytest.mark.parametrize("overlap", [False, True])
def test_nothing_to_do(overlap):
    assert list(translate_all([], Halver(), overlap=overlap)) == []


def test_the_same_bytes_again(job):
    translate(job, Halver())
    first = job.output.read_bytes()
    translate(job, Halver())
    assert job.output.read_bytes() == first


class Sure(Halver):
    """Finds one probability in whatever it is given."""

    def __init__(self, probability):
        super().__init__()
        self.probability = probability

    def __call__(self, volume, affine=None):
        return replace(super().__call__(volume, affine), gadolinium=self.probability)


@pytest.fixture
def open_job(job):
    path = names.gadolinium_path(job.source)
    options = Options(select="image")
    return replace(job, selected_by=None, options=options, classification=path)


def test_an_image_that_is_classified_and_chosen_goes_through_the_network_once(open_job):
    generator = Sure(0.9)
    result = translate(open_job, generator)
    assert len(generator.seen) == 1
    assert result.sidecar["Selection"] == {"Rule": "image", "Reason": None}
    assert result.classification["GadoliniumProbability"] == 0.9
    assert open_job.output.is_file()
    assert open_job.classification.is_file()


def test_an_image_that_shows_no_gadolinium_is_left_out(open_job):
    result = translate(open_job, Sure(0.2))
    assert (result.sidecar, result.error) == (None, None)
    assert result.classification["GadoliniumProbability"] == 0.2
    assert not open_job.output.exists()
    options = replace(open_job.options, include_t1nce=True)
    result = translate(replace(open_job, options=options), Sure(0.2))
    assert result.sidecar["Selection"] == {"Rule": "include-t1nce", "Reason": None}
    assert open_job.output.is_file()


def test_a_job_without_output_is_classified_only(open_job):
    generator = Sure(0.9)
    result = translate(replace(open_job, output=None, options=Options()), generator)
    assert (result.sidecar, len(generator.seen)) == (None, 1)
    assert not open_job.output.exists()
    assert open_job.classification.is_file()


def test_weights_without_detector_cannot_let_the_image_tell(open_job):
    with pytest.raises(WeightsError, match="clinica-t1nce calibrate"):
        translate(open_job, Sure(None))
    assert not open_job.classification.exists()


@pytest.mark.parametrize("link", [None, "symlink_to", "hardlink_to"])
def test_an_output_that_is_the_input_is_refused(job, tmp_path, link):
    output = job.source
    if link is not None:
        output = tmp_path / "other.nii.gz"
        getattr(output, link)(job.source)
    before = job.source.read_bytes()
    with pytest.raises(OutputError, match="is the input itself"):
        translate(replace(job, output=output), Halver())
    assert job.source.read_bytes() == before


def test_an_output_that_is_no_nifti_is_refused(job, tmp_path):
    with pytest.raises(OutputError, match=r"x.txt: not the name of a NIfTI image"):
        translate(replace(job, output=tmp_path / "x.txt"), Halver())


def change_source(job):
    write_crop(job.source, head(7))


def touch_source(job):
    os.utime(job.source, ns=(1, 1))


def empty_image(job):
    job.output.write_bytes(b"")


def cut_image(job):
    job.output.write_bytes(job.output.read_bytes()[:-100])


def change_weights(job):
    content = sidecar.read(job.output)
    sidecar.write(job.output, {**content, "Model": {**content["Model"], "SHA256": "1"}})


def break_sidecar(job):
    names.sidecar_path(job.output).write_text("{")


def earlier_sidecar(job):
    content = sidecar.read(job.output)
    del content["SourceFiles"]
    sidecar.write(job.output, content)


def remove_image(job):
    job.output.unlink()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (change_source, "source-changed"),
        (touch_source, None),
        (empty_image, "damaged"),
        (cut_image, "damaged"),
        (break_sidecar, "damaged"),
        (change_weights, "other-weights"),
        (earlier_sidecar, None),
        (remove_image, "missing"),
    ],
)
def test_done_means_the_same_source_and_weights_and_an_image_that_opens(job, change, expected):
    model = sidecar.describe_model(Halver.card)
    translate(job, Halver())
    assert job.lacks(model) == {}
    change(job)
    assert job.lacks(model) == ({} if expected is None else {"mni-crop": expected})
    translate(replace(job, options=Options(keep_existing=True)), Halver())
    assert job.lacks(model) == {}
    assert nifti.load(job.output).data.max() == nifti.load(job.source).data.max() / 2


def test_a_map_that_is_gone_or_cut_is_made_again(job):
    model = sidecar.describe_model(Halver.card)
    job = replace(job, options=Options(save_enhancement=True))
    translate(job, Halver())
    assert job.lacks(model) == {}
    job.first.vessels.write_bytes(b"")
    assert job.lacks(model) == {"mni-crop": "damaged"}
    job.first.vessels.unlink()
    assert job.lacks(model) == {"mni-crop": "missing"}
