"""The dataset card: what the rows are, where they come from, under which licences, and how they were made."""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from embedkit.data.manifest import Manifest
from embedkit.data.records import Mining, Pair
from embedkit.files import write_text
from embedkit.text import hash64

# Our parts under the names that the Hugging Face Hub expects.
HUB_SPLITS = {"train": "train", "dev": "validation", "test": "test"}
FEATURES: list[dict[str, Any]] = [
    {"name": "anchor", "dtype": "string"},
    {"name": "positive", "dtype": "string"},
    {"name": "hard_negatives", "list": "string"},
    *({"name": name, "dtype": "string"} for name in ("id", "group", "kind", "lang", "source", "license")),
    {
        "name": "mining",
        "list": [
            {"name": f.name, "dtype": {"float": "float64", "int": "int64"}.get(str(f.type), "string")}
            for f in fields(Mining)
        ],
    },
]
SCORES = {"name": "scores", "list": "float64"}
_SIZES = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"))
# Licences whose identifier on the Hub is their SPDX name in small letters.
_HUB_LICENCES = re.compile(
    r"mit|apache-2\.0|mpl-2\.0|bsd-[23]-clause|gpl-[23]\.0|agpl-3\.0|lgpl-(?:2\.1|3\.0)|unlicense|gfdl|cc0-1\.0|"
    r"pddl|odc-by|odbl|isc|wtfpl|artistic-2\.0|epl-2\.0|etalab-2\.0|cdla-permissive-2\.0|"
    r"cc-by(?:-(?:sa|nc|nd|nc-sa|nc-nd))?-[1-4]\.\d"
)
_ALIASES = {"gfdl-1.3": "gfdl", "public-domain": "cc0-1.0", "cc0": "cc0-1.0", "odbl-1.0": "odbl"}
_DUTIES = (
    ("-sa-", "share-alike: what is made from these rows and shared goes under the same licence"),
    ("-nc-", "no commercial use"),
    ("-nd-", "no changed version may be shared, and these rows are one: ask the author first"),
    ("cc-by", "the sources below have to be named"),
)
_APART = " All rows of a concept (`group`) lie in one part."


@dataclass(slots=True)
class Contents:
    """What a card says about the rows of each part, counted while they pass; of a row its concept's hash is kept."""

    rows: Counter[str] = field(default_factory=Counter)
    negatives: Counter[str] = field(default_factory=Counter)
    groups: dict[str, array[int]] = field(default_factory=dict)
    kinds: Counter[str] = field(default_factory=Counter)
    langs: Counter[str] = field(default_factory=Counter)
    sources: Counter[tuple[str, str]] = field(default_factory=Counter)
    scored: bool = False  # whether a row has a teacher's scores

    def take(self, part: str, pair: Pair) -> None:
        """Count one row."""
        self.rows[part] += 1
        self.scored |= bool(pair.scores)
        self.negatives[part] += len(pair.hard_negatives)
        self.groups.setdefault(part, array("Q")).append(hash64(pair.group or pair.anchor))
        self.kinds[pair.kind or "not stated"] += 1
        self.langs[pair.lang or "not stated"] += 1
        self.sources[pair.source or "not stated", pair.license or "not stated"] += 1

    @property
    def apart(self) -> bool:
        """Whether no two parts share a concept."""
        every = [np.unique(np.array(found, dtype=np.uint64)) for found in self.groups.values()]
        return not every or sum(map(len, every)) == len(np.unique(np.concatenate(every)))

    def concepts(self, part: str) -> int:
        """How many concepts a part has."""
        return len(np.unique(np.array(self.groups.get(part, ()), dtype=np.uint64)))

    @property
    def licences(self) -> Counter[str]:
        """Rows by licence, as the rows name it."""
        found: Counter[str] = Counter()
        for (_, licence), count in self.sources.items():
            found[licence] += count
        return found


def contents_of(rows: Mapping[str, Iterable[Pair]]) -> Contents:
    """The contents of rows by part."""
    contents = Contents()
    for part, found in rows.items():
        for pair in found:
            contents.take(part, pair)
    return contents


def card_path(output: Path) -> Path:
    """`data/pairs.jsonl` has its card in `data/pairs.card.md`."""
    return output.with_name(f"{output.stem}.card.md")


def _hub_licence(licence: str) -> str:
    """The Hub's identifier of a licence: `CC BY-SA 4.0` is `cc-by-sa-4.0`; `other` where it has none."""
    name = re.sub(r"[\s_]+", "-", licence.strip().lower())
    name = _ALIASES.get(name, name)
    if licence in ("", "not stated"):
        return "unknown"
    return name if _HUB_LICENCES.fullmatch(name) else "other"


def write_card(output: Path, files: Mapping[str, str], contents: Contents, manifest: Manifest) -> None:
    """Write the card of `files` (part → path) beside them."""
    names = {part: Path(path).name for part, path in files.items()}
    write_text(card_path(output), render_card(contents, names, title=output.stem, manifest=manifest))


def render_card(
    contents: Contents, files: Mapping[str, str], *, title: str, manifest: Manifest | None
) -> str:
    """The card, to stand as `README.md` in the folder that holds `files` (part → file name)."""
    front = yaml.safe_dump(_front_matter(contents, files, title), allow_unicode=True, sort_keys=False)
    sections = (
        f"# {title}",
        "Rows for training and testing text embedding models: an anchor, a text that answers it, and texts that look "
        "like an answer and are none (hard negatives)." + (_APART if contents.apart else ""),
        _parts_table(contents, files),
        _counts_table("Kinds of rows", "kind", contents.kinds),
        _counts_table("Languages", "language of the anchor", contents.langs),
        _licences(contents),
        _how_made(manifest),
        _how_used(files),
    )
    return f"---\n{front}---\n\n" + "\n\n".join(filter(None, sections)) + "\n"


def _front_matter(contents: Contents, files: Mapping[str, str], title: str) -> dict[str, Any]:
    rows = contents.rows.total()
    names = sorted({_hub_licence(licence) for licence in contents.licences})
    front: dict[str, Any] = {
        "language": sorted(lang for lang in contents.langs if lang != "not stated"),
        "license": names[0] if len(names) == 1 else names,
        "pretty_name": title,
        "size_categories": [next((name for limit, name in _SIZES if rows < limit), "1M<n<10M")],
        "task_categories": ["sentence-similarity", "feature-extraction"],
        "tags": ["sentence-transformers", "embeddings", "hard-negatives", "glossary"],
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": HUB_SPLITS[p], "path": name} for p, name in files.items()],
            }
        ],
        "dataset_info": {"features": [*FEATURES, *([SCORES] if contents.scored else [])]},
    }
    if "other" in names:
        own = [licence for licence in contents.licences if _hub_licence(licence) == "other"]
        front["license_name"] = ", ".join(sorted(own))
    return {key: value for key, value in front.items() if value}


def _markdown_table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    lines = [[_cell(cell) for cell in row] for row in rows]
    head = list(head)
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, ["---"] * len(head), *lines))


def _cell(value: object) -> str:
    return str(value).replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")


def _parts_table(contents: Contents, files: Mapping[str, str]) -> str:
    rows = (
        (HUB_SPLITS[p], name, contents.rows[p], contents.concepts(p), contents.negatives[p])
        for p, name in files.items()
    )
    return "## Parts\n\n" + _markdown_table(("split", "file", "rows", "concepts", "hard negatives"), rows)


def _counts_table(title: str, name: str, counts: Counter[str]) -> str:
    return f"## {title}\n\n" + _markdown_table((name, "rows"), counts.most_common())


def _licences(contents: Contents) -> str:
    """Every licence with its conditions, then every source."""
    licences = contents.licences
    duties = [f"- {text}" for shape, text in _DUTIES if any(shape in _hub_licence(name) for name in licences)]
    if "not stated" in licences:
        duties.append(f"- {licences['not stated']} rows state no licence: ask before sharing them")
    if len(licences) > 1:
        duties.append(
            "- the rows have several licences, each row its own (`license`); who shares all keeps all"
        )
    sources = ((source, licence, count) for (source, licence), count in contents.sources.most_common())
    return "\n\n".join(
        filter(
            None,
            (
                "## Licences and sources",
                _markdown_table(("licence", "rows"), licences.most_common()),
                "\n".join(duties),
                _markdown_table(("source", "licence", "rows"), sources),
            ),
        )
    )


def _how_made(manifest: Manifest | None) -> str:
    if manifest is None:
        return ""
    settings = {**manifest.settings, **({"seed": manifest.seed} if manifest.seed is not None else {})}
    settings |= {f"input {Path(name).name}": f"sha256 {digest}" for name, digest in manifest.inputs.items()}
    settings |= {f"version of {name}": version for name, version in manifest.versions.items()}
    flat = ((name, _shown(value)) for name, value in settings.items())
    return f"## How it was made\n\nBy `embedkit {manifest.step}`.\n\n" + _markdown_table(
        ("setting", "value"), flat
    )


def _shown(value: object) -> str:
    """A value on one line; of a path on this machine the name only, for a card is made to be shared."""
    if isinstance(value, str):
        return Path(value).name if Path(value).is_absolute() else value
    line: str = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10**6)
    return line.split("\n")[0]


def _how_used(files: Mapping[str, str]) -> str:
    split = HUB_SPLITS[next(iter(files), "train")]
    return (
        "## Use\n\n```python\nfrom datasets import load_dataset\n\n"
        f'rows = load_dataset("PATH/OR/NAME", split="{split}")\n```\n\n'
        "`embedkit convert --from huggingface --input FOLDER --to sentence-transformers --output train.jsonl` makes "
        "the columns that sentence-transformers trains on: rows may have different numbers of hard negatives here."
    )
