import json
import shutil

import pytest

from clinica_t1nce.bids.entities import Visit
from clinica_t1nce.datasets import outputs, separation
from clinica_t1nce.errors import SelectionError
from clinica_t1nce.files.text import read_rows
from tests.data.bids import MIXED, make_bids, needs_validator, tree, validation_errors

T1W = [
    "sub-01/ses-M000/anat/sub-01_ses-M000_T1w.nii.gz",
    "sub-01/ses-M000ce/anat/sub-01_ses-M000ce_ce-gd_T1w.nii.gz",
    "sub-01/ses-M012/anat/sub-01_ses-M012_T1w.nii.gz",
    "sub-02/ses-M000/anat/sub-02_ses-M000_acq-late_ce-gadolinium_T1w.nii.gz",
    "sub-03/ses-M000/anat/sub-03_ses-M000_run-2_T1w.nii.gz",
    "sub-03/ses-M000ce/anat/sub-03_ses-M000ce_acq-mprage_ce-gd_T1w.nii.gz",
]


@pytest.fixture
def source(tmp_path):
    return make_bids(tmp_path / "bids")


def separate(source, out, **options):
    copy = options.pop("copy", False)
    view = separation.plan_view(source, **options)
    separation.check_view(view, out, source)
    return view, outputs.make_files(out, view.files, copy=copy)


def t1w(out):
    return sorted(path.relative_to(out).as_posix() for path in out.glob("*/*/anat/*_T1w.nii.gz"))


def choose(path, *rows):
    lines = ["participant_id\tsession_id\tfilename\tcontrast", *rows]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_every_session_has_one_t1w_at_most(source, tmp_path):
    before = tree(source)
    view, _ = separate(source, tmp_path / "view")
    assert t1w(tmp_path / "view") == T1W
    assert view.visits == {"both": 2, "T1nce": 1, "T1ce": 1, "none": 1}
    assert view.n_left_out == 2
    assert tree(source) == before


def test_the_rest_stays_beside_the_t1nce(source, tmp_path):
    out = tmp_path / "view"
    separate(source, out)
    assert (out / "sub-01/ses-M000/anat/sub-01_ses-M000_FLAIR.nii.gz").exists()
    assert (out / "sub-02/ses-M006/anat/sub-02_ses-M006_T2w.nii.gz").exists()
    assert sorted(path.name for path in (out / "sub-01/ses-M000ce/anat").iterdir()) == [
        "sub-01_ses-M000ce_ce-gd_T1w.json",
        "sub-01_ses-M000ce_ce-gd_T1w.nii.gz",
    ]
    assert (out / "participants.tsv").read_text() == (source / "participants.tsv").read_text()


def test_images_and_sidecars_are_those_of_the_source(source, tmp_path):
    out = tmp_path / "view"
    separate(source, out)
    for row in read_rows(out / "contrast.tsv"):
        if row["status"] == "taken":
            for old, new in ((".nii.gz", ".nii.gz"), (".nii.gz", ".json")):
                there = source / row["source"].replace(old, new)
                here = out / row["filename"].replace(old, new)
                assert here.read_bytes() == there.read_bytes()


def test_tables_follow_their_images(source, tmp_path):
    out = tmp_path / "view"
    separate(source, out)
    assert (out / "sub-01/ses-M000/sub-01_ses-M000_scans.tsv").read_text().splitlines() == [
        "filename\tacq_time",
        "anat/sub-01_ses-M000_FLAIR.nii.gz\t2010-01-01T10:00:00",
        "anat/sub-01_ses-M000_T1w.nii.gz\t2010-01-01T10:01:00",
    ]
    assert (out / "sub-01/ses-M000ce/sub-01_ses-M000ce_scans.tsv").read_text().splitlines() == [
        "filename\tacq_time",
        "anat/sub-01_ses-M000ce_ce-gd_T1w.nii.gz\t2010-01-01T10:02:00",
    ]
    sessions = read_rows(out / "sub-01/sub-01_sessions.tsv")
    assert [row["session_id"] for row in sessions] == ["ses-M000", "ses-M000ce", "ses-M012"]
    assert (out / "sub-02/sub-02_sessions.tsv").is_symlink()


def test_contrast_tsv_maps_back(source, tmp_path):
    out = tmp_path / "view"
    separate(source, out)
    rows = read_rows(out / "contrast.tsv")
    assert len(rows) == sum(name.endswith("T1w") for name in MIXED)
    assert {row["source"] for row in rows if row["status"] == "left out"} == {
        "sub-03/ses-M000/anat/sub-03_ses-M000_run-1_T1w.nii.gz",
        "sub-03/ses-M000/anat/sub-03_ses-M000_acq-se_ce-gd_T1w.nii.gz",
    }
    back = separation.read_map(out)
    assert back[Visit("sub-01", "ses-M000ce")] == Visit("sub-01", "ses-M000")
    assert back[Visit("sub-01", "ses-M012")] == Visit("sub-01", "ses-M012")
    assert separation.read_map(source) == {}


def test_pairs_tsv_lists_the_pairs(source, tmp_path):
    separate(source, tmp_path / "view")
    assert (tmp_path / "view/pairs.tsv").read_text().splitlines() == [
        "participant_id\tsession_id_t1nce\tsession_id_t1ce",
        "sub-01\tses-M000\tses-M000ce",
        "sub-03\tses-M000\tses-M000ce",
    ]


@needs_validator
@pytest.mark.parametrize("copy", [False, True])
def test_the_view_is_valid_bids(source, tmp_path, copy):
    assert validation_errors(source) == []
    separate(source, tmp_path / "view", copy=copy)
    assert validation_errors(tmp_path / "view") == []
    links = [path for path in (tmp_path / "view").rglob("*") if path.is_symlink()]
    assert bool(links) is not copy


def test_clinica_finds_every_t1w_of_the_view(source, tmp_path):
    from clinica.dataset import check_bids_dataset
    from clinica.utils.input_files import T1W_NII
    from clinica.utils.inputs import clinica_file_reader

    out = tmp_path / "view"
    separate(source, out)
    check_bids_dataset(out)

    def read(root):
        visits = sorted(path for path in root.glob("sub-*/ses-*"))
        subjects = [path.parent.name for path in visits]
        return clinica_file_reader(subjects, [path.name for path in visits], root, T1W_NII)

    files, errors = read(out)
    assert sorted(files) == [str(out / name) for name in T1W]
    assert [tuple(error) for error in errors] == [("sub-02", "ses-M006")]
    # What a view is for: of the source, Clinica leaves the visits with both images out.
    assert len(read(source)[0]) == 2


def test_a_second_time_does_nothing(source, tmp_path):
    out = tmp_path / "view"
    separate(source, out)
    before = tree(out)
    assert separate(source, out)[1] == 0
    assert tree(out) == before


def test_new_visits_are_added(source, tmp_path):
    out = tmp_path / "view"
    separate(source, out)
    shutil.copytree(
        make_bids(tmp_path / "more", {"sub-04_ses-M000_T1w": {}}) / "sub-04", source / "sub-04"
    )
    before = tree(out)
    separate(source, out)
    after = tree(out)
    assert [name for name in after if name not in before and "anat" in name] == [
        "sub-04/ses-M000/anat/sub-04_ses-M000_T1w.json",
        "sub-04/ses-M000/anat/sub-04_ses-M000_T1w.nii.gz",
    ]
    rewritten = {name for name in before if after[name] != before[name]}
    assert rewritten == {"contrast.tsv"}


def test_a_table_overrules_preference_and_metadata(source, tmp_path):
    choices = choose(
        tmp_path / "c.tsv",
        "sub-03\tses-M000\tsub-03_ses-M000_run-1_T1w.nii.gz\t",
        "sub-03\tses-M000\tsub-03_ses-M000_acq-se_ce-gd_T1w.nii.gz\tT1ce",
        "sub-01\tses-M012\tanat/sub-01_ses-M012_T1w.nii.gz\tT1ce",
        "sub-02\tses-M000\tsub-02_ses-M000_acq-late_T1w.nii.gz\tT1nce",
    )
    separate(source, tmp_path / "view", choices=choices)
    assert t1w(tmp_path / "view") == [
        *T1W[:2],
        "sub-01/ses-M012/anat/sub-01_ses-M012_ce-gadolinium_T1w.nii.gz",
        "sub-02/ses-M000/anat/sub-02_ses-M000_acq-late_T1w.nii.gz",
        "sub-03/ses-M000/anat/sub-03_ses-M000_run-1_T1w.nii.gz",
        "sub-03/ses-M000ce/anat/sub-03_ses-M000ce_acq-se_ce-gd_T1w.nii.gz",
    ]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("sub-09\tses-M000\tx_T1w.nii.gz\t", "row 2: no visit sub-09 ses-M000"),
        ("sub-01\tses-M000\tsub-01_ses-M000_FLAIR.nii.gz\t", "row 2: .* has no T1w"),
        ("sub-01\tses-M000\tsub-01_ses-M000_run-9_T1w.nii.gz\t", "row 2: .* has no T1w"),
        ("sub-01\tses-M000\tsub-01_ses-M000_T1w.nii.gz\tT2w", "row 2: contrast 'T2w'"),
    ],
)
def test_a_wrong_choice_is_named(source, tmp_path, row, message):
    with pytest.raises(SelectionError, match=message):
        separation.plan_view(source, choices=choose(tmp_path / "c.tsv", row))


def test_two_choices_for_one_place_are_refused(source, tmp_path):
    rows = [f"sub-03\tses-M000\tsub-03_ses-M000_run-{run}_T1w.nii.gz\t" for run in (1, 2)]
    with pytest.raises(SelectionError, match="two T1nce chosen"):
        separation.plan_view(source, choices=choose(tmp_path / "c.tsv", *rows))


def test_a_session_of_that_name_is_not_overwritten(source, tmp_path):
    (source / "sub-01/ses-M000CE").mkdir()
    with pytest.raises(SelectionError, match=r"has a session ses-M000ce already.*--label"):
        separation.plan_view(source)
    separate(source, tmp_path / "view", label="gd")
    assert (tmp_path / "view/sub-01/ses-M000gd").is_dir()


@pytest.mark.parametrize("label", ["", "a_b", "a-b", "é"])
def test_a_label_that_bids_does_not_know_is_refused(source, label):
    with pytest.raises(SelectionError, match="--label"):
        separation.plan_view(source, label=label)


def test_other_choices_do_not_go_into_an_old_view(source, tmp_path):
    out = tmp_path / "view"
    separate(source, out)
    before = tree(out)
    row = "sub-03\tses-M000\tsub-03_ses-M000_run-1_T1w.nii.gz\t"
    with pytest.raises(SelectionError, match="other images or choices than now"):
        separate(source, out, choices=choose(tmp_path / "c.tsv", row))
    assert tree(out) == before


def test_a_refused_folder_is_not_touched(source, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.odt").touch()
    for out in (source, source / "view", tmp_path, tmp_path / "mine"):
        before = tree(tmp_path)
        with pytest.raises(SelectionError):
            separate(source, out)
        assert tree(tmp_path) == before


def test_metadata_of_the_session_follow_the_t1ce(source, tmp_path):
    (source / "sub-01/ses-M000/sub-01_ses-M000_T1w.json").write_text('{"MagneticFieldStrength": 3}')
    separate(source, tmp_path / "view")
    sidecar = tmp_path / "view" / T1W[1].replace(".nii.gz", ".json")
    assert json.loads(sidecar.read_text()) == {"MagneticFieldStrength": 3, "EchoTime": 0.004}


def test_hidden_files_and_derivatives_stay_where_they_are(source, tmp_path):
    (source / ".bidsignore").write_text("*.log\n")
    (source / "derivatives/x").mkdir(parents=True)
    (source / "derivatives/x/big.nii.gz").touch()
    (source / "sub-01/ses-M000/.DS_Store").touch()
    out = tmp_path / "view"
    separate(source, out)
    assert not (out / "derivatives").exists()
    assert not (out / "sub-01/ses-M000/.DS_Store").exists()
    assert (out / ".bidsignore").read_text() == "*.log\n/contrast.tsv\n/pairs.tsv\n"


def test_a_visit_that_does_not_tell_is_left_out_and_added_later(source, tmp_path):
    broken = source / "sub-01/ses-M000/anat/sub-01_ses-M000_T1w.json"
    whole = broken.read_text()
    broken.write_text('{"EchoTime": inf}')
    view, _ = separate(source, tmp_path / "view")
    assert list(map(str, view.failed)) == ["sub-01 ses-M000"]
    assert str(broken) in str(view.failed[Visit("sub-01", "ses-M000")])
    assert t1w(tmp_path / "view") == [name for name in T1W if "sub-01/ses-M000" not in name]
    broken.write_text(whole)
    view, _ = separate(source, tmp_path / "view")
    assert not view.failed
    assert t1w(tmp_path / "view") == T1W
    broken.write_text("")
    assert list(separate(source, tmp_path / "view")[0].failed) == [Visit("sub-01", "ses-M000")]


@pytest.mark.parametrize("agent", ["none", "given"])
def test_a_table_of_sessions_of_any_line_ends_can_be_completed(tmp_path, agent):
    source = make_bids(
        tmp_path / "b",
        {
            "sub-1_ses-1_T1w": {"ContrastBolusAgent": "Foo"},
            "sub-1_ses-1_ce-gd_T1w": {},
            "sub-1_ses-2_T1w": {},
        },
    )
    (source / "sub-1" / "sub-1_sessions.tsv").write_bytes(b"session_id\r\nses-1\r\nses-2\r\n")
    out = tmp_path / "view"
    assert separate(source, out)[0].failed
    (tmp_path / "words.tsv").write_text(f"word\tmeaning\nfoo\t{agent}\n")
    chosen = choose(tmp_path / "c.tsv", "sub-1\tses-1\tsub-1_ses-1_ce-gd_T1w.nii.gz\tT1ce")
    assert not separate(source, out, words=tmp_path / "words.tsv", choices=chosen)[0].failed
    rows = read_rows(out / "sub-1" / "sub-1_sessions.tsv")
    expected = ["ses-1", "ses-1ce", "ses-2"] if agent == "none" else ["ses-1", "ses-2"]
    assert [row["session_id"] for row in rows] == expected


def test_one_source_may_be_spelt_in_two_ways(source, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    out = tmp_path / "view"
    separate(type(source)(f"../{source.name}"), out)
    _, n_new = separate(source, out)
    assert n_new == 0


def test_a_table_tells_what_a_word_means(tmp_path):
    agent = {"ContrastBolusAgent": "Foo"}
    source = make_bids(tmp_path / "b", {"sub-1_ses-1_T1w": agent, "sub-2_ses-1_T1w": {}})
    view, _ = separate(source, tmp_path / "one")
    assert list(map(str, view.failed)) == ["sub-1 ses-1"]
    (tmp_path / "words.tsv").write_text("word\tmeaning\nfoo\tgiven\n")
    view, _ = separate(source, tmp_path / "two", words=tmp_path / "words.tsv")
    assert (view.visits["T1ce"], view.visits["T1nce"]) == (1, 1)
    chosen = choose(tmp_path / "c.tsv", "sub-1\tses-1\tsub-1_ses-1_T1w.nii.gz\tT1nce")
    view, _ = separate(source, tmp_path / "three", choices=chosen)
    assert view.visits["T1nce"] == 2


@pytest.mark.parametrize(
    ("name", "agent", "expected"),
    [
        ("sub-1_ses-1_acq-1.5T_T1w", "", "ses-1/anat/sub-1_ses-1_acq-1p5T_T1w.nii.gz"),
        (
            "sub-1_ses-1_acq-1.5T_T1w",
            "Dotarem",
            "ses-1/anat/sub-1_ses-1_acq-1p5T_ce-dotarem_T1w.nii.gz",
        ),
        ("sub-1_ses-1_ce-none_T1w", "", "ses-1/anat/sub-1_ses-1_T1w.nii.gz"),
        ("sub-1_ses-1_CE-GD_T1W", "", "ses-1/anat/sub-1_ses-1_ce-GD_T1w.nii.gz"),
        ("sub-1_ses-1_T1w", "yes", "ses-1/anat/sub-1_ses-1_ce-gadolinium_T1w.nii.gz"),
    ],
)
def test_names_in_the_view_are_such_as_clinica_takes(tmp_path, name, agent, expected):
    source = make_bids(tmp_path / "b", {name: {"ContrastBolusAgent": agent}})
    separate(source, tmp_path / "view")
    assert t1w(tmp_path / "view") == [f"sub-1/{expected}"]
    sidecar = (tmp_path / "view" / "sub-1" / expected.replace(".nii.gz", ".json")).read_text()
    assert json.loads(sidecar) == {"ContrastBolusAgent": agent}


def test_an_image_that_is_listed_twice_is_refused(source, tmp_path):
    row = "sub-03\tses-M000\tsub-03_ses-M000_run-1_T1w.nii.gz\t"
    with pytest.raises(SelectionError, match=r"row 3: .*run-1_T1w\.nii\.gz is listed twice"):
        separation.plan_view(
            source, choices=choose(tmp_path / "c.tsv", f"{row}T1ce", f"{row}T1nce")
        )
