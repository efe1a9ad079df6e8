import numpy as np
import pytest

from clinica_t1nce.report import coding


@pytest.mark.parametrize("shape", [(1, 1, 1), (5, 7, 11), (16, 8, 40), (169, 208, 179)])
def test_a_mosaic_has_room_for_every_slice_and_little_more(shape):
    mosaic = coding.Mosaic.of(shape)
    assert mosaic.width % coding.BLOCK == mosaic.height % coding.BLOCK == 0
    assert shape[2] <= mosaic.columns * mosaic.rows < shape[2] + mosaic.columns
    sides = mosaic.columns * mosaic.width, mosaic.rows * mosaic.height
    assert max(sides) < 8192
    if min(shape) > 8:
        assert max(sides) < 2 * min(sides)


def test_where_a_voxel_lies_in_a_mosaic():
    codes = np.zeros((5, 7, 11), np.uint8)
    codes[2, 6, 9] = 77
    mosaic = coding.Mosaic(width=8, height=8, columns=4, rows=3)
    picture = mosaic.arrange(codes, fill=3)
    assert picture.shape == (24, 32)
    # Slice 9 is the second of the third row.
    assert picture[16 + 6, 8 + 2] == 77
    assert picture[7, 0] == picture[0, 5] == picture[23, 31] == 3
    assert np.count_nonzero(picture == 3) == picture.size - codes.size


def test_base_covers_all_but_the_brightest_voxels():
    values = np.linspace(0, 1000, 100_001)
    code = coding.Base.of(values)
    assert (code.low, code.high) == pytest.approx((0, 999.9))
    levels = code.encode(values.astype(np.float32))
    assert levels[0] == 0
    assert levels[-1] == 255
    back = code.low + levels * (code.high - code.low) / 255
    assert np.abs(back - np.minimum(values, code.high)).max() <= 0.51 * 1000 / 255


def test_base_keeps_negative_values():
    code = coding.Base.of(np.array([-3.0, -1, 0, 5]))
    assert code.low == pytest.approx(-3, abs=0.01)
    assert code.encode(np.float32([-3]))[0] == 0


@pytest.mark.parametrize("limit", [1.0, 30.0, 400.0])
def test_differences_come_back_finest_about_zero(limit):
    code = coding.Difference(limit)
    percent = np.linspace(-limit, limit, 5001).astype(np.float32)
    back = code.table()[code.encode(percent)]
    assert code.table()[coding.ZERO] == 0
    error = np.abs(back - percent)
    # One level about zero is at most 0.6 % even where the largest difference is 400 %.
    assert error[np.abs(percent) < 5].max() < 0.3
    assert (error <= 0.005 * (coding.SOFT + np.abs(percent)) * np.arcsinh(limit / 20)).all()


def test_a_png_is_exact_and_a_jpeg_near():
    import base64
    import io

    from PIL import Image

    picture = (np.add.outer(np.arange(64), np.arange(48)) * 2).astype(np.uint8)
    for uri, kind, tolerance in (
        (coding.png_uri(picture), "png", 0),
        (coding.jpeg_uri(picture, 90), "jpeg", 4),
    ):
        head, _, content = uri.partition(",")
        assert head == f"data:image/{kind};base64"
        back = np.asarray(Image.open(io.BytesIO(base64.b64decode(content)))).astype(int)
        assert np.abs(back - picture).max() <= tolerance
