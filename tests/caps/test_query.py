import pytest

from clinica_t1nce.caps import query
from clinica_t1nce.errors import SelectionError
from tests.data.caps import crop_path, make_caps


@pytest.fixture
def caps(tmp_path):
    return make_caps(tmp_path / "caps", images=False)


def write_tsv(folder, *rows, header="participant_id\tsession_id"):
    path = folder / "visits.tsv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def found(selection):
    return [(str(crop.visit), crop.selected_by) for crop in selection.crops]


def test_by_default_only_names_with_ce(caps):
    assert found(query.select(caps)) == [
        ("sub-01 ses-M000ce", "ce entity"),
        ("sub-02 ses-M000ce", "ce entity"),
    ]


def test_a_tsv_selects_exactly_its_visits_whatever_their_names(caps, tmp_path):
    tsv = write_tsv(tmp_path, "sub-02\tses-M000ce", "sub-01\tses-M000")
    assert found(query.select(caps, tsv)) == [
        ("sub-01 ses-M000", "tsv"),
        ("sub-02 ses-M000ce", "tsv"),
    ]


def test_of_a_listed_visit_with_both_the_t1ce_is_taken(caps, tmp_path):
    crop_path(caps, "sub-02", "ses-M000ce").touch()
    selection = query.select(caps, write_tsv(tmp_path, "sub-02\tses-M000ce"))
    assert ["ce-gd" in crop.path.name for crop in selection.crops] == [True]


def test_runs_are_separate_images(caps):
    crop_path(caps, "sub-02", "ses-M000ce", "acq-mprage_ce-gd_run-03").touch()
    assert len(query.select(caps).crops) == 3


def test_two_agents_with_one_output_are_ambiguous(caps):
    crop_path(caps, "sub-01", "ses-M000ce", "ce-other").touch()
    selection = query.select(caps)
    assert len(selection.crops) == 1
    assert len(selection.ambiguous) == 2


def test_uncropped_images_and_strangers_are_no_crops(caps):
    (caps / "subjects" / "notes.txt").touch()
    (caps / "subjects" / "sub-01" / "freesurfer").mkdir()
    assert all("desc-Crop" in path.name for _, path in query.find_crops(caps))
    assert len(list(query.find_crops(caps))) == 3


def test_without_t1ce_the_ways_to_select_are_named(tmp_path):
    caps = make_caps(tmp_path / "caps", {("sub-01", "ses-M000"): ""}, images=False)
    with pytest.raises(SelectionError, match=r"no T1ce among its 1 crops.*-tsv.*ce-") as caught:
        query.select(caps)
    assert "\n" not in str(caught.value)


def test_without_crops_t1_linear_is_named(tmp_path):
    caps = make_caps(tmp_path / "caps", {})
    with pytest.raises(SelectionError, match=r"no crop of t1-linear.*clinica run t1-linear"):
        query.select(caps)


def test_tsv_may_have_a_bom_other_columns_empty_lines_and_crlf(tmp_path):
    path = tmp_path / "visits.tsv"
    text = "\ufeffage\tsession_id\tparticipant_id\r\n70\tses-1 \tsub-1\r\n\r\n71\tses-2\tsub-1\r\n"
    path.write_bytes(text.encode())
    assert query.read_visits(path) == [("sub-1", "ses-1"), ("sub-1", "ses-2")]


@pytest.mark.parametrize(
    ("header", "rows", "message"),
    [
        ("sub-01\tses-M000", [], "no column participant_id"),
        ("participant_id,session_id", ["sub-01,ses-M000"], "separated by a tab"),
        ("participant_id", ["sub-01"], "no column session_id"),
        ("participant_id\tsession_id", [], "lists no visit"),
        ("participant_id\tsession_id", ["01\tM000"], r"row 2 .* not a visit"),
        ("participant_id\tsession_id", ["sub-01"], r"row 2 .* not a visit"),
        (
            "participant_id\tsession_id",
            ["sub-01\tses-1", "sub-02\tses-1", "sub-01\tses-1"],
            r"listed twice: sub-01 ses-1 \(rows 2 and 4\)",
        ),
    ],
)
def test_a_tsv_that_cannot_be_used_is_named(tmp_path, header, rows, message):
    path = write_tsv(tmp_path, *rows, header=header)
    with pytest.raises(SelectionError, match=message) as caught:
        query.read_visits(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00"])
def test_a_tsv_that_is_no_text_is_named(tmp_path, content):
    path = tmp_path / "visits.tsv"
    path.write_bytes(content)
    with pytest.raises(SelectionError, match=str(path)):
        query.read_visits(path)


def test_unknown_visits_are_counted_and_some_named(caps, tmp_path):
    rows = [f"sub-9{number}\tses-M000" for number in range(7)]
    tsv = write_tsv(tmp_path, "sub-01\tses-M000", *rows)
    with pytest.raises(
        SelectionError, match=r"7 of its 8 visits .* sub-90 ses-M000, .* and 2 more"
    ):
        query.select(caps, tsv)
