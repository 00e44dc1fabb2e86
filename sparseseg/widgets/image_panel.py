"""Step 1: which image, and what sparseseg believes of it."""

from typing import TYPE_CHECKING

from qtpy.QtWidgets import (
    QComboBox,
    QFormLayout,
    QFrame,
    QLabel,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import signals_blocked

from sparseseg.errors import UserError
from sparseseg.widgets.geometry import ImageFacts, check_image, facts_of
from sparseseg.widgets.text import text_label

if TYPE_CHECKING:
    from napari.layers import Image

    from sparseseg.widgets.layers import LayerLink

_EMPTY = "Open a 3-D image: drop a file here, or File > Open Sample > sparseseg."


class ImagePanel(QWidget):
    """Choose the image layer and show its shape, spacing and channels."""

    def __init__(self, link: "LayerLink") -> None:
        super().__init__()
        self._link = link
        self.choice = QComboBox()
        self.choice.setToolTip("The image to segment: any 3-D image layer of the list")
        # Else the longest name would widen the whole column.
        self.choice.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.card = QFrame()
        self.remark = text_label(role="remark")
        self._values = {name: text_label(wrap=False) for name in _ROWS}
        self._build()
        self.choice.currentIndexChanged.connect(self._on_chosen)
        link.images_changed.connect(self._show_images)
        link.image_changed.connect(self._show_image)
        self._show_images()

    def _build(self) -> None:
        self.card.setProperty("role", "card")
        form = QFormLayout(self.card)
        form.setContentsMargins(8, 6, 8, 6)
        form.setHorizontalSpacing(14)
        form.setVerticalSpacing(2)
        for name, tip in _ROWS.items():
            label = QLabel(name)
            label.setProperty("role", "hint")
            self._values[name].setToolTip(tip)
            form.addRow(label, self._values[name])
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.choice)
        layout.addWidget(self.card)
        layout.addWidget(self.remark)

    def _on_chosen(self, row: int) -> None:
        images = self._link.images
        self._link.choose(images[row] if 0 <= row < len(images) else None)

    def _show_images(self) -> None:
        images = self._link.images
        with signals_blocked(self.choice):
            self.choice.clear()
            self.choice.addItems([image.name for image in images])
            if self._link.image in images:
                self.choice.setCurrentIndex(images.index(self._link.image))
        if self._link.image is None:
            self._on_chosen(self.choice.currentIndex())

    def _show_image(self, image: "Image | None") -> None:
        if image is None:
            self._show_remarks(_EMPTY)
            return
        try:
            check_image(image)
        except UserError as error:
            self._show_remarks(str(error))
        else:
            self._show_facts(facts_of(image))

    def _show_facts(self, facts: ImageFacts) -> None:
        self.card.show()
        for name, value in zip(
            _ROWS, (facts.shape, facts.spacing, facts.channels), strict=True
        ):
            self._values[name].setText(value)
        self.remark.setText(" ".join(facts.remarks))
        self.remark.setVisible(bool(facts.remarks))

    def _show_remarks(self, text: str) -> None:
        self.card.hide()
        self.remark.setText(text)
        self.remark.show()


_ROWS = {
    "Shape": "Voxels along z, y and x",
    "Spacing": "Size of one voxel along z, y and x, from the layer's scale and units",
    "Channels": "How many colours or stains; the network sees all of them",
}
