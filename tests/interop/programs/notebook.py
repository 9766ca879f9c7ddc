"""Runs cells in a real kernel: reads them as a JSON list from stdin, and answers with what each shows."""

import json
import sys

import nbformat
from nbclient import NotebookClient


def main() -> None:
    """Run the cells; an error of a cell ends the program."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in json.load(sys.stdin)])
    NotebookClient(notebook, timeout=30, kernel_name="python3").execute()
    shown = [[output.get("text") or output["data"]["text/plain"] for output in cell.outputs] for cell in notebook.cells]
    sys.stdout.write(json.dumps(shown))


main()
