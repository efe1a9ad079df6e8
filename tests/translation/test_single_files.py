import pytest

from clinica_t1nce.caps import names, sidecar
from clinica_t1nce.errors import OutputError, SelectionError
from clinica_t1nce.translation import single_files
from tests.data import volumes

DATA = volumes.enhance(volumes.brain())


def test_folder_stands_for_its_images_but_synthetic_ones(tmp_path):
    a, b = (volumes.write(tmp_path / name, DATA) for name in ("a.nii", "b.nii.gz"))
    sidecar.write(b, {"Synthetic": True})
    (tmp_path / "notes.txt").write_text("")
    assert single_files.find_sources([tmp_path, a]) == [a]
    assert single_files.find_sources([tmp_path, b]) == [a, b]


def test_what_holds_no_image_is_refused(tmp_path):
    with pytest.raises(SelectionError, match="no such file"):
        single_files.find_sources([tmp_path / "a.nii"])
    with pytest.raises(SelectionError, match=r"no \.nii or \.nii\.gz file"):
        single_files.find_sources([tmp_path])
    slice_ = tmp_path / "export" / "series" / "IM0001"
    slice_.parent.mkdir(parents=True)
    slice_.write_bytes(bytes(128) + b"DICM" + bytes(99))
    for given, folder in ((tmp_path / "export",) * 2, (slice_, slice_.parent)):
        with pytest.raises(SelectionError, match=f"dcm2niix .* {folder}$"):
            single_files.find_sources([given])
    (tmp_path / "bids" / "sub-01").mkdir(parents=True)
    with pytest.raises(SelectionError, match="clinica-t1nce bids"):
        single_files.find_sources([tmp_path / "bids"])
    only = volumes.write(tmp_path / "a.nii", DATA)
    sidecar.write(only, {"Synthetic": True})
    with pytest.raises(SelectionError, match="synthetic images only"):
        single_files.find_sources([tmp_path])


def test_outputs_are_named_after_the_sources(tmp_path):
    sources = [tmp_path / "sub-1_T1w.nii.gz", tmp_path / "x.nii"]
    jobs = single_files.plan_files(sources, tmp_path / "out", save_enhancement=True)
    assert [job.image.name for job in jobs] == [
        "sub-1_desc-SynthNce_T1w.nii.gz",
        "x_desc-SynthNce.nii",
    ]
    assert jobs[0].enhancement == names.enhancement_path(jobs[0].image)
    (job,) = single_files.plan_files(sources[:1], tmp_path / "out.nii")
    assert job.image == tmp_path / "out.nii"


def test_nothing_is_overwritten_unasked(tmp_path):
    source = volumes.write(tmp_path / "in.nii.gz", DATA)
    out = volumes.write(tmp_path / "out.nii.gz", DATA)
    with pytest.raises(SelectionError, match="--overwrite"):
        single_files.plan_files([source], out)
    assert single_files.plan_files([source], out, overwrite=True)[0].image == out
    with pytest.raises(OutputError, match="is the input itself"):
        single_files.plan_files([source], source, overwrite=True)
    link = tmp_path / "link.nii.gz"
    link.symlink_to(source)
    with pytest.raises(OutputError, match="is the input itself"):
        single_files.plan_files([source], link, overwrite=True)
    # The JSON of a scanner's image is an input, too.
    names.sidecar_path(source).write_text("{}")
    with pytest.raises(OutputError, match=r"in\.json: is the input itself"):
        single_files.plan_files([source], tmp_path / "in.nii", overwrite=True)
    with pytest.raises(OutputError, match=r"in\.nii\.gz is no folder"):
        single_files.plan_files([source], source / "deep" / "out.nii")
    with pytest.raises(SelectionError, match="one file for 2 images"):
        single_files.plan_files([source, out], tmp_path / "new.nii.gz")
    with pytest.raises(SelectionError, match="into different folders"):
        single_files.plan_files(
            [tmp_path / "a" / "x.nii", tmp_path / "b" / "x.nii"], tmp_path / "new"
        )
