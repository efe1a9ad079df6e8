"""One HTML page a participant: all images side by side, with a slider through their slices.

The page is hand-written and stands alone: one file that opens from disk, with no server, no
network (its content security policy forbids any) and no JavaScript library. What the field has
was measured on a crop of t1-linear and left out: nilearn's ``view_img`` shows one volume (3 MB and
4 s each, with jQuery), nireports' reportlets are still pictures, and NiiVue would add 2.3 MB of
code and the need for WebGL to each of thousands of pages. Here the compressed axial slices of each
volume are unpacked into an array, from which the browser cuts every plane.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from clinica_t1nce.errors import ImageError
from clinica_t1nce.report import coding, rendering, scales, thumbnails
from clinica_t1nce.volumes.grids import to_ras
from clinica_t1nce.volumes.intensity import find_percentile

ACQUIRED = "T1nce"
"""Name of the volume that was acquired, and is brought to the gray scale of the first one."""

TISSUES = {1: "Gray matter", 2: "White matter", 3: "CSF"}

QUALITIES = (90, 80, 70, 55, 40)
"""Of JPEG; the first at which a page's images and contours stay within :data:`MAX_BYTES`."""
MAX_BYTES = 5_500_000
MAX_VOXELS = 9_000_000
"""Of each volume, after air was cut away; finer grids are shown at half their resolution."""
MAX_LABELS = 250

_MASK_COLOUR = "#35d0d0"
_LABEL_COLOURS = ("#ffb000", "#7fd0ff", "#ff6f91", "#9be564", "#c9a6ff", "#fff36d", "#ff9d5c")


@dataclass
class _Scene:
    """Everything on one RAS+ grid, cut to what is shown.

    `first` and `full` tell, along each axis, the first voxel shown and the whole length; `window`
    the intensities shown black and white; `percent` the % of the range that one unit is.
    """

    volumes: dict[str, np.ndarray]
    layers: dict[str, np.ndarray]
    brain: np.ndarray
    mask: np.ndarray | None
    zooms: list[float]
    first: list[int]
    full: list[int]
    window: tuple[float, float] = (0.0, 1.0)
    percent: float = 1.0
    coarser: bool = False


def write_participant_page(
    path: str | Path,
    volumes: Mapping[str, np.ndarray],
    affine: np.ndarray,
    *,
    mask: np.ndarray | None = None,
    mask_name: str = "mask",
    labels: np.ndarray | Mapping[str, np.ndarray] | None = None,
    label_names: Mapping[int, str] = TISSUES,
    measures: Mapping[str, Any] | None = None,
    flags: Sequence[str] = (),
    title: str = "",
    thumbnail: bool = False,
) -> Path:
    """Write a page that shows the images of one participant, slice by slice in three planes.

    The panels are the volumes in the order given, and a signed difference of any two of them (at
    first: the second volume minus the acquired T1nce if there is one, else the first minus the
    second). Keyboard: 1, 2, 3 for the planes, arrows, Home and End for the slices. Radiological
    convention. Images are shown with 8 bits and compressed: for looking, not for measuring.

    The same arguments give the same bytes with the same Pillow.

    Parameters
    ----------
    path
        The HTML file. Its folder is made; replaced if it exists.
    volumes
        Volumes by the names of their panels, in the order of display, all on one grid: the T1ce
        first, then the synthetic images, in the T1ce's units; one named ``"T1nce"`` is an acquired
        image in units of its own, and is brought to the first one's by a robust linear fit in the
        mask.
    affine
        Matrix, 4 x 4, voxel indices to mm, RAS+.
    mask
        Boolean volume of the same grid: its outline can be shown, and gray scale, range and first
        slices come from it. None: where all volumes exceed 0; no outline then.
    mask_name
        Name of the mask in the legend.
    labels
        Integer label maps of the same grid, 0 for background, of which contours can be shown: one
        for all panels, or one for each name of `volumes` that has one.
    label_names
        Label to name, for the legend.
    measures
        Content of a table: names and values; or, for several images, names of rows and for each of
        them a mapping of names and values. Numbers get four digits.
    flags
        Findings on this participant, shown on top.
    title
        Heading, such as participant and session.
    thumbnail
        Whether a small picture of the first two volumes and their difference, in the axial slice
        with most change, is written beside the page for the group report.

    Returns
    -------
    pathlib.Path
        `path`.

    Raises
    ------
    ImageError
        If there is no volume, shapes differ, the mask is empty, or an image is constant in it.
    OutputError
        If `path` cannot be written.
    """
    _check_volumes(volumes, mask, labels)
    scene = _scene(volumes, np.asarray(affine, float), mask, labels)
    head, rows = rendering.as_table(measures or {})
    names = list(volumes)
    data = _data(scene, label_names)
    if thumbnail and len(names) > 1:
        pair = (scene.volumes[name] for name in names[:2])
        thumbnails.write_thumbnail(
            Path(path),
            *(scales.section(volume, 2, data["point"][2]) for volume in pair),
            zooms=(scene.zooms[1], scene.zooms[0]),
            window=scene.window,
            percent=scene.percent,
        )
    return rendering.fill_template(
        path,
        "participant.html",
        title=title,
        flags=list(flags),
        head=head,
        rows=rows,
        note=scales.NOTE,
        base=names[0],
        fitted=ACQUIRED if ACQUIRED in names[1:] else "",
        range_of=names[-1] if len(names) > 1 else "",
        mask_name=mask_name if mask is not None else "",
        coarser=scene.coarser,
        data=data,
    )


def _check_volumes(
    volumes: Mapping[str, np.ndarray],
    mask: np.ndarray | None,
    labels: np.ndarray | Mapping[str, np.ndarray] | None,
) -> None:
    if not volumes:
        raise ImageError("no volume to show; give at least the T1ce")
    shape = next(iter(volumes.values())).shape
    arrays = {**volumes, **{f"labels of {k}": v for k, v in _layers(labels).items()}}
    if mask is not None:
        arrays["mask"] = mask
    for name, array in arrays.items():
        if array.shape != shape or array.ndim != 3:
            raise ImageError(f"{name}: shape {array.shape}, not {shape}; bring all to one 3-D grid")
    if mask is not None and not mask.any():
        raise ImageError("the brain mask is empty; give another one")
    unknown = set(_layers(labels)) - {"", *volumes}
    if unknown:
        raise ImageError(f"labels of {sorted(unknown)}: no volume is called that")


def _layers(labels: np.ndarray | Mapping[str, np.ndarray] | None) -> dict[str, np.ndarray]:
    """Give label maps by panel; ``""`` is for all panels."""
    if labels is None:
        return {}
    return dict(labels) if isinstance(labels, Mapping) else {"": labels}


def _scene(
    volumes: Mapping[str, np.ndarray],
    affine: np.ndarray,
    mask: np.ndarray | None,
    labels: np.ndarray | Mapping[str, np.ndarray] | None,
) -> _Scene:
    shown = {name: to_ras(np.asarray(v, np.float32), affine) for name, v in volumes.items()}
    layers = {name: to_ras(v, affine) for name, v in _layers(labels).items()}
    brain = (
        np.all([v > 0 for v in shown.values()], axis=0)
        if mask is None
        else to_ras(mask.astype(bool), affine)
    )
    if not brain.any():
        raise ImageError("no voxel exceeds 0 in all images; give a brain mask")
    base = next(iter(shown))
    if base != ACQUIRED and ACQUIRED in shown:
        fitted = scales.on_scale_of(shown[base], shown[ACQUIRED], brain)
        shown[ACQUIRED] = fitted.astype(np.float32)
    box = scales.shown_box(shown[base], brain)
    scene = _Scene(
        {name: v[box] for name, v in shown.items()},
        {name: v[box] for name, v in layers.items()},
        brain[box],
        None if mask is None else brain[box],
        [float(zoom) for zoom in scales.ras_zooms(affine)],
        [side.start for side in box],
        list(brain.shape),
    )
    while scene.brain.size > MAX_VOXELS:
        _halve(scene)
    names = list(scene.volumes)
    first, last = (scene.volumes[name][scene.brain] for name in (names[0], names[-1]))
    scene.percent = _percent_per_unit(last)
    scene.window = scales.gray_scale(first, last)
    return scene


def _halve(scene: _Scene) -> None:
    """Join pairs of voxels along the axis on which they are smallest."""
    axis = int(np.argmin(scene.zooms))
    length = scene.brain.shape[axis] // 2 * 2
    if length == 0:
        raise ImageError(f"{scene.brain.shape} voxels cannot be shown; crop the images")
    even, odd = ((slice(None),) * axis + (slice(start, length, 2),) for start in (0, 1))
    scene.volumes = {name: (v[even] + v[odd]) / 2 for name, v in scene.volumes.items()}
    scene.layers = {name: v[even] for name, v in scene.layers.items()}
    scene.brain = scene.brain[even]
    scene.mask = None if scene.mask is None else scene.mask[even]
    scene.zooms[axis] *= 2
    scene.first[axis] //= 2
    scene.full[axis] = -(-scene.full[axis] // 2)
    scene.coarser = True


def _data(scene: _Scene, label_names: Mapping[int, str]) -> dict[str, Any]:
    """Give what the page's script works on; all intensities in % of the range."""
    names = list(scene.volumes)
    base = scene.volumes[names[0]]
    percent = scene.percent
    changes = {n: (base - scene.volumes[n]) * np.float32(percent) for n in names[1:]}
    pair = _first_difference(names)
    change = changes.get(names[pair[1]], 0) - changes.get(names[pair[0]], np.float32(0))
    inside = change[scene.brain] if changes else np.zeros(1)
    black, white = scene.window
    code = coding.Base.of(scales.thin_out(base))
    tissues, legend = _tissues(scene.layers, label_names)
    mosaic = coding.Mosaic.of(base.shape)
    masks = {"": _layer(scene.mask, mosaic, [_MASK_COLOUR])} if scene.mask is not None else {}
    contours = {n: _layer(v, mosaic, [c for _, c in legend]) for n, v in tissues.items()}
    left = MAX_BYTES - sum(len(layer["source"]) for layer in (*masks.values(), *contours.values()))
    return {
        "shape": list(base.shape),
        "zooms": scene.zooms,
        "first": scene.first,
        "full": scene.full,
        "mosaic": asdict(mosaic),
        "point": list(scales.choose_slices(change if changes else base, scene.brain)),
        "black": (black - code.low) * percent,
        "window": (white - code.low) * percent,
        "masks": masks,
        "tissues": contours,
        "legend": legend,
        "difference": pair,
        "limit": scales.colour_scale(inside)[1],
        "colours": _colours(),
        **_images(names[0], base, code, percent, changes, mosaic, left),
    }


def _percent_per_unit(inside: np.ndarray) -> float:
    """Give the % of the range that one unit is."""
    values = inside.astype(np.float64)
    value_range = find_percentile(values, 99.5) - float(values.min())
    if value_range <= 0:
        raise ImageError("an image is constant in the brain; check it")
    return 100 / value_range


def _first_difference(names: list[str]) -> list[int]:
    """Choose two volumes: what is wrong with the first model, else what it removed."""
    if ACQUIRED in names[2:]:
        return [1, names.index(ACQUIRED)]
    return [0, min(1, len(names) - 1)]


def _images(
    name: str,
    base: np.ndarray,
    code: coding.Base,
    percent: float,
    changes: Mapping[str, np.ndarray],
    mosaic: coding.Mosaic,
    max_bytes: int,
) -> dict[str, Any]:
    """Compress the base and all differences from it, as well as `max_bytes` allow."""
    codes = {n: coding.Difference(max(float(np.abs(c).max()), 1.0)) for n, c in changes.items()}
    pictures = [mosaic.arrange(code.encode(base))]
    pictures += [mosaic.arrange(codes[n].encode(c), coding.ZERO) for n, c in changes.items()]
    sources: list[str] = []
    for quality in QUALITIES:
        sources = [coding.jpeg_uri(picture, quality) for picture in pictures]
        if sum(map(len, sources)) <= max_bytes:
            break
    return {
        "base": {
            "name": name,
            "percent": (code.high - code.low) / 255 * percent,
            "source": sources[0],
        },
        "others": [
            {"name": n, "table": [round(float(v), 3) for v in codes[n].table()], "source": source}
            for n, source in zip(changes, sources[1:], strict=True)
        ],
    }


def _tissues(
    layers: Mapping[str, np.ndarray], label_names: Mapping[int, str]
) -> tuple[dict[str, np.ndarray], list[tuple[str, str]]]:
    """Count the labels that occur from 1 on; give names and colours in that order."""
    present = sorted({int(label) for layer in layers.values() for label in np.unique(layer)} - {0})
    if len(present) > MAX_LABELS:
        raise ImageError(f"{len(present)} labels; at most {MAX_LABELS} can be shown")
    if present and present[0] < 0:
        raise ImageError(f"label {present[0]}: labels are 0 and more")
    numbers = np.zeros(present[-1] + 1 if present else 1, np.uint8)
    numbers[present] = np.arange(1, len(present) + 1)
    legend = [
        (label_names.get(label, f"Label {label}"), _LABEL_COLOURS[i % len(_LABEL_COLOURS)])
        for i, label in enumerate(present)
    ]
    return {n: numbers[layer.astype(np.intp)] for n, layer in layers.items()}, legend


def _layer(volume: np.ndarray, mosaic: coding.Mosaic, colours: list[str]) -> dict[str, Any]:
    # Far apart, so that browsers that blur colours a little still tell them.
    step = max(1, 250 // max(1, len(colours)))
    picture = mosaic.arrange(volume.astype(np.uint8) * np.uint8(step))
    return {"step": step, "colours": ["", *colours], "source": coding.png_uri(picture)}


def _colours() -> list[int]:
    """Give 256 colours from added to removed signal, as a canvas stores them: 0xAABBGGRR."""
    red, green, blue = scales.signed_colours().astype(int).T
    return [int(value) for value in (255 << 24) | (blue << 16) | (green << 8) | red]
