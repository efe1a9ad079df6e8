import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import nn

from clinica_t1nce.errors import DeviceError, ImageError, WeightsError
from clinica_t1nce.volumes import grids
from tests.data import volumes
from tests.synthesis.stubs import blurry, make, seen

CALIBRATION = {"gadolinium": {"weights": [2.0, 0, 0, 0, 0, 0], "intercept": 8.0}}


def spread(x):
    """A network whose answer in a voxel depends on what is around it."""
    return (nn.functional.avg_pool3d(x, 3, 1, 1, count_include_pad=False) - 0.4).clamp(min=0) / 2


def removal(synthesis):
    """The change as a share of bright tissue, so that images of any unit compare."""
    return synthesis.change / synthesis.scaling.factor


class TestOrientation:
    @pytest.mark.parametrize("kind", ["las", "pir", "oblique"])
    @pytest.mark.parametrize("grid", [None, [8, 12, 16]])
    def test_network_sees_ras_and_output_lies_as_the_input(self, t1ce, kind, grid):
        # Finds something towards the right, anterior, superior corner: tells the axes apart.
        def corner(x):
            ramps = [
                torch.linspace(0, weight, side)
                for weight, side in zip((1, 2, 4), x.shape[2:], strict=True)
            ]
            return 0.05 * (ramps[0][:, None, None] + ramps[1][:, None] + ramps[2]).expand_as(x)

        affine = volumes.affine(kind)
        ras = make(corner, grid=grid)(t1ce)
        stored = grids.from_ras(t1ce, affine)
        synthesis = make(corner, grid=grid)(stored, affine)
        assert synthesis.image.shape == stored.shape
        for name in ("image", "change"):
            turned = grids.to_ras(getattr(synthesis, name), affine)
            np.testing.assert_allclose(turned, getattr(ras, name), atol=1e-3)
        if kind != "oblique":
            ignored = grids.to_ras(make(corner, grid=grid)(stored).image, affine)
            assert np.abs(ignored - ras.image).max() > 10


class TestRefusal:
    @pytest.mark.parametrize("value", [0.0, 12.0])
    def test_constant(self, value):
        with pytest.raises(ImageError, match="same value"):
            make(lambda x: x)(np.full((4, 4, 4), value, np.float32))

    def test_not_finite(self, t1ce):
        t1ce[3, 3, 3] = np.nan
        with pytest.raises(ImageError, match="NaN or infinite"):
            make(lambda x: x)(t1ce)

    def test_four_axes(self, t1ce):
        with pytest.raises(ImageError, match="4-D"):
            make(lambda x: x)(t1ce[..., None])

    def test_network_that_explodes_in_a_voxel(self, t1ce):
        with pytest.raises(WeightsError, match="stub: gives NaN"):
            make(lambda x: x.masked_fill(x == x.max(), np.nan))(t1ce)

    def test_too_little_memory(self, t1ce):
        def exhaust(x):
            raise torch.OutOfMemoryError("a long\ntext")

        with pytest.raises(DeviceError, match="cpu: not enough memory for stub"):
            make(exhaust)(t1ce)


class TestHospitals:
    @pytest.mark.parametrize("output", ["change", "image"])
    @pytest.mark.parametrize("value", [1e4, 1e30, -32767.0])
    def test_one_wild_voxel_changes_nothing_elsewhere(self, t1ce, output, value):
        network = (lambda x: x - spread(x)) if output == "image" else spread
        net = make(network, output=output, calibration=CALIBRATION)
        wild = t1ce.copy()
        wild[12, 14, 10] = value * max(t1ce.max(), 1)
        plain, found = net(t1ce), net(wild)
        error = np.abs(found.change - plain.change)
        error[12, 14, 10] = 0
        assert error.sum() < 0.01 * plain.change.sum()
        assert found.image[12, 14, 10] == wild[12, 14, 10]
        assert [flag.code for flag in found.flags] == ["outliers"]
        assert found.confidence == pytest.approx(plain.confidence, abs=0.01)
        assert found.gadolinium == pytest.approx(plain.gadolinium, abs=0.01)

    @pytest.mark.parametrize("constant", [-1024.0, -90.0, 40.0, 400.0, 1e4])
    @pytest.mark.parametrize("output", ["change", "image"])
    @pytest.mark.parametrize("method", ["percentile", "min-max"])
    def test_a_constant_is_added_to_the_result(self, t1ce, constant, output, method):
        network = (lambda x: x - spread(x)) if output == "image" else spread
        net = make(network, output=output, scaling={"method": method}, calibration=CALIBRATION)
        plain, found = net(t1ce), net(t1ce + np.float32(constant))
        np.testing.assert_allclose(found.image - constant, plain.image, atol=1e-2)
        assert found.gadolinium == pytest.approx(plain.gadolinium, abs=1e-3)
        assert found.scaling.offset == pytest.approx(plain.scaling.offset + constant)
        assert [flag.code for flag in found.flags] == ["background"]
        assert plain.change.max() > 50

    def test_nothing_falls_below_zero_that_is_above_it(self, t1ce):
        t1ce[10:14, 10:14, 10:14] *= -0.2
        image = make(lambda x: x + 10)(t1ce).image
        np.testing.assert_allclose(image, np.minimum(t1ce, 0), atol=1e-3)
        assert (image >= np.minimum(t1ce, 0)).all()


class TestVoxelSize:
    @pytest.mark.parametrize("zooms", [(1, 1, 1), (1.04, 0.96, 1)])
    def test_voxels_of_about_one_millimetre_are_taken_as_they_are(self, t1ce, zooms):
        net = make(spread)
        plain, found = net(t1ce), net(t1ce, volumes.affine("ras", zooms=zooms))
        assert found.image.tobytes() == plain.image.tobytes()

    @pytest.mark.parametrize("kind", ["ras", "pir", "oblique"])
    @pytest.mark.parametrize("zooms", [(0.5, 0.5, 0.5), (1, 1.5, 4), (2, 0.9, 1)])
    def test_the_network_sees_voxels_of_one_millimetre(self, t1ce, kind, zooms):
        net = make(lambda x: 0.1 + 0 * x)
        affine = volumes.affine(kind, zooms=zooms)
        found = net(t1ce, affine)
        (view,) = seen(net)
        sides = np.sort(np.ceil((np.array(t1ce.shape) - 1) * zooms).astype(int) + 1)
        assert np.sort(view.shape[2:]).tolist() <= sides.tolist()
        assert np.sort(view.shape[2:]).tolist() >= (0.7 * sides).tolist()
        # A voxel or two within the edge, which is interpolated with the background.
        inside = ndimage.binary_erosion(t1ce > 0, iterations=3)
        np.testing.assert_allclose(removal(found)[inside], 0.1, atol=1e-3)
        assert not found.change[t1ce == 0].any()

    def test_an_image_of_finer_voxels_gets_the_change_of_the_coarse_one(self):
        fine = volumes.enhance(volumes.brain((48, 56, 40)))
        coarse_affine, fine_affine = np.eye(4), np.diag([0.5, 0.5, 0.5, 1])
        fine_affine[:3, 3] = -0.25
        coarse = fine.reshape(24, 2, 28, 2, 20, 2).mean((1, 3, 5))
        net = make(lambda x: 0.25 * x)
        there = net(fine, fine_affine).change.reshape(24, 2, 28, 2, 20, 2).mean((1, 3, 5))
        here = net(coarse, coarse_affine).change
        inside = ndimage.binary_erosion(coarse > 0, iterations=2)
        assert np.abs(there - here)[inside].mean() < 0.1 * here[inside].mean()
        assert abs((there - here)[inside].mean()) < 0.01 * here[inside].mean()

    def test_a_model_of_images_does_not_blur_the_others_grid(self, t1ce):
        net = make(blurry, output="image", grid=[8, 8, 8], scaling={"method": "min-max"})
        found = net(t1ce, np.diag([1, 1, 3, 1]))
        inside = np.zeros(t1ce.shape, bool)
        inside[4:-4, 4:-4, 4:-4] = t1ce[4:-4, 4:-4, 4:-4] > 300
        np.testing.assert_allclose(removal(found)[inside], 0.25, atol=0.02)

    def test_a_constant_is_added_to_the_result_on_any_grid(self, t1ce):
        net, affine = make(spread), np.diag([0.9, 0.9, 5.5, 1])
        plain, found = net(t1ce, affine), net(t1ce + 300, affine)
        np.testing.assert_allclose(found.image - 300, plain.image, atol=0.5)
        assert found.scaling.offset == 300
        assert plain.change.max() > 50


class TestArguments:
    @pytest.mark.parametrize(
        ("volume", "message"),
        [
            ([[[1.0]]], "list, not a NumPy array"),
            (None, "NoneType, not a NumPy array"),
            ("a.nii.gz", r"a path \(a\.nii\.gz\), not an array"),
            (torch.zeros(4, 4, 4), "Tensor, not a NumPy array"),
            (np.zeros((4, 4, 4), complex), "type complex128, not plain numbers"),
            (np.zeros((4, 4, 4), bool), "type bool, not plain numbers"),
            (np.full((4, 4, 4), None), "type object, not plain numbers"),
            (np.ma.masked_less(np.zeros((4, 4, 4)), 1), "a masked array"),
            (np.zeros((4, 0, 4)), "no voxels"),
            (np.full((4, 4, 4), 1e300), "NaN or infinite"),
        ],
    )
    def test_a_volume_that_is_none(self, volume, message):
        with pytest.raises(ImageError, match=message):
            make(spread)(volume)

    @pytest.mark.parametrize(
        ("affine", "message"),
        [
            ("ras", "a str, not a 4 x 4 matrix"),
            (np.eye(3), "not a 4 x 4 matrix of finite"),
            (np.diag([1, 1, np.nan, 1]), "not a 4 x 4 matrix of finite"),
            (np.diag([1.0, 1, 1, 2]), "last row"),
            (np.diag([1.0, 1, 0, 1]), "voxels of 1 x 1 x 0 mm"),
            (np.diag([1e-3, 1e-3, 1e-3, 1]), "voxels of 0.001 x 0.001 x 0.001 mm"),
            (np.diag([1000.0, 1000, 1000, 1]), "voxels of 1000 x 1000 x 1000 mm"),
            ([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], "two of its axes run alike"),
        ],
    )
    def test_an_affine_that_is_none(self, t1ce, affine, message):
        with pytest.raises(ImageError, match=message):
            make(spread)(t1ce, affine)
