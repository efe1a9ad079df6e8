"""One training run: a folder that holds all that is needed to go on, and at its end the weights."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import torch
from lightning.pytorch import seed_everything
from torch import nn

from clinica_t1nce.errors import TrainingError
from clinica_t1nce.models import registry
from clinica_t1nce.models.cards import Card
from clinica_t1nce.models.patch_discriminator import PatchDiscriminator
from clinica_t1nce.models.storage import load_weights
from clinica_t1nce.synthesis.synthesizer import find_device
from clinica_t1nce.training import preflight, record
from clinica_t1nce.training.data.sources import Data, Loaded
from clinica_t1nce.training.fit import Machine, fit
from clinica_t1nce.training.modules.adversarial import AdversarialTraining, DiscriminatorTraining
from clinica_t1nce.training.modules.distillation import DistillationTraining
from clinica_t1nce.training.modules.generator import GeneratorTraining, Training
from clinica_t1nce.training.modules.unpaired import CycleTraining
from clinica_t1nce.training.settings import Settings, card_of, discriminator_card, resolved


def train(
    data: Data, output: Path, settings: Settings, machine: Machine, command: str = ""
) -> Path:
    """Train, or go on where the last run stopped.

    Parameters
    ----------
    data
        Sources of pairs.
    output
        Folder of the run: ``config.json``, ``checkpoints/``, ``metrics.tsv``, ``samples/``,
        ``tensorboard/`` and the weights with their card.
    settings
        Settings of the run.
    machine
        Processes and device that it may use.
    command
        Command that the user typed, for the card.

    Returns
    -------
    Path
        Path of the weights.

    Raises
    ------
    TrainingError
        If settings contradict each other, images cannot be used, the folder holds a run with
        other settings or is damaged, memory or precision do not suffice, or the loss is no
        number.
    WeightsError
        If weights to start from cannot be used.
    DeviceError
        If the device is not there.
    OutputError
        If the disk has too little space.
    """
    device = find_device(machine.device)
    card = card_of(settings)
    preflight.check_settings(card, settings, device, output)
    identity = {**asdict(settings), "data": data.identity(), "processes": machine.processes}
    record.refuse_another(output, identity)
    # Weights that cannot be used are refused before the data are prepared.
    if settings.teacher is not None:
        pupil_of(card, settings, *load_weights(settings.teacher))
    elif settings.init is not None:
        network_of(card, settings.init)
    if machine.threads is not None:
        torch.set_num_threads(machine.threads)
    loaded = data.load(card, settings, output, machine.workers)
    settings = resolved(settings, loaded.training.epoch, machine.processes)
    record.begin(output, identity, command=command)
    seed_everything(settings.seed, verbose=False)
    card = replace(card, training=_history(data, settings, command))
    module = _module_of(card, settings, loaded, output, machine)
    module.inference = card.inference
    return fit(module, loaded, output, settings, machine, card)


def _module_of(
    card: Card, settings: Settings, loaded: Loaded, output: Path, machine: Machine
) -> Training:
    common = card.output, settings.optimisation, settings.seed, settings.accumulate
    if settings.method == "unpaired":
        discriminators = [_new_discriminator(discriminator_card(card, settings)) for _ in range(2)]
        network, reverse = network_of(card, settings.init), network_of(card, None)
        return CycleTraining(network, reverse, discriminators, *common)
    if settings.method == "adversarial":
        discriminator = _discriminator(card, settings, loaded, output, machine)
        return AdversarialTraining(network_of(card, settings.init), discriminator, *common)
    if settings.teacher is not None:
        teacher, its_card = load_weights(settings.teacher)
        network = pupil_of(card, settings, teacher, its_card)
        return DistillationTraining(network, teacher, its_card.inference.mirrors, *common)
    return GeneratorTraining(network_of(card, settings.init), *common)


def pupil_of(card: Card, settings: Settings, teacher: nn.Module, its_card: Card) -> nn.Module:
    """Build a network that starts, unless it has weights, from all that is alike in its teacher."""
    gives, wanted = (
        (each.input, each.output, each.hyperparameters.get("quantiles"))
        for each in (its_card, card)
    )
    if gives != wanted:
        raise TrainingError(
            f"{settings.teacher}: does not see and give what {card.architecture} does (input, "
            f"output or quantiles differ: {gives} and {wanted}); choose another --architecture"
        )
    network = network_of(card, settings.init)
    if settings.init is None:
        own = network.state_dict()
        alike = {
            name: value
            for name, value in teacher.state_dict().items()
            if name in own and own[name].shape == value.shape
        }
        network.load_state_dict({**own, **alike})
    return network


def _discriminator(
    card: Card, settings: Settings, loaded: Loaded, output: Path, machine: Machine
) -> PatchDiscriminator:
    """Load the discriminator that was given, or train one against the generator as it is."""
    weights = settings.discriminator
    if weights is None:
        steps = settings.discriminator_steps
        alone = replace(
            settings,
            name="discriminator",
            optimisation=replace(settings.optimisation, steps=steps, patience=None, average=0.0),
            samples_every=0,
        )
        its_card = replace(discriminator_card(card, settings), training=card.training)
        module = DiscriminatorTraining(
            network_of(card, settings.init),
            _new_discriminator(its_card),
            card.output,
            alone.optimisation,
            alone.seed,
            alone.accumulate,
        )
        weights = str(fit(module, loaded, output / "discriminator", alone, machine, its_card))
    discriminator, its_card = load_weights(weights)
    sides = card.grid or (settings.patch,) * 3
    if not isinstance(discriminator, PatchDiscriminator) or discriminator.patch > min(sides):
        raise TrainingError(
            f"{weights}: no discriminator for volumes of {min(sides)} voxels a side; leave "
            "--discriminator out to train one"
        )
    return discriminator.train().requires_grad_(True)


def _new_discriminator(card: Card) -> PatchDiscriminator:
    network = registry.build(card.architecture, **card.hyperparameters)
    assert isinstance(network, PatchDiscriminator)
    return network


def network_of(card: Card, init: str | None) -> nn.Module:
    """Build a card's network, with the weights to start from.

    Raises
    ------
    TrainingError
        If these are of another network.
    WeightsError
        If they cannot be used.
    """
    network = registry.build(card.architecture, **card.hyperparameters)
    if init is not None:
        module, other = load_weights(init)
        if other.architecture != card.architecture or not _extends(card, other):
            raise TrainingError(
                f"{init}: weights of another network ({other.architecture}, "
                f"{other.hyperparameters}); start from weights of the architecture to be trained"
            )
        network.load_state_dict({**network.state_dict(), **module.state_dict()})
    # On a CPU several times faster, and no slower on a GPU.
    network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    return network


def _extends(card: Card, other: Card) -> bool:
    """Say whether a network is another one, or that one with a part that starts anew."""
    new, old = ({"fill": False, **each.hyperparameters} for each in (card, other))
    return new == old or (new["fill"] and {**new, "fill": False} == old)


def _history(data: Data, settings: Settings, command: str) -> dict:
    travelling = replace(
        settings,
        init=_named(settings.init),
        teacher=_named(settings.teacher),
        discriminator=_named(settings.discriminator),
    )
    return {
        "data": data.description(),
        "command": command,
        "settings": json.loads(json.dumps(asdict(travelling))),
        "versions": record.versions(),
        "git": record.git_hash(),
    }


def _named(weights: str | None) -> str | None:
    """Leave the folders of this machine out: a card travels."""
    return None if weights is None else Path(weights).name
