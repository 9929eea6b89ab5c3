"""What an OpenAPI document cannot say about the API, for schemathesis.

Values that only mean something together with what is stored are put in (a fresh Idempotency-Key, the ETag of now), so that valid requests
get past the door. A refusal that a schema cannot foresee is accepted only as the refusal that it is: by its code, at its place.
"""

import functools
import time
import uuid

import requests
import schemathesis

# Refusals of requests that fit the document, because of what is stored: the operation, and code and place of each fault.
FORESEEN = {
    # A query is a language; the document holds its length and alphabet, its grammar is prose.
    "list_feedback": {("query", "q")},
    "export_feedback": {("query", "q")},
    # No feedback is from before 1970 or in the future, and an id of another system names one record and is visible.
    # A score is at most as high as the top of its scale, and only some scales exist.
    "create_feedback": {
        ("time", "/created_at"),
        ("future", "/created_at"),
        ("taken", "/external_id"),
        ("external_id", "/external_id"),
        ("range", "/score/value"),
        ("range", "/score/max"),
    },
    # What is selected has to be there, and a query is a language.
    "bulk_update_feedback": {("query", "/selection/query"), ("unknown", "/change/assignee_id")},
    # Origins, names of parameters, and time zones are more than a format.
    "update_project": {
        ("origin", "/origins"),
        ("length", "/origins"),
        ("parameter", "/kept_parameters"),
        ("length", "/kept_parameters"),
        ("too_many", "/kept_parameters"),
        ("time_zone", "/time_zone"),
    },
    # Days are in order, and a message without a file has a text.
    "read_survey_results": {("order", "to"), ("date", "from"), ("date", "to")},
    "create_ticket_message": {("required", "/body")},
    # A file has rows, and a project has room for some only.
    "create_import": {("too_many", None), ("malformed", None), ("required", None)},
    # Which columns a file has, and how it is written, is known only from the file.
    "preview_import": {("unknown", "/mapping/encoding"), ("tag", "/mapping/add_tag")},
    "start_import": {("unknown", "/mapping/encoding"), ("tag", "/mapping/add_tag")},
    # Only members of the project can be put in charge.
    "update_feedback": {("unknown", "/assignee_id")},
    "update_ticket": {("unknown", "/assignee_id")},
    # What is quoted has to stand in the feedback.
    "link_feedback": {("not_in_text", "/quote")},
    # A survey has a status of its own once it was published.
    "update_survey": {("not_published", "/status")},
    # What was generated for a draft may be incomplete.
    "publish_survey": {
        ("required", "/title"),
        ("too_long", "/title"),
        ("no_questions", "/questions"),
    },
    # Which addresses may be called is more than a format, and a project has room for some webhooks only.
    "create_webhook": {("url", "/url"), ("too_many", "/url")},
    "update_webhook": {("url", "/url")},
    # No two canned replies of a project have one name, and it has room for some only.
    "create_reply": {("taken", "/name"), ("too_many", "/name")},
    "update_reply": {("taken", "/name")},
}

# How to create what an operation works on. Each takes the base URL and the credentials, and returns the ids for the path.
PLACES = {
    "duplicate_survey": lambda base, who: {"survey_id": made(base, who, "surveys", {"name": "Draft", "template": "nps"})},
    "update_survey": lambda base, who: {"survey_id": published(base, who)},
    "read_draft": lambda base, who: {"survey_id": draft(base, who)},
    "update_draft": lambda base, who: {"survey_id": draft(base, who)},
    "publish_survey": lambda base, who: {"survey_id": made(base, who, "surveys", {"name": "Draft", "template": "nps"})},
    "list_survey_versions": lambda base, who: {"survey_id": published(base, who)},
    "read_survey_version": lambda base, who: version(base, who),
    "list_comments": lambda base, who: {"feedback_id": some(base, who, "feedback")},
    "create_comment": lambda base, who: {"feedback_id": some(base, who, "feedback")},
    "read_comment": lambda base, who: comment(base, who),
    "read_feedback_history": lambda base, who: {"feedback_id": some(base, who, "feedback")},
    "read_backlog_item_history": lambda base, who: {"item_id": some(base, who, "backlog")},
    "read_survey_results": lambda base, who: {"survey_id": published(base, who)},
    "update_project": lambda base, who: {"project_id": some(base, who, "projects")},
    "renew_ticket_link": lambda base, who: {"ticket_id": some(base, who, "tickets")},
    "create_ticket_message": lambda base, who: {"ticket_id": some(base, who, "tickets")},
    "download_attachment": lambda base, who: attachment(base, who),
    "undo_change": lambda base, who: {"undo_id": undoable(base, who)},
    "read_identity_secret": lambda base, who: {"secret_id": some(base, who, "identity-secrets")},
    "retire_identity_secret": lambda base, who: {"secret_id": some(base, who, "identity-secrets")},
    "read_import": lambda base, who: {"import_id": uploaded(base, who)},
    "list_bad_lines": lambda base, who: {"import_id": uploaded(base, who)},
    "preview_import": lambda base, who: {"import_id": uploaded(base, who)},
    "start_import": lambda base, who: {"import_id": new_upload(base, who)},
    "delete_import": lambda base, who: {"import_id": new_upload(base, who)},
    "cancel_import": lambda base, who: {"import_id": started(base, who)},
    "resume_import": lambda base, who: {"import_id": started(base, who)},
    "reopen_import": lambda base, who: {"import_id": finished(base, who, FLAWED_FILE)},
    "revert_import": lambda base, who: {"import_id": finished(base, who)},
    "read_contact": lambda base, who: {"contact_id": some(base, who, "contacts")},
    "read_reply": lambda base, who: {"reply_id": reply(base, who)},
    "update_reply": lambda base, who: {"reply_id": reply(base, who)},
    "delete_reply": lambda base, who: {"reply_id": made(base, who, "replies", {"name": uuid.uuid4().hex, "body": "Hello"})},
    "read_webhook": lambda base, who: {"webhook_id": webhook(base, who)},
    "update_webhook": lambda base, who: {"webhook_id": webhook(base, who, "changed")},
    "delete_webhook": lambda base, who: {"webhook_id": new_webhook(base, who)},
    "rotate_webhook_secret": lambda base, who: {"webhook_id": webhook(base, who)},
    "list_deliveries": lambda base, who: {"webhook_id": webhook(base, who)},
    "retry_deliveries": lambda base, who: {"webhook_id": webhook(base, who)},
    "test_webhook": lambda base, who: {"webhook_id": webhook(base, who)},
    "read_delivery": lambda base, who: delivery(base, who),
    "retry_delivery": lambda base, who: delivery(base, who),
    "read_member": lambda base, who: {"member_id": member(base, who)},
    "update_member": lambda base, who: {"member_id": member(base, who)},
    "remove_member": lambda base, who: {"member_id": another_member(base, who)},
    "read_invitation": lambda base, who: {"invitation_id": made(base, who, "invitations", {"role": "viewer"})},
    "revoke_invitation": lambda base, who: {"invitation_id": made(base, who, "invitations", {"role": "viewer"})},
}

# A receiver that does not exist.
HOOK = {"url": "https://hooks.example.com/contract", "events": ["backlog_item.deleted"]}


# A file with one row.
FILE = b"text\nThe export is slow\n"
# How to import it.
RUN = {"mapping": {"columns": {"text": "text"}}}
# A file with a row that is rejected: only such a file is kept after the import, to be imported again.
FLAWED_FILE = b"text,topic\nThe export is slow,Export\n,Import\n"


def is_valid_request(case):
    """Whether a case is to be accepted, all of it."""
    return case.meta is not None and case.meta.generation.mode.is_positive


@schemathesis.hook
def before_call(context, case, kwargs):
    """Puts in what only the server's state can say, where the generated value was a valid one."""
    if not is_valid_request(case):
        return
    if "Idempotency-Key" in case.headers:
        # Generated keys repeat, and a repeated key stands for the first request.
        case.headers["Idempotency-Key"] = uuid.uuid4().hex
    url = case.as_transport_kwargs()["url"]
    base = url[: url.index("/api/v1/")] + "/api/v1"
    headers = {**case.headers, **(kwargs.get("headers") or {})}
    who = next((value for name, value in headers.items() if name.lower() == "authorization"), "")
    operation = operation_id(case)
    if operation in PLACES:
        found = PLACES[operation](base, who)
        if all(found.values()):
            case.path_parameters.update(found)
            url = case.as_transport_kwargs()["url"]
    if operation == "create_import":
        case.body = FILE
    if operation == "create_identity_secret":
        room_for_a_secret(base, who)
    if isinstance(case.body, dict):
        state_of(operation, case, base, who)
    if case.method.upper() == "PATCH" and "If-Match" in case.headers:
        here = ask(url, who)
        if here.ok:
            case.headers["If-Match"] = here.headers["ETag"]
    if operation == "create_response" and isinstance(case.body, dict):
        survey = answerable(base, who)
        if survey:
            case.path_parameters["survey_id"] = survey["id"]
            case.body = {**case.body, "answers": answers(survey, case.body["answers"])}


def state_of(operation, case, base, who):
    """Puts into a body what only means something together with what is stored."""
    if operation in ("create_survey", "update_draft"):
        # An ID names a question or choice that the draft has.
        for question in case.body.get("questions") or []:
            for one in [question, *(question.get("choices") or [])]:
                one.pop("id", None)
    if operation == "publish_survey":
        read = ask(f"{base}/surveys/{case.path_parameters['survey_id']}/draft", who)
        if read.ok:
            case.body = {**case.body, "revision": read.json()["revision"]}
    if operation in ("create_webhook", "update_webhook") and "url" in case.body:
        case.body = {**case.body, "url": HOOK["url"]}
    if operation == "update_project":
        # Origins and parameters of any kind, as long as they are some.
        fits = {"origins": ["https://shop.example"], "kept_parameters": ["utm_source"], "time_zone": "Asia/Tokyo"}
        case.body = {**case.body, **{name: value for name, value in fits.items() if name in case.body}}
    if operation == "bulk_update_feedback":
        select(case, base, who)
    if operation == "start_import" or (operation == "preview_import" and case.body.get("mapping")):
        case.body = {**case.body, **RUN}
    if operation == "renew_ticket_link":
        # This installation sends no e-mail.
        case.body = {"show": True}
    if operation in ("create_reply", "update_reply") and "name" in case.body:
        # One that no other has, as long as it was.
        name = case.body["name"]
        case.body = {**case.body, "name": (uuid.uuid4().hex * 3)[: len(name)] if len(name) > 8 else name}


def made(base, who, resource, body):
    """The ID of something new; none for who may not make it."""
    headers = {"Authorization": who, "Idempotency-Key": uuid.uuid4().hex}
    answer = requests.post(f"{base}/{resource}", json=body, headers=headers, timeout=10)
    return answer.json().get("id") if answer.ok else None


def some(base, who, resource):
    """The ID of something that is there."""
    answer = ask(f"{base}/{resource}?limit=1", who)
    items = answer.json()["items"] if answer.ok else []
    return items[0]["id"] if items else None


@functools.cache
def draft(base, who):
    return made(base, who, "surveys", {"name": "Draft", "template": "nps"}) or some(base, who, "surveys")


@functools.cache
def published(base, who):
    survey = made(base, who, "surveys", {"name": "Published", "template": "nps"})
    if survey:
        made(base, who, f"surveys/{survey}/publish", {"revision": 1})
    return survey or next(iter(live(base, who)), None)


def version(base, who):
    survey = published(base, who)
    return {"survey_id": survey, "version_id": survey and some(base, who, f"surveys/{survey}/versions")}


def comment(base, who):
    feedback = some(base, who, "feedback")
    path = f"feedback/{feedback}/comments"
    return {"feedback_id": feedback, "comment_id": some(base, who, path) or made(base, who, path, {"body": "Hello"})}


@functools.cache
def reply(base, who):
    return made(base, who, "replies", {"name": uuid.uuid4().hex, "body": "Hello"}) or some(base, who, "replies")


@functools.cache
def webhook(base, who, purpose="read"):
    """A webhook for one purpose: what is turned off for one would get nothing for the other."""
    return new_webhook(base, who)


def new_webhook(base, who):
    """A new webhook. A project has room for some only, so one may have to go."""
    new = made(base, who, "webhooks", HOOK)
    spare = None if new else some(base, who, "webhooks")
    if spare:
        requests.delete(f"{base}/webhooks/{spare}", headers={"Authorization": who}, timeout=10)
        new = made(base, who, "webhooks", HOOK)
    return new


def delivery(base, who):
    hook = webhook(base, who)
    headers = {"Authorization": who, "Idempotency-Key": uuid.uuid4().hex}
    sent = requests.post(f"{base}/webhooks/{hook}/test", headers=headers, timeout=10)
    return {"webhook_id": hook, "event_id": sent.json().get("event_id") if sent.ok else None}


def select(case, base, who):
    """Selects something that is there, at its version of now."""
    items = ask(f"{base}/feedback?limit=2", who)
    if items.ok:
        chosen = [{"id": one["id"], "version": one["version"]} for one in items.json()["items"]]
        case.body = {**case.body, "selection": {"items": chosen}}
    if case.body["change"].get("assignee_id"):
        case.body = {**case.body, "change": {"assignee_id": member(base, who)}}


def undoable(base, who):
    """The undo of a change that was made for it; none for who may not make one."""
    answer = ask(f"{base}/feedback?limit=1", who)
    items = answer.json()["items"] if answer.ok else []
    if not items:
        return None
    selection = {"items": [{"id": items[0]["id"], "version": items[0]["version"]}]}
    headers = {"Authorization": who, "Idempotency-Key": uuid.uuid4().hex}
    body = {"selection": selection, "change": {"add_tags": [uuid.uuid4().hex[:8]]}}
    done = requests.post(f"{base}/feedback/bulk", json=body, headers=headers, timeout=10)
    return done.json().get("undo_id") if done.ok else None


@functools.cache
def attachment(base, who):
    """A file of a ticket; none for who may not attach one."""
    ticket = some(base, who, "tickets")
    headers = {"Authorization": who, "Idempotency-Key": uuid.uuid4().hex}
    body = {"kind": "note", "body": "A file", "attachments": [{"name": "a.txt", "content": "SGVsbG8="}]}
    sent = requests.post(f"{base}/tickets/{ticket}/messages", json=body, headers=headers, timeout=10)
    file = sent.json()["messages"][-1]["attachments"][0]["id"] if sent.ok else None
    return {"ticket_id": ticket, "attachment_id": file}


def room_for_a_secret(base, who):
    """Retires all secrets: a project has room for two."""
    secrets = ask(f"{base}/identity-secrets?limit=100", who)
    for one in secrets.json()["items"] if secrets.ok else []:
        if one["retired_at"] is None:
            headers = {"Authorization": who, "Idempotency-Key": uuid.uuid4().hex}
            requests.post(f"{base}/identity-secrets/{one['id']}/retire", headers=headers, timeout=10)


def ready(base, who):
    """The files that wait, newest first."""
    waiting = ask(f"{base}/imports?limit=100", who)
    return [one["id"] for one in waiting.json()["items"] if one["status"] == "ready"] if waiting.ok else []


def uploaded(base, who):
    """A file that waits; none for who may not import."""
    return next(iter(ready(base, who)), None) or new_upload(base, who)


def new_upload(base, who, file=FILE):
    """A new file; none for who may not import. A project has room for some only, so those of before go."""
    for one in ready(base, who)[5:]:
        gone = requests.delete(f"{base}/imports/{one}", headers={"Authorization": who}, timeout=10)
        if gone.status_code == 409:
            # It was reopened: its rows are there, so it is cancelled instead.
            headers = {"Authorization": who, "Idempotency-Key": uuid.uuid4().hex}
            requests.post(f"{base}/imports/{one}/cancel", headers=headers, timeout=10)
    headers = {"Authorization": who, "Idempotency-Key": uuid.uuid4().hex, "Content-Type": "application/octet-stream"}
    sent = requests.post(f"{base}/imports", data=file, headers=headers, timeout=10)
    return sent.json().get("id") if sent.ok else None


def started(base, who, file=FILE):
    """An import that was just started."""
    new = new_upload(base, who, file)
    headers = {"Authorization": who, "Idempotency-Key": uuid.uuid4().hex}
    if new:
        requests.post(f"{base}/imports/{new}/start", json=RUN, headers=headers, timeout=10)
    return new


def finished(base, who, file=FILE):
    """An import that is done."""
    new = started(base, who, file)
    for _ in range(100):
        if not new or ask(f"{base}/imports/{new}", who).json()["status"] != "running":
            break
        time.sleep(0.05)
    return new


def members(base, who):
    """The members whose role can change: not owners."""
    answer = ask(f"{base}/members?limit=100", who)
    return [one["id"] for one in answer.json()["items"] if one["role"] != "owner"] if answer.ok else []


@functools.cache
def member(base, who):
    return next(iter(members(base, who)), None)


def another_member(base, who):
    """One that can be spared."""
    return next((one for one in members(base, who) if one != member(base, who)), None)


def operation_id(case):
    return case.operation.definition.raw.get("operationId")


def ask(url, who):
    return requests.get(url, headers={"Authorization": who}, timeout=10)


@functools.cache
def answerable(base, who):
    """A survey that takes answers; none for who may not know."""
    found = live(base, who)
    return ask(f"{base}/surveys/{found[0]}", who).json() if found else None


def live(base, who):
    """The surveys that accept responses, the oldest first: what a run makes is changed while it runs."""
    surveys = ask(f"{base}/surveys?limit=100", who)
    return [s["id"] for s in reversed(surveys.json()["items"]) if s["status"] == "live"] if surveys.ok else []


def answers(survey, generated):
    """Answers to the questions that the survey really asks, with the texts and numbers that were generated for any."""
    given = []
    for at, question in enumerate(question for question in survey["questions"] if question["type"] != "statement"):
        value = generated[at] if at < len(generated) else {}
        answer = {"question_id": question["id"]}
        if question["max"] is not None:
            answer["number"] = min(max(value.get("number") or 0, question["min"]), question["max"])
        elif question["choices"]:
            answer["choices"] = [question["choices"][0]["id"]]
        else:
            answer["text"] = (value.get("text") or "")[: question["max_length"]] or "Fine."
        given.append(answer)
    return given


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """Drops the refusal of a valid request that no schema can foresee."""
    if type(failure).__name__ != "RejectedPositiveData" or response.status_code != 422:
        return True
    foreseen = FORESEEN.get(operation_id(case), set())
    faults = response.json()["errors"]
    places = {(fault["code"], fault.get("pointer") or fault.get("parameter") or fault.get("header")) for fault in faults}
    return not places or not places <= foreseen
