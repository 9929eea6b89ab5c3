"""Works with the API through the client that openapi-python-client generates, as a program of a customer would.

`cargo xtask test --only clients` generates the client, checks the types of this file against it, and runs it against a real server with the
demonstration's data. Comments of the form `type: ignore[…]` mark mistakes that the types must catch: mypy fails when they no longer do.
"""

import os
import time
from http import HTTPStatus
from typing import TypeVar
from uuid import UUID, uuid4

from earshot_api_client import AuthenticatedClient, Client
from earshot_api_client.api.backlog import create_backlog_item, link_feedback, list_backlog_items, list_links, read_backlog_item, unlink_feedback
from earshot_api_client.api.export import export_feedback
from earshot_api_client.api.feedback import create_feedback, list_feedback, read_feedback, update_feedback
from earshot_api_client.api.key import read_current_key
from earshot_api_client.api.projects import read_project
from earshot_api_client.api.responses import create_response, list_responses, read_response
from earshot_api_client.api.surveys import list_surveys, read_survey
from earshot_api_client.api.tickets import create_ticket_message, create_ticket, list_tickets, read_ticket, update_ticket
from earshot_api_client.models import (
    Access,
    BacklogItem,
    ExportFormat,
    FeedbackDetail,
    FeedbackKind,
    FeedbackList,
    FeedbackOrder,
    FeedbackPatch,
    FeedbackStatus,
    IdentityTrust,
    Importance,
    ItemStatus,
    Key,
    LinkedPair,
    LinkList,
    MessageAuthor,
    MessageKind,
    NewAnswer,
    NewBacklogItem,
    NewContact,
    NewContactAttributes,
    NewFeedback,
    NewLink,
    NewMessage,
    NewResponse,
    NewScore,
    NewTicket,
    Priority,
    Problem,
    Project,
    ResponseList,
    SettableState,
    SettableStatus,
    SurveyDetail,
    SurveyList,
    SurveyResponse,
    SurveyStatus,
    TicketDetail,
    TicketList,
    TicketPatch,
    TicketState,
)
from earshot_api_client.types import UNSET, Response

T = TypeVar("T")

URL = os.environ["EARSHOT_URL"]
client = AuthenticatedClient(base_url=URL, token=os.environ["EARSHOT_KEY"], raise_on_unexpected_status=True)


def expect(kind: type[T], got: object) -> T:
    """The value, if it has the type; a refusal is shown as it was sent."""
    assert isinstance(got, kind), got
    return got


def once() -> str:
    """A new idempotency key."""
    return str(uuid4())


def etag(response: Response[T]) -> str:
    """The validator of a response."""
    return str(response.headers["ETag"])


def add(text: str, tags: list[str] | None = None) -> FeedbackDetail:
    """New feedback."""
    body = NewFeedback(text=text, tags=tags or [])
    return expect(FeedbackDetail, create_feedback.sync(client=client, body=body, idempotency_key=once()))


def test_the_key_belongs_to_a_project() -> None:
    key = expect(Key, read_current_key.sync(client=client))
    assert key.scope is Access.ADMIN
    assert key.expires_at is None
    project = expect(Project, read_project.sync(key.project_id, client=client))
    assert (project.id, project.slug) == (key.project_id, "gantry")
    assert project.created_at.tzinfo is not None


def test_all_pages_of_feedback_are_read() -> None:
    # The index is built while the server starts; until then nothing is counted.
    deadline = time.monotonic() + 30
    while True:
        page = expect(FeedbackList, list_feedback.sync(client=client, q="kind:import", sort=FeedbackOrder.OLDEST, limit=10))
        if page.total is not None or time.monotonic() > deadline:
            break
        time.sleep(0.2)
    total, seen, pages = page.total, page.items, 1
    assert total is not None and total > 10
    assert page.facets["kind"]["import"] == total
    while page.next_cursor is not None:
        page = expect(
            FeedbackList,
            list_feedback.sync(client=client, q="kind:import", sort=FeedbackOrder.OLDEST, limit=10, cursor=page.next_cursor),
        )
        seen, pages = seen + page.items, pages + 1
    assert (len(seen), pages) == (total, -(-total // 10))
    assert len({item.id for item in seen}) == total
    assert all(item.kind is FeedbackKind.IMPORT for item in seen)
    assert [item.created_at for item in seen] == sorted(item.created_at for item in seen)


def test_a_list_that_did_not_change_is_not_sent_again() -> None:
    first = list_surveys.sync_detailed(client=client)
    again = list_surveys.sync_detailed(client=client, if_none_match=etag(first))
    assert (first.status_code, again.status_code) == (HTTPStatus.OK, HTTPStatus.NOT_MODIFIED)
    assert again.parsed is None


def test_feedback_is_created_once() -> None:
    attributes = NewContactAttributes()
    attributes["plan"], attributes["seats"], attributes["trial"] = "pro", 5, False
    body = NewFeedback(
        text="The export forgets the last column.",
        score=NewScore(value=2, max_=5),
        contact=NewContact(id=f"user-{uuid4()}", name="Ann Archer", attributes=attributes),
        page_url="https://shop.example/cart",
        release="2.4.1",
        tags=["billing"],
    )
    key = once()
    made = create_feedback.sync_detailed(client=client, body=body, idempotency_key=key)
    assert made.status_code == HTTPStatus.CREATED
    feedback = expect(FeedbackDetail, made.parsed)
    assert made.headers["Location"] == f"/api/v1/feedback/{feedback.id}"
    assert feedback.score is not None and (feedback.score.value, feedback.score.max_) == (2, 5)
    assert (feedback.kind, feedback.status, feedback.tags) == (FeedbackKind.API, FeedbackStatus.NEW, ["billing"])
    assert (feedback.language, feedback.release, feedback.survey_id, feedback.external_id) == ("en", "2.4.1", None, None)
    assert feedback.contact is not None and feedback.contact.identity is IdentityTrust.TEAM
    assert feedback.contact.attributes.to_dict() == {"plan": "pro", "seats": 5, "trial": False}

    replayed = expect(FeedbackDetail, create_feedback.sync(client=client, body=body, idempotency_key=key))
    assert replayed.id == feedback.id
    body.text = "Something else."
    reused = expect(Problem, create_feedback.sync(client=client, body=body, idempotency_key=key))
    assert (reused.status, [(e.header, e.code) for e in reused.errors]) == (422, [("Idempotency-Key", "reused")])


def test_feedback_is_triaged_from_the_version_that_was_read() -> None:
    made = add("The map stays empty.")
    read = read_feedback.sync_detailed(made.id, client=client)
    body = FeedbackPatch(status=SettableStatus.TRIAGED, tags=["maps", "mobile"])
    changed = expect(FeedbackDetail, update_feedback.sync(made.id, client=client, body=body, if_match=etag(read)))
    assert (changed.status, sorted(changed.tags)) == (FeedbackStatus.TRIAGED, ["maps", "mobile"])
    assert changed.version > made.version

    late = FeedbackPatch(status=SettableStatus.SPAM)
    refused = expect(Problem, update_feedback.sync(made.id, client=client, body=late, if_match=etag(read)))
    assert (refused.status, refused.code) == (412, "changed")
    now = expect(FeedbackDetail, read_feedback.sync(made.id, client=client))
    assert now.status is FeedbackStatus.TRIAGED


def test_feedback_is_linked_to_a_backlog_item() -> None:
    said = add("Please keep all columns. The rest is fine.")
    title = f"Export keeps all columns {uuid4()}"
    item = expect(BacklogItem, create_backlog_item.sync(client=client, body=NewBacklogItem(title=title), idempotency_key=once()))
    assert (item.title, item.status, item.evidence.feedback) == (title, ItemStatus.OPEN, 0)

    link = NewLink(quote="Please keep all columns.", importance=Importance.CRITICAL)
    linked = expect(LinkedPair, link_feedback.sync(item.id, said.id, client=client, body=link))
    assert linked.is_new and (linked.item_id, linked.feedback_id) == (item.id, said.id)
    links = expect(LinkList, list_links.sync(item.id, client=client)).items
    assert [(l.feedback_id, l.quote, l.importance) for l in links] == [(said.id, link.quote, Importance.CRITICAL)]
    evidence = expect(BacklogItem, read_backlog_item.sync(item.id, client=client)).evidence
    assert (evidence.feedback, evidence.critical) == (1, 1)
    after = expect(FeedbackDetail, read_feedback.sync(said.id, client=client))
    assert after.status is FeedbackStatus.LINKED
    assert [(l.number, l.status) for l in after.links] == [(item.number, ItemStatus.OPEN)]

    assert unlink_feedback.sync_detailed(item.id, said.id, client=client).status_code == HTTPStatus.NO_CONTENT
    assert expect(LinkList, list_links.sync(item.id, client=client)).items == []


def test_a_ticket_is_opened_answered_and_closed() -> None:
    body = NewTicket(subject="Refund for order 81", message="I was charged twice.", email="ann@example.com", name="Ann Archer")
    ticket = expect(TicketDetail, create_ticket.sync(client=client, body=body, idempotency_key=once()))
    assert (ticket.state, ticket.requester.email, ticket.first_response_at) == (TicketState.OPEN, "ann@example.com", None)
    for kind, text in [(MessageKind.NOTE, "Charged twice indeed."), (MessageKind.REPLY, "We have refunded it.")]:
        message = NewMessage(kind=kind, body=text)
        expect(TicketDetail, create_ticket_message.sync(ticket.id, client=client, body=message, idempotency_key=once()))

    read = read_ticket.sync_detailed(ticket.id, client=client)
    ticket = expect(TicketDetail, read.parsed)
    assert [(m.author, m.body) for m in ticket.messages] == [
        (MessageAuthor.REQUESTER, "I was charged twice."),
        (MessageAuthor.NOTE, "Charged twice indeed."),
        (MessageAuthor.STAFF, "We have refunded it."),
    ]
    assert ticket.state is TicketState.ANSWERED and ticket.first_response_at is not None
    patch = TicketPatch(state=SettableState.CLOSED, priority=Priority.HIGH)
    closed = expect(TicketDetail, update_ticket.sync(ticket.id, client=client, body=patch, if_match=etag(read)))
    assert (closed.state, closed.priority) == (TicketState.CLOSED, Priority.HIGH)
    newest = expect(TicketList, list_tickets.sync(client=client, state=TicketState.CLOSED, limit=1)).items
    assert [t.id for t in newest] == [ticket.id]


def test_responses_to_a_survey_are_read_and_added() -> None:
    surveys = expect(SurveyList, list_surveys.sync(client=client)).items
    live = next(s for s in surveys if s.status is SurveyStatus.LIVE)
    survey = expect(SurveyDetail, read_survey.sync(live.id, client=client))
    assert survey.version_id == live.version_id and survey.questions
    page = expect(ResponseList, list_responses.sync(survey.id, client=client, limit=5))
    assert len(page.items) == 5 and page.next_cursor is not None
    second = expect(ResponseList, list_responses.sync(survey.id, client=client, limit=5, cursor=page.next_cursor))
    assert {r.id for r in page.items}.isdisjoint(r.id for r in second.items)
    asked = {question.id for question in survey.questions}
    assert any(answer.question_id in asked for response in page.items for answer in response.answers)

    scale = next(q for q in survey.questions if q.max_ is not None)
    assert [q.id for q in survey.questions if q.required] == [scale.id]
    body = NewResponse(answers=[NewAnswer(question_id=scale.id, number=scale.max_)])
    made = expect(SurveyResponse, create_response.sync(survey.id, client=client, body=body, idempotency_key=once()))
    read = expect(SurveyResponse, read_response.sync(made.id, client=client))
    assert (read.source, read.feedback_id, read.is_spam) == ("api", made.feedback_id, False)
    assert [(a.question_id, a.number, a.text, a.choices) for a in read.answers] == [(scale.id, scale.max_, None, None)]
    assert read.finished_at is not None


def test_an_export_is_text() -> None:
    made = add(f"Export {uuid4()}")
    text = expect(str, export_feedback.sync(client=client, format_=ExportFormat.CSV, q="kind:api"))
    header, *rows = text.splitlines()
    assert "id" in header.split(",")
    assert sum(str(made.id) in row for row in rows) == 1


def test_refusals_name_each_fault_and_its_place() -> None:
    body = NewFeedback(text="Slow.", score=NewScore(value=3, max_=42), language="EN")
    problem = expect(Problem, create_feedback.sync(client=client, body=body, idempotency_key=once()))
    assert (problem.status, problem.code, problem.type_) == (422, "invalid", "urn:earshot:problem:invalid")
    assert {(fault.pointer, fault.code) for fault in problem.errors} == {("/language", "language"), ("/score/max", "range")}
    assert all(fault.detail and fault.parameter is UNSET for fault in problem.errors)

    query = expect(Problem, list_feedback.sync(client=client, q="score:many"))
    assert [(fault.parameter, fault.position) for fault in query.errors] == [("q", len("score:"))]
    missing = expect(Problem, read_feedback.sync(UUID(int=1), client=client))
    assert (missing.status, missing.code, missing.errors) == (404, "not_found", [])
    stranger = AuthenticatedClient(base_url=URL, token="eas_wrong")
    unknown = expect(Problem, read_current_key.sync(client=stranger))
    assert (unknown.status, unknown.code) == (401, "signed_out")


def mistakes(feedback: FeedbackDetail) -> None:
    """Never called: each line is wrong, and mypy has to say so."""
    read_current_key.sync(client=Client(base_url=URL))  # type: ignore[arg-type]
    create_feedback.sync(client=client, body=NewFeedback(text="x"))  # type: ignore[call-arg]
    update_feedback.sync(feedback.id, client=client, body=FeedbackPatch(status="linked"), if_match="*")  # type: ignore[arg-type]
    list_backlog_items.sync(client=client, status="open")  # type: ignore[arg-type]
    NewScore(value=9)  # type: ignore[call-arg]
    feedback.score.value  # type: ignore[union-attr]
    feedback.assignee_id.hex  # type: ignore[union-attr]
    feedback.links[0].titel  # type: ignore[attr-defined]
