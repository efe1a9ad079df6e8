"""Notebooks of the site run as they are, and show what they showed when they were written."""

import re

import pytest


def texts_of(notebook):
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return [
        output.get("data", {"text/plain": output.get("text")})["text/plain"] for output in outputs
    ]


def shown(notebook):
    """Give the outputs of the cells, numbers apart: these differ a little between processors."""
    return [re.sub(r"\d+", "0", text) for text in texts_of(notebook)]


@pytest.mark.slow
def test_the_notebook_of_a_graph_runs(repository, tmp_path, monkeypatch):
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    path = repository / "docs" / "tutorials" / "own_graph.ipynb"
    before, now = (nbformat.read(path, as_version=4) for _ in range(2))
    nbclient.NotebookClient(now, timeout=600).execute()
    assert shown(now) == shown(before)
    assert len(shown(now)) == 6
    bright, left = (int(re.search(r"(\d+)", text)[1]) for text in texts_of(now)[1:3])
    assert bright > 1000 > 10 * left
