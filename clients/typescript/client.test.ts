// Works with the API through openapi-fetch and the types that openapi-typescript generates, as a program of a customer would.
//
// `cargo xtask test --only clients` generates the types, checks this file against them, and runs it against a real server with the
// demonstration's data. Comments of the form `@ts-expect-error` mark mistakes that the types must catch: tsc fails when they no longer do.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import createClient from "openapi-fetch";
import type { components, paths } from "./earshot.js";

type Feedback = components["schemas"]["Feedback"];
type FeedbackDetail = components["schemas"]["FeedbackDetail"];
type Problem = components["schemas"]["Problem"];

const baseUrl = process.env["EARSHOT_URL"] ?? "http://127.0.0.1:3000";
const api = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${process.env["EARSHOT_KEY"]}` } });

// The data of a response; a refusal is shown as it was sent.
function expect<T>({ data, error }: { data?: T; error?: unknown }): T {
  assert.ok(data !== undefined, JSON.stringify(error));
  return data;
}

// The refusal of a response that must be one.
function refusal({ data, error }: { data?: unknown; error?: Problem }): Problem {
  assert.ok(error !== undefined, JSON.stringify(data));
  return error;
}

function etag({ response }: { response: Response }): string {
  const value = response.headers.get("ETag");
  assert.ok(value);
  return value;
}

// The header of a request that creates something.
const once = () => ({ "Idempotency-Key": randomUUID() });

async function add(text: string): Promise<FeedbackDetail> {
  return expect(await api.POST("/api/v1/feedback", { params: { header: once() }, body: { text } }));
}

test("the key belongs to a project", async () => {
  const key = expect(await api.GET("/api/v1/me"));
  assert.equal(key.scope, "admin");
  assert.equal(key.expires_at, null);
  const project = expect(await api.GET("/api/v1/projects/{project_id}", { params: { path: { project_id: key.project_id } } }));
  assert.deepEqual([project.id, project.slug], [key.project_id, "gantry"]);
});

test("all pages of feedback are read", async () => {
  const query = { q: "kind:import", sort: "oldest", limit: 10 } as const;
  // The index is built while the server starts; until then nothing is counted.
  const deadline = Date.now() + 30_000;
  let page = expect(await api.GET("/api/v1/feedback", { params: { query } }));
  while (page.total === null && Date.now() < deadline) {
    await setTimeout(200);
    page = expect(await api.GET("/api/v1/feedback", { params: { query } }));
  }
  const total = page.total;
  assert.ok(total !== null && total > 10);
  assert.equal(page.facets["kind"]?.["import"], total);
  const seen: Feedback[] = page.items;
  let pages = 1;
  while (page.next_cursor !== null) {
    page = expect(await api.GET("/api/v1/feedback", { params: { query: { ...query, cursor: page.next_cursor } } }));
    seen.push(...page.items);
    pages += 1;
  }
  assert.deepEqual([seen.length, pages], [total, Math.ceil(total / 10)]);
  assert.equal(new Set(seen.map((item) => item.id)).size, total);
  assert.ok(seen.every((item) => item.kind === "import"));
  const times = seen.map((item) => item.created_at);
  assert.deepEqual(times, times.toSorted());
});

test("a list that did not change is not sent again", async () => {
  const first = await api.GET("/api/v1/surveys");
  const again = await api.GET("/api/v1/surveys", { params: { header: { "If-None-Match": etag(first) } } });
  assert.deepEqual([first.response.status, again.response.status], [200, 304]);
  assert.equal(again.data, undefined);
});

test("feedback is created once", async () => {
  const header = once();
  const body = {
    text: "The export forgets the last column.",
    score: { value: 2, max: 5 },
    contact: { id: `user-${randomUUID()}`, name: "Ann Archer", attributes: { plan: "pro", seats: 5, trial: false } },
    page_url: "https://shop.example/cart",
    release: "2.4.1",
    tags: ["billing"],
  };
  const made = await api.POST("/api/v1/feedback", { params: { header }, body });
  assert.equal(made.response.status, 201);
  const feedback = expect(made);
  assert.equal(made.response.headers.get("Location"), `/api/v1/feedback/${feedback.id}`);
  assert.deepEqual(feedback.score, { value: 2, max: 5 });
  assert.deepEqual([feedback.kind, feedback.status, feedback.tags], ["api", "new", ["billing"]]);
  assert.deepEqual([feedback.language, feedback.release, feedback.survey_id, feedback.external_id], ["en", "2.4.1", null, null]);
  assert.equal(feedback.contact?.identity, "team");
  assert.deepEqual(feedback.contact.attributes, body.contact.attributes);

  const replayed = expect(await api.POST("/api/v1/feedback", { params: { header }, body }));
  assert.equal(replayed.id, feedback.id);
  const reused = refusal(await api.POST("/api/v1/feedback", { params: { header }, body: { text: "Something else." } }));
  assert.equal(reused.status, 422);
  assert.deepEqual(reused.errors.map((fault) => [fault.header, fault.code]), [["Idempotency-Key", "reused"]]);
});

test("feedback is triaged from the version that was read", async () => {
  const made = await add("The map stays empty.");
  const path = { feedback_id: made.id };
  const read = await api.GET("/api/v1/feedback/{feedback_id}", { params: { path } });
  const header = { "If-Match": etag(read) };
  const changed = expect(
    await api.PATCH("/api/v1/feedback/{feedback_id}", {
      params: { path, header },
      body: { status: "triaged", tags: ["maps", "mobile"] },
    }),
  );
  assert.deepEqual([changed.status, changed.tags.toSorted()], ["triaged", ["maps", "mobile"]]);
  assert.ok(changed.version > made.version);

  const refused = refusal(await api.PATCH("/api/v1/feedback/{feedback_id}", { params: { path, header }, body: { status: "spam" } }));
  assert.deepEqual([refused.status, refused.code], [412, "changed"]);
  const now = expect(await api.GET("/api/v1/feedback/{feedback_id}", { params: { path } }));
  assert.equal(now.status, "triaged");
});

test("feedback is linked to a backlog item", async () => {
  const said = await add("Please keep all columns. The rest is fine.");
  const title = `Export keeps all columns ${randomUUID()}`;
  const item = expect(await api.POST("/api/v1/backlog", { params: { header: once() }, body: { title } }));
  assert.deepEqual([item.title, item.status, item.evidence.feedback], [title, "open", 0]);

  const path = { item_id: item.id, feedback_id: said.id };
  const quote = "Please keep all columns.";
  const linked = expect(
    await api.PUT("/api/v1/backlog/{item_id}/links/{feedback_id}", { params: { path }, body: { quote, importance: "critical" } }),
  );
  assert.deepEqual(linked, { ...path, is_new: true });
  const links = async () => expect(await api.GET("/api/v1/backlog/{item_id}/links", { params: { path: { item_id: item.id } } })).items;
  assert.deepEqual((await links()).map((link) => [link.feedback_id, link.quote, link.importance]), [[said.id, quote, "critical"]]);
  const { evidence } = expect(await api.GET("/api/v1/backlog/{item_id}", { params: { path: { item_id: item.id } } }));
  assert.deepEqual([evidence.feedback, evidence.critical], [1, 1]);
  const after = expect(await api.GET("/api/v1/feedback/{feedback_id}", { params: { path: { feedback_id: said.id } } }));
  assert.equal(after.status, "linked");
  assert.deepEqual(after.links.map((link) => [link.number, link.status]), [[item.number, "open"]]);

  const removed = await api.DELETE("/api/v1/backlog/{item_id}/links/{feedback_id}", { params: { path } });
  assert.equal(removed.response.status, 204);
  assert.deepEqual(await links(), []);
});

test("a ticket is opened, answered and closed", async () => {
  const body = { subject: "Refund for order 81", message: "I was charged twice.", email: "ann@example.com", name: "Ann Archer" };
  const opened = expect(await api.POST("/api/v1/tickets", { params: { header: once() }, body }));
  assert.deepEqual([opened.state, opened.requester.email, opened.first_response_at], ["open", "ann@example.com", null]);
  const path = { ticket_id: opened.id };
  const messages = [{ kind: "note", body: "Charged twice indeed." }, { kind: "reply", body: "We have refunded it." }] as const;
  for (const body of messages) {
    expect(await api.POST("/api/v1/tickets/{ticket_id}/messages", { params: { path, header: once() }, body }));
  }

  const read = await api.GET("/api/v1/tickets/{ticket_id}", { params: { path } });
  const ticket = expect(read);
  assert.deepEqual(
    ticket.messages.map((message) => [message.author, message.body]),
    [["requester", "I was charged twice."], ["note", "Charged twice indeed."], ["staff", "We have refunded it."]],
  );
  assert.equal(ticket.state, "answered");
  assert.notEqual(ticket.first_response_at, null);
  const header = { "If-Match": etag(read) };
  const closed = expect(
    await api.PATCH("/api/v1/tickets/{ticket_id}", { params: { path, header }, body: { state: "closed", priority: "high" } }),
  );
  assert.deepEqual([closed.state, closed.priority], ["closed", "high"]);
  const newest = expect(await api.GET("/api/v1/tickets", { params: { query: { state: "closed", limit: 1 } } }));
  assert.deepEqual(newest.items.map((one) => one.id), [opened.id]);
});

test("responses to a survey are read and added", async () => {
  const live = expect(await api.GET("/api/v1/surveys")).items.find((survey) => survey.status === "live");
  assert.ok(live);
  const path = { survey_id: live.id };
  const survey = expect(await api.GET("/api/v1/surveys/{survey_id}", { params: { path } }));
  assert.equal(survey.version_id, live.version_id);
  const page = async (cursor?: string) => {
    const query = { limit: 5, ...(cursor !== undefined && { cursor }) };
    return expect(await api.GET("/api/v1/surveys/{survey_id}/responses", { params: { path, query } }));
  };
  const first = await page();
  assert.ok(first.items.length === 5 && first.next_cursor !== null);
  const second = await page(first.next_cursor);
  assert.equal(new Set([...first.items, ...second.items].map((response) => response.id)).size, 5 + second.items.length);
  const asked = survey.questions.map((question) => question.id);
  assert.ok(first.items.some((response) => response.answers.some((answer) => asked.includes(answer.question_id))));

  const scale = survey.questions.find((question) => question.max !== null);
  assert.ok(scale);
  assert.deepEqual(survey.questions.filter((question) => question.required), [scale]);
  const answers = [{ question_id: scale.id, number: scale.max }];
  const made = expect(await api.POST("/api/v1/surveys/{survey_id}/responses", { params: { path, header: once() }, body: { answers } }));
  const read = expect(await api.GET("/api/v1/responses/{response_id}", { params: { path: { response_id: made.id } } }));
  assert.deepEqual([read.source, read.feedback_id, read.is_spam], ["api", made.feedback_id, false]);
  assert.deepEqual(read.answers, [{ question_id: scale.id, number: scale.max, text: null, choices: null, other: null }]);
  assert.notEqual(read.finished_at, null);
});

test("an export is text", async () => {
  const made = await add(`Export ${randomUUID()}`);
  const query = { format: "csv", q: "kind:api" } as const;
  const text = expect(await api.GET("/api/v1/export/feedback", { params: { query }, parseAs: "text" }));
  const [header, ...rows] = text.split("\r\n");
  assert.ok(header?.split(",").includes("id"));
  assert.equal(rows.filter((row) => row.includes(made.id)).length, 1);
});

test("refusals name each fault and its place", async () => {
  const body = { text: "Slow.", score: { value: 3, max: 42 }, language: "EN" };
  const problem = refusal(await api.POST("/api/v1/feedback", { params: { header: once() }, body }));
  assert.deepEqual([problem.status, problem.code, problem.type], [422, "invalid", "urn:earshot:problem:invalid"]);
  assert.deepEqual(
    problem.errors.map((fault) => [fault.pointer, fault.code]).toSorted(),
    [["/language", "language"], ["/score/max", "range"]],
  );
  assert.ok(problem.errors.every((fault) => fault.detail !== "" && fault.parameter === undefined));

  const query = refusal(await api.GET("/api/v1/feedback", { params: { query: { q: "score:many" } } }));
  assert.deepEqual(query.errors.map((fault) => [fault.parameter, fault.position]), [["q", "score:".length]]);
  const path = { feedback_id: "00000000-0000-0000-0000-000000000001" };
  const missing = refusal(await api.GET("/api/v1/feedback/{feedback_id}", { params: { path } }));
  assert.deepEqual([missing.status, missing.code, missing.errors], [404, "not_found", []]);
  const stranger = createClient<paths>({ baseUrl, headers: { Authorization: "Bearer eas_wrong" } });
  const unknown = refusal(await stranger.GET("/api/v1/me"));
  assert.deepEqual([unknown.status, unknown.code], [401, "signed_out"]);
});

// Never called: each of these is wrong, and tsc has to say so.
export async function mistakes(feedback: FeedbackDetail) {
  const path = { feedback_id: feedback.id };
  // @ts-expect-error: something is created without an idempotency key
  await api.POST("/api/v1/feedback", { body: { text: "x" } });
  // @ts-expect-error: a scale has a maximum
  await api.POST("/api/v1/feedback", { params: { header: once() }, body: { text: "x", score: { value: 9 } } });
  // @ts-expect-error: a change without `If-Match`
  await api.PATCH("/api/v1/feedback/{feedback_id}", { params: { path }, body: { status: "triaged" } });
  // @ts-expect-error: `linked` comes from linking and cannot be set
  await api.PATCH("/api/v1/feedback/{feedback_id}", { params: { path, header: { "If-Match": "*" } }, body: { status: "linked" } });
  // @ts-expect-error: there is no such status
  await api.GET("/api/v1/backlog", { params: { query: { status: "done" } } });
  // @ts-expect-error: there is no such path
  await api.GET("/api/v1/feedbacks");
  // @ts-expect-error: there may be no score
  feedback.score.value;
  // @ts-expect-error: there is no such status
  feedback.status === "done";
  // @ts-expect-error: there is no such field
  feedback.links[0]?.titel;
}
