"""The kept copies of requests: which question each of them is of, and what stands in place of a request."""

from __future__ import annotations

import os

import pytest

from deskhand.errors import IntegrityError
from deskhand.store.desk import Desk
from deskhand.store.files import Files
from deskhand.store.queue_folders import QueueFolders
from deskhand.store.requests import Requests

ID = "20261120-195331-letter-abcdef"
FIRST, SECOND = b'{"revision": 1}\n', b'{"revision": 2}\n'


@pytest.fixture
def requests(desk: Desk) -> Requests:
    """The requests of an empty desk."""
    QueueFolders(Files(), desk).ensure()
    return Requests(Files(), desk)


def copies(desk: Desk) -> int:
    """How many are kept."""
    return len(os.listdir(desk.requests))


def test_a_question_that_never_came_on_record_does_not_replace_the_one_that_did(desk: Desk, requests: Requests) -> None:
    first = requests.prepare(ID, FIRST)
    requests.post(ID, first)
    requests.prepare(ID, SECOND)  # and then the power fails
    after = Requests(Files(), desk)
    after.sort_out({ID: first}.get)
    (desk.approvals / f"{ID}.json").unlink()
    after.post(ID, first)
    assert (desk.approvals / f"{ID}.json").read_bytes() == FIRST
    assert copies(desk) == 1
    assert after.asked(ID, first) == FIRST


def test_the_copy_of_an_earlier_question_goes_when_the_later_one_is_put(desk: Desk, requests: Requests) -> None:
    requests.post(ID, requests.prepare(ID, FIRST))
    second = requests.prepare(ID, SECOND, again=True)
    assert copies(desk) == 2
    requests.post(ID, second)
    assert (desk.approvals / f"{ID}.json").read_bytes() == SECOND
    assert copies(desk) == 1


def test_a_kept_copy_that_is_gone_is_made_again_from_the_request(desk: Desk, requests: Requests) -> None:
    digest = requests.prepare(ID, FIRST)
    requests.post(ID, digest)
    for name in os.listdir(desk.requests):
        (desk.requests / name).unlink()
    Requests(Files(), desk).post(ID, digest)
    assert requests.asked(ID, digest) == FIRST


def test_a_request_that_is_gone_with_its_copy_is_said_to_be_gone(desk: Desk, requests: Requests) -> None:
    digest = requests.prepare(ID, FIRST)
    for name in os.listdir(desk.requests):
        (desk.requests / name).unlink()
    with pytest.raises(IntegrityError, match="gone"):
        requests.post(ID, digest)


def test_forgetting_takes_every_copy_of_one_task(desk: Desk, requests: Requests) -> None:
    other = ID.replace("abcdef", "zzzzzz")
    for data in (FIRST, SECOND):
        requests.prepare(ID, data)
    requests.prepare(other, FIRST)
    after = Requests(Files(), desk)
    after.sort_out(lambda identifier: None)
    after.forget(ID, None)
    assert [name.startswith(other) for name in os.listdir(desk.requests)] == [True]


def test_a_folder_is_no_request_and_costs_no_descriptor(desk: Desk, requests: Requests) -> None:
    name = f"{ID}.json.approved"
    (desk.approvals / name).mkdir()
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    assert [requests.read(name) for _ in range(3)] == [None] * 3
    if before:
        assert len(os.listdir("/proc/self/fd")) == before
    assert requests.take_away(ID, (f"{ID}.json", name)) is None
    assert (desk.approvals / name).is_dir()
