//! The API reference: one page, generated from `openapi.json`.

use leptos::prelude::*;

/// The page.
#[derive(Debug, Clone, Default)]
pub struct ApiReferenceView {
    /// The installation's base URL.
    pub base: String,
    /// The introduction; paragraphs with `code` and **bold** text.
    pub about: String,
    /// Operations by tag.
    pub groups: Vec<OperationGroup>,
    /// The schemas.
    pub shapes: Vec<SchemaView>,
    /// Error responses: status and meaning.
    pub refusals: Vec<(String, String)>,
}

/// Operations with the same tag.
#[derive(Debug, Clone, Default)]
pub struct OperationGroup {
    /// The tag.
    pub name: String,
    /// Ordered by path.
    pub operations: Vec<OperationView>,
}

/// One operation.
#[derive(Debug, Clone, Default)]
pub struct OperationView {
    /// Its anchor.
    pub id: String,
    /// In upper case.
    pub method: String,
    /// From the root.
    pub path: String,
    /// A short summary.
    pub summary: String,
    /// The description; may be empty.
    pub description: String,
    /// Path, query and header parameters.
    pub parameters: Vec<SchemaField>,
    /// The schema of the request body.
    pub body: Option<String>,
    /// Status, meaning and schema of the response.
    pub answer: (String, String, Option<String>),
    /// The error statuses.
    pub refusals: String,
    /// An example request for a shell.
    pub example: String,
}

/// A schema.
#[derive(Debug, Clone, Default)]
pub struct SchemaView {
    /// Its name, and anchor.
    pub name: String,
    /// Its description.
    pub description: String,
    /// Its fields.
    pub fields: Vec<SchemaField>,
}

/// A field or parameter.
#[derive(Debug, Clone, Default)]
pub struct SchemaField {
    /// Its name.
    pub name: String,
    /// Of a parameter: path, query or header.
    pub place: Option<String>,
    /// Its type.
    pub kind: String,
    /// The schema that it refers to.
    pub shape: Option<String>,
    /// Whether it is required.
    pub required: bool,
    /// Its description.
    pub description: String,
}

/// Renders `code` and **bold** in a text.
fn words(text: &str) -> Vec<AnyView> {
    let code = |(n, part): (usize, &str)| {
        if n % 2 == 1 {
            let part = part.to_owned();
            return vec![view! { <code>{part}</code> }.into_any()];
        }
        let bold = |(n, part): (usize, &str)| {
            let part = part.to_owned();
            if n % 2 == 1 { view! { <strong>{part}</strong> }.into_any() } else { part.into_any() }
        };
        part.split("**").enumerate().map(bold).collect::<Vec<_>>()
    };
    text.split('`').enumerate().flat_map(code).collect()
}

fn fields(list: Vec<SchemaField>) -> AnyView {
    let row = |field: SchemaField| {
        let note = match (field.place, field.required) {
            (Some(place), true) => format!("{place}, required"),
            (Some(place), false) => place,
            (None, true) => "required".to_owned(),
            (None, false) => String::new(),
        };
        let kind = match field.shape {
            Some(shape) => view! { <a href=format!("#shape-{shape}")>{field.kind}</a> }.into_any(),
            None => field.kind.into_any(),
        };
        view! {
            <div class="api-field">
                <dt><code>{field.name}</code>" "<span class="muted small">{kind}</span>" "<span class="small api-note">{note}</span></dt>
                <dd>{words(&field.description)}</dd>
            </div>
        }
    };
    view! { <dl class="api-fields">{list.into_iter().map(row).collect_view()}</dl> }.into_any()
}

fn operation(op: OperationView) -> AnyView {
    let OperationView { id, method, path, summary, description, parameters, body, answer, refusals, example } = op;
    let (status, meaning, shape) = answer;
    let answered = shape.map(|name| view! { " "<a href=format!("#shape-{name}")>{name.clone()}</a> });
    let title = format!("{id}-title");
    let labelled = title.clone();
    view! {
        <article class="card api-operation" id=id aria-labelledby=labelled>
            <h3 id=title>{summary.clone()}</h3>
            <p class="api-address"><span class="badge">{method}</span>" "<code>{path}</code></p>
            {(!description.is_empty()).then(|| view! { <p>{words(&description)}</p> })}
            {(!parameters.is_empty()).then(|| view! { <h4>"Parameters"</h4>{fields(parameters)} })}
            {body.map(|name| view! { <p>"Body: "<a href=format!("#shape-{name}")>{name.clone()}</a></p> })}
            <p>"Returns "<code>{status}</code>{answered}": "{meaning}</p>
            <p class="muted small">"Errors: "{refusals}"."</p>
            <pre tabindex="0" role="region" aria-label=format!("Example: {summary}")><code>{example}</code></pre>
        </article>
    }
    .into_any()
}

/// The reference.
#[component]
pub fn ReferencePage(
    /// Its content.
    model: ApiReferenceView,
) -> impl IntoView {
    let ApiReferenceView { base, about, groups, shapes, refusals } = model;
    let contents =
        groups.iter().map(|g| (g.name.clone(), g.operations.iter().map(|o| (o.id.clone(), o.summary.clone())).collect::<Vec<_>>()));
    let contents = contents.collect::<Vec<_>>();
    view! {
        <div class="api-reference">
            <header>
                <p class="small"><a href="/">"Earshot"</a></p>
                <h1>"API reference"</h1>
                <p class="lead">"Base URL: "<code>{format!("{base}/api/v1")}</code>". OpenAPI 3.1 document: "<a href="/api/v1/openapi.json">"openapi.json"</a>"."</p>
            </header>
            <nav class="api-contents" aria-label="Contents">
                <details open>
                    <summary>"Contents"</summary>
                    <ul>
                        {contents.into_iter().map(|(name, operations)| view! {
                            <li>
                                <a href=format!("#group-{name}")>{name.clone()}</a>
                                <ul>{operations.into_iter().map(|(id, summary)| view! { <li><a href=format!("#{id}")>{summary}</a></li> }).collect_view()}</ul>
                            </li>
                        }).collect_view()}
                        <li><a href="#refusals">"Errors"</a></li>
                        <li><a href="#shapes">"Schemas"</a></li>
                    </ul>
                </details>
            </nav>
            <div class="api-body stack">
                <section class="api-about" aria-label="About">{about.split("\n\n").map(|text| view! { <p>{words(text)}</p> }).collect_view()}</section>
                {groups.into_iter().map(|group| {
                    let heading = format!("group-{}", group.name);
                    let labelled = heading.clone();
                    view! {
                        <section class="stack" aria-labelledby=labelled>
                            <h2 id=heading>{group.name}</h2>
                            {group.operations.into_iter().map(operation).collect_view()}
                        </section>
                    }.into_any()
                }).collect_view()}
                <section class="stack" aria-labelledby="refusals">
                    <h2 id="refusals">"Errors"</h2>
                    <p>"Every error is a "<a href="#shape-Problem">"Problem"</a>"."</p>
                    <dl class="api-fields">{refusals.into_iter().map(|(status, meaning)| view! {
                        <div class="api-field"><dt><code>{status}</code></dt><dd>{words(&meaning)}</dd></div>
                    }).collect_view()}</dl>
                </section>
                <section class="stack" aria-labelledby="shapes">
                    <h2 id="shapes">"Schemas"</h2>
                    {shapes.into_iter().map(|shape| view! {
                        <article class="card" id=format!("shape-{}", shape.name)>
                            <h3>{shape.name.clone()}</h3>
                            <p>{words(&shape.description)}</p>
                            {fields(shape.fields)}
                        </article>
                    }.into_any()).collect_view()}
                </section>
            </div>
        </div>
    }
}
