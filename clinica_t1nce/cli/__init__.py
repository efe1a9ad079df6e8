"""The ``clinica-t1nce`` command line: one command a file, imported when it is called."""
