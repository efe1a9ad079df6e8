import subprocess
import sys

from tests.data.raw import make_visit


def test_a_row_an_image(tmp_path, repository):
    visit = make_visit(tmp_path)
    script = repository / "benchmarks" / "grids.py"
    command = [sys.executable, script, visit.caps, visit.bids]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    *_, row = done.stdout.splitlines()
    _, image, sharpness, agreement, _ = (cell.strip() for cell in row.split("|"))
    assert image == "sub-01 ses-1"
    assert 0.1 < float(sharpness) < 1
    assert float(agreement) > 0.99
