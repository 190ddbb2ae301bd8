"""`region.yml` → `Region`: read, validate, check rules; report all errors at once."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, NamedTuple

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from chautari.errors import InvalidRegion, ProblemInFile
from chautari.federation import peers as pinned_peers
from chautari.files import exists_or_is_dangling_link
from chautari.language import Text, Texts, _
from chautari.region import error_messages, rules, toolkit_version, yaml_reader
from chautari.region.field_types import URL, ImageVersion
from chautari.region.locate import (
    KNOWN_HOSTS_FILE,
    LOCK_FILE,
    REGION_FILE,
    SECRETS_FILE,
)
from chautari.region.model import Region
from chautari.region.names import name_problem
from chautari.region.rule import Finding
from chautari.region.rules.warnings import find_warnings
from chautari.services.artifact_sources import MissingPin
from chautari.services.artifacts import Artifact, Pins
from chautari.services.registry import SERVICES
from chautari.suggestions import nearest_word

if TYPE_CHECKING:
    from chautari.federation.letters import ReceivedLetter

_PIN_CODE = "invalid_pin"
PIN_FORM: Text = (
    "is not a valid pin; write NAME: "
    "{35.0.1: {url: 'https://….tar.bz2', sha256: 64 hexadecimal digits}}"
)
PIN_FIELDS: Texts = {
    "url": "write the address of an archive: url: https://….tar.bz2 (or .tar.gz, .tar.xz, .zip)",
    "image": "write the name of a container image without a tag: image: docker.io/NAME/NAME",
    "sha256": "write the SHA-256 checksum: 64 digits from 0-9 and a-f, as `sha256sum` prints it",
    "size": "write the size in bytes as a number, or delete this line",
    "signer": "write one line of text, such as the name of the signer, or delete this line",
    "[key]": "write a version number, such as 35.0.1",
}


class LoadedRegion(NamedTuple):
    """A region, the folder its files lie in, and the pinned releases by app and version.

    `warnings` name what is valid but probably a mistake. `peers` are the pinned peers that
    `region.yml` names, by name. `letters` are the encrypted letters to peers, and `received` what
    peers wrote; both are there only once the region's secrets are open.
    """

    folder: Path
    region: Region
    releases: dict[str, dict[str, Artifact]]
    warnings: tuple[ProblemInFile, ...] = ()
    peers: Mapping[str, pinned_peers.PinnedPeer] = MappingProxyType({})
    letters: Mapping[str, bytes] = MappingProxyType({})
    received: Mapping[str, ReceivedLetter] = MappingProxyType({})
    file_name: str = REGION_FILE

    @property
    def known_hosts_file(self) -> Path:
        """Return the file that pins the nodes' host keys."""
        return self.folder / KNOWN_HOSTS_FILE

    @property
    def secrets_file(self) -> Path:
        """Return the file that holds the region's encrypted secrets."""
        return self.folder / SECRETS_FILE


class _PinModel(BaseModel):
    """An archive by its address, or a container image by its name, held by its checksum."""

    model_config = ConfigDict(extra="forbid", defer_build=True)
    url: URL | None = Field(default=None, pattern=r"^https://[^\s{}]+\.(zip|tar\.(bz2|gz|xz))$")
    image: URL | None = Field(default=None, pattern=r"^[a-z0-9.-]+(:[0-9]{1,5})?(/[a-z0-9._-]+)+$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    size: int | None = Field(default=None, strict=True, ge=1, le=1 << 40)
    signer: str | None = Field(default=None, pattern=r"^[^\n]{1,200}$")


def _pinnable_archive_names() -> set[str]:
    return {name for service in SERVICES.values() for name in service.archives}


def _pinnable_image_names() -> set[str]:
    return {name for name, service in SERVICES.items() if service.image}


def _check_pin_name(value: str) -> str:
    known = _pinnable_archive_names() | _pinnable_image_names()
    if value not in known:
        close = nearest_word(value, sorted(known))
        hint = (
            _("did you mean {close}?", close=close)
            if close
            else _("choose one of: {known}", known=", ".join(sorted(known)))
        )
        raise ValueError(_("no service uses an archive or image with this name; {hint}", hint=hint))
    return value


_Name = Annotated[str, AfterValidator(_check_pin_name)]
_Pins = dict[_Name, dict[ImageVersion, _PinModel]]


def _problem_from_pin_error(document: yaml_reader.Document, item: ErrorDetails) -> ProblemInFile:
    path = error_messages.error_path(item)
    if item["type"] == "value_error":
        message = str(item["ctx"]["error"])
    elif item["type"] == "extra_forbidden":
        message = error_messages.unknown_key_message(str(path[-1]), list(_PinModel.model_fields))
    else:
        message = _(PIN_FIELDS.get(str(item["loc"][-1]) if path else "", PIN_FORM))
    return document.problem_at(path, message, _PIN_CODE)


def _swapped_pin_problems(
    document: yaml_reader.Document, pinned: dict[str, dict[str, _PinModel]]
) -> Iterator[ProblemInFile]:
    """Yield a problem for each archive that is pinned as an image, and the reverse."""
    for name, versions in pinned.items():
        kind = "image" if name in _pinnable_image_names() else "url"
        for version, pin in versions.items():
            if pin.model_fields_set - {"sha256", "size", "signer"} != {kind}:
                message = _("write only {kind} and sha256 here", kind=kind)
                yield document.problem_at((name, version), message, _PIN_CODE)


def load_region(file: Path, *, with_peers: bool = True, with_pins: bool = True) -> LoadedRegion:
    """Read and check `file`, and the `artifacts.lock` and pinned peers beside it.

    Without `with_peers`, `region.yml` may name peers that are not pinned, and none is read. Without
    `with_pins`, releases may lack a pin.

    Raises:
        InvalidRegion: with every problem found, each with its file, line and column.
    """
    document = yaml_reader.read_yaml(file)
    region = _validated_region(document)
    return _load_with_other_files(
        document, file, region, with_peers=with_peers, with_pins=with_pins
    )


def check_region_text(file: Path, text: str) -> tuple[Region | None, tuple[ProblemInFile, ...]]:
    """Return the region that `text` describes if it were in `file`, and the problems in it.

    Where the file is does not count, nor do problems of other files, such as pins and peers. There
    is no region if there are problems.
    """
    region = None
    try:
        document = yaml_reader.parse_yaml(text, file)
        region = _validated_region(document)
        _load_with_other_files(
            document, file, region, with_peers=False, with_pins=False, with_folder=False
        )
    except InvalidRegion as error:
        own = tuple(item for item in error.problems if item.file == file)
        return (None, own) if own else (region, ())
    return region, ()


def _load_with_other_files(
    document: yaml_reader.Document,
    file: Path,
    region: Region,
    *,
    with_peers: bool,
    with_pins: bool,
    with_folder: bool = True,
) -> LoadedRegion:
    pinned, found = _read_lock_file(file.parent)
    releases = _shipped_releases()
    for app, pins in pinned.items():
        releases.setdefault(app, {}).update(pins)
    found += document.problems
    known = releases if with_pins else _with_placeholders_for_missing_pins(region, releases)
    found += [
        document.problem_at(path, text, "broken_rule")
        for path, text in rules.find_rule_violations(region, known)
    ]
    is_in_folder = with_folder and file.name == REGION_FILE
    if is_in_folder and file.resolve().parent.name != region.region:
        found.append(_folder_name_problem(document, file, region))
    peers: dict[str, pinned_peers.PinnedPeer] = {}
    if with_peers and region.federation.peers:
        peers, problems = _read_named_peers(document, file.parent, region)
        found += problems
    if found:
        raise InvalidRegion(found)
    warnings = tuple(
        document.problem_at(path, text, "unusual_value") for path, text in find_warnings(region)
    )
    return LoadedRegion(file.parent, region, releases, warnings, peers, file_name=file.name)


def region_error(loaded_region: LoadedRegion, findings: Iterable[Finding]) -> InvalidRegion:
    """Return the error for what was found wrong with a region that was read before."""
    document = yaml_reader.read_yaml(loaded_region.folder / loaded_region.file_name)
    return InvalidRegion([document.problem_at(path, text) for path, text in findings])


def missing_pins(region: Region, pins: Pins) -> list[MissingPin]:
    """Return the releases that the region's services need and that have no pin, each once.

    A sandbox needs none: it installs what `--mirror` gives, or a double.
    """
    if region.sandbox is not None:
        return []
    services = {
        service.name: service for node in region.nodes for service in region.services_of(node)
    }
    found: dict[MissingPin, None] = {}
    for name, service in services.items():
        if service.missing_pins is not None:
            found |= dict.fromkeys(service.missing_pins(region, pins))
        if service.image is not None:
            version = getattr(region.services.settings_or_defaults_of(name), "version", None)
            image = service.image.to_artifact(name, version, pins)
            if not image.sha256:
                found[MissingPin(name, image.version)] = None
    return list(found)


def _with_placeholders_for_missing_pins(
    region: Region, releases: Mapping[str, dict[str, Artifact]]
) -> dict[str, dict[str, Artifact]]:
    """Return the pins with one of no value for each that is missing."""
    found = {name: dict(of) for name, of in releases.items()}
    for item in missing_pins(region, releases):
        if item.version:
            pin = Artifact(item.name, item.version, "", "0" * 64)
            found.setdefault(item.name, {})[item.version] = pin
    return found


def _read_named_peers(
    document: yaml_reader.Document, folder: Path, region: Region
) -> tuple[dict[str, pinned_peers.PinnedPeer], list[ProblemInFile]]:
    """Return the pinned peers that the region names, and what is wrong with them."""
    found: dict[str, pinned_peers.PinnedPeer] = {}
    problems: list[ProblemInFile] = []
    for index, name in enumerate(region.federation.peers):
        if name in found or name == region.region:
            continue  # a rule reports it
        if not pinned_peers.peer_file(folder, name).is_file():
            problems.append(
                document.problem_at(
                    ("federation", "peers", index),
                    _(
                        "{name} is not pinned; run: deploy federation join {region} URL; or "
                        "remove it from the list",
                        name=name,
                        region=region.region,
                    ),
                    "peer_not_pinned",
                )
            )
            continue
        try:
            found[name] = pinned_peers.read_peer(folder, name)
        except InvalidRegion as error:
            problems += error.problems
    return found, problems


def load_regions(files: Sequence[Path]) -> list[LoadedRegion]:
    """Read and check all of `files`.

    Raises:
        InvalidRegion: with every problem of every file.
    """
    good: list[LoadedRegion] = []
    found: list[ProblemInFile] = []
    for file in files:
        try:
            good.append(load_region(file))
        except InvalidRegion as error:
            found += error.problems
    if found:
        raise InvalidRegion(found)
    return good


def _validated_region(document: yaml_reader.Document) -> Region:
    if not isinstance(document.data, dict):
        raise InvalidRegion(
            [
                document.problem_at(
                    (),
                    _("the file is empty; start it with region: NAME")
                    if document.data is None
                    else _(
                        "the file must consist of lines such as key: value; start it with "
                        "region: NAME"
                    ),
                    "invalid_yaml",
                )
            ]
        )
    if problem := toolkit_version.message_if_toolkit_too_old(document.data.get("toolkit")):
        # What else looks wrong may be right for the newer version.
        raise InvalidRegion([document.problem_at(("toolkit",), problem, toolkit_version.CODE)])
    try:
        return Region.model_validate(document.data)
    except ValidationError as error:
        raise InvalidRegion(
            document.problems + error_messages.to_file_problems(document, error)
        ) from None


def _folder_name_problem(
    document: yaml_reader.Document, file: Path, region: Region
) -> ProblemInFile:
    folder = file.resolve().parent.name
    rename = _("rename the folder to {region}", region=region.region)
    if reason := name_problem(folder):
        return document.problem_at(("region",), f"{reason}; {rename}", "wrong_folder")
    return document.problem_at(
        ("region",),
        _(
            "the folder is called {folder}; write region: {folder}, or {rename}",
            folder=folder,
            rename=rename,
        ),
        "wrong_folder",
    )


def _shipped_releases() -> dict[str, dict[str, Artifact]]:
    """Return the releases whose checksums this version contains, by app and version."""
    found: dict[str, dict[str, Artifact]] = {}
    for service in SERVICES.values():
        for release in service.releases:
            found.setdefault(release.name, {})[release.version] = release
    return found


def _read_lock_file(folder: Path) -> tuple[dict[str, dict[str, Artifact]], list[ProblemInFile]]:
    file = folder / LOCK_FILE
    if not exists_or_is_dangling_link(file):
        return {}, []
    try:
        document = yaml_reader.read_yaml(file)
    except InvalidRegion as error:
        return {}, list(error.problems)
    if document.data is None:
        restore = shlex.join(("rm", str(file)))
        message = _(
            "the file contains no pins; add a pin, restore the file from git, or run {restore}",
            restore=restore,
        )
        return {}, [document.problem_at((), message, _PIN_CODE)]
    try:
        pinned = TypeAdapter(_Pins).validate_python(document.data)
    except ValidationError as error:
        wrong = [_problem_from_pin_error(document, item) for item in error.errors()]
        return {}, document.problems + wrong
    if mixed := list(_swapped_pin_problems(document, pinned)):
        return {}, document.problems + mixed
    pins = {
        app: {
            version: Artifact(app, version, pin.url or pin.image or "", pin.sha256)
            for version, pin in of.items()
        }
        for app, of in pinned.items()
    }
    return pins, document.problems
