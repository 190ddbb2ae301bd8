"""Recordings on disk, where upstream's lie: raw, published, unpublished, deleted."""

from __future__ import annotations

import re
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from .answers import (
    HTTPAnswer,
    failure_answer,
    message_elements,
    success_answer,
    xml_element,
    xml_parent_element,
)
from .meeting_store import Meeting

HOME = Path("/var/bigbluebutton")
STATES = ("published", "unpublished", "deleted")
IDENTIFIER = re.compile(r"[0-9a-f]{40}-\d{13}")


@dataclass(frozen=True)
class Recording:
    """One format of one recording."""

    folder: Path
    state: str
    tree: ET.Element

    @property
    def identifier(self) -> str:
        """Return the recording's name."""
        return self.folder.name

    @property
    def external_meeting_id(self) -> str:
        """Return the name that the meeting was made with."""
        meeting = self.tree.find("meeting")
        return "" if meeting is None else meeting.get("externalId", "")

    def metadata_text(self, path: str) -> str:
        """Return what stands in one element of its metadata."""
        return self.tree.findtext(path) or ""


def write_raw_recording(meeting: Meeting, home: Path = HOME) -> Path:
    """Leave an ended meeting's raw files, and the mark that it waits to be archived."""
    root = ET.Element("recording", meeting_id=meeting.internal_id, bbb_version="double")
    ET.SubElement(
        root,
        "meeting",
        id=meeting.internal_id,
        externalId=meeting.external,
        name=meeting.name,
        breakout=str(meeting.breakout).lower(),
    )
    ET.SubElement(root, "metadata", dict(meeting.metadata))
    times = {
        "participants": str(meeting.seen),
        "start": str(meeting.started or meeting.created),
        "end": str(meeting.ended),
    }
    ET.SubElement(root, "double", times)
    if meeting.marked:
        mark = {"module": "PARTICIPANT", "eventname": "RecordStatusEvent"}
        ET.SubElement(ET.SubElement(root, "event", mark), "status").text = "true"
    raw = home / "recording/raw" / meeting.internal_id
    raw.mkdir(parents=True, exist_ok=True)
    ET.ElementTree(root).write(raw / "events.xml", encoding="utf-8", xml_declaration=True)
    if meeting.record:
        mark_step_done(home, "recorded", f"{meeting.internal_id}.done")
    return raw


def mark_step_done(home: Path, step: str, name: str, text: str = "") -> None:
    """Write the file that says a step is done."""
    file = home / "recording/status" / step / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text or f"Processed {name.rpartition('.')[0]}\n")


def write_published_recording(identifier: str, kind: str, url: str, home: Path = HOME) -> Path:
    """Write the published form of a raw recording."""
    events = ET.parse(home / "recording/raw" / identifier / "events.xml").getroot()
    about, facts = events.find("meeting"), events.find("double")
    assert about is not None and facts is not None
    root = ET.Element("recording")
    times = int(facts.get("start", "0")), int(facts.get("end", "0"))
    for name, text in {
        "id": identifier,
        "state": "published",
        "published": "true",
        "start_time": str(times[0]),
        "end_time": str(times[1]),
        "participants": facts.get("participants", "0"),
    }.items():
        ET.SubElement(root, name).text = text
    ET.SubElement(root, "meeting", dict(about.attrib))
    meta = ET.SubElement(root, "meta")
    given = events.find("metadata")
    names = {"meetingId": about.get("externalId", ""), "meetingName": about.get("name", "")}
    for name, text in {**({} if given is None else given.attrib), **names}.items():
        ET.SubElement(meta, name).text = text
    playback = ET.SubElement(root, "playback")
    link = f"{url}/playback/{kind}/2.3/{identifier}"
    for name, text in {
        "format": kind,
        "link": link,
        "processing_time": "1000",
        "duration": str(max(times[1] - times[0], 0)),
        "size": "0",
    }.items():
        ET.SubElement(playback, name).text = text
    folder = home / "published" / kind / identifier
    folder.mkdir(parents=True, exist_ok=True)
    ET.indent(root)
    ET.ElementTree(root).write(folder / "metadata.xml", encoding="utf-8", xml_declaration=True)
    return folder


def stored_formats_of_recordings(home: Path = HOME) -> Iterator[Recording]:
    """Return every format of every recording."""
    for state in STATES:
        for file in sorted((home / state).glob("*/*/metadata.xml")):
            yield Recording(file.parent, state, ET.parse(file).getroot())


def get_recordings_answer(
    parameters: Mapping[str, str], metadata: Mapping[str, str], all_allowed: bool, home: Path = HOME
) -> HTTPAnswer:
    """Return the answer of `getRecordings`."""
    meetings, identifiers = (
        _comma_separated_values(parameters, "meetingID"),
        _comma_separated_values(parameters, "recordID"),
    )
    if not meetings and not identifiers and not all_allowed:
        return _no_recordings_answer()
    states = _comma_separated_values(parameters, "state") or ["published", "unpublished"]
    grouped: dict[str, list[Recording]] = {}
    for item in stored_formats_of_recordings(home):
        if (
            (item.state in states or "any" in states)
            and (not meetings or item.external_meeting_id in meetings)
            and (not identifiers or item.identifier.startswith(tuple(identifiers)))
            and all(item.metadata_text(f"meta/{key}") == text for key, text in metadata.items())
        ):
            grouped.setdefault(item.identifier, []).append(item)
    if not grouped:
        return _no_recordings_answer()
    return success_answer(
        xml_parent_element("recordings", map(_recording_element, grouped.values()))
    )


def _no_recordings_answer() -> HTTPAnswer:
    text = "There are no recordings for the meeting(s)."
    return success_answer(
        xml_parent_element("recordings", ()), *message_elements("noRecordings", text)
    )


def _comma_separated_values(parameters: Mapping[str, str], name: str) -> list[str]:
    return [part.strip() for part in parameters.get(name, "").split(",") if part.strip()]


def _recording_element(formats: Iterable[Recording]) -> str:
    items = list(formats)
    first = items[0]
    meta = first.tree.find("meta")
    fields = [] if meta is None else [xml_element(item.tag, item.text or "") for item in meta]
    parts = (
        xml_element("recordID", first.identifier),
        xml_element("meetingID", first.external_meeting_id),
        xml_element("internalMeetingID", first.identifier),
        xml_element("name", first.metadata_text("meta/meetingName")),
        xml_element("isBreakout", False),
        xml_element("published", first.state == "published"),
        xml_element("state", first.state),
        xml_element("startTime", first.metadata_text("start_time")),
        xml_element("endTime", first.metadata_text("end_time")),
        xml_element("participants", first.metadata_text("participants")),
        xml_parent_element("metadata", fields),
        xml_parent_element("playback", map(_format_element, items)),
    )
    return xml_parent_element("recording", parts)


def _format_element(item: Recording) -> str:
    parts = (
        xml_element("type", item.metadata_text("playback/format")),
        xml_element("url", item.metadata_text("playback/link")),
        xml_element("processingTime", item.metadata_text("playback/processing_time")),
        xml_element("length", int(item.metadata_text("playback/duration") or 0) // 60_000),
    )
    return xml_parent_element("format", parts)


def move_recordings(
    parameters: Mapping[str, str], target: str, home: Path = HOME
) -> HTTPAnswer | None:
    """Publish, unpublish or delete recordings; None when all were there.

    As upstream, nothing is deleted from the disk: the files go to the folder `deleted`.
    """
    wanted = _comma_separated_values(parameters, "recordID")
    found = [
        item
        for item in stored_formats_of_recordings(home)
        if item.identifier in wanted and item.state != "deleted"
    ]
    if not found or {item.identifier for item in found} != set(wanted):
        return failure_answer("notFound", "We could not find recordings")
    for item in found:
        if item.state == target:
            continue
        place = home / target / item.folder.parent.name
        place.mkdir(parents=True, exist_ok=True)
        for name, text in {
            "state": target,
            "published": str(target == "published").lower(),
        }.items():
            entry = item.tree.find(name)
            if entry is not None:
                entry.text = text
        ET.ElementTree(item.tree).write(
            item.folder / "metadata.xml", encoding="utf-8", xml_declaration=True
        )
        shutil.rmtree(place / item.identifier, ignore_errors=True)
        shutil.move(item.folder, place / item.identifier)
    return None
