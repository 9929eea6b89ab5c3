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
}


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
    if case.method.upper() == "PATCH" and "If-Match" in case.headers:
        here = ask(url, who)
        if here.ok:
            case.headers["If-Match"] = here.headers["ETag"]
    if operation_id(case) == "create_response" and isinstance(case.body, dict):
        survey = answerable(base, who)
        if survey:
            case.path_parameters["survey_id"] = survey["id"]
            case.body = {**case.body, "answers": answers(survey, case.body["answers"])}


def operation_id(case):
    return case.operation.definition.raw.get("operationId")


def ask(url, who):
    return requests.get(url, headers={"Authorization": who}, timeout=10)


@functools.cache
def answerable(base, who):
    """A survey that takes answers; none for who may not know."""
    surveys = ask(f"{base}/surveys", who)
    live = [s["id"] for s in surveys.json()["items"] if s["status"] == "live"] if surveys.ok else []
    return ask(f"{base}/surveys/{live[0]}", who).json() if live else None


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
