"""Packed content: one frame of zstd (RFC 8878), with its checksum."""

from __future__ import annotations

import zstandard

from mavis_core.errors import Damaged

__all__ = ["pack", "unpack"]

_LEVEL = 3
_MOST_PLAIN = 1 << 28  # of one packed file: more was not written by us


def pack(content: bytes) -> bytes:
    """Return `content`, packed."""
    return zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compress(content)


def unpack(content: bytes) -> bytes:
    """Return what `pack` packed.

    Raises
    ------
    Damaged
        It is not whole.
    """
    try:
        size = zstandard.frame_content_size(content)
        if not 0 <= size <= _MOST_PLAIN:
            raise Damaged("What was packed says no size, or one that no recorder packs")
        return zstandard.ZstdDecompressor().decompress(content)
    except zstandard.ZstdError as exc:
        raise Damaged(f"What was packed cannot be unpacked: {exc}") from exc
