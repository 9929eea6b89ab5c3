//! The demonstration: fills an empty installation with a realistic project, through the use cases, as people acting in the past.

mod desk;
pub mod host;
mod replies;
mod story;
mod texts;

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use domain::{
    Clock, Timestamp,
    accounts::{Role, Scope},
    backlog::Importance,
    clock::DAY_MS,
    feedback::FeedbackStatus,
    identity::Claim,
    ids::{FeedbackId, ProjectId, StaffId, SurveyId},
    imports::ColumnMapping,
    projects::Project,
    responses::{ClaimedContact, ResponseContext},
    surveys::{LaunchTrigger, SurveyStatus, templates},
    zone::UTC,
};
use service::{
    accounts,
    backlog::{self, LinkInput},
    error::{Error, Result},
    imports, projects,
    responses::{self, ResponseInput},
    settings::Settings,
    state::{App, AppState},
    surveys,
    triage::{self, FeedbackEdit, ItemVersion},
};
use tokio::net::TcpListener;

use self::{
    story::{DemoAnswer, DemoSurvey, StoryRng},
    texts::{BACKLOG, BacklogTemplate, REMARKS, TOPICS},
};

/// Sign-in address of the demonstration's owner.
pub const DEMO_EMAIL: &str = "demo@example.com";
/// Default address of the site that embeds the widget.
pub const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 3001);
const HOUR_MS: i64 = 3_600_000;

/// The demonstration data of an installation.
pub struct Demo {
    /// Its project.
    pub project: Project,
    /// The survey that the demonstration site shows.
    pub survey: SurveyId,
    /// The owner's password, if it was just created.
    pub password: Option<String>,
}

/// A clock with the current time of the story.
struct StoryClock(AtomicI64);

impl Clock for StoryClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

/// The application at an earlier time: the same database with another clock.
struct BackdatedApp {
    app: AppState,
    clock: Arc<StoryClock>,
    dice: StoryRng,
    keys: u64,
}

impl BackdatedApp {
    async fn new(app: &AppState) -> Result<Self> {
        let clock = Arc::new(StoryClock(AtomicI64::new(app.now().0)));
        // The story sends no e-mail.
        let settings = Settings { mail: None, ..app.settings.clone() };
        let past = App::new(settings, app.store.clone(), clock.clone()).await?;
        Ok(Self { app: past, clock, dice: StoryRng(90), keys: 0 })
    }

    fn at(&self, time: Timestamp) -> &App {
        self.clock.0.store(time.0, Ordering::SeqCst);
        &self.app
    }

    fn key(&mut self) -> String {
        self.keys += 1;
        format!("demonstration-{}", self.keys)
    }
}

/// Finds the demonstration, or fills an empty installation with it. `None` if the installation has other data; it stays unchanged.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn prepare(app: &AppState) -> Result<Option<Demo>> {
    if accounts::setup::is_empty(app).await? {
        return fill(app).await.map(Some);
    }
    let Some(owner) = app.store.staff_by_email(DEMO_EMAIL).await? else { return Ok(None) };
    for project in app.store.projects_of(owner.id()?).await? {
        let scope = Scope::system(project.id);
        let live = app.store.surveys(&scope).await?.into_iter().map(|s| s.survey).filter(|s| s.status == SurveyStatus::Live);
        // Prefer the survey that the widget shows behind its button.
        if let Some(shown) = live.max_by_key(|s| matches!(s.draft.launch, LaunchTrigger::Button { .. })) {
            return Ok(Some(Demo { project, survey: shown.id, password: None }));
        }
    }
    Ok(None)
}

/// Fills the installation if it is empty, serves the demonstration's site as long as the program runs, and logs the URLs. `base` is the
/// installation's URL.
///
/// # Errors
/// Returns an error if the database fails or the site cannot listen on any port.
pub async fn offer(app: &AppState, base: &str, listen: SocketAddr) -> Result<()> {
    let Some(demo) = prepare(app).await? else {
        tracing::warn!("This installation is not empty, so no demo data was added. Use another --data directory for the demo.");
        return Ok(());
    };
    let listener = match TcpListener::bind(listen).await {
        Ok(listener) => listener,
        // The port is in use, probably by another demonstration.
        Err(_) => TcpListener::bind(SocketAddr::new(listen.ip(), 0)).await.map_err(|e| Error::internal("--demo-listen", e))?,
    };
    let site = listener.local_addr().map_err(|e| Error::internal("--demo-listen", e))?;
    let router = host::router(base, &demo.project.key, &demo.survey.to_string());
    tokio::spawn(async move { axum::serve(listener, router).await });
    match &demo.password {
        Some(password) => tracing::info!("Demonstration: sign in at {base}/sign-in as {DEMO_EMAIL} with the password {password}"),
        None => tracing::info!("Demonstration: sign in at {base}/sign-in as {DEMO_EMAIL} with the password from the first start"),
    }
    tracing::info!("Demonstration: a site with the widget is at http://{site}/");
    tracing::info!("Demonstration: its survey is at {base}/s/{}", demo.survey);
    Ok(())
}

struct DemoTeam {
    owner: Scope,
    others: Vec<Scope>,
}

async fn fill(app: &AppState) -> Result<Demo> {
    let now = app.now();
    let mut past = BackdatedApp::new(app).await?;
    let start = now.plus_days(-92);
    let password: String = app.token().chars().filter(char::is_ascii_alphanumeric).take(14).collect();
    let owner = accounts::create_staff(past.at(start), DEMO_EMAIL, "Dana Demo", &password).await?;
    let project = projects::create(past.at(start), "Gantry", vec![], Some(owner)).await?;
    let team = DemoTeam { owner: scope(app, owner, project.id).await?, others: colleagues(&mut past, project.id, start).await? };
    let surveys = make_surveys(&mut past, &team.owner, start).await?;
    let story = story::generate_story(now);
    let said = answer(&mut past, &surveys, story).await?;
    let items = open_items(&mut past, &team, now).await?;
    triage_all(&mut past, &team, &said, now).await?;
    link_all(&mut past, &team, &items, &said, now).await?;
    move_items(&mut past, &team, &items, now).await?;
    import_some(&mut past, &team.owner, now).await?;
    replies::fill(&mut past, &team.owner, now).await?;
    desk::fill(&mut past, &project, &team.owner, &team.others, now).await?;
    let survey = surveys.get(&DemoSurvey::Nps).copied().ok_or_else(|| Error::internal("demonstration", "no survey"))?;
    Ok(Demo { project, survey, password: Some(password) })
}

async fn scope(app: &App, staff: StaffId, project: ProjectId) -> Result<Scope> {
    Ok(app.store.team_member(staff).await?.scope(project, Role::Viewer)?)
}

/// Two more team members, who cannot sign in because their random passwords are discarded.
async fn colleagues(past: &mut BackdatedApp, project: ProjectId, start: Timestamp) -> Result<Vec<Scope>> {
    let mut scopes = Vec::new();
    for (email, name, role) in [("mara@example.com", "Mara Lind", Role::Admin), ("jonas@example.com", "Jonas Weber", Role::Triager)] {
        let app = past.at(start.plus_days(1));
        let staff = accounts::create_staff(app, email, name, &app.token()).await?;
        app.store.write(move |tx| Box::pin(async move { tx.set_role(project, staff, role, start).await })).await?;
        scopes.push(scope(app, staff, project).await?);
    }
    Ok(scopes)
}

/// Surveys in all states: two live, one paused, one closed, one not yet published.
async fn make_surveys(past: &mut BackdatedApp, owner: &Scope, start: Timestamp) -> Result<BTreeMap<DemoSurvey, SurveyId>> {
    let button = LaunchTrigger::Button { label: "Feedback".into() };
    let plan = [
        (DemoSurvey::Csat, "csat", "After a support conversation", None),
        (DemoSurvey::Ces, "ces", "After the first project plan", None),
        (DemoSurvey::Churn, "churn", "Leaving Gantry", None),
        (DemoSurvey::Nps, "nps", "How is Gantry doing?", Some(button)),
    ];
    let mut surveys = BTreeMap::new();
    for (to, template, name, launch) in plan {
        let key = past.key();
        let mut body = template_body(template)?;
        body.launch = launch.unwrap_or(body.launch);
        let survey = surveys::create_with(past.at(start.plus_days(1)), owner, name, body, &key).await?;
        publish(past, owner, survey, start.plus_days(1).plus_ms(HOUR_MS)).await?;
        surveys.insert(to, survey);
    }
    let key = past.key();
    surveys::create_with(past.at(start.plus_days(85)), owner, "First week with Gantry", template_body("onboarding")?, &key).await?;
    Ok(surveys)
}

fn template_body(key: &str) -> Result<domain::surveys::SurveyBody> {
    templates::find(key).map(|t| (t.body)()).ok_or_else(|| Error::internal("demonstration", key))
}

async fn publish(past: &mut BackdatedApp, owner: &Scope, survey: SurveyId, at: Timestamp) -> Result<()> {
    let key = past.key();
    let app = past.at(at);
    let seen = app.store.survey(owner, survey).await?.map_or(0, |s| s.revision);
    surveys::publish(app, owner, survey, seen, &key).await?;
    surveys::set_status(app, owner, survey, None, SurveyStatus::Live).await
}

/// A response of the story and its feedback.
struct DemoFeedback {
    said: DemoAnswer,
    feedback: FeedbackId,
}

async fn answer(past: &mut BackdatedApp, surveys: &BTreeMap<DemoSurvey, SurveyId>, story: Vec<DemoAnswer>) -> Result<Vec<DemoFeedback>> {
    let mut targets = BTreeMap::new();
    for (to, survey) in surveys {
        targets.insert(*to, responses::target(&past.app, *survey, None).await?);
    }
    let mut heard = Vec::with_capacity(story.len());
    for said in story {
        let Some(target) = targets.get(&said.to) else { continue };
        let pairs = said.pairs(&target.body, &mut past.dice);
        let (name, email, id) = said.person.clone().map_or((None, None, None), |(name, email, id)| (Some(name), Some(email), Some(id)));
        let submission = ResponseInput {
            pairs,
            finished: said.finished,
            started: None,
            elapsed_ms: Some(21_000),
            honeypot: said.is_spam,
            context: ResponseContext {
                source: if said.to == DemoSurvey::Nps { "popover" } else { "link" }.into(),
                page_url: Some(said.page.clone()),
                release: Some(said.release.to_owned()),
                environment: Some("production".into()),
                contact: ClaimedContact { external_id: id, email, name, attributes: None, claim: Claim::Verified },
                ..ResponseContext::default()
            },
        };
        let key = past.key();
        let receipt = responses::begin(past.at(said.at), target, &key, &submission).await?;
        if let Some(feedback) = past.app.store.feedback_of(target.project.id, receipt.id).await? {
            heard.push(DemoFeedback { said, feedback });
        }
    }
    // After their last responses.
    for (to, status, ago) in [(DemoSurvey::Ces, SurveyStatus::Paused, 1), (DemoSurvey::Churn, SurveyStatus::Closed, 0)] {
        if let (Some(survey), Some(target)) = (surveys.get(&to), targets.get(&to)) {
            let at = heard.iter().filter(|h| h.said.to == to).map(|h| h.said.at).max().unwrap_or(past.app.now());
            let scope = Scope::system(target.project.id);
            surveys::set_status(past.at(at.plus_ms(ago * HOUR_MS)), &scope, *survey, None, status).await?;
        }
    }
    Ok(heard)
}

/// A backlog item and its template.
struct DemoBacklogItem {
    number: i64,
    work: &'static BacklogTemplate,
}

async fn open_items(past: &mut BackdatedApp, team: &DemoTeam, now: Timestamp) -> Result<Vec<DemoBacklogItem>> {
    let mut works: Vec<&BacklogTemplate> = BACKLOG.iter().collect();
    works.sort_by_key(|w| -w.days_ago);
    let mut made = Vec::new();
    for work in works {
        let key = past.key();
        let number = backlog::create(past.at(now.plus_days(-work.days_ago)), &team.owner, &key, work.title, work.body).await?;
        made.push(DemoBacklogItem { number, work });
    }
    Ok(made)
}

async fn move_items(past: &mut BackdatedApp, team: &DemoTeam, items: &[DemoBacklogItem], now: Timestamp) -> Result<()> {
    for made in items {
        for (days, status) in made.work.steps {
            let app = past.at(now.plus_days(-days));
            if let Some(item) = app.store.backlog_item(&team.owner, made.number).await? {
                backlog::set_status(app, &team.owner, made.number, item.version, *status).await?;
            }
        }
    }
    Ok(())
}

/// Triages new feedback every other day: tags, status, assignee, comments. Most of the last days remains untriaged.
async fn triage_all(past: &mut BackdatedApp, team: &DemoTeam, heard: &[DemoFeedback], now: Timestamp) -> Result<()> {
    for session in 0..45_i64 {
        let at = now.plus_days(-88 + session * 2);
        let recent = |h: &&DemoFeedback| !h.said.is_spam && h.said.at < at && h.said.at >= at.plus_days(-2);
        let person = team.others[usize::try_from(session).unwrap_or(0) % team.others.len()];
        let mut by_tag: BTreeMap<&str, Vec<FeedbackId>> = BTreeMap::new();
        let (mut seen, mut done) = (Vec::new(), Vec::new());
        for one in heard.iter().filter(recent) {
            // Recent sessions leave more items untriaged.
            if past.dice.below(100) < if session > 41 { 75 } else { 12 } {
                continue;
            }
            match one.said.topic {
                Some(topic) => {
                    by_tag.entry(TOPICS[topic].tag).or_default().push(one.feedback);
                    if TOPICS[topic].mood > 0 { done.push(one.feedback) } else { seen.push(one.feedback) }
                }
                None => done.push(one.feedback),
            }
        }
        for (tag, ids) in by_tag {
            edit(past.at(at), &person, &ids, FeedbackEdit::Tags { add: vec![tag.to_owned()], remove: vec![] }).await?;
        }
        edit(past.at(at.plus_ms(60_000)), &person, &seen, FeedbackEdit::Status(FeedbackStatus::Triaged)).await?;
        edit(past.at(at.plus_ms(120_000)), &person, &done, FeedbackEdit::Status(FeedbackStatus::Resolved)).await?;
        if let Some(first) = seen.first().copied() {
            let owner = team.owner.staff();
            edit(
                past.at(at.plus_ms(180_000)),
                &person,
                &[first],
                FeedbackEdit::Assign(if session % 3 == 0 { owner } else { person.staff() }),
            )
            .await?;
            if session % 2 == 0 {
                let (key, remark) = (past.key(), REMARKS[usize::try_from(session / 2).unwrap_or(0) % REMARKS.len()]);
                triage::comment(past.at(at.plus_ms(240_000)), &person, first, remark, &key).await?;
            }
        }
    }
    Ok(())
}

async fn edit(app: &App, scope: &Scope, ids: &[FeedbackId], edit: FeedbackEdit) -> Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    let seen =
        app.store.feedback_by_ids(scope, ids).await?.into_iter().map(|f| ItemVersion { id: f.id, version: f.version }).collect::<Vec<_>>();
    triage::edit(app, scope, &seen, edit).await?;
    Ok(())
}

/// Links feedback to matching backlog items, mostly with the key sentence as quote.
async fn link_all(
    past: &mut BackdatedApp,
    team: &DemoTeam,
    items: &[DemoBacklogItem],
    heard: &[DemoFeedback],
    now: Timestamp,
) -> Result<()> {
    for made in items {
        let topic = |h: &DemoFeedback| h.said.topic.is_some_and(|t| TOPICS[t].tag == made.work.tag) && h.said.core.contains(made.work.word);
        for one in heard.iter().filter(|h| topic(h) && h.said.at < now.plus_days(-3)).take(14) {
            if past.dice.chance(15) {
                continue;
            }
            let person = *past.dice.pick(&team.others);
            let importance = match past.dice.below(10) {
                0 => Importance::Nice,
                1 | 2 => Importance::Critical,
                _ => Importance::Normal,
            };
            let quote = if past.dice.chance(70) { one.said.core.to_owned() } else { String::new() };
            let made_at = now.plus_days(-made.work.days_ago);
            let at = Timestamp(one.said.at.0.max(made_at.0) + 5 * HOUR_MS);
            backlog::link(past.at(at), &person, one.feedback, made.number, LinkInput { quote, importance }).await?;
        }
    }
    Ok(())
}

/// Imports tickets of an older help desk from a file.
async fn import_some(past: &mut BackdatedApp, owner: &Scope, now: Timestamp) -> Result<()> {
    let mut file = String::from("id,date,message,area,person\n");
    for n in 0..40_i64 {
        let topic = past.dice.pick(TOPICS);
        let text = past.dice.pick(topic.texts).replace('"', "\"\"");
        let day = UTC.day(now.plus_days(-60 + n));
        file.push_str(&format!("T-{},{day},\"{text}\",{},\n", 4_000 + n, topic.tag));
    }
    file.push_str("T-4040,,,export,\nT-4041,yesterday,The date of this one cannot be read.,search,\n");
    let key = past.key();
    let app = Arc::clone(&past.app);
    past.at(now.plus_days(-12));
    let mut upload = imports::begin_upload(&app, owner, "help-desk-2026.csv", &key).await?;
    upload.push(&app, owner, file.as_bytes()).await?;
    let import = imports::find(&app, owner, upload.finish(&app, owner).await?).await?;
    let mapping = ColumnMapping {
        add_tag: Some("help-desk-2026".into()),
        ..ColumnMapping::parse("text=message,tag=area,created_at=date,external_id=id")?
    };
    imports::start(&app, owner, &import, mapping).await?;
    imports::run(&app, owner, import.id, |_| false).await?;
    past.at(now.plus_days(-12).plus_ms(2 * DAY_MS / 24));
    Ok(())
}
