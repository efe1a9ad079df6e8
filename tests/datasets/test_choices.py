import json
from pathlib import Path

import pytest

from clinica_t1nce.bids.contrast_agents import has_contrast
from clinica_t1nce.bids.entities import Visit
from clinica_t1nce.bids.t1w_images import Dataset
from clinica_t1nce.caps import names, table
from clinica_t1nce.caps.query import Shard
from clinica_t1nce.datasets import outputs, separation
from clinica_t1nce.datasets.choices import (
    Candidate,
    acquisition,
    choose,
    find_in_caps,
    find_in_files,
    find_model,
    read_choices,
)
from clinica_t1nce.errors import SelectionError
from tests.data.bids import make_bids, make_caps_of, make_synthetic

BOTH = Visit("sub-01", "ses-M000")


@pytest.fixture(scope="module")
def view(tmp_path_factory):
    folder = tmp_path_factory.mktemp("view")
    source = make_bids(folder / "bids")
    outputs.make_files(folder / "view", separation.plan_view(source).files)
    return folder / "view"


@pytest.fixture
def caps(tmp_path, view):
    return make_caps_of(view, tmp_path / "caps")


def found(caps, view, **options):
    options = {"model": "m", "dataset": Dataset(view), **options}
    return find_in_caps(caps, **options)


def kinds(result):
    table = {}
    for candidate in result.candidates:
        table.setdefault(" ".join(candidate.visit), []).append(candidate.kind)
    return table


def test_the_visits_are_those_of_the_data_set_that_was_separated(caps, view):
    assert kinds(found(caps, view)) == {
        "sub-01 ses-M000": ["acquired", "synthetic"],
        "sub-01 ses-M012": ["acquired"],
        "sub-02 ses-M000": ["synthetic"],
        "sub-03 ses-M000": ["acquired", "synthetic"],
    }
    assert found(caps, view).missing == ()


def test_without_a_view_each_session_is_a_visit(caps, view):
    sessions = [candidate.visit.session for candidate in found(caps, view, dataset=None).candidates]
    assert sessions == ["ses-M000", "ses-M000ce", "ses-M012", "ses-M000", "ses-M000", "ses-M000ce"]


def test_a_t1ce_without_a_synthetic_image_is_missing(caps, view):
    result = found(caps, view, model=None)
    assert result.missing == (Visit("sub-02", "ses-M000"),)
    assert {candidate.kind for candidate in result.candidates} == {"acquired"}


@pytest.mark.parametrize("space", names.SPACES)
def test_each_space(caps, view, space):
    result = found(caps, view, space=space)
    assert len(result.candidates) == 6
    for candidate in result.candidates:
        assert candidate.path.is_file()
        if candidate.kind == "synthetic":
            assert candidate.path.name.endswith(names.SPACES[space])
        elif space == "native":
            assert candidate.path.is_relative_to(view)
        else:
            assert ("_desc-Crop_" in candidate.path.name) == (space == "mni-crop")


def test_the_native_space_needs_the_bids(caps):
    with pytest.raises(SelectionError, match="--bids-directory"):
        find_in_caps(caps, model="m", space="native")


def plain_caps(tmp_path, sidecar=None):
    """One T1w whose name does not tell that it is a T1ce."""
    source = make_bids(tmp_path / "b", {"sub-1_ses-1_T1w": sidecar or {}})
    caps = make_caps_of(source, tmp_path / "c", model=None)
    return source, caps, next(caps.glob("subjects/*/*/t1_linear/*Crop*"))


def test_a_t1ce_is_known_by_the_sidecar_in_the_bids(tmp_path):
    source, caps, _ = plain_caps(tmp_path, {"ContrastBolusAgent": "Dotarem"})
    assert found(caps, source, model=None).candidates == ()
    assert found(caps, source, model=None, dataset=None).candidates != ()


def test_a_t1ce_is_known_by_having_been_translated(tmp_path):
    source, caps, crop = plain_caps(tmp_path)
    make_synthetic(crop, "m")
    assert [candidate.kind for candidate in found(caps, source).candidates] == ["synthetic"]
    assert found(caps, source, model="other").candidates == ()


def test_a_t1ce_whose_translation_failed_is_still_none(tmp_path):
    source, caps, crop = plain_caps(tmp_path)
    (caps / "t1_synth_nce.tsv").write_text(
        f"source\tstatus\nbids::{crop.relative_to(caps).as_posix()}\tfailed\n"
    )
    result = found(caps, source)
    assert result.candidates == ()
    assert result.missing == (Visit("sub-1", "ses-1"),)


def test_a_t1ce_that_failed_in_an_array_job_is_still_none(tmp_path):
    source, caps, crop = plain_caps(tmp_path)
    uri = names.uri(crop, caps, caps)
    row = table.failed_row("sub-1", "ses-1", uri, "m", "tsv", "boom")
    part = table.rewrite(caps, [row], Shard(2, 2))
    assert found(caps, source).candidates == ()
    # As a run leaves it that is killed while it takes in the tables of shards.
    part.rename(part.with_name(f".0123abcd-{part.name}"))
    assert found(caps, source).candidates == ()
    table.rewrite(caps)
    assert found(caps, source).candidates == ()


@pytest.mark.parametrize(
    ("rule", "probability", "expected"),
    [
        ("image", 0.2, ["acquired"]),
        ("image", 0.7, []),
        ("image", None, []),
        ("ce entity", 0.2, []),
    ],
)
def test_what_the_image_has_told_overrules_the_name(tmp_path, rule, probability, expected):
    source = make_bids(tmp_path / "b", {"sub-1_ses-1_ce-gd_T1w": {}, "sub-2_ses-1_T1w": {}})
    caps = make_caps_of(source, tmp_path / "c", model=None)
    named, other = sorted(caps.glob("subjects/*/*/t1_linear/*Crop*"))
    make_synthetic(other, "m", selected_by=rule)
    seen = names.gadolinium_path(named)
    seen.parent.mkdir()
    seen.write_text(json.dumps({"GadoliniumProbability": probability}))
    kind = kinds(found(caps, source))
    assert kind.get("sub-1 ses-1", []) == expected
    assert kind["sub-2 ses-1"] == ["synthetic"]


def test_the_model_need_not_be_named_if_there_is_one(caps):
    assert find_model(caps, None) == "m"
    assert find_model(caps, "m") == "m"
    with pytest.raises(SelectionError, match="no images of a model x; it has those of m"):
        find_model(caps, "x")
    make_synthetic(next(caps.glob("subjects/*/*/t1_linear/*_ce-*Crop*")), "n")
    with pytest.raises(SelectionError, match=r"several models \(m, n\)"):
        find_model(caps, None)


def candidate(name, kind="acquired", visit=BOTH):
    return Candidate(visit, Path(name), kind, visit.session)


@pytest.mark.parametrize(
    ("images", "expected", "reason"),
    [
        ([("a", "synthetic")], "a", "only image"),
        ([("a", "synthetic"), ("b", "acquired")], "b", "acquired before synthetic"),
        (
            [
                ("x_run-1_T1w", "acquired"),
                ("x_run-10_T1w", "acquired"),
                ("x_run-2_T1w", "acquired"),
            ],
            "x_run-10_T1w",
            "later run",
        ),
        ([("b", "acquired"), ("a", "acquired"), ("c", "synthetic")], "a", "first name"),
    ],
)
def test_the_order_of_preference(images, expected, reason):
    choices = choose([candidate(*image) for image in images])
    assert (choices[BOTH].candidate.path.name, choices[BOTH].reason) == (expected, reason)


def test_a_table_overrules_the_order(tmp_path):
    table = tmp_path / "c.tsv"
    header = "participant_id\tsession_id\tfilename\n"
    table.write_text(f"{header}sub-01\tses-M000\tanat/b\n")
    images = [candidate("a"), candidate("b", "synthetic")]
    choices = choose(images, read_choices(table))
    assert (choices[BOTH].candidate.path.name, choices[BOTH].reason) == ("b", "tsv")
    with pytest.raises(SelectionError, match="no image 'c' to choose; there are a, b"):
        choose(images, {BOTH: "c"})
    table.write_text(f"{header}sub-01\tses-M000\ta\nsub-01\tses-M000\tb\n")
    with pytest.raises(SelectionError, match="listed twice"):
        read_choices(table)


def test_candidates_of_files(view):
    names_ = ["sub-01_ses-M000_x_T1w.nii.gz", "sub-01_ses-M000ce_x_T1w.nii.gz"]
    acquired, synthetic = find_in_files([Path(names_[0])], [Path(names_[1])], Dataset(view))
    assert (acquired.visit, synthetic.visit) == (BOTH, BOTH)
    assert acquired.raw == view / "sub-01/ses-M000/anat/sub-01_ses-M000_T1w.nii.gz"
    assert synthetic.raw.name == "sub-01_ses-M000ce_ce-gd_T1w.nii.gz"
    assert acquisition(synthetic, Dataset(view)) == {"EchoTime": 0.004}
    with pytest.raises(SelectionError, match=r"x\.nii: does not say whose image"):
        find_in_files([Path("x.nii")], [])


def test_the_agent_is_not_carried_to_a_synthetic_image(caps, view):
    (late,) = [c for c in found(caps, view).candidates if c.visit.subject == "sub-02"]
    assert Dataset(view).metadata(late.raw) == {"ContrastBolusIngredient": "GADOLINIUM"}
    assert acquisition(late, Dataset(view)) == {}


def test_t1nce_that_went_through_the_generator(caps, view):
    for crop in caps.glob("subjects/*/*/t1_linear/*Crop*"):
        if not has_contrast(crop.name):
            make_synthetic(crop, "m", selected_by="include-t1nce")
    assert kinds(found(caps, view))["sub-01 ses-M000"] == ["acquired", "synthetic"]
    every = found(caps, view, include_t1nce=True)
    assert kinds(every) == {
        "sub-01 ses-M000": ["regenerated", "synthetic"],
        "sub-01 ses-M012": ["regenerated"],
        "sub-02 ses-M000": ["synthetic"],
        "sub-03 ses-M000": ["regenerated", "synthetic"],
    }
    assert all("_desc-SynthNce_" in candidate.path.name for candidate in every.candidates)
    assert choose(every.candidates)[BOTH].candidate.kind == "regenerated"


def test_a_t1nce_that_did_not_is_missing(caps, view):
    assert Visit("sub-01", "ses-M012") in found(caps, view, include_t1nce=True).missing
