import math
from itertools import product

import pytest

from clinica_t1nce.evaluation.frames import collect, compare_methods, describe, quality_of, strata
from clinica_t1nce.evaluation.statistics import compare_paired
from clinica_t1nce.evaluation.tables import make_tables


def record(number, quality=None):
    """Make a pair in which model "b" is nearest to the T1nce."""
    step = 0.1 * (number % 7)
    measures = [
        {"mae": m + step * m, "psnr": 30 - m + step * m, "ssim": 1 - m / 10 - step * m / 10}
        for m in (4, 3, 2)
    ]
    doubled = [{name: 2 * value for name, value in each.items()} for each in measures]
    return {
        "participant_id": f"sub-{number:02}",
        "session_id_t1ce": "ses-2",
        "session_id_t1nce": "ses-1",
        "quality": quality,
        "images": ["T1ce", "a", "b_%"],
        "similarity": {"rigid": measures, "none": doubled},
        "segmentations": {"atropos": {
            "volumes": [
                {"GM": 600 + number, "WM": 400, "CSF": 200},
                {"GM": 630 + step, "WM": 380, "CSF": 190},
                {"GM": 610, "WM": 390 - step, "CSF": 195},
                {"GM": 601 + step, "WM": 399, "CSF": 200 + step},
            ],
            "dice": {"rigid": [{"GM": d + step * d / 10} for d in (0.8, 0.85, 0.9)]},
        }},
    }  # fmt: skip


@pytest.fixture(scope="module")
def frames():
    qualities = ["good", "low", "medium", "low", "good", None, "low", "low"]
    return collect(record(n, quality) for n, quality in enumerate(qualities))


def test_volume_differences_use_the_mean_tiv_of_all_pairs(frames):
    volumes = frames["volumes"]
    assert len(volumes) == 8 * 3 * 3
    row = volumes[(volumes.participant_id == "sub-03") & (volumes.image == "T1ce")].iloc[0]
    mean_tiv = sum(1200 + n for n in range(8)) / 8
    assert row.tiv_t1nce == 1203
    assert row.vd == pytest.approx((603 - 630.3) / 1203 * mean_tiv)
    assert row.avd == abs(row.vd)


def test_a_total_volume_that_is_given_counts():
    """Of a label map with structures that are not measured."""
    records = [record(n) for n in range(2)]
    for n, each in enumerate(records):
        each["segmentations"]["atropos"]["tiv"] = 1500.0 + 100 * n
    row = collect(records)["volumes"].iloc[0]
    assert row.tiv_t1nce == 1500
    assert row.vd == pytest.approx((600 - 630) / 1500 * 1550)


def test_comparisons_and_their_families(frames):
    statistics = compare_methods(frames)
    assert list(statistics["set"].unique()) == ["all", "test_good", "test_low"]
    one = statistics[
        (statistics.table == "similarity")
        & (statistics.set == "test_low")
        & (statistics.alignment == "none")
        & (statistics.measure == "mae")
    ]
    assert list(zip(one.image, one.compared_with, strict=True)) == [
        ("a", "T1ce"),
        ("b_%", "T1ce"),
        ("b_%", "a"),
    ]
    # Two models and three measures; the best against one other.
    assert list(one.n_comparisons) == [6, 6, 3]
    frame = frames["similarity"]
    low = frame[(frame.quality == "low") & (frame.alignment == "none")]
    values = [low[low.image == image].psnr for image in ("a", "T1ce")]
    expected = compare_paired(*values)
    row = statistics[
        (statistics.measure == "psnr")
        & (statistics.set == "test_low")
        & (statistics.alignment == "none")
        & (statistics.image == "a")
    ].iloc[0]
    assert (row.n, row["mean"]) == (4, expected.mean)
    volumes = statistics[(statistics.table == "volumes") & (statistics.set == "all")]
    assert set(volumes.n_comparisons) == {6}
    corrected = (volumes.p * 6).clip(upper=1)
    assert list(volumes.p_bonferroni) == pytest.approx(list(corrected))


def test_each_segmentation_has_rows_and_tests_of_its_own():
    """Of a second one that sees no difference, with another total volume."""
    records = [record(number) for number in range(4)]
    for each in records:
        volumes = [{"GM": 500.0, "hippocampus": 8.0}] * 4
        scores = {"rigid": [{"GM": 0.9, "hippocampus": 0.8}] * 3}
        each["segmentations"]["samseg"] = {"volumes": volumes, "tiv": 1400.0, "dice": scores}
    frames = collect(records)
    volumes = frames["volumes"]
    assert set(volumes.loc[volumes["segmentation"] == "samseg", "tiv_t1nce"]) == {1400}
    assert (volumes.loc[volumes["segmentation"] == "samseg", "avd"] == 0).all()
    statistics = compare_methods(frames)
    tested = statistics[statistics["table"] == "volumes"].groupby("segmentation")
    assert tested["n_comparisons"].unique().to_dict() == {"atropos": [6], "samseg": [4]}
    rows = make_tables(frames, statistics)["table2_volumes"].rows
    assert [row[:2] for row in rows[::3]] == [
        *(("atropos", tissue) for tissue in ("GM", "WM", "CSF")),
        *(("samseg", tissue) for tissue in ("GM", "hippocampus")),
    ]


def test_tables_in_the_papers_layout(frames):
    tables = make_tables(frames, compare_methods(frames))
    assert list(tables) == ["table1_similarity", "table2_volumes", "table3_dice"]
    first = tables["table1_similarity"]
    assert first.header[:4] == ("Set", "Alignment", "Compared with T1nce", "Model")
    assert len(first.rows) == 3 * 2 * 3
    assert first.rows[0][:4] == ("All", "rigid", "T1ce", "-")
    assert first.rows[0][4].startswith("5.05")
    second = tables["table2_volumes"]
    assert second.header == (
        "Segmentation",
        "Tissue",
        "Compared with T1nce",
        "Model",
        "All",
        "Test_good",
        "Test_low",
    )
    assert [row[1] for row in second.rows] == ["GM"] * 3 + ["WM"] * 3 + ["CSF"] * 3
    assert [row[3] for row in second.rows[:3]] == ["-", "a", "b_%"]
    # The difference is clear in every pair.
    assert second.rows[2][4].endswith(" *")
    assert "*" not in second.rows[0][4]
    assert "Pairs: All 8, Test_good 3, Test_low 4." in second.note
    assert "Bonferroni over 6 comparisons" in second.note
    assert tables["table3_dice"].header[2] == "Alignment"


def test_how_much_is_removed_has_a_table_of_its_own():
    measured = {"error": 3.0, "share": 0.5, "inside": 0.4, "outside": 1.1, "sharpness": 0.95}
    records = [record(number) for number in range(2)]
    for number, each in enumerate(records):
        for row in each["similarity"]["rigid"]:
            row |= measured | {"share": 0.5 + number}
    table = make_tables(collect(records), compare_methods(collect(records)))["table4_recovery"]
    assert table.header[4:] == ("Error (%)", "Share", "Inside", "Outside", "Sharpness")
    expected = ("3.00 ± 0.00", "1.00 ± 0.71", "0.40 ± 0.00", "1.10 ± 0.00", "0.95 ± 0.00")
    assert table.rows[1] == ("All", "rigid", "synthetic", "a", *expected)
    assert table.note.startswith("Pairs: All 2. Not of the paper.")


def test_the_smooth_fit_comes_first():
    likeness = {"mae_smooth": 3.0, "psnr_smooth": 25.0, "ssim_smooth": 0.9, "pcc": 0.95}
    likeness |= {"nmi": 1.3, "blur": 0.3, "blur_t1nce": 0.2}
    gone = dict.fromkeys(("total", "oracle", "share_smooth", "attainable", "inside_smooth"), 0.5)
    gone |= dict.fromkeys(("outside_smooth", "left", "sharpness_smooth"), 1.0)
    gone |= dict.fromkeys(("bias", "bias_csf", "bias_gm", "bias_wm"), -0.0125)
    records = [record(number) for number in range(4)]
    for number, each in enumerate(records):
        for place, row in enumerate(each["similarity"]["rigid"]):
            row |= likeness | gone | {"pcc": 0.9 + 0.03 * place + 0.001 * place * number}
        del each["similarity"]["none"]
    frames = collect(records)
    statistics = compare_methods(frames)
    tables = make_tables(frames, statistics)
    assert list(tables)[:3] == ["similarity_smooth", "recovery_smooth", "table1_similarity"]
    first = tables["similarity_smooth"]
    assert first.header[4:] == ("MAE (%)", "PSNR (dB)", "SSIM", "PCC", "NMI", "Blur")
    assert first.rows[0][7:] == ("0.900 ± 0.000", "1.300 ± 0.000", "0.300 ± 0.000")
    assert first.rows[1][7].endswith(" *")
    tested = statistics[statistics.measure == "pcc"]
    assert set(tested[tested.compared_with == "T1ce"].n_comparisons) == {10}
    assert "blur" not in set(statistics.measure)
    second = tables["recovery_smooth"]
    assert second.header[4:8] == ("Total", "Share", "Attainable", "Inside")
    assert second.header[-3:] == ("Bias GM", "Bias WM", "Sharpness")
    assert second.rows[0][-2:] == ("-0.013 ± 0.000", "1.00 ± 0.00")
    described = describe(frames["similarity"].columns)
    assert "smooth fit" in described["mae_smooth"]["Description"]
    assert described["bias_gm"]["Units"].startswith("bright tissue")


def test_markdown_and_latex(frames):
    table = make_tables(frames, compare_methods(frames))["table2_volumes"]
    lines = table.markdown().splitlines()
    assert lines[0].startswith("**Absolute volume difference")
    assert len({line.count("|") for line in lines[2 : 4 + len(table.rows)]}) == 1
    latex = table.latex()
    assert r"b\_\%" in latex
    assert r"$\pm$" in latex
    assert latex.count(r"\\") == 1 + len(table.rows)
    assert latex.count("{") == latex.count("}")


def test_infinite_and_single_values():
    one = record(0)
    one["similarity"]["rigid"][2] = {"mae": 0.0, "psnr": math.inf, "ssim": 1.0}
    frames = collect([one])
    table = make_tables(frames, compare_methods(frames))["table1_similarity"]
    assert table.rows[2][-3:] == ("0.00 ± n/a", "inf", "1.000 ± n/a")
    assert "not tested: All" in table.note


def test_nothing_evaluated():
    frames = collect([])
    assert all(frame.empty and len(frame.columns) for frame in frames.values())
    assert compare_methods(frames).empty
    assert make_tables(frames, compare_methods(frames)) == {}


def test_every_column_has_a_meaning(frames):
    for frame in (*frames.values(), compare_methods(frames)):
        described = describe(frame.columns)
        assert all(entry["Description"] for entry in described.values())
    assert "best linear fit" in describe(["ssim_matched"])["ssim_matched"]["Description"]
    assert describe(["psnr_authors"])["psnr_authors"]["Units"] == "dB"
    with pytest.raises(KeyError):
        describe(["unheard_of"])


def test_every_combination_of_grades():
    for grades in product((0, 1, 2), repeat=3):
        expected = "low" if 2 in grades else "medium" if 1 in grades else "good"
        assert quality_of(*grades) == expected


def test_a_grade_that_is_none():
    with pytest.raises(ValueError, match="0, 1 or 2"):
        quality_of(0, 3, 0)


def test_the_two_test_sets():
    found = {k: v.tolist() for k, v in strata(["good", "low", None, "medium"]).items()}
    assert found == {
        "all": [True, True, True, True],
        "test_good": [True, False, False, True],
        "test_low": [False, True, False, False],
    }
    assert list(strata([None, None])) == ["all"]
    assert list(strata(["low"])) == ["all", "test_low"]
