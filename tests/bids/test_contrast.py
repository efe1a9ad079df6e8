import pytest

from clinica_t1nce.bids.contrast import evidence

PLAIN = "sub-01_ses-1_T1w.nii.gz"


@pytest.mark.parametrize(
    ("name", "metadata", "row", "expected"),
    [
        ("sub-01_ses-1_ce-gd_T1w.nii.gz", {}, None, "ce entity"),
        (
            "sub-01_ses-1_ce-gd_T1w.nii.gz",
            {"ContrastBolusAgent": "none"},
            None,
            "ce entity",
        ),
        (PLAIN, {"ContrastBolusIngredient": "GADOLINIUM"}, None, "ContrastBolusIngredient"),
        (
            PLAIN,
            {"ContrastBolusIngredient": "", "ContrastBolusAgent": "Dotarem 10 ml"},
            None,
            "ContrastBolusAgent",
        ),
        (PLAIN, {}, {"contrast_bolus_agent": "Gadovist"}, "scans.tsv"),
        (PLAIN, {}, {"ContrastBolusIngredient": "n/a"}, None),
        (PLAIN, {"ContrastBolusIngredient": "None"}, None, None),
        (PLAIN, {"ContrastBolusIngredient": None, "ContrastBolusAgent": []}, {}, None),
        (PLAIN, {}, {"acq_time": "2010-01-01T10:00:00"}, None),
        (PLAIN, {}, None, None),
    ],
)
def test_evidence(name, metadata, row, expected):
    assert evidence(name, metadata, row) == expected
