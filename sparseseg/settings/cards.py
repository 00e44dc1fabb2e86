"""What the recipes are and what can be chosen of each, told without loading torch."""

from dataclasses import dataclass
from typing import Annotated, Literal

from sparseseg.errors import UserError
from sparseseg.language import say
from sparseseg.settings.options import Options

GreyChoice = Literal["auto", "volume", "fixed"]


@dataclass(frozen=True, kw_only=True)
class ThreeViewOptions(Options):
    """What matters of the network over three planes."""

    grey: Annotated[
        GreyChoice,
        {
            "label": say("Grey values"),
            "help": say(
                "volume: each volume has its own scale; fixed: the same in all, as in "
                "CT; auto looks whether they are Hounsfield units"
            ),
        },
    ] = "auto"


@dataclass(frozen=True, kw_only=True)
class PatchOptions(Options):
    """What matters of a network that learns from blocks of voxels."""

    patch: Annotated[
        str,
        {
            "label": say("Patch (z x y x x)"),
            "help": say(
                "sides z x y x x of a training patch in 3-D, as 48x128x128; the paper's "
                "if empty"
            ),
        },
    ] = ""


@dataclass(frozen=True, kw_only=True)
class PlanarOptions(PatchOptions):
    """Whether planes or blocks of voxels are looked at, and which planes."""

    dims: Annotated[
        Literal[2, 3],
        {
            "label": say("Dimensions"),
            "help": say("2 looks at planes, 3 at blocks of voxels"),
        },
    ] = 2
    views: Annotated[
        Literal["all", "z"],
        {
            "label": say("Planes"),
            "help": say("planes across all annotated axes, or z alone"),
        },
    ] = "all"


@dataclass(frozen=True, kw_only=True)
class UNetPlusPlusOptions(PlanarOptions):
    """What matters of UNet++."""

    deep_supervision: Annotated[
        bool,
        {
            "label": say("Head at each depth"),
            "help": say(
                "train a head at each depth, so that it can be pruned afterwards"
            ),
        },
    ] = True
    mode: Annotated[
        Literal["accurate", "fast"],
        {
            "label": say("Prediction"),
            "help": say(
                "predict with the mean of all heads, or with the deepest alone"
            ),
        },
    ] = "accurate"
    window: Annotated[
        Literal["auto", "ct", "range"],
        {
            "label": say("Grey values"),
            "help": say("-200 to 250 HU, or the range of the image; auto looks at it"),
        },
    ] = "auto"
    dropout: Annotated[
        float,
        {
            "min": 0.0,
            "max": 0.9,
            "step": 0.05,
            "label": say("Dropout"),
            "help": say("share of features that is dropped"),
        },
    ] = 0.5


@dataclass(frozen=True, kw_only=True)
class MSSUNetOptions(PatchOptions):
    """What matters of MSS U-Net."""

    mirror: Annotated[
        bool,
        {
            "label": say("Mirrored copies"),
            "help": say(
                "average the prediction over 8 mirrored copies: 8 times slower"
            ),
        },
    ] = True


@dataclass(frozen=True, kw_only=True)
class HDenseUNetOptions(PatchOptions):
    """What matters of H-DenseUNet."""

    part: Annotated[
        Literal["2d", "hybrid"],
        {
            "label": say("Network"),
            "help": say("stop after the 2-D network, or continue with 3-D"),
        },
    ] = "hybrid"
    slices: Annotated[
        Literal[8, 12],
        {
            "label": say("Slices of a patch"),
            "help": say("of a 3-D patch: 12 in the paper, 8 in its code"),
        },
    ] = 12
    connections: Annotated[
        bool,
        {
            "label": say("U-connections"),
            "help": say("U-connections: the paper has them, its hybrid code does not"),
        },
    ] = True
    nearest: Annotated[
        bool,
        {
            "label": say("Repeat when enlarging"),
            "help": say("up-sample by repeating, as the code does, not linearly"),
        },
    ] = False
    window: Annotated[
        Literal["auto", "ct", "range"],
        {
            "label": say("Grey values"),
            "help": say("-200 to 250 HU, or the range of the image; auto looks at it"),
        },
    ] = "auto"
    encoder: Annotated[
        str,
        {
            "label": say("Encoder weights"),
            "help": say("a file of torchvision's DenseNet-161 weights to start from"),
        },
    ] = ""


@dataclass(frozen=True, kw_only=True)
class PretrainedOptions(Options):
    """What matters of a model that came from elsewhere."""

    mirror: Annotated[
        bool,
        {
            "label": say("Mirrored copies"),
            "help": say(
                "average mirrored copies if the model allows it: up to 8 x slower"
            ),
        },
    ] = True
    encoder: Annotated[
        Literal["full", "slow", "frozen"],
        {
            "label": say("Encoder learns"),
            "help": say(
                "the encoder learns like the rest, ten times slower, or not at all"
            ),
        },
    ] = "full"


@dataclass(frozen=True, slots=True)
class Card:
    """What a person has to know to choose a recipe."""

    name: str
    title: str
    summary: str
    """Lines: what it is for, what it is and, of a published one, what to expect of a CPU core."""
    paper: str
    parameters: int
    """Of the published case, or of one channel and one class for ours."""
    training_gb: float
    """About what a step takes with one channel and one class, in single precision."""
    wants_gpu: bool
    options: type[Options] = Options


CARDS = {
    card.name: card
    for card in (
        Card(
            "three-view",
            say("Three-view U-Net"),
            say(
                "Learns within a minute from a few slices, on a CPU as well: the default.\n"
                "Three views with 3-D filters; follows what you paint in this volume."
            ),
            "sparseseg; after Çiçek et al., MICCAI 2016",
            322_310,
            1.0,
            wants_gpu=False,
            options=ThreeViewOptions,
        ),
        Card(
            "unet3d",
            "3D U-Net (2016)",
            say(
                "The published network, slow and large: for a GPU and for comparison.\n"
                "Reads 132 x 132 x 116 voxels to label 44 x 44 x 28.\n"
                "On one CPU core a step takes 13 seconds or more: useful after half an hour."
            ),
            "Çiçek et al., MICCAI 2016, arXiv:1606.06650",
            19_069_955,
            2.9,
            wants_gpu=True,
            options=PatchOptions,
        ),
        Card(
            "unet3d-guided",
            say("Guided 3-D U-Net"),
            say(
                "A small 3-D network that follows what you paint; for a GPU and many steps.\n"
                "Asked for one class at a time; kernels follow the voxel size."
            ),
            "sparseseg; after Çiçek et al., MICCAI 2016",
            651_769,
            0.2,
            wants_gpu=True,
            options=ThreeViewOptions,
        ),
        Card(
            "unetplusplus",
            "UNet++ (2018)",
            say(
                "One training, four networks: choose speed or accuracy afterwards.\n"
                "Nested skip connections with a head at each depth, L1 to L4.\n"
                "On one CPU core one class is good after ten minutes, nine are not after 25."
            ),
            "Zhou et al., DLMIA 2018 and TMI 2020, arXiv:1912.05074",
            9_041_700,
            0.6,
            wants_gpu=False,
            options=UNetPlusPlusOptions,
        ),
        Card(
            "mssunet",
            "MSS U-Net (2019)",
            say(
                "For organs and tumours in CT, supervised at five scales; large.\n"
                "Follows the 2019 entry to the kidney tumour challenge KiTS.\n"
                "On one CPU core a step takes 10 seconds or more."
            ),
            "Zhao and Zeng 2019, arXiv:1908.03204",
            29_642_540,
            5.2,
            wants_gpu=True,
            options=MSSUNetOptions,
        ),
        Card(
            "hdenseunet",
            "H-DenseUNet (2018)",
            say(
                "For liver and tumours in CT: planes across z, then volumes; very large.\n"
                "Can start from DenseNet-161 weights; its 3-D part needs a GPU.\n"
                "On one CPU core its 2-D part is good at one class after ten minutes."
            ),
            "Li et al., TMI 2018, arXiv:1709.07330",
            65_866_777,
            7.6,
            wants_gpu=True,
            options=HDenseUNetOptions,
        ),
        Card(
            "lungnet",
            "LungNet (2019)",
            say(
                "Small, without pooling; can also learn from unlabelled voxels.\n"
                "For textures in planes: each pixel sees 287 x 287 around it.\n"
                "On one CPU core one class is good after a minute, nine are not after ten."
            ),
            "Anthimopoulos et al., JBHI 2019, arXiv:1803.06167",
            130_056,
            0.6,
            wants_gpu=False,
            options=PlanarOptions,
        ),
    )
}
"""By name, the default first."""

PRETRAINED = Card(
    "pretrained",
    say("Pretrained model"),
    say(
        "Starts from an existing model, and learns your classes from a few slices.\n"
        "Applied as its own library does: nnU-Net, MLPerf."
    ),
    "Isensee et al., Nature Methods 2021, for most",
    31_195_594,
    4.0,
    wants_gpu=True,
    options=PretrainedOptions,
)
"""What has no training from nothing, and so is not offered among the others."""


OLD_NAMES = {"unet3d-fast": "three-view"}
"""What recipes were called before, in files, flags and Python."""


def current_name(name: str) -> str:
    """Return what a recipe is called now."""
    return OLD_NAMES.get(name, name)


def default_recipe() -> str:
    """Return the name of the recipe that is trained where nobody chose another one."""
    return next(iter(CARDS))


def card(name: str) -> Card:
    """Return the card of a recipe; raise `UserError` for one that is not there."""
    name = current_name(name)
    if name == PRETRAINED.name:
        return PRETRAINED
    if name not in CARDS:
        raise UserError(
            "there is no recipe {name!r}: choose {names}",
            name=name,
            names=", ".join(CARDS),
        )
    return CARDS[name]
