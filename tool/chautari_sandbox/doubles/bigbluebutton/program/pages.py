"""The pages that people see in place of upstream's client; each names itself a double."""

from __future__ import annotations

from html import escape

from .answers import HTTPAnswer
from .meeting_store import ALLOW, MODERATOR, Meetings

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Double of BigBlueButton</title>
<h1>Double of BigBlueButton</h1>
{}
</html>
"""
FORM = '<form method="post" action="{}?sessionToken={}"><button>{}</button></form>'


def client_page(meetings: Meetings, session: str) -> HTTPAnswer:
    """Show a meeting to whoever opened the client with a session: from now on they are in it."""
    found = meetings.find_session(session)
    if found is None:
        return _html_page("<p>This is a double: no meeting belongs to this session.</p>", 401)
    meeting, person = found
    if person.status != ALLOW:
        return _html_page(
            f"<p>{escape(person.name)} is waiting to be admitted to {escape(meeting.name)}.</p>"
        )
    meetings.enter(meeting, person)
    parts = [
        f"<p>{escape(person.name)} ({person.role}) is in {escape(meeting.name)},"
        f" which has {len(meeting.people_inside)} participants."
        " There is no sound and no video.</p>",
        f"<p>{meeting.welcome}</p>",
    ]
    if person.role == MODERATOR and meeting.record:
        parts.append(FORM.format("/bigbluebutton/double/record", session, "Record"))
    parts.append(FORM.format("/bigbluebutton/double/leave", session, "Leave"))
    return _html_page("\n".join(parts))


def handle_button(meetings: Meetings, session: str, button: str) -> HTTPAnswer:
    """Do what a button of the client does: start to record, let people in, leave."""
    found = meetings.find_session(session)
    if found is None:
        return _html_page("<p>This is a double: no meeting belongs to this session.</p>", 401)
    meeting, person = found
    if button == "leave":
        meetings.leave(meeting, person)
        return _html_page(f"<p>{escape(person.name)} has left.</p>")
    if person.role != MODERATOR:
        return _html_page("<p>Only a moderator may do this.</p>", 403)
    if button == "record":
        meeting.marked = meeting.marked or meeting.record
        return _html_page(
            "<p>The record button was pressed.</p>"
            if meeting.marked
            else "<p>This meeting is not recorded.</p>"
        )
    if button == "admit":
        for waiting in meeting.people:
            waiting.status = ALLOW
        return _html_page("<p>All waiting participants were admitted.</p>")
    return _html_page("<p>There is no such button.</p>", 404)


def _html_page(inner: str, status: int = 200) -> HTTPAnswer:
    return HTTPAnswer(PAGE.format(inner), status, "text/html;charset=utf-8")
