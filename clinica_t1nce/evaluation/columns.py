"""What the columns of the evaluation's tables mean: their data dictionaries, as BIDS has them."""

from collections.abc import Iterable

_MASK = "over the union of the brains of T1ce and T1nce"

_SIMILARITY: dict[str, str | tuple[str, str | None]] = {
    "mae": (f"Mean absolute error to the T1nce {_MASK}; range 1, see the report's note", "%"),
    "psnr": (f"Peak signal-to-noise ratio {_MASK}; inf where the images are equal", "dB"),
    "ssim": (
        f"Structural similarity (Wang 2004: Gaussian window of 11 voxels, SD 1.5, in 3-D) {_MASK}"
    ),
}
_ADDITIONS = {
    "_matched": "After the best linear fit of the image to the T1nce in the mask: ",
    "_authors": "As the code of the paper's authors computes it (through 128 x 128 x 128 voxels, "
    "averaged over the whole volume with zeros outside the mask, one global SSIM): ",
}

_SMOOTH = (
    "In the brain of both images eroded by one voxel, after a smooth fit of the T1nce to the T1ce, "
    "images taken as they are: "
)
_BRIGHT = "bright tissue of the T1ce (70th percentile of the brain)"

_MEANINGS: dict[str, str | tuple[str, str | None]] = {
    "participant_id": "Participant",
    "session_id_t1ce": "Session of the T1ce",
    "session_id_t1nce": "Session of the T1nce",
    "quality": "Quality of the T1ce: good, medium or low, by the paper's rule",
    "status": "evaluated, or failed",
    "reason": "Why the pair was left out",
    "alignment": (
        "How the T1nce was brought to the T1ce: rigid, affine, or none (as t1-linear left it)"
    ),
    "image": (
        "What is compared with the T1nce: T1ce (the baseline), a model's output, or the T1nce "
        "itself, segmented again after a change (the noise floor)"
    ),
    "mae_smooth": (
        f"{_SMOOTH}mean absolute error, of the range of the fitted T1nce there (99.5th percentile "
        "- minimum)",
        "%",
    ),
    "psnr_smooth": (f"{_SMOOTH}peak signal-to-noise ratio with that range", "dB"),
    "ssim_smooth": f"{_SMOOTH}structural similarity (Wang 2004) with that range",
    "pcc": "Pearson correlation with the T1nce after its smooth fit",
    "nmi": "Normalised mutual information with it, 1 to 2",
    "blur": "Blur of the image itself (Crété 2007): 0 sharp, 1 as blurred as can be",
    "blur_t1nce": "The same of the T1nce",
    "total": "Mean absolute error to the T1nce after its smooth fit, over the T1ce's",
    "oracle": "The same of the T1ce with the fitted T1nce in its enhancing voxels",
    "share_smooth": (
        "(1 - total) / (1 - oracle): 0 nothing, 1 perfect removal of the enhancement and of "
        "nothing else; can be negative"
    ),
    "attainable": "Share_smooth of an image whose enhancement is gone and whose noise is left",
    "inside_smooth": "After the smooth fit: error in enhancing voxels over the T1ce's",
    "outside_smooth": "After the smooth fit: error in the other voxels over the T1ce's",
    "left": ("After the smooth fit: mean of image - T1nce in enhancing voxels", _BRIGHT),
    "bias": ("After the smooth fit: mean of image - T1nce", _BRIGHT),
    **{
        f"bias_{tissue}": (f"The same in voxels as bright as {name} in the T1nce", _BRIGHT)
        for tissue, name in (("csf", "CSF"), ("gm", "gray matter"), ("wm", "white matter"))
    },
    "sharpness_smooth": (
        "Gradient energy over the T1ce's, further than 2 voxels from enhancing ones, of images "
        "smoothed by a Gaussian of 1 voxel"
    ),
    "error": (
        "Mean absolute error after a robust linear fit, in the brain of both images eroded by one "
        "voxel, of the T1nce's range there (99.5th percentile - minimum)",
        "%",
    ),
    "share": (
        "Share of the removable error that was recovered: 0 nothing, 1 perfect removal of the "
        "enhancement and of nothing else; can be negative"
    ),
    "inside": "Error in enhancing voxels over the T1ce's there",
    "outside": "Error in the other voxels over the T1ce's there",
    "sharpness": "Gradient energy over the T1ce's, further than 2 voxels from enhancing ones",
    "segmentation": "What measured the volumes: Atropos or another segmentation",
    "tissue": "Tissue or structure",
    "volume": ("Volume in the image", "cm3"),
    "volume_t1nce": ("Volume in the T1nce", "cm3"),
    "tiv_t1nce": ("Total volume of the T1nce: of all that is labelled in it", "cm3"),
    "vd": (
        "(volume_t1nce - volume) / tiv_t1nce x mean tiv_t1nce of all pairs (the paper's "
        "equation 3b); negative where the image over-estimates",
        "cm3",
    ),
    "avd": ("Absolute value of vd (equation 3a)", "cm3"),
    "dice": "Overlap with the T1nce's tissue: 2 |A and B| / (|A| + |B|)",
    "volume_bias": (
        "Mean of (volume - volume_t1nce) / volume_t1nce; positive: over-estimated",
        "%",
    ),
    "volume_bias_low": ("Lower end of the 95 % confidence interval of volume_bias", "%"),
    "volume_bias_high": ("Upper end of that interval", "%"),
    "limit_low": (
        "Lower limit of agreement (Bland-Altman): volume_bias - 1.96 standard deviations",
        "%",
    ),
    "limit_high": ("Upper limit of agreement", "%"),
    "icc": (
        "Intraclass correlation ICC(A,1) with the T1nce's volumes: two-way, absolute agreement, "
        "single measurement"
    ),
    "icc_low": "Lower end of its 95 % confidence interval",
    "icc_high": "Upper end of that interval",
    "absolute": ("Mean of avd", "cm3"),
    "mean_dice": "Mean of dice",
    "table": "Which table the measure is from",
    "set": "Pairs: all; test_good (T1ce of good or medium quality); test_low (of low quality)",
    "measure": "The measure compared",
    "compared_with": "What `image` is compared with",
    "n": "Pairs compared",
    "mean": ("Mean of `image`", "as the measure"),
    "sd": ("Standard deviation of `image` (n - 1)", "as the measure"),
    "other_mean": ("Mean of `compared_with`", "as the measure"),
    "other_sd": ("Standard deviation of `compared_with` (n - 1)", "as the measure"),
    "difference": ("Mean of `image` - `compared_with`", "as the measure"),
    "ci_low": ("Lower end of the 95 % confidence interval of the difference", "as the measure"),
    "ci_high": ("Upper end of that interval", "as the measure"),
    "effect_size": "Cohen's d of paired samples: difference over its standard deviation",
    "t": "Of the two-sided paired t-test",
    "p": "Of that test, not corrected",
    "wilcoxon_p": "Of the two-sided Wilcoxon signed-rank test, not corrected",
    "normality_p": "Of the Shapiro-Wilk test of the differences; where small, see wilcoxon_p",
    "note": "What was not computed, and why",
    "n_comparisons": "Comparisons in the family that Bonferroni's correction is over",
    "p_bonferroni": "p x n_comparisons, at most 1",
}


def describe(columns: Iterable[str]) -> dict[str, dict[str, str]]:
    """Make the data dictionary of a table: ``Description`` and, if any, ``Units`` by column.

    Raises
    ------
    KeyError
        If a column is unknown.
    """
    return {column: _entry(column) for column in columns}


def _entry(column: str) -> dict[str, str]:
    name, _, variant = column.partition("_")
    added = name in _SIMILARITY and column not in _MEANINGS
    found = _SIMILARITY[name] if added else _MEANINGS[column]
    meaning, unit = (found, None) if isinstance(found, str) else found
    if added and variant:
        meaning = _ADDITIONS[f"_{variant}"] + meaning[0].lower() + meaning[1:]
    return {"Description": meaning} | ({"Units": unit} if unit else {})
