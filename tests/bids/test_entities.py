import subprocess
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from clinica_t1nce.bids import entities
from clinica_t1nce.bids.contrast_agents import has_contrast
from clinica_t1nce.caps import names

ENDING = "space-MNI152NLin2009cSym_desc-Crop_res-1x1x1_T1w.nii.gz"

LABELS = st.text(
    st.characters(exclude_characters="_/\\", exclude_categories=["C", "Z"]), min_size=1
)
"""Labels, legal in BIDS or not: dots, hyphens, any letters."""


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        (f"sub-01_ses-M000_ce-gd_{ENDING}", True),
        (f"sub-01_ses-M000_CE-Gd+DTPA_{ENDING}", True),
        (f"sub-01_ses-M000_acq-1.5T_ce-gado.2_{ENDING}", True),
        (f"sub-01_ses-M000_ce-gd-dtpa_{ENDING}", True),
        (f"sub-01_ses-M000_ce-none_{ENDING}", False),
        (f"sub-01_ses-M000_ce-PRE_{ENDING}", False),
        (f"sub-01_ses-M000_acq-ce_{ENDING}", False),
        (f"sub-01_ses-M000_acq-ce-gd_{ENDING}", False),
        (f"sub-01_ses-M000ce_{ENDING}", False),
    ],
)
def test_contrast_is_the_entity_and_nothing_like_it(name, answer):
    assert has_contrast(name) is answer


@pytest.mark.parametrize(
    ("name", "stem", "extension"),
    [
        ("sub-1_acq-1.5T_T1w.nii.gz", "sub-1_acq-1.5T_T1w", ".nii.gz"),
        ("sub-1_acq-1.5T_T1w.nii", "sub-1_acq-1.5T_T1w", ".nii"),
        ("sub-1_acq-1.5T_T1w.json", "sub-1_acq-1.5T_T1w", ".json"),
        ("sub-1.2_ses-1_scans.tsv", "sub-1.2_ses-1_scans", ".tsv"),
        ("sub-1_acq-1.5T", "sub-1_acq-1.5T", ""),
        ("sub-1_x.gz", "sub-1_x.gz", ""),
    ],
)
def test_only_four_things_are_extensions(name, stem, extension):
    assert entities.split_extension(name) == (stem, extension)


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("sub-1_ses-1_acq-1.5T_T1w.nii.gz", True),
        ("sub-1_ses-1_T1W.nii", True),
        ("sub-1_ses-1_T1w.json", False),
        ("sub-1_ses-1_T2w.nii.gz", False),
        ("sub-1_ses-1_mod-T1w_defacemask.nii.gz", False),
        ("sub-1_ses-1_T1w.5_T2w.nii.gz", False),
    ],
)
def test_a_t1w_is_known_by_its_suffix(name, answer):
    assert entities.is_t1w(name) is answer


@given(
    st.dictionaries(st.sampled_from(entities.KEYS), LABELS).map(
        lambda found: {key: found[key] for key in entities.KEYS if key in found}
    ),
    LABELS,
    st.sampled_from(["T1w", "T2w", "T1.w"]),
    st.sampled_from(entities.EXTENSIONS),
)
@example({"sub": "01", "acq": "1.5T"}, "gd", "T1w", ".nii.gz")
@example({"sub": "01", "acq": "x.json"}, "a-b", "T1w", ".json")
def test_names_are_taken_apart_and_changed_without_loss(found, label, suffix, extension):
    name = "_".join([*(f"{key}-{value}" for key, value in found.items()), suffix]) + extension
    assert entities.entities(name) == found
    assert entities.suffix(name) == suffix
    assert entities.split_extension(name)[1] == extension
    assert entities.contrast_label(name) == found.get("ce")
    without = entities.without_contrast(name)
    assert entities.entities(without) == {k: v for k, v in found.items() if k != "ce"}
    assert entities.without_contrast(entities.with_contrast(without, label)) == without
    assert entities.entities(entities.with_contrast(without, label)) == {
        key: label if key == "ce" else found[key]
        for key in entities.KEYS
        if key == "ce" or key in found
    }


@given(st.dictionaries(st.sampled_from(entities.KEYS[1:]), LABELS), st.randoms())
def test_the_order_of_entities_says_nothing(found, random):
    parts = [f"{key}-{value}" for key, value in found.items()]
    name = "_".join(["sub-01", *parts, "T1w.nii.gz"])
    random.shuffle(parts)
    other = "_".join(["sub-01", *parts, "T1w.nii.gz"])
    assert entities.entities(name) == entities.entities(other)
    assert has_contrast(name) == has_contrast(other)


@given(LABELS, LABELS)
def test_a_synthetic_image_keeps_all_but_the_contrast(acq, ce):
    synthetic = names.synthetic_name(f"sub-01_ses-1_acq-{acq}_ce-{ce}_run-2_{ENDING}")
    assert synthetic.startswith(f"sub-01_ses-1_acq-{acq}_run-2_space-")
    assert names.is_crop(synthetic) is False


def test_pybids_is_imported_when_it_is_needed():
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, clinica_t1nce.plugin, clinica_t1nce.caps.selection as s\n"
            "s.names.synthetic_name('sub-1_ce-gd' + s.names.CROP_ENDING)\n"
            "sys.exit('bids' in sys.modules)",
        ]
    )
    assert done.returncode == 0
