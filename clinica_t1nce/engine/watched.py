"""Nodes that tell a journal when they are begun and why they fail, with any execution plug-in."""

from pathlib import Path
from typing import Any

from nipype.pipeline.engine import Node, Workflow

from clinica_t1nce.engine import event_log
from clinica_t1nce.errors import one_line


class WatchedNode(Node):
    """A node of a graph whose failure is known before Nipype says so, and by its source.

    Attributes
    ----------
    journal
        Folder of the journal.
    source
        Name of the item that the graph works on.
    last
        Whether the work is done with this node.
    """

    journal: Path
    source: str
    last: bool

    def run(self, updatehash: bool = False) -> Any:
        """Run the node, and tell."""
        with event_log.Writer(self.journal) as log:
            log.write(event_log.Event(self.source, event_log.STARTED))
            try:
                result = super().run(updatehash)
            except Exception as error:
                # Nipype's own error, with the text of the traceback that it was made of.
                log.write(event_log.Event(self.source, event_log.FAILED, one_line(str(error))))
                raise
            if self.last:
                log.write(event_log.Event(self.source, event_log.DONE))
            return result


def watch(workflow: Workflow, journal: Path, source: str, last: str) -> None:
    """Make all nodes of a graph tell a journal of what they work on.

    Parameters
    ----------
    workflow
        Graph without sub-graphs.
    journal
        Folder of the journal.
    source
        Name of the item that the graph works on.
    last
        Name of the node with which the work is done.
    """
    for name in workflow.list_node_names():
        node = workflow.get_node(name)
        if type(node) is Node:
            # Graphs are built by functions that know no journal.
            node.__class__ = WatchedNode
            node.journal, node.source, node.last = journal, source, name == last
