import pytest

from clinica_t1nce.caps import query
from clinica_t1nce.errors import SelectionError
from tests.data.caps import make_caps


@pytest.fixture
def caps(tmp_path):
    return make_caps(tmp_path / "caps", images=False)


def write_tsv(folder, *rows, header="participant_id\tsession_id"):
    path = folder / "visits.tsv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def test_uncropped_images_and_strangers_are_no_crops(caps):
    (caps / "subjects" / "notes.txt").touch()
    (caps / "subjects" / "sub-01" / "freesurfer").mkdir()
    assert all("desc-Crop" in path.name for _, path in query.find_crops(caps))
    assert len(list(query.find_crops(caps))) == 3


def test_a_quotation_mark_loses_no_visit(tmp_path):
    header = "participant_id\tsession_id\tnote"
    path = write_tsv(tmp_path, 'sub-1\tses-1\t"moved', "sub-2\tses-1\tok", header=header)
    assert query.read_visits(path) == [("sub-1", "ses-1"), ("sub-2", "ses-1")]


def test_tsv_may_have_a_bom_other_columns_empty_lines_and_crlf(tmp_path):
    path = tmp_path / "visits.tsv"
    text = "\ufeffage\tsession_id\tparticipant_id\r\n70\tses-1 \tsub-1\r\n\r\n71\tses-2\tsub-1\r\n"
    path.write_bytes(text.encode())
    assert query.read_visits(path) == [("sub-1", "ses-1"), ("sub-1", "ses-2")]


@pytest.mark.parametrize(
    ("header", "rows", "message"),
    [
        ("sub-01\tses-M000", [], "no column participant_id"),
        ("participant_id,session_id", ["sub-01,ses-M000"], "separated by tabs"),
        ("participant_id", ["sub-01"], "no column session_id"),
        ("participant_id\tsession_id", [], "lists no visit"),
        ("participant_id\tsession_id", ["01\tM000"], r"row 2 .* not a visit"),
        ("participant_id\tsession_id", ["sub-01"], r"row 2 .* not a visit"),
        ("participant_id\tsession_id\tnote", ["\t\tlost"], r"row 2 .* not a visit"),
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
        query.listed_crops(caps, tsv)
