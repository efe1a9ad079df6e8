from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from clinica_t1nce.cli.train import cli, train_simulated
from clinica_t1nce.models.storage import load_weights
from tests.data.caps import crop_path, make_caps

SHARED = {
    "--preset": "paper",
    "--name": "theirs",
    "--architecture": "att-unet-light",
    "--widths": "4,8",
    "--grid": "48",
    "--patch": "32",
    "--steps": "7",
    "--epochs": "9",
    "--rate": "0.5",
    "--batch": "3",
    "--accumulate": "2",
    "--enhancing-weight": "1.5",
    "--perceptual": "0.25",
    "--robust-scale": "0.3",
    "--local-weight": "0.125",
    "--distribution-weight": "0.375",
    "--t1nce-share": "0.0625",
    "--adversarial-weight": "0.75",
    "--cycle-weight": "20",
    "--identity-weight": "0",
    "--discriminator": "judge.safetensors",
    "--discriminator-widths": "8,16",
    "--discriminator-steps": "17",
    "--precision": "bf16-mixed",
    "--init": "change-unet-v7",
    "--teacher": "teacher.safetensors",
    "--seed": "11",
    "--validation-pairs": "5",
    "--validate-every": "6",
    "--patience": "8",
    "--save-every": "13",
    "--samples-every": "0",
    "--device": "cpu",
    "--devices": "2",
    "--num-nodes": "4",
    "--strategy": "fsdp",
    "--workers": "0",
    "--threads": "10",
}
OF_PAIRS = {"--fold": "0", "--cache": "/somewhere/cache"}
OF_LABEL_MAPS = {"--pairs": "12"}
METHODS = {"--adversarial", "--unpaired"}
FLAGS = METHODS | {"--low-quality", "--augment", "--fit"}
OF_MIXTURES = {"--files", "--label-maps", "--mix", "--in-heads"}

VISITS = {("sub-01", "ses-A"): "", ("sub-01", "ses-B"): "", ("sub-02", "ses-A"): "ce-gd"}


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Collect what the training is called with, in place of training."""
    from clinica_t1nce.training import run

    seen: dict[str, Any] = {}

    def train(data: Any, output: Path, settings: Any, machine: Any, command: str) -> Path:
        seen.update(data=data, output=output, settings=settings, machine=machine, command=command)
        return output / "weights"

    monkeypatch.setattr(run, "train", train)
    return seen


@pytest.fixture
def source(tmp_path: Path) -> tuple[str, str]:
    """Return a CAPS and a table of its pairs."""
    caps = make_caps(tmp_path / "caps", VISITS, images=False)
    crop_path(caps, "sub-02", "ses-A").touch()
    tsv = tmp_path / "pairs.tsv"
    tsv.write_text(
        "participant_id\tsession_id_t1nce\tsession_id_t1ce\tfold\tquality\n"
        "sub-01\tses-A\tses-B\t0\tgood\n"
        "sub-02\tses-A\tses-A\t1\tlow\n"
    )
    return str(caps), str(tsv)


def words(options: dict[str, str]) -> list[str]:
    return [word for pair in options.items() for word in pair]


def run(command: Any, *arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == code, result.output
    return result.output


def check_shared(called: dict[str, Any]) -> None:
    settings, o, machine = called["settings"], called["settings"].optimisation, called["machine"]
    assert (settings.name, settings.architecture, settings.widths) == (
        "theirs",
        "att-unet-light",
        (4, 8),
    )
    assert (settings.grid, settings.patch, settings.seed) == (48, 32, 11)
    assert (settings.batch, settings.accumulate) == (3, 2)
    assert (settings.precision, settings.init) == ("bf16-mixed", "change-unet-v7")
    assert (settings.validation_pairs, settings.validate_every) == (5, 6)
    assert (settings.save_every, settings.samples_every) == (13, 0)
    assert (o.steps, o.epochs, o.rate, o.patience) == (7, 9, 0.5, 8)
    assert (o.enhancing_weight, o.perceptual) == (1.5, 0.25)
    assert (o.robust_scale, o.local, o.distribution) == (0.3, 0.125, 0.375)
    assert settings.t1nce_share == 0.0625
    assert (o.adversarial, o.cycle, o.identity) == (0.75, 20, 0)
    assert (settings.discriminator, settings.discriminator_widths) == (
        "judge.safetensors",
        (8, 16),
    )
    assert settings.discriminator_steps == 17
    # Of the preset.
    assert (o.beta1, o.beta2, o.keep) == (0.5, 0.999, "best")
    assert (machine.device, machine.devices, machine.num_nodes) == ("cpu", 2, 4)
    assert (machine.strategy, machine.workers, machine.threads) == ("fsdp", 0, 10)


def test_every_option_reaches_the_training_on_pairs(
    called: dict[str, Any],
    source: tuple[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    output = str(tmp_path / "run")
    monkeypatch.setattr("sys.argv", ["clinica-t1nce", "train", *source, output, "--steps", "7"])
    options = words(SHARED | OF_PAIRS | {"--fold": "1"})
    printed = run(cli, *source, output, *options, "--augment", "--fit", "--low-quality")
    assert f"weights: {tmp_path / 'run' / 'weights'}" in printed
    check_shared(called)
    assert called["settings"].augment and called["settings"].fit
    assert called["command"] == "clinica-t1nce train caps pairs.tsv run --steps 7"
    assert called["output"] == tmp_path / "run"
    data = called["data"]
    assert data.cache == Path("/somewhere/cache")
    caps = Path(source[0])
    (training,), (validation,) = data.training, data.validation
    assert training.t1ce == crop_path(caps, "sub-01", "ses-B")
    assert training.t1nce == crop_path(caps, "sub-01", "ses-A")
    assert validation.t1ce == crop_path(caps, "sub-02", "ses-A", "ce-gd")
    known = {option for p in cli.params for option in p.opts if option[0] == "-"}
    assert known == set(SHARED | OF_PAIRS | OF_LABEL_MAPS) | FLAGS | OF_MIXTURES


def test_every_option_reaches_the_training_on_label_maps(
    called: dict[str, Any], tmp_path: Path
) -> None:
    options = words(SHARED | OF_LABEL_MAPS)
    run(train_simulated, str(tmp_path), str(tmp_path / "run"), *options)
    check_shared(called)
    assert (called["data"].folder, called["data"].pairs) == (tmp_path, 12)
    known = {option for p in train_simulated.params for option in p.opts if option[0] == "-"}
    assert known == set(SHARED | OF_LABEL_MAPS) | METHODS


@pytest.fixture
def files_tsv(tmp_path: Path) -> str:
    """Return a table of two pairs and a T1nce alone, as plain files."""
    for name in ("a_ce", "a", "b_ce", "b", "c"):
        (tmp_path / f"{name}.nii.gz").touch()
    tsv = tmp_path / "files.tsv"
    tsv.write_text(
        "t1ce\tt1nce\tsplit\n"
        "a_ce.nii.gz\ta.nii.gz\ttrain\n"
        "b_ce.nii.gz\tb.nii.gz\tvalidation\n"
        "n/a\tc.nii.gz\ttrain\n"
    )
    return str(tsv)


def test_sources_are_mixed(called: dict[str, Any], files_tsv: str, tmp_path: Path) -> None:
    maps, output = str(tmp_path), str(tmp_path / "run")
    run(cli, output, "--files", files_tsv, "--label-maps", maps, "--cache", "/somewhere")
    data = called["data"]
    assert called["output"] == tmp_path / "run"
    assert data.parts == {"real": 2, "t1nce": 1, "simulated": 1}
    assert data.sources["simulated"].folder == tmp_path
    (training,), (validation,) = data.sources["real"].training, data.sources["real"].validation
    assert training.t1ce == tmp_path / "a_ce.nii.gz"
    assert validation.t1nce == tmp_path / "b.nii.gz"
    assert data.sources["real"].cache == Path("/somewhere")
    assert data.sources["t1nce"].images == [tmp_path / "c.nii.gz"]
    settings = called["settings"]
    assert (settings.architecture, settings.batch, settings.augment) == (
        "change-unet-fill",
        3,
        True,
    )
    mix = "real=3,simulated=2,t1nce=4"
    mixed = ("--files", files_tsv, "--label-maps", maps, "--mix", mix)
    run(cli, output, *mixed, "--no-augment", "--in-heads", "0.75")
    assert called["settings"].in_heads == 0.75
    assert called["data"].sources["real"].label_maps == tmp_path
    assert called["data"].parts == {"real": 3, "simulated": 2, "t1nce": 4}
    assert not called["settings"].augment


def test_one_source_alone(called: dict[str, Any], files_tsv: str, tmp_path: Path) -> None:
    run(cli, str(tmp_path / "run"), "--label-maps", str(tmp_path), "--pairs", "12")
    assert (called["data"].folder, called["data"].pairs) == (tmp_path, 12)
    assert called["settings"].architecture == "change-unet"
    Path(files_tsv).write_text("t1ce\tt1nce\na_ce.nii.gz\ta.nii.gz\n")
    run(cli, str(tmp_path / "run"), "--files", files_tsv)
    assert len(called["data"].training) == 1
    assert called["settings"].architecture == "att-unet"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "give CAPS PAIRS_TSV OUTPUT, or OUTPUT with"),
        (["more", "--files", "TSV"], "give CAPS PAIRS_TSV OUTPUT, or OUTPUT with"),
        (["nowhere", "pairs.tsv"], "nowhere: no such file or folder"),
        (["--files", "TSV", "--pairs", "3"], "give --label-maps"),
        (["--files", "TSV", "--in-heads", "0.5"], "--in-heads is of real pairs"),
        (["--label-maps", ".", "--in-heads", "0.5"], "--in-heads is of real pairs"),
        (["--files", "TSV", "--fold", "1"], "--fold and --low-quality are of CAPS PAIRS_TSV"),
        (["--files", "TSV", "--low-quality"], "--fold and --low-quality are of CAPS PAIRS_TSV"),
        (["--files", "TSV", "--mix", "simulated=1"], "--mix has to name the sources: real, t1nce"),
        (["--files", "TSV", "--mix", "real=0"], "'real=0' is not one of real, simulated, t1nce"),
        (["--files", "TSV", "--mix", "reel=1"], "'reel=1' is not one of"),
    ],
)
def test_sources_that_cannot_be_are_refused(
    called: dict[str, Any],
    files_tsv: str,
    tmp_path: Path,
    arguments: list[str],
    complaint: str,
) -> None:
    words = [files_tsv if word == "TSV" else word for word in arguments]
    places = [word for word in words[:2] if word in ("more", "nowhere", "pairs.tsv")]
    options = words[len(places) :]
    printed = run(cli, *places, str(tmp_path / "run"), *options, code=2)
    assert complaint in printed
    assert not called


def test_presets_of_the_two_sources(
    called: dict[str, Any], source: tuple[str, str], tmp_path: Path
) -> None:
    run(cli, *source, str(tmp_path / "run"))
    settings, o = called["settings"], called["settings"].optimisation
    assert (settings.architecture, settings.batch, settings.augment) == ("att-unet", 2, False)
    assert (o.epochs, o.steps, o.rate, o.decay, o.clip) == (300, None, 1e-4, 0, None)
    run(train_simulated, str(tmp_path), str(tmp_path / "run"))
    settings, o = called["settings"], called["settings"].optimisation
    assert (settings.architecture, settings.batch) == ("change-unet", 2)
    assert (o.epochs, o.steps, o.rate, o.keep) == (None, 4000, 1e-3, "last")


def test_methods(called: dict[str, Any], tmp_path: Path) -> None:
    folders = str(tmp_path), str(tmp_path / "run"), "--preset", "paper"
    run(train_simulated, *folders, "--adversarial", "--init", "trained.safetensors")
    settings = called["settings"]
    # The network is that of the weights; the paper's batch is 1.
    assert (settings.method, settings.batch, settings.architecture) == ("adversarial", 1, None)
    run(train_simulated, *folders, "--unpaired")
    assert (called["settings"].method, called["settings"].batch) == ("unpaired", 1)
    run(train_simulated, *folders)
    assert (called["settings"].method, called["settings"].batch) == ("supervised", 2)


@pytest.mark.parametrize(
    "order", [["--adversarial", "--unpaired"], ["--unpaired", "--adversarial"]]
)
def test_one_method_at_a_time(
    called: dict[str, Any], source: tuple[str, str], tmp_path: Path, order: list[str]
) -> None:
    for command, inputs in ((cli, source), (train_simulated, (str(tmp_path),))):
        printed = run(command, *inputs, str(tmp_path / "run"), *order, code=2)
        assert "--unpaired without them: give one of the two" in printed
    assert not called
    assert not (tmp_path / "run").exists()


def test_unpaired_images_of_a_caps(
    called: dict[str, Any], source: tuple[str, str], tmp_path: Path
) -> None:
    caps, tsv = source
    Path(tsv).write_text(
        "participant_id\tsession_id_t1nce\tsession_id_t1ce\nsub-01\tses-A\t\nsub-02\tn/a\tses-A\n"
    )
    run(cli, caps, tsv, str(tmp_path / "run"), "--unpaired")
    first, second = called["data"].training
    assert not called["data"].paired
    assert (first.t1ce, second.t1nce) == (None, None)
    assert first.t1nce == crop_path(Path(caps), "sub-01", "ses-A")


def test_length_in_steps_takes_the_place_of_the_presets_epochs(
    called: dict[str, Any], source: tuple[str, str], tmp_path: Path
) -> None:
    run(cli, *source, str(tmp_path / "run"), "--steps", "5")
    o = called["settings"].optimisation
    assert (o.steps, o.epochs) == (5, None)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--widths", "4,wide"], "--widths"),
        (["--steps", "0"], "--steps"),
        (["--patch", "30"], "--patch"),
        (["--grid", "40"], "--grid"),
        (["--batch", "-1"], "--batch"),
        (["--device", "tpu"], "--device"),
        (["--preset", "mine"], "--preset"),
    ],
)
def test_wrong_usage_ends_with_code_2(
    options: list[str], complaint: str, called: dict[str, Any], tmp_path: Path
) -> None:
    output = run(train_simulated, str(tmp_path), str(tmp_path / "run"), *options, code=2)
    assert complaint in output
    assert not called


def test_pairs_of_a_caps_end_with_weights_that_work(tmp_path: Path) -> None:
    visits = {("sub-01", "ses-A"): "", ("sub-01", "ses-B"): "ce-gd"}
    caps = make_caps(tmp_path / "caps", visits)
    tsv = tmp_path / "pairs.tsv"
    tsv.write_text(
        "participant_id\tsession_id_1\tdiagnosis_1\tsession_id_2\tdiagnosis_2\n"
        "sub-01\tses-A\tgado_0\tses-B\tgado_1\n"
    )
    options = "--architecture att-unet-light --widths 2,4 --grid 16 --epochs 2 --device cpu"
    run(cli, str(caps), str(tsv), str(tmp_path / "run"), *options.split(), "--workers", "0")
    _, card = load_weights(tmp_path / "run" / "mine.safetensors")
    assert card.architecture == "att-unet"
    assert card.training["data"] == "1 real pairs"
