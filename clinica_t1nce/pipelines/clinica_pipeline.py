"""A resumable pipeline that is one of Clinica's."""

import secrets
import tempfile
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

from clinica.dataset import BIDS_VERSION, CAPS_VERSION, Visit
from clinica.pipelines.engine import Pipeline
from networkx import DiGraph
from nipype.pipeline.engine import Workflow

from clinica_t1nce.caps import description
from clinica_t1nce.engine.event_log import Item
from clinica_t1nce.pipelines.clinica_quirks import construct
from clinica_t1nce.pipelines.resumable import (
    ResumablePipeline,
    Round,
    own_folder,
    passing_folder,
)


class ClinicaPipeline(ResumablePipeline[Item], Pipeline):
    """A pipeline on a CAPS whose graph is built anew for each round, and never asks anything.

    Sub-classes set `to_do` and `outcomes`, then call :meth:`connect_to_clinica`.

    Attributes
    ----------
    shows_progress : bool
        Whether a run shows its progress.
    """

    base_dir: Any
    how: Round
    shows_progress = True

    def run(
        self,
        plugin: Any = None,
        plugin_args: dict[str, Any] | None = None,
        update_hash: bool = False,
        bypass_check: bool = True,
        *,
        quiet: bool = False,
    ) -> Any:
        """Work on all that is to do; failures are collected in `outcomes`, none is raised.

        Parameters
        ----------
        plugin
            Nipype execution plug-in; None for processes on this machine.
        plugin_args
            Arguments of the plug-in; ``n_procs`` is the number of cores (1), or, on a cluster, the
            least number of jobs.
        update_hash
            Argument of every Nipype workflow's ``run``.
        bypass_check
            Whether Clinica's checks are passed over; there is none that would ask anything.
        quiet
            Whether no progress is shown.

        Returns
        -------
        networkx.DiGraph
            Graph that was run; empty if everything was there already.
        """
        n_cores = int((plugin_args or {}).get("n_procs", 1))
        quiet = quiet or not self.shows_progress
        graph: Any = DiGraph()
        self.begin(n_cores, quiet)
        if self.to_do:
            with self.working_folder() as folder:
                graph = self.work(folder, plugin, plugin_args, update_hash=update_hash, quiet=quiet)
        self.conclude(n_cores)
        return graph

    @abstractmethod
    def begin(self, n_cores: int, quiet: bool) -> None:
        """Say, when a run begins, what is to do."""

    @abstractmethod
    def conclude(self, n_cores: int) -> None:
        """Write tables and reports, when all is done."""

    def connect_to_clinica(
        self,
        caps: Path,
        *,
        name: str,
        caps_name: str | None,
        base_dir: str | Path | None,
        ignore_dependencies: list[str] | None,
        parameters: dict[str, Any],
        tsv_file: str | Path | None = None,
        overwrite_caps: bool = False,
        describe: bool = False,
    ) -> None:
        """Call Clinica's constructor; see :class:`clinica.pipelines.engine.Pipeline`.

        Parameters
        ----------
        caps
            Root of the CAPS.
        name, base_dir, ignore_dependencies, parameters, tsv_file, overwrite_caps
            Arguments of Clinica's constructor.
        caps_name
            Name for a CAPS that has no description.
        describe
            Whether a description that is missing is written.
        """
        self.how = Round(Path(), 1, None)
        self._passing = base_dir is None
        if base_dir is None:
            # Made when the run begins: a pipeline that is never run leaves nothing.
            base_dir = Path(tempfile.gettempdir(), f"{name}-{secrets.token_hex(8)}")
        if describe and caps_name is not None:
            description.add(
                caps,
                caps_name,
                bids_version=str(BIDS_VERSION),
                caps_version=str(CAPS_VERSION),
            )
        construct(
            super().__init__,
            caps_directory=str(caps),
            tsv_file=None if tsv_file is None else str(tsv_file),
            overwrite_caps=overwrite_caps,
            base_dir=str(base_dir),
            parameters=parameters,
            name=name,
            ignore_dependencies=ignore_dependencies,
            # The name that is there, or Clinica warns that it differs from a random one.
            caps_name=description.name_of(caps) or caps_name,
        )

    def __deepcopy__(self, memo: dict[int, Any]) -> Workflow:
        """Copy the graph alone: Nipype copies a workflow before it runs it, and needs no more."""
        plain = Workflow(self.name, base_dir=self.base_dir)
        for name in vars(plain):
            setattr(plain, name, deepcopy(getattr(self, name), memo))
        return plain

    @contextmanager
    def working_folder(self) -> Iterator[Path]:
        """Give a folder that no other run works in; a passing one goes in the end."""
        base = Path(self.base_dir)
        with passing_folder(base) if self._passing else own_folder(base) as folder:
            self.base_dir = folder
            try:
                yield folder
            finally:
                self.base_dir = base

    def build_round(self, items: Sequence[Item], how: Round) -> Workflow:
        """Build Clinica's own graph, for what is to do."""
        self.how = how
        self._init_nodes()
        self.is_built = False
        return self.build()

    @abstractmethod
    def visits_of(self) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        """List participant and session of all that was asked for, and of all that is to do."""

    def get_processed_visits(self) -> list[Visit]:
        """List the visits of which everything that was asked for is there."""
        every, missing = self.visits_of()
        return [Visit(*visit) for visit in sorted(set(every) - set(missing))]

    def determine_subject_and_session_to_process(self) -> None:
        """Leave out what is done; it is counted in the end rather than listed now."""
        _, missing = self.visits_of()
        self.subjects = [subject for subject, _ in missing]
        self.sessions = [session for _, session in missing]

    def get_input_fields(self) -> list[str]:
        """List the fields of the input node."""
        return []

    def get_output_fields(self) -> list[str]:
        """List the fields of the output node."""
        return []

    def _compute_subjects_and_sessions(self) -> None:
        every, _ = self.visits_of()
        self._subjects = [subject for subject, _ in every]
        self._sessions = [session for _, session in every]

    def _check_custom_dependencies(self) -> None:
        pass

    def _check_pipeline_parameters(self) -> None:
        """Nothing to do: the constructor refuses what it does not know."""

    def _build_output_node(self) -> None:
        """Nothing to do: everything is written to its place as soon as it is made."""
