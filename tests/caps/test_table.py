import csv

import pytest

from clinica_t1nce.bids.entities import Visit
from clinica_t1nce.caps import names, sidecar, table
from clinica_t1nce.caps.query import Shard
from clinica_t1nce.errors import SelectionError
from clinica_t1nce.files.text import write_text
from tests.data.caps import crop_path, make_caps


def read(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def done(caps, subject, session, model, space="mni-crop"):
    image = names.output_path(crop_path(caps, subject, session, "ce-gd"), model)
    image = names.in_space(image, space)
    image.parent.mkdir(parents=True, exist_ok=True)
    image.touch()
    sidecar.write(
        image,
        {
            "Synthetic": True,
            "Space": space,
            "Sources": ["bids::x"],
            "Model": {"Name": model},
            "Selection": {"Rule": "metadata", "Reason": "ce entity"},
            "GadoliniumProbability": 0.75,
            "Flags": [{"Code": "odd", "Text": "odd (1)"}, {"Code": "odd", "Text": space}],
            "Change": {"MeanRelativeToSource": 0.1},
            "DurationSeconds": 3.5,
        },
    )
    return image


def test_one_row_an_image_and_model_and_the_failures(tmp_path):
    caps = make_caps(tmp_path / "caps", {})
    done(caps, "sub-02", "ses-1", "m")
    done(caps, "sub-02", "ses-1", "n")
    failure = table.failed_row("sub-01", "ses-1", "bids::y", "m", "tsv", "a\treason\nof two lines")
    rows = read(table.rewrite(caps, [failure]))
    assert [(row["participant_id"], row["model"], row["status"]) for row in rows] == [
        ("sub-01", "m", "failed"),
        ("sub-02", "m", "done"),
        ("sub-02", "n", "done"),
    ]
    assert rows[0]["reason"] == "a reason of two lines"
    assert rows[0]["duration"] == "n/a"
    assert rows[1]["change"] == "0.1"
    assert rows[1]["confidence"] == "n/a"
    assert tuple(rows[0]) == table.COLUMNS


def test_an_image_without_sidecar_is_not_done(tmp_path):
    caps = make_caps(tmp_path / "caps", {})
    image = done(caps, "sub-02", "ses-1", "m")
    names.sidecar_path(image).unlink()
    assert read(table.rewrite(caps)) == []


def test_an_image_on_several_grids_is_one_row(tmp_path):
    caps = make_caps(tmp_path / "caps", {})
    for space in ("native", "mni-crop"):
        image = done(caps, "sub-02", "ses-1", "m", space)
    beside = names.enhancement_path(image)
    beside.touch()
    sidecar.write(beside, {"Synthetic": True, "Space": "mni-crop", "Sources": ["bids::x"]})
    (row,) = read(table.rewrite(caps))
    assert row["space"] == "mni-crop,native"
    assert row["gadolinium"] == "0.75"
    assert row["flag"] == "odd (1); mni-crop; native"
    assert (row["flag_codes"], row["selected_by"]) == ("odd", "ce entity")


def test_a_table_that_says_the_same_is_not_touched(tmp_path):
    caps = make_caps(tmp_path / "caps", {})
    done(caps, "sub-02", "ses-1", "m")
    path = table.rewrite(caps)
    before = path.stat()
    after = table.rewrite(caps).stat()
    assert (after.st_mtime_ns, after.st_ino) == (before.st_mtime_ns, before.st_ino)
    done(caps, "sub-03", "ses-1", "m")
    assert len(read(table.rewrite(caps))) == 2


def test_rows_are_read_back_as_text(tmp_path):
    assert table.read_table(tmp_path) == []
    row = table.failed_row("sub-1", "ses-1", "bids::x", "tiny", "tsv", "one\n  line")
    table.rewrite(tmp_path, [row])
    (found,) = table.read_table(tmp_path)
    assert tuple(found) == table.COLUMNS
    assert found == {**dict.fromkeys(table.COLUMNS, "n/a"), **row, "reason": "one line"}


def test_failures_of_other_runs_stay_until_there_is_an_image(tmp_path):
    caps = make_caps(tmp_path / "caps", {("sub-01", "ses-1"): "ce-gd", ("sub-02", "ses-1"): ""})
    sources = [
        names.uri(crop_path(caps, subject, "ses-1", entities), caps, caps)
        for subject, entities in (("sub-01", "ce-gd"), ("sub-02", ""))
    ]
    rows = [table.failed_row("sub-0", "ses-1", source, "m", "tsv", "dark") for source in sources]
    table.rewrite(caps, rows[:1])
    table.rewrite(caps, rows[1:])
    assert [row["source"] for row in table.read_table(caps)] == sources
    table.rewrite(caps, [rows[1] | {"reason": "bright"}])
    assert [row["reason"] for row in table.read_table(caps)] == ["dark", "bright"]
    crop_path(caps, "sub-02", "ses-1").unlink()
    image = done(caps, "sub-01", "ses-1", "m")
    sidecar.write(image, {**sidecar.read(image), "Sources": sources[:1]})
    table.rewrite(caps)
    assert [(row["source"], row["status"]) for row in table.read_table(caps)] == [
        (sources[0], "done")
    ]


def test_an_image_that_comes_while_the_table_is_written_is_not_missed(tmp_path, monkeypatch):
    caps = make_caps(tmp_path / "caps", {})
    done(caps, "sub-02", "ses-1", "m")

    def late(path, text):
        done(caps, "sub-03", "ses-1", "m")
        return write_text(path, text)

    monkeypatch.setattr(table, "write_text", late)
    table.rewrite(caps)
    assert [row["participant_id"] for row in table.read_table(caps)] == ["sub-02", "sub-03"]


def test_a_table_that_is_none_is_replaced(tmp_path):
    caps = make_caps(tmp_path / "caps", {})
    done(caps, "sub-02", "ses-1", "m")
    (caps / table.NAME).write_bytes(b"\xff\xfeparticipant_id")
    with pytest.raises(SelectionError, match=table.NAME):
        table.read_table(caps)
    assert len(read(table.rewrite(caps))) == 1


def test_shards_write_tables_of_their_own_that_the_next_run_takes_in(tmp_path):
    visits = {(f"sub-{n:02}", "ses-1"): "ce-gd" for n in range(8)}
    caps = make_caps(tmp_path / "caps", visits)
    shards = [Shard(index, 2) for index in (1, 2)]
    held = [[visit for visit in visits if shard.holds(Visit(*visit))] for shard in shards]
    assert all(len(part) >= 2 for part in held)
    failures = []
    for (subject, session), *others in held:
        source = names.uri(crop_path(caps, subject, session, "ce-gd"), caps, caps)
        failures.append(table.failed_row(subject, session, source, "m", "tsv", "dark"))
        for visit in others:
            done(caps, *visit, "m")
    paths = [
        table.rewrite(caps, [failure], shard)
        for failure, shard in zip(failures, shards, strict=True)
    ]
    assert not (caps / table.NAME).exists()
    for path, part in zip(paths, held, strict=True):
        assert {row["participant_id"] for row in read(path)} == {subject for subject, _ in part}
    # A run that was killed while it took one in.
    paths[0].rename(caps / f".0-{paths[0].name}")
    rows = read(table.rewrite(caps))
    assert [row["participant_id"] for row in rows] == [subject for subject, _ in visits]
    assert [row["status"] for row in rows].count("failed") == 2
    assert sorted(path.name for path in caps.glob("*t1_synth_nce*")) == [table.NAME]
    assert read(table.rewrite(caps)) == rows


def test_a_table_of_a_shard_written_meanwhile_is_kept(tmp_path, monkeypatch):
    caps, shard = make_caps(tmp_path / "caps", {("sub-01", "ses-1"): "ce-gd"}), Shard(1, 1)
    source = names.uri(crop_path(caps, "sub-01", "ses-1", "ce-gd"), caps, caps)
    row = table.failed_row("sub-01", "ses-1", source, "m", "tsv", "dark")
    table.rewrite(caps, [row], shard)

    def late(path, text):
        monkeypatch.undo()
        table.rewrite(caps, [row | {"reason": "bright"}], shard)
        return write_text(path, text)

    monkeypatch.setattr(table, "write_text", late)
    assert [row["reason"] for row in read(table.rewrite(caps))] == ["dark"]
    assert [row["reason"] for row in read(table.rewrite(caps))] == ["bright"]


def test_sidecars_are_read_once_and_again_when_they_are_new(tmp_path, monkeypatch):
    caps, known, seen = make_caps(tmp_path / "caps", {}), table.Rows(), []
    image = done(caps, "sub-02", "ses-1", "m")
    read_sidecar = sidecar.read
    monkeypatch.setattr(sidecar, "read", lambda path: seen.append(path) or read_sidecar(path))
    known.read(image)
    assert len(read(table.rewrite(caps, known=known))) == 1
    assert seen == [image]
    sidecar.write(image, {**read_sidecar(image), "Confidence": 0.5})
    assert [row["confidence"] for row in read(table.rewrite(caps, known=known))] == ["0.5"]
    assert len(seen) == 2
    names.sidecar_path(image).unlink()
    assert read(table.rewrite(caps, known=known)) == []
