"""What an OpenAPI document cannot say about the API, for schemathesis.

Values that only mean something together with what is stored are put in (a fresh Idempotency-Key, the ETag of now), so that valid requests
get past the door. A refusal that a schema cannot foresee is accepted only as the refusal that it is: by its code, at its place.
"""

import functools
import uuid

import requests
import schemathesis

# Refusals of requests that fit the document, because of what is stored: the operation, and code and place of each fault.
FORESEEN = {
    # A query is a language; the document holds its length and alphabet, its grammar stands in words.
    "list_feedback": {("query", "q")},
    "export_feedback": {("query", "q")},
    # Nothing was said before 1970 or in the future, and an id of another system names one record and is visible.
    # A score is at most as high as the top of its scale, and only some scales exist.
    "create_feedback": {
        ("time", "/created_at"),
        ("future", "/created_at"),
        ("taken", "/external_id"),
        ("external_id", "/external_id"),
        ("range", "/score/value"),
        ("range", "/score/max"),
    },
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

# Of operations on what only exists once it was made: how to make it. Given are the base URL and who asks; what comes back is put into the path.
PLACES = {
    "duplicate_survey": lambda base, who: {"survey_id": made(base, who, "surveys", {"name": "Draft", "template": "nps"})},
    "update_survey": lambda base, who: {"survey_id": published(base, who)},
    "read_draft": lambda base, who: {"survey_id": draft(base, who)},
    "update_draft": lambda base, who: {"survey_id": draft(base, who)},
    "publish_survey": lambda base, who: {"survey_id": made(base, who, "surveys", {"name": "Draft", "template": "nps"})},
    "list_versions": lambda base, who: {"survey_id": published(base, who)},
    "read_version": lambda base, who: version(base, who),
    "list_comments": lambda base, who: {"feedback_id": some(base, who, "feedback")},
    "create_comment": lambda base, who: {"feedback_id": some(base, who, "feedback")},
    "read_comment": lambda base, who: comment(base, who),
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

# A receiver that nobody answers for.
HOOK = {"url": "https://hooks.example.com/contract", "events": ["backlog_item.deleted"]}


def is_meant_well(case):
    """Whether a case is to be accepted, all of it."""
    return case.meta is not None and case.meta.generation.mode.is_positive


@schemathesis.hook
def before_call(context, case, kwargs):
    """Puts in what only the server's state can say, where the generated value was a valid one."""
    if not is_meant_well(case):
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
