"""Makes viridis.rgb, 256 × 3 bytes, from matplotlib 3.11.2's table (CC0; van der Walt, Smith and Firing, 2015)."""

from pathlib import Path

import matplotlib
from matplotlib._cm_listed import _viridis_data

assert matplotlib.__version__ == "3.11.2", matplotlib.__version__
colours = bytes(round(255 * channel) for colour in _viridis_data for channel in colour)
assert len(colours) == 768
Path(__file__).with_name("viridis.rgb").write_bytes(colours)
