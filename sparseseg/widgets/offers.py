"""What the dock offers to bring back: annotations, models and images that are not there."""

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from sparseseg.errors import UserError
from sparseseg.language import say
from sparseseg.widgets import recovery
from sparseseg.widgets.background import Background
from sparseseg.widgets.geometry import volume_of
from sparseseg.widgets.layers import ANNOTATION_REMOVED, image_removed

if TYPE_CHECKING:
    from napari.layers import Image, Labels

    from sparseseg.widgets.desk import Desk
    from sparseseg.widgets.messages import MessageArea
    from sparseseg.widgets.seat import Seat


class Offers:
    """Offer with one button what an earlier session, or a removed layer, has left."""

    def __init__(self, desk: "Desk", messages: "MessageArea") -> None:
        self._desk = desk
        self._messages = messages
        self._searching = Background("recovery")
        self._searching.done.connect(self._offer_kept)
        link = desk.link
        link.image_changed.connect(self._offer_recovery)
        link.image_lost.connect(self._offer_image)
        link.image_changed.connect(self._take_back_loss)
        link.annotation_changed.connect(self._take_back_loss)

    def begin(self) -> None:
        """Offer what is there already, when the window opens."""
        self._offer_recovery(self._desk.link.image)
        self._offer_model()

    def close(self) -> None:
        """Wait for the search under way, and be silent about it."""
        self._searching.close()

    def _offer_recovery(self, image: "Image | None") -> None:
        link = self._desk.link
        if image is None or link.seat is not None:
            return
        if link.left_over is not None:
            words = say("{name!r} has an annotation from before.", name=image.name)
            self._messages.offer(words, say("Go on with it"), link.annotate)
            return
        with suppress(UserError):
            array = volume_of(image).array  # which may be on disk
            self._searching.start(
                lambda: (image, recovery.find(recovery.content_of(array)))
            )

    def _offer_kept(self, searched: "tuple[Image, recovery.Recovered | None]") -> None:
        image, found = searched
        link = self._desk.link
        if found is not None and image is link.image and link.seat is None:
            self._messages.offer(
                say(
                    "An earlier annotation of this image was kept ({found}).",
                    found=found,
                ),
                say("Recover"),
                partial(self._desk.recover, found),
            )

    def _offer_model(self) -> None:
        found = self._desk.models.left()
        if found is not None and not self._desk.state.has_model:
            self._messages.offer(
                say("A model that was not saved was kept ({found}).", found=found),
                say("Load it"),
                partial(self._desk.load_model, found.path, is_saved=False),
            )

    def _offer_image(self, seat: "Seat") -> None:
        self._messages.offer(
            image_removed(seat.name),
            say("Bring it back"),
            partial(self._desk.link.bring_back, seat),
        )

    def _take_back_loss(self, layer: "Image | Labels | None") -> None:
        """Say no longer that a layer is gone which is there again."""
        seat = self._desk.link.seat
        if layer is not None and seat is not None:
            self._messages.withdraw(image_removed(seat.name))
        if self._desk.link.annotation is not None:
            self._messages.withdraw(ANNOTATION_REMOVED)
