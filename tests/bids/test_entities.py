import pytest

from clinica_t1nce.bids.contrast import has_contrast

ENDING = "space-MNI152NLin2009cSym_desc-Crop_res-1x1x1_T1w.nii.gz"


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        (f"sub-01_ses-M000_ce-gd_{ENDING}", True),
        (f"sub-01_ses-M000_acq-ce_{ENDING}", False),
        (f"sub-01_ses-M000ce_{ENDING}", False),
    ],
)
def test_contrast_is_the_entity_and_nothing_like_it(name, answer):
    assert has_contrast(name) is answer
