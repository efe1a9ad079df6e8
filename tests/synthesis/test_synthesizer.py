import hashlib
import logging
import subprocess
import sys
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from clinica_t1nce.errors import DeviceError, WeightsError
from clinica_t1nce.models import cards, registry, storage
from clinica_t1nce.synthesis.synthesizer import Synthesizer, find_device
from clinica_t1nce.volumes import grids, intensity
from tests.data import volumes
from tests.synthesis.stubs import Stub, blurry, make, seen

EIGHT = [[], [0], [1], [2], [0, 1], [0, 2], [1, 2], [0, 1, 2]]


def three(x):
    """Give three quantiles, everywhere the same."""
    return torch.cat([x * 0 + q for q in (0.1, 0.2, 0.4)], 1)


@pytest.fixture
def weights(tmp_path):
    """Untrained weights of a tiny network, on disk."""
    torch.manual_seed(0)
    network = registry.build("change-unet", widths=[2, 4])
    with torch.no_grad():
        network.head.bias += 0.1
    fields = registry.preset("change-unet") | {"hyperparameters": {"widths": [2, 4]}}
    path = tmp_path / "tiny.safetensors"
    storage.save_weights(path, network, cards.Card(name="tiny", **fields))
    return path


class TestChange:
    def test_what_the_network_finds_is_taken_away(self, t1ce):
        synthesis = make(lambda x: (x - 1.3).clamp(min=0))(t1ce)
        factor = intensity.measure(t1ce, "percentile").factor
        assert synthesis.scaling == intensity.Scaling(0.0, factor)
        np.testing.assert_allclose(synthesis.image, np.minimum(t1ce, 1.3 * factor), rtol=1e-5)
        np.testing.assert_allclose(synthesis.change, t1ce - synthesis.image)
        assert synthesis.change.max() > 100
        assert synthesis.image.dtype == synthesis.change.dtype == np.float32

    def test_nothing_found_changes_no_bit(self, t1ce):
        synthesis = make(lambda x: -x, mirrors=EIGHT)(t1ce)
        np.testing.assert_array_equal(synthesis.image, t1ce)
        assert not synthesis.change.any()
        assert synthesis.confidence == 1.0

    def test_no_voxel_falls_below_zero(self, t1ce):
        t1ce[0] = -5
        synthesis = make(lambda x: x + 10)(t1ce)
        np.testing.assert_allclose(synthesis.image, np.minimum(t1ce, 0), atol=1e-3)
        positive = make(lambda x: x + 10)(np.abs(t1ce))
        assert positive.image.min() == 0

    def test_change_of_a_grid_is_taken_from_the_sharp_image(self, t1ce):
        t1ce[t1ce > 0] += 100
        synthesis = make(lambda x: torch.full_like(x, 0.1), grid=[8, 8, 8])(t1ce)
        brain = t1ce > 0
        expected = t1ce[brain] - 0.1 * synthesis.scaling.factor
        np.testing.assert_allclose(synthesis.image[brain], expected, rtol=1e-4)


class TestImage:
    def test_identity_gives_the_input(self, t1ce):
        synthesis = make(lambda x: x, output="image", scaling={"method": "min-max"})(t1ce)
        np.testing.assert_array_equal(synthesis.image, t1ce)

    def test_output_is_the_image(self, t1ce):
        t1ce += 3
        synthesis = make(lambda x: x / 2, output="image", scaling={"method": "min-max"})(t1ce)
        np.testing.assert_allclose(synthesis.image, 3 + (t1ce - 3) / 2, rtol=1e-5)

    def test_output_is_resampled_to_the_grid_and_back(self, t1ce):
        t1ce += 3
        synthesizer = make(
            lambda x: x, output="image", grid=[8, 8, 8], scaling={"method": "min-max"}
        )
        image = synthesizer(t1ce).image
        assert [x.shape for x in seen(synthesizer)] == [(1, 1, 8, 8, 8)]
        x = torch.from_numpy(t1ce)[None, None]
        expected = grids.resample(grids.resample(x, (8, 8, 8)), t1ce.shape)[0, 0].numpy()
        np.testing.assert_allclose(image, np.where(t1ce == 3, 3, expected), rtol=1e-4)

    @pytest.mark.parametrize("value", [-4.0, 4.0])
    def test_output_stays_in_the_range_of_the_input(self, t1ce, value):
        t1ce += 3
        full = make(
            lambda x: torch.full_like(x, value), output="image", scaling={"method": "min-max"}
        )
        limit = 3 if value < 0 else t1ce.max()
        np.testing.assert_array_equal(full(t1ce).image, np.where(t1ce == 3, 3, limit))


@pytest.mark.parametrize("output", ["image", "change"])
def test_zeros_around_the_brain_stay_zero(t1ce, output):
    synthesis = make(lambda x: x * 0.3 + 0.2, output=output)(t1ce)
    outside = t1ce == 0
    assert outside.any()
    assert not synthesis.image[outside].any()
    assert not synthesis.change[outside].any()
    assert synthesis.change[~outside].any()


def test_network_gets_scaled_voxels_padded_to_the_multiple(t1ce):
    synthesizer = make(torch.zeros_like, multiple=16)
    synthesizer(t1ce)
    (x,) = seen(synthesizer)
    assert x.shape == (1, 1, 32, 32, 32)
    scaled = intensity.measure(t1ce, "percentile").apply(t1ce)
    np.testing.assert_array_equal(x[0, 0, :24, :28, :20], scaled)


def test_the_input_is_left_as_it_was(t1ce):
    before = t1ce.copy()
    make(lambda x: x.mul_(0.5), mirrors=EIGHT)(t1ce)
    np.testing.assert_array_equal(t1ce, before)


@pytest.mark.parametrize("dtype", [np.float64, np.int16, ">f4"])
def test_any_type_of_number_is_taken(t1ce, dtype):
    t1ce = np.round(t1ce)
    net = make(lambda x: x / 4)
    np.testing.assert_array_equal(net(t1ce.astype(dtype)).image, net(t1ce).image)


class TestMirrors:
    def test_each_shows_the_image_flipped(self, t1ce):
        synthesizer = make(torch.zeros_like, mirrors=[[], [0], [1, 2]])
        synthesizer(t1ce)
        scaled = intensity.measure(t1ce, "percentile").apply(t1ce)
        expected = [scaled, np.flip(scaled, 0), np.flip(scaled, (1, 2))]
        assert len(seen(synthesizer)) == 3
        for x, flipped in zip(seen(synthesizer), expected, strict=True):
            np.testing.assert_array_equal(x[0, 0], flipped)

    def test_predictions_are_flipped_back_and_averaged(self, t1ce):
        # A network that finds something in the first half of its first axis only.
        def half(x):
            out = torch.zeros_like(x)
            out[:, :, : x.shape[2] // 2] = 0.2
            return out

        synthesis = make(half, mirrors=[[], [0]])(t1ce)
        brain = t1ce > 0.2 * synthesis.scaling.factor
        expected = 0.1 * synthesis.scaling.factor
        np.testing.assert_allclose(synthesis.change[brain], expected, rtol=1e-3)

    def test_left_and_right_exchanged_gives_the_result_exchanged(self, weights, t1ce):
        t1ce = t1ce[:16, :16, :16]  # no padding: it always lies at the far end
        synthesizer = Synthesizer.load(weights, "cpu")
        there = synthesizer(t1ce).image
        back = np.flip(synthesizer(np.flip(t1ce, 0)).image, 0)
        np.testing.assert_allclose(back, there, atol=1e-2)
        assert np.abs(there - t1ce).max() > 5

    def test_agreement_is_full_confidence(self, t1ce):
        assert make(lambda x: x / 4, mirrors=EIGHT)(t1ce).confidence == pytest.approx(1, abs=1e-3)

    def test_confidence_is_one_minus_spread_over_change(self):
        t1ce = np.full((4, 4, 4), 100, np.float32)
        t1ce[0, 0, 0] = 50
        answers = iter([0.3, 0.1])
        net = make(lambda x: torch.full_like(x, next(answers)), mirrors=[[], [1]])
        # Change 0.3 and 0.1: mean 0.2, standard deviation 0.1.
        assert net(t1ce).confidence == pytest.approx(0.5, abs=1e-5)

    def test_disagreement_is_no_confidence(self, t1ce):
        answers = iter([1.0, 0.0, 0.0, 0.0, 0.0])
        net = make(lambda x: next(answers) * x, mirrors=[[], [0], [1], [2], [0, 1]])
        assert net(t1ce).confidence == 0

    def test_a_single_prediction_has_no_confidence(self, t1ce):
        assert make(lambda x: x / 4)(t1ce).confidence is None


class TestQuantiles:
    def test_the_middle_one_is_removed_and_the_outer_ones_say_how_sure(self):
        t1ce = np.full((4, 4, 4), 100, np.float32)
        t1ce[0, 0, 0] = 50
        net = make(three, quantiles=(0.25, 0.5, 0.75))
        synthesis = net(t1ce)
        np.testing.assert_allclose(synthesis.change[1:], 20, rtol=1e-4)
        assert synthesis.uncertainty == pytest.approx((0.4 - 0.1) / 2 / 0.2)
        assert synthesis.confidence == pytest.approx(1 - 0.75)

    @pytest.mark.parametrize(
        ("quantile", "expected"),
        [(0.25, 10), (0.375, 15), (0.5, 20), (0.7, 36), (0.75, 40), (0.9, 40)],
    )
    def test_the_card_chooses_which_one(self, quantile, expected):
        t1ce = np.full((4, 4, 4), 100, np.float32)
        t1ce[0, 0, 0] = 50
        stub = Stub(three, (0.25, 0.5, 0.75))
        card = replace(make(lambda x: x).card, inference={"quantile": quantile})
        np.testing.assert_allclose(Synthesizer(stub, card)(t1ce).change[1:], expected, rtol=1e-4)

    def test_the_table_of_the_card_makes_it_a_confidence(self):
        t1ce = np.full((4, 4, 4), 100, np.float32)
        t1ce[0, 0, 0] = 50
        table = {"confidence": {"uncertainty": [0.5, 1.0], "confidence": [0.9, 0.3]}}
        # The range is 0.15, the middle 0.2.
        net = make(three, quantiles=(0.25, 0.5, 0.75), calibration=table)
        assert net(t1ce).confidence == pytest.approx(0.6)

    @pytest.mark.parametrize(
        "table",
        [
            {},
            {"uncertainty": [1.0, 0.5], "confidence": [0.9, 0.3]},
            {"uncertainty": [0.5, 1.0], "confidence": [0.9]},
            {"uncertainty": [0.5, 1.0], "confidence": [0.9, 1.3]},
        ],
    )
    def test_a_table_that_is_none_is_refused(self, table):
        with pytest.raises(WeightsError, match=r"calibration\.confidence"):
            make(lambda x: x, calibration={"confidence": table})


class TestGadolinium:
    def detector(self, intercept):
        """Sure of gadolinium or of its absence, by its intercept alone."""
        return {"gadolinium": {"weights": [0.0] * 6, "intercept": intercept}}

    def test_without_a_detector_nothing_is_said(self, t1ce):
        assert make(lambda x: x / 4)(t1ce).gadolinium is None

    def test_an_image_without_gadolinium_comes_out_as_it_came_in(self, t1ce):
        synthesis = make(lambda x: x / 4, mirrors=EIGHT, calibration=self.detector(-9))(t1ce)
        np.testing.assert_array_equal(synthesis.image, t1ce)
        assert synthesis.gadolinium == pytest.approx(0, abs=1e-3)
        assert synthesis.confidence == pytest.approx(1, abs=1e-3)

    def test_an_image_with_gadolinium_is_changed_as_if_nobody_had_asked(self, t1ce):
        plain = make(lambda x: x / 4)(t1ce)
        sure = make(lambda x: x / 4, calibration=self.detector(9))(t1ce)
        assert sure.gadolinium == pytest.approx(1, abs=1e-3)
        np.testing.assert_array_equal(sure.image, plain.image)

    def test_in_doubt_part_of_the_change_is_made(self, t1ce):
        plain = make(lambda x: x / 4)(t1ce)
        doubt = make(lambda x: x / 4, calibration=self.detector(-1.5))(t1ce)
        brain = plain.change > 1
        share = doubt.change[brain] / plain.change[brain]
        assert 0.05 < share.min() <= share.max() < 0.95

    def test_it_is_read_from_the_change(self, t1ce):
        calibration = {"gadolinium": {"weights": [5.0, 0, 0, 0, 0, 0], "intercept": 15.0}}
        much, little = (
            make(lambda x, f=f: x * f, calibration=calibration)(t1ce).gadolinium
            for f in (0.25, 0.001)
        )
        assert much > 0.9
        assert little < 0.1

    def test_a_detector_that_is_none_is_refused(self):
        with pytest.raises(WeightsError, match=r"stub: calibration\.gadolinium is not a detector"):
            make(lambda x: x, calibration={"gadolinium": {"weights": [1.0], "intercept": 0}})


class TestDeterminism:
    def test_same_volume_same_bytes(self, weights, t1ce):
        synthesizer = Synthesizer.load(weights, "cpu")
        first, second = synthesizer(t1ce), synthesizer(t1ce)
        assert first.image.tobytes() == second.image.tobytes()
        assert first.confidence == second.confidence

    def test_same_bytes_in_another_process(self, weights, t1ce, tmp_path):
        np.save(tmp_path / "t1ce.npy", t1ce)
        code = (
            "import sys, hashlib, numpy as np\n"
            "from clinica_t1nce.synthesis import Synthesizer\n"
            "image = Synthesizer.load(sys.argv[1], 'cpu', 2)(np.load(sys.argv[2])).image\n"
            "print(hashlib.sha256(image.tobytes()).hexdigest())"
        )
        command = [sys.executable, "-c", code, str(weights), str(tmp_path / "t1ce.npy")]
        out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        n_threads = torch.get_num_threads()
        try:
            image = Synthesizer.load(weights, "cpu", 2)(t1ce).image
            assert torch.get_num_threads() == 2
        finally:
            torch.set_num_threads(n_threads)
        assert out.strip() == hashlib.sha256(image.tobytes()).hexdigest()

    def test_batch_norm_is_in_evaluation_mode(self, t1ce):
        module = registry.build("att-unet", widths=[2, 4]).train()
        fields = registry.preset("att-unet") | {
            "input": asdict(make(None).card.input) | {"multiple": 2}
        }
        before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
        Synthesizer(module, cards.Card(name="tiny", **fields))(t1ce)
        assert all(torch.equal(before[name], t) for name, t in module.state_dict().items())

    def test_no_gradient_is_kept(self, t1ce):
        modes = []
        make(lambda x: modes.append(torch.is_inference_mode_enabled()) or x)(t1ce)
        assert modes == [True]
        assert not torch.is_inference_mode_enabled()


class TestDevice:
    def test_auto_falls_back_to_the_cpu_and_says_so(self, monkeypatch, caplog):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        with caplog.at_level(logging.INFO, "clinica_t1nce"):
            assert find_device("auto") == torch.device("cpu")
        assert "No CUDA device" in caplog.text

    def test_auto_takes_a_gpu(self, monkeypatch):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        assert find_device("auto") == torch.device("cuda", 0)

    @pytest.mark.parametrize("name", ["cuda", "cuda:0", "cuda:7"])
    def test_no_gpu_is_one_line(self, monkeypatch, name):
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
        with pytest.raises(DeviceError, match=f"no device '?{name}'? on this machine"):
            find_device(name)

    @pytest.mark.parametrize("name", ["gpu", "mps", ""])
    def test_unknown(self, name):
        with pytest.raises(DeviceError, match="choose auto, cpu or cuda"):
            find_device(name)

    def test_is_asked_for_before_weights_are_read(self, tmp_path):
        with pytest.raises(DeviceError):
            Synthesizer.load(tmp_path / "none.safetensors", "gpu")


@pytest.mark.slow
def test_a_crop_of_full_size_with_the_light_network():
    torch.manual_seed(0)
    card = cards.Card(name="light", **registry.preset("change-unet"))
    module = registry.build(card.architecture, **card.hyperparameters)
    t1ce = volumes.enhance(volumes.brain(volumes.CROP_SHAPE))
    image = Synthesizer(module, card)(t1ce).image
    assert image.shape == volumes.CROP_SHAPE
    assert np.isfinite(image).all()
    assert (image <= t1ce).all()


def test_background_around_the_head_is_not_shown_to_the_network():
    synthesizer = make(lambda x: torch.full_like(x, 0.1))
    volume = np.zeros((48, 48, 48), np.float32)
    volume[20:28, 18:30, 20:24] = 1.0
    volume[24, 24, 22] = 2.0
    out = synthesizer(volume)
    (view,) = seen(synthesizer)
    assert tuple(view.shape[2:]) == (8 + 16, 12 + 16, 4 + 16)
    assert (out.change[volume > 0] > 0).all()
    assert (out.image[volume == 0] == 0).all()


def test_blending_by_change_keeps_the_resolution_that_a_small_grid_loses():
    volume = volumes.brain()
    arguments = {"output": "image", "grid": [8, 8, 8], "scaling": {"method": "min-max"}}
    replaced = make(blurry, **arguments)
    carrying = replaced.transferring_change()
    assert not replaced.transfers_change
    assert carrying.transfers_change
    assert carrying.transferring_change() is carrying
    inside = volume > 200
    scale = volume.max() - volume.min()
    np.testing.assert_allclose(carrying(volume).change[inside], 0.25 * scale, atol=1e-3 * scale)
    assert np.abs(replaced(volume).change[inside] - 0.25 * scale).mean() > 0.02 * scale


def test_blending_makes_no_difference_to_a_model_of_changes():
    synthesizer = make(lambda x: 0.1 * x)
    assert synthesizer.transfers_change
    assert synthesizer.transferring_change() is synthesizer


def test_unknown_blending_is_refused():
    with pytest.raises(ValueError, match="smear"):
        Synthesizer(Stub(blurry), make(blurry).card, blend="smear")
