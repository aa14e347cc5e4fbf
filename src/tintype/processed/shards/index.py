"""What a directory of shards says of itself: an index for programs, and a card for people and for datasets."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from tintype.processed.shards.plan import WITHOUT_PART

INDEX_NAME = "shards.json"
CARD_NAME = "README.md"
DEFAULT_SPLIT = "train"
"""The split of files that are in no parts, as datasets has it."""


class WrittenShard(NamedTuple):
    """A finished shard."""

    outpath: str
    part: str | None
    n_files: int
    size_bytes: int
    digest: str
    """sha256 of its bytes, in hex."""


def write_index(path: Path, shard_format: str, shards: Sequence[WrittenShard]) -> None:
    """Write the list of all shards as JSON: of each part the shards with their files, bytes and sha256."""
    parts = []
    for part, group in groupby(shards, key=lambda shard: shard.part):
        described: list[dict[str, Any]] = [
            {
                "path": shard.outpath,
                "n_files": shard.n_files,
                "size_bytes": shard.size_bytes,
                "sha256": shard.digest,
            }
            for shard in group
        ]
        parts.append({"part": part, "n_files": sum(shard["n_files"] for shard in described), "shards": described})
    index = {"format": shard_format, "n_files": sum(shard.n_files for shard in shards), "parts": parts}
    path.write_text(json.dumps(index, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def write_card(path: Path, title: str, extension: str, shards: Sequence[WrittenShard]) -> None:
    """Write the card that tells ``datasets.load_dataset(folder)`` which file is of which split.

    Parameters
    ----------
    path
        Of the file.
    title
        Name of the dataset.
    extension
        Of the shards, with its dot.
    shards
        All of them, those of a part together.
    """
    digest = sha256("".join(f"{shard.outpath}\0{shard.digest}\n" for shard in shards).encode()).hexdigest()
    # datasets keeps what it has read by the folder's name and this header, not by the files: of shards that were built
    # again it would give the old ones.
    lines = [
        "---",
        "configs:",
        "- config_name: default",
        f"  description: sha256 of the shards {digest}",
        "  data_files:",
    ]
    rows = ["| part | files | shards | bytes |", "|---|---|---|---|"]
    splits = name_splits(dict.fromkeys(shard.part for shard in shards))
    for part, group in groupby(shards, key=lambda shard: shard.part):
        own = list(group)
        prefix = WITHOUT_PART if part is None else part
        # Exactly these: "train-*" would take those of "train-extra" too, and "*" the manifest.
        pattern = prefix + "-" + "[0-9]" * (len(own[-1].outpath) - len(prefix) - len(extension) - 1) + extension
        lines += [f"  - split: {splits[part]}", f"    path: {json.dumps(pattern)}"]
        n_files, n_bytes = sum(shard.n_files for shard in own), sum(shard.size_bytes for shard in own)
        rows.append(f"| {prefix} | {n_files:,} | {len(own):,} | {n_bytes:,} |")
    lines += ["---", "", f"# {title}", "", *rows, "", f"Written by tintype; `{INDEX_NAME}` lists every shard."]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def name_splits(parts: Iterable[str | None]) -> dict[str | None, str]:
    """Return the name of the split of each part: datasets takes letters, digits and ``_``.

    Examples
    --------
    >>> name_splits(["train", "valid-1", "valid 1"])
    {'train': 'train', 'valid-1': 'valid_1', 'valid 1': 'valid_1_2'}
    """
    splits: dict[str | None, str] = {}
    for part in parts:
        name = DEFAULT_SPLIT if part is None else re.sub(r"\W", "_", part)
        number = 1
        while (split := name if number == 1 else f"{name}_{number}") in splits.values():
            number += 1
        splits[part] = split
    return splits
