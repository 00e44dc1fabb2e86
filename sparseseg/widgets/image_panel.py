"""Step 1: which image, and what sparseseg believes of it."""

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QComboBox, QSizePolicy, QVBoxLayout, QWidget
from superqt.utils import signals_blocked

from sparseseg.errors import UserError
from sparseseg.language import say
from sparseseg.widgets.channels import (
    channel_layers,
    choose_channels,
    name_spatial_axes,
    possible_channels,
)
from sparseseg.widgets.examining import (
    SourceFile,
    look_into_file,
    take_over,
    widen_contrast,
)
from sparseseg.widgets.geometry import (
    check_image,
    full_resolution,
    set_voxel_size,
    spacing_of,
)
from sparseseg.widgets.image_card import ImageCard
from sparseseg.widgets.image_check import GreyValues, grey_values
from sparseseg.widgets.image_facts import facts_of
from sparseseg.widgets.image_remedies import Remedies
from sparseseg.widgets.text import text_label

if TYPE_CHECKING:
    from napari.layers import Image

    from sparseseg.data.units import Spacing
    from sparseseg.widgets.background import Background
    from sparseseg.widgets.layers import LayerLink

_EMPTY = say("Open a 3-D image: drop a file here, or File > Open Sample > Sparseseg.")


class ImagePanel(QWidget):
    """Choose the image layer; show, and let the user correct, what is known of it."""

    def __init__(self, link: "LayerLink", background: "Background") -> None:
        super().__init__()
        self._link = link
        self._values: GreyValues | None = None
        self.choice = QComboBox()
        self.choice.setToolTip(
            say("The image to segment: any 3-D image layer of the list")
        )
        # Else the longest name would widen the whole column.
        self.choice.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.card = ImageCard()
        self.remark = text_label(role="remark")
        self.remedies = Remedies()
        self._background = background
        self._build()
        self._connect()
        self._show_images()

    def _build(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.choice, self.card, self.remark, self.remedies):
            layout.addWidget(widget)

    def _connect(self) -> None:
        link = self._link
        self.choice.currentIndexChanged.connect(self._on_chosen)
        self.card.size_field.changed.connect(self._resize)
        self.card.channels_chosen.connect(self._take_channels)
        self._background.done.connect(self._take_found)
        link.images_changed.connect(self._show_images)
        link.image_changed.connect(self._on_image)
        link.image_edited.connect(self._on_edited)
        link.opened.connect(self._show)

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
        else:
            self._drop_lost_channels(self._link.image)
            self._show()

    def _on_image(self, image: "Image | None") -> None:
        self._values = None
        self._background.forget()
        if image is not None:
            name_spatial_axes(image)
            self._background.start(partial(look_into_file, image))
        self._show()

    def _on_edited(self, what: str) -> None:
        image = self._link.image
        if what == "data" and image is not None:
            self._count(image)
        self._show()

    def _count(self, image: "Image") -> None:
        self._values = None
        if not image.rgb and image.ndim in (3, 4):
            self._background.start(partial(grey_values, full_resolution(image)))

    def _take_found(self, found: SourceFile | GreyValues | None) -> None:
        """Take what the file says, and then what the voxels say, which takes longer."""
        image = self._link.image
        if image is None:
            return
        if isinstance(found, GreyValues):
            self._values = found
            widen_contrast(found, image)
        else:
            self._count(image)
            if found is not None and not self._is_open:
                self._take_over(found, image)
        self._show()

    def _take_over(self, found: SourceFile, image: "Image") -> None:
        if take_over(found, image, self._link.lying_there):
            self._link.show_whole()  # napari fitted it by its old size

    def _show(self) -> None:
        image = self._link.image
        self.remedies.show_for(image, is_open=self._is_open)
        complaint = _EMPTY
        try:
            if image is not None:
                check_image(image)
                self._show_facts(image)
                return
        except UserError as error:
            complaint = str(error)
        self.card.hide()
        self._remark([complaint])

    def _show_facts(self, image: "Image") -> None:
        facts = facts_of(image)
        others = possible_channels(image, self._link.images)
        self.card.show_facts(facts)
        self.card.size_field.show_size(*spacing_of(image))
        self.card.show_channels(others, channel_layers(image))
        self.card.lock(self._is_open)
        self.card.show()
        found = self._values.complaints if self._values else ()
        self._remark([*facts.remarks, *found])

    def _remark(self, sentences: list[str]) -> None:
        self.remark.setText("\n".join(sentences))
        self.remark.setVisible(bool(sentences))

    @property
    def _is_open(self) -> bool:
        return self._link.seat is not None

    def _resize(self, spacing: "Spacing", unit: str) -> None:
        set_voxel_size(self._link.lying_there, spacing, unit)

    def _take_channels(self, layers: "list[Image]") -> None:
        if self._link.image is not None:
            choose_channels(self._link.image, layers)
            self._show()

    def _drop_lost_channels(self, image: "Image") -> None:
        chosen = channel_layers(image)
        kept = [layer for layer in chosen if layer in self._link.images]
        if len(kept) < len(chosen):
            choose_channels(image, kept)
