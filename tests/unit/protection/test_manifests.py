"""Manifests travel in tags: whole or not at all, and within what clouds allow."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mavis_core.errors import InvalidInput
from mavis_core.protection.points.manifests import MAX_TAGS, Disk, Manifest, OwnTags, pack, unpack

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("C",)), max_size=40)
MANIFESTS = st.builds(
    Manifest,
    configuration=st.dictionaries(st.sampled_from(["instance_type", "zone"]), TEXT),
    tags=st.dictionaries(TEXT.filter(bool), TEXT, max_size=40),
    disks=st.lists(
        st.builds(
            Disk,
            volume_id=TEXT.filter(bool),
            device=TEXT,
            size_gib=st.integers(1, 65536),
            encrypted=st.booleans(),
        ),
        min_size=1,
        max_size=12,
    ).map(tuple),
    excluded=st.lists(TEXT, max_size=3).map(tuple),
)


@settings(max_examples=150)
@given(MANIFESTS)
def test_what_is_packed_is_unpacked_as_it_was(manifest: Manifest) -> None:
    tags = pack({"recovery-point": "rp_1", "plan": ""}, manifest)
    assert "mavis:plan" not in tags, "what is empty is left out"
    assert len(tags) <= MAX_TAGS
    assert all(len(name) <= 128 and len(text) <= 256 for name, text in tags.items())
    found = unpack(tags)
    assert (found.disks, found.configuration) == (manifest.disks, manifest.configuration)
    assert found.tags in (manifest.tags, {}), "only a large one loses the instance's tags"


def test_an_altered_piece_is_noticed() -> None:
    tags = pack({}, Manifest(disks=(Disk("vol-1", "/dev/sda1", 8),)))
    digest = tags["mavis:manifest"][-1]
    tags["mavis:manifest"] = tags["mavis:manifest"][:-1] + ("0" if digest != "0" else "1")
    with pytest.raises(InvalidInput, match="altered"):
        unpack(tags)


@pytest.mark.parametrize(
    "tags",
    [
        pytest.param({}, id="none"),
        pytest.param({"mavis:manifest": "2 abc", "mavis:manifest.0": "eJw="}, id="a piece missing"),
        pytest.param({"mavis:manifest": "x"}, id="no numbers"),
        pytest.param({"mavis:manifest": "1 abc", "mavis:manifest.0": "///"}, id="no base 64"),
    ],
)
def test_what_is_not_whole_is_refused(tags: dict[str, str]) -> None:
    with pytest.raises(InvalidInput):
        unpack(tags)


def test_a_bomb_in_the_tags_does_not_fill_the_memory() -> None:
    import base64
    import zlib

    bomb = base64.b64encode(zlib.compress(b"0" * 20_000_000, 9)).decode()
    pieces = [bomb[start : start + 255] for start in range(0, len(bomb), 255)]
    tags = {"mavis:manifest": f"{len(pieces)} 0"}
    tags |= {f"mavis:manifest.{number}": piece for number, piece in enumerate(pieces)}
    with pytest.raises(InvalidInput):
        unpack(tags)


def test_the_instances_own_tags_come_last_and_never_ours() -> None:
    own = {"app": "shop", "mavis:plan": "forged", "aws:x": "y", "Name": "web-1"}
    disks = (Disk("vol-1", "/dev/sda1", 8),)
    tags = pack({"plan": "nightly"}, Manifest(tags=own, disks=disks))
    assert (tags["app"], tags["mavis:plan"]) == ("shop", "nightly")
    assert not {"aws:x", "Name"} & set(tags)
    assert "app" not in pack({}, Manifest(tags=own, disks=disks), OwnTags.LEFT_AWAY)
