import json

import pytest

from clinica_t1nce.bids.t1w_images import Dataset
from clinica_t1nce.caps import query, selection
from clinica_t1nce.caps.query import SelectedBy
from clinica_t1nce.caps.selection import SelectionRequest, select
from clinica_t1nce.errors import SelectionError
from tests.caps.test_query import write_tsv
from tests.data.caps import crop_path, make_caps


@pytest.fixture
def caps(tmp_path):
    return make_caps(tmp_path / "caps", images=False)


def found(chosen):
    return [(str(crop.visit), str(crop.selected_by)) for crop in chosen.crops]


def make_bids(root, *, sidecar=None, scans=None):
    """The BIDS of `caps`, with a sidecar and a scans.tsv for the image without ce-."""
    visits = [("sub-01", "ses-M000", ""), ("sub-01", "ses-M000ce", "_ce-gadolinium")]
    visits += [("sub-02", "ses-M000ce", "_acq-mprage_ce-gd_run-02")]
    for subject, session, entities in visits:
        image = root / subject / session / "anat" / f"{subject}_{session}{entities}_T1w.nii.gz"
        image.parent.mkdir(parents=True)
        image.touch()
    plain = root / "sub-01" / "ses-M000"
    if sidecar is not None:
        (plain / "anat" / "sub-01_ses-M000_T1w.json").write_text(sidecar)
    if scans is not None:
        (plain / "sub-01_ses-M000_scans.tsv").write_text(scans)
    return Dataset(root)


CE = [("sub-01 ses-M000ce", "ce entity"), ("sub-02 ses-M000ce", "ce entity")]


def test_by_default_only_names_with_ce(caps):
    assert found(select(SelectionRequest(caps))) == CE


@pytest.mark.parametrize(
    ("sidecar", "scans", "reason"),
    [
        (json.dumps({"ContrastBolusIngredient": "GADOLINIUM"}), None, "ContrastBolusIngredient"),
        (json.dumps({"ContrastBolusAgent": "Dotarem"}), None, "ContrastBolusAgent"),
        (
            json.dumps({"ContrastBolusAgent": "none"}),
            "filename\tcontrast_bolus_agent\nanat/sub-01_ses-M000_T1w.nii.gz\tGd\n",
            "scans.tsv",
        ),
        (json.dumps({"ContrastBolusAgent": "None"}), None, None),
        (None, None, None),
    ],
)
def test_with_a_bids_sidecars_and_scans_count_too(caps, tmp_path, sidecar, scans, reason):
    dataset = make_bids(tmp_path / "bids", sidecar=sidecar, scans=scans)
    expected = [("sub-01 ses-M000", reason)] if reason else []
    assert found(select(SelectionRequest(caps, dataset=dataset))) == expected + CE


@pytest.mark.parametrize(
    ("sidecar", "message"),
    [
        ("{not json", "sub-01_ses-M000_T1w.json: not JSON"),
        ('{"ContrastBolusAgent": "foo"}', "ContrastBolusAgent 'foo' is no word known"),
    ],
)
@pytest.mark.parametrize("include", [False, True])
def test_a_sidecar_that_does_not_tell_stops_its_visit_only(
    caps, tmp_path, sidecar, message, include
):
    dataset = make_bids(tmp_path / "bids", sidecar=sidecar)
    chosen = select(SelectionRequest(caps, dataset=dataset, include_t1nce=include))
    assert found(chosen) == CE
    ((path, error),) = chosen.undecided.items()
    assert path == crop_path(caps, "sub-01", "ses-M000")
    assert message in str(error)


def test_a_folder_that_may_not_be_read_stops_its_visit_only(caps, tmp_path, monkeypatch):
    dataset = make_bids(tmp_path / "bids")
    evidence = Dataset.evidence

    def guarded(self, visit, image):
        if visit.session == "ses-M000":
            raise PermissionError(13, "Permission denied", str(image.parent))
        return evidence(self, visit, image)

    monkeypatch.setattr(Dataset, "evidence", guarded)
    chosen = select(SelectionRequest(caps, dataset=dataset))
    assert found(chosen) == CE
    (error,) = chosen.undecided.values()
    assert str(error).endswith("anat: cannot be read (Permission denied); check its permissions")


def test_a_sidecar_that_does_not_tell_is_not_needed_where_all_are_taken(caps, tmp_path):
    dataset = make_bids(tmp_path / "bids", sidecar="{not json")
    chosen = select(SelectionRequest(caps, query.ALL, dataset=dataset))
    assert ("sub-01 ses-M000", "all") in found(chosen)
    assert not chosen.undecided


def test_a_name_that_says_none_is_no_t1ce(tmp_path):
    visits = {("sub-01", "ses-1"): "ce-none", ("sub-02", "ses-1"): "acq-1.5T_CE-gd.2"}
    visits |= {("sub-03", "ses-1"): "ce-pre", ("sub-04", "ses-1"): "ce-"}
    chosen = select(SelectionRequest(make_caps(tmp_path / "c", visits, images=False)))
    assert found(chosen) == [("sub-02 ses-1", "ce entity")]
    assert [path.parents[2].name for path in chosen.undecided] == ["sub-04"]


def test_a_tsv_selects_exactly_its_visits_whatever_their_names(caps, tmp_path):
    tsv = write_tsv(tmp_path, "sub-02\tses-M000ce", "sub-01\tses-M000")
    assert found(select(SelectionRequest(caps, selection.TSV, tsv))) == [
        ("sub-01 ses-M000", "tsv"),
        ("sub-02 ses-M000ce", "tsv"),
    ]


def test_another_rule_looks_at_the_visits_of_the_tsv_only(caps, tmp_path):
    tsv = write_tsv(tmp_path, "sub-01\tses-M000ce", "sub-01\tses-M000")
    assert found(select(SelectionRequest(caps, selection.METADATA, tsv))) == CE[:1]


def test_of_a_listed_visit_with_both_the_t1ce_is_taken(caps, tmp_path):
    crop_path(caps, "sub-02", "ses-M000ce").touch()
    request = SelectionRequest(caps, selection.TSV, write_tsv(tmp_path, "sub-02\tses-M000ce"))
    assert ["ce-gd" in crop.path.name for crop in select(request).crops] == [True]


def test_all_means_all(caps):
    assert found(select(SelectionRequest(caps, query.ALL))) == [("sub-01 ses-M000", "all"), *CE]


def test_images_are_taken_at_their_word(caps):
    first, second, third = (crop for _, crop in query.find_crops(caps))
    request = SelectionRequest(caps, selection.IMAGE, probabilities={first: 0.5, second: 0.49})
    chosen = select(request)
    assert [(crop.path, crop.selected_by) for crop in chosen.crops] == [
        (first, SelectedBy("image")),
        (third, None),
    ]
    nothing = SelectionRequest(
        caps, selection.IMAGE, probabilities={first: 0.1, second: 0.1, third: 0.1}
    )
    with pytest.raises(SelectionError, match=r"none of its 3 crops shows gadolinium"):
        select(nothing)


def test_images_with_one_output_are_classified_first(caps):
    crop_path(caps, "sub-01", "ses-M000ce", "").touch()
    chosen = select(SelectionRequest(caps, selection.IMAGE))
    assert [str(crop.visit) for crop in chosen.crops] == ["sub-01 ses-M000", "sub-02 ses-M000ce"]
    assert [str(crop.visit) for crop in chosen.colliding] == ["sub-01 ses-M000ce"] * 2


def test_rule_and_reason_are_told_apart(caps):
    crops = select(SelectionRequest(caps, query.ALL)).crops
    assert [crop.selected_by for crop in crops] == [
        SelectedBy("all"),
        SelectedBy("all", "ce entity"),
        SelectedBy("all", "ce entity"),
    ]


def test_t1nce_may_be_included(caps):
    chosen = found(select(SelectionRequest(caps, include_t1nce=True)))
    assert chosen == [("sub-01 ses-M000", "include-t1nce"), *CE]


def test_a_data_set_of_t1nce_alone_may_be_included(tmp_path):
    caps = make_caps(tmp_path / "caps", {("sub-01", "ses-1"): ""}, images=False)
    assert found(select(SelectionRequest(caps, include_t1nce=True))) == [
        ("sub-01 ses-1", "include-t1nce")
    ]


def test_runs_are_separate_images(caps):
    crop_path(caps, "sub-02", "ses-M000ce", "acq-mprage_ce-gd_run-03").touch()
    assert len(select(SelectionRequest(caps)).crops) == 3


def test_two_agents_with_one_output_are_ambiguous(caps):
    crop_path(caps, "sub-01", "ses-M000ce", "ce-other").touch()
    chosen = select(SelectionRequest(caps))
    assert len(chosen.crops) == 1
    assert len(chosen.ambiguous) == 2


def test_without_t1ce_the_ways_to_select_are_named(tmp_path):
    caps = make_caps(tmp_path / "caps", {("sub-01", "ses-M000"): ""}, images=False)
    with pytest.raises(
        SelectionError, match=r"no T1ce among its 1 crops.*-tsv.*--select image.*--bids.*ce-"
    ) as caught:
        select(SelectionRequest(caps))
    assert "\n" not in str(caught.value)


def test_without_crops_t1_linear_is_named(tmp_path):
    caps = make_caps(tmp_path / "caps", {})
    with pytest.raises(SelectionError, match=r"no crop of t1-linear.*clinica run t1-linear"):
        select(SelectionRequest(caps))


@pytest.mark.parametrize(
    ("rule", "with_table", "expected"),
    [(None, False, "metadata"), (None, True, "tsv"), ("all", True, "all"), ("tsv", True, "tsv")],
)
def test_the_rule_where_none_is_given(tmp_path, rule, with_table, expected):
    assert selection.rule_for(rule, tmp_path if with_table else None) == expected


@pytest.mark.parametrize(("rule", "message"), [("tsv", "-tsv FILE"), ("smell", "unknown rule")])
def test_rules_that_cannot_be_followed(rule, message):
    with pytest.raises(SelectionError, match=message):
        selection.rule_for(rule, None)


@pytest.mark.parametrize(
    ("reason", "probability", "expected"),
    [
        ("ce entity", 0.9, None),
        (None, 0.1, None),
        (None, None, None),
        ("ce entity", None, None),
        ("ce entity", 0.4, "the metadata say gadolinium (ce entity), the image shows none"),
        (None, 0.5, "the image shows gadolinium, the metadata do not"),
    ],
)
def test_contradictions(reason, probability, expected):
    assert selection.contradiction(reason, probability) == expected
