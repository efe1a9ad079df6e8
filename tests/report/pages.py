"""Read back what a page holds."""

import base64
import io
import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


class _Collector(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside not in ("script", "style") and data.strip():
            self.texts.append(data.strip())


class Page:
    """A parsed HTML file: its tags, visible texts, and the data of its script."""

    def __init__(self, path: Path):
        self.text = path.read_text(encoding="utf-8")
        collector = _Collector()
        collector.feed(self.text)
        self.tags, self.texts = collector.tags, collector.texts
        start = self.text.index('id="data">') + len('id="data">')
        self.data = json.loads(self.text[start : self.text.index("</script>", start)])

    def addresses(self) -> list[str]:
        """Give every src, href and action."""
        names = ("src", "href", "action", "srcset")
        return [str(a[n]) for _, a in self.tags for n in names if a.get(n) is not None]

    def volume(self, source: str) -> np.ndarray:
        """Take a mosaic apart as the page's script does: uint8, nx x ny x nz."""
        picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))))
        mosaic, (n_x, n_y, n_z) = self.data["mosaic"], self.data["shape"]
        volume = np.zeros((n_x, n_y, n_z), np.uint8)
        for z in range(n_z):
            row, column = divmod(z, mosaic["columns"])
            top, left = row * mosaic["height"], column * mosaic["width"]
            volume[:, :, z] = picture[top : top + n_y, left : left + n_x].T
        return volume
