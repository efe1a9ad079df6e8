"""The start-up hook: what the installed ``clinica_t1nce.pth`` runs at every Python start.

Clinica has no plug-in point, so this finder waits for ``clinica.cmdline`` and adds our commands
just before that module's code runs. ``setup.py`` writes the text of this file, without docstrings
and comments, into the ``.pth`` file: a Python start then needs no file of this package, and a
``.pth`` file left behind by a damaged uninstall stays silent.

Constraints: modules that every interpreter has already loaded only; nothing that can raise.
"""

import sys


class ClinicaFinder:
    """Meta-path finder that answers for ``clinica.cmdline`` only."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        """Find ``clinica.cmdline`` with the other finders and hook its loader.

        Returns
        -------
        importlib.machinery.ModuleSpec or None
            None for every other module.
        """
        if name != "clinica.cmdline" or ClinicaFinder not in sys.meta_path:
            return None
        # Only those behind us: asking all of them would ask this one again.
        for finder in sys.meta_path[sys.meta_path.index(ClinicaFinder) + 1 :]:
            find = getattr(finder, "find_spec", None)
            spec = find(name, path, target) if find else None
            if spec is not None:
                try:
                    hook(spec.loader)
                except AttributeError:
                    pass  # an unusual loader: Clinica goes without us
                return spec
        return None


def hook(loader):
    """Make ``loader`` call :func:`add_commands` before it hands out the module's code.

    ``get_code`` is the one method that both ``import`` and ``python -m`` call.
    """
    get_code = loader.get_code
    loader.get_code = lambda module: (add_commands(), get_code(module))[1]


def add_commands():
    """Add our commands to ``clinica run``, or say in one line why they are missing."""
    try:
        from clinica_t1nce.plugin import register

        register()
    except Exception as error:
        # No f-string: unparsed by a newer Python it might not compile with an older one.
        message = "clinica-t1nce: its pipelines are missing from Clinica ({}: {}); mend: {}".format(
            type(error).__name__,
            " ".join(str(error).split()),
            "reinstall or uninstall clinica-t1nce",
        )
        try:
            print(message, file=sys.stderr)
        except Exception:
            pass


sys.meta_path.insert(0, ClinicaFinder)
