"""The contract that every embedder keeps, provider or wrapper."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt

# Written as text, so that importing this module does not import numpy (0.1 s).
FloatMatrix: TypeAlias = "npt.NDArray[np.float32]"
FloatVector: TypeAlias = "npt.NDArray[np.float32]"


class Embedder(Protocol):
    """Turns texts into vectors that can be compared by their dot product. Safe for concurrent use on one event loop."""

    @property
    def model(self) -> str:
        """Provider and model as stored beside every vector, e.g. "static/wordllama-256"."""

    @property
    def dimension(self) -> int | None:
        """The length of every vector; None until a provider that is not configured with one has first answered."""

    @property
    def local(self) -> bool:
        """True when no network is involved: the engine embeds before it writes instead of in the background."""

    async def embed(self, texts: Sequence[str]) -> FloatMatrix:
        """Return one unit vector per text, in the order of the texts.

        Answer: float32, C-contiguous, shape (len(texts), dimension). It may be read-only: copy it to change it.
        A text may be empty and of any length (a provider may have limits and refuse: EmbeddingInvalid); a lone
        surrogate in it counts as U+FFFD.
        No texts at all cost no request and answer shape (0, dimension or 0); they load a local model, to warm it.
        Raises EmbeddingUnavailable (the provider did not answer in time, or refused the caller), EmbeddingInvalid
        (it refused these texts, or answered with unusable vectors), ConfigurationError (extra or model missing).
        All or nothing: one unusable vector fails the call.
        """

    async def aclose(self) -> None:
        """Release what was opened; calls under way fail with EmbeddingUnavailable. Twice is harmless."""
