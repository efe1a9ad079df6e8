import pytest
from click.testing import CliRunner

from clinica_t1nce.cli import main
from tests.data.bids import make_bids, tree


def run(*arguments):
    return CliRunner().invoke(main.cli, ["separate", *map(str, arguments)])


@pytest.fixture
def source(tmp_path):
    return make_bids(tmp_path / "bids")


def test_a_mixed_data_set(source, tmp_path):
    out = tmp_path / "view"
    result = run(source, out)
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[0] == (
        "5 visits: 2 with both images, 1 with a T1nce, 1 with a T1ce, 1 without T1w"
    )
    assert lines[1].startswith("2 T1w left out in favour of others")
    assert lines[-1] == f"Next: clinica run t1-linear {out} CAPS"
    assert len(list(out.glob("*/*/anat/*_T1w.nii.gz"))) == 6

    before = tree(out)
    assert f"0 files made in {out}" in run(source, out).output
    assert tree(out) == before


def test_every_option_reaches_the_view(source, tmp_path):
    choices = tmp_path / "c.tsv"
    choices.write_text(
        "participant_id\tsession_id\tfilename\nsub-03\tses-M000\tsub-03_ses-M000_run-1_T1w.nii.gz\n"
    )
    out = tmp_path / "view"
    assert run(source, out, "--label", "gd", "--copy", "-tsv", choices).exit_code == 0
    image = out / "sub-03/ses-M000/anat/sub-03_ses-M000_run-1_T1w.nii.gz"
    assert image.exists()
    assert not image.is_symlink()
    assert (out / "sub-01/ses-M000gd").is_dir()


def test_what_is_refused_is_one_line_and_exit_code_2(source, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["clinica-t1nce", "separate", str(source), str(source)])
    with pytest.raises(SystemExit) as caught:
        main.main()
    assert caught.value.code == 2
    assert capsys.readouterr().err == (
        f"Error: {source}: the output folder is the input; give a new folder elsewhere\n"
    )


def test_a_visit_that_does_not_tell_is_exit_code_1_and_listed(source, tmp_path):
    sidecar = source / "sub-01/ses-M012/anat/sub-01_ses-M012_T1w.json"
    sidecar.write_text('{"ContrastBolusAgent": "Foo"}')
    result = run(source, tmp_path / "view")
    assert result.exit_code == 1
    assert ", 1 failed" in result.output.splitlines()[0]
    assert (
        "  sub-01 ses-M012: sub-01_ses-M012_T1w.nii.gz: ContrastBolusAgent 'Foo'" in result.output
    )
    assert "'Foo' (1x)" in result.output
    (tmp_path / "w.tsv").write_text("word\tmeaning\nfoo\tnothing\n")
    assert run(source, tmp_path / "view", "--agent-words", tmp_path / "w.tsv").exit_code == 0
