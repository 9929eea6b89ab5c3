//! Texts of the demonstration: feedback on Gantry, its project-planning web app.

/// A topic of feedback.
pub struct Topic {
    /// The tag that triage adds.
    pub tag: &'static str,
    /// Sentiment, from -2 (a problem that lowers scores) to 2 (praise).
    pub mood: i8,
    /// Frequency relative to the others.
    pub weight: u32,
    /// The page that most of it comes from.
    pub page: &'static str,
    /// The possible texts.
    pub texts: &'static [&'static str],
}

/// All topics.
pub const TOPICS: &[Topic] = &[
    Topic {
        tag: "timeline-speed",
        mood: -2,
        weight: 9,
        page: "/projects/timeline",
        texts: &[
            "The timeline takes ages to load once a project has more than two hundred tasks.",
            "Scrolling the timeline stutters so badly that I export to a spreadsheet just to read it.",
            "Our roadmap has 600 tasks and opening it freezes the tab for ten seconds.",
            "Dragging a bar on the timeline lags behind the mouse by about a second.",
            "I make coffee while the timeline of our biggest project loads. Every morning.",
            "Zooming out to the quarter view makes the browser unresponsive.",
            "Die Zeitleiste ist bei großen Projekten leider unbenutzbar langsam.",
            "Beim Verschieben von Balken hängt die Ansicht jedes Mal mehrere Sekunden.",
            "La chronologie met une éternité à s'afficher quand le projet est grand.",
        ],
    },
    Topic {
        tag: "export",
        mood: -1,
        weight: 7,
        page: "/projects/reports",
        texts: &[
            "The PDF export cuts off the last column of the report, so I cannot show it to my boss.",
            "Exported dates come out in American format although my account is set to Germany.",
            "Please let us export the whole portfolio as one spreadsheet and not project by project.",
            "The CSV export leaves out custom fields, which are the only ones we need.",
            "I would love a scheduled export that lands in our shared drive every Monday.",
            "Excel shows broken characters when I open the exported file.",
            "Der PDF-Export schneidet die rechte Spalte ab.",
            "Umlaute sind in der exportierten CSV-Datei kaputt.",
            "L'export PDF coupe la dernière colonne du rapport.",
        ],
    },
    Topic {
        tag: "mobile",
        mood: -1,
        weight: 6,
        page: "/m/today",
        texts: &[
            "On my phone I can read tasks but not reorder them, which is what I want to do on the train.",
            "The mobile page logs me out every other day.",
            "Buttons on the phone are so small that I tick off the wrong task.",
            "I am on building sites all day and need the plan offline on my tablet.",
            "Attaching a photo from the phone fails without any message.",
            "Auf dem Handy kann ich keine Anhänge öffnen.",
            "Sur mobile, les boutons sont trop petits pour mes doigts.",
        ],
    },
    Topic {
        tag: "notifications",
        mood: -1,
        weight: 7,
        page: "/settings/notifications",
        texts: &[
            "I get an e-mail for every single comment, even my own.",
            "Please bundle notifications into one digest in the morning.",
            "I muted a project and still got forty e-mails from it over the weekend.",
            "Mentions drown among status changes; there is no way to tell them apart.",
            "Notifications arrive an hour late, after the meeting they were about.",
            "Ich bekomme für jeden Kommentar eine E-Mail, das ist viel zu viel.",
            "Trop de courriels : un résumé par jour suffirait.",
        ],
    },
    Topic {
        tag: "calendar-sync",
        mood: -1,
        weight: 6,
        page: "/settings/calendars",
        texts: &[
            "Deadlines do not show up in my Google calendar until I reconnect it.",
            "Milestones appear one day early in Outlook because of the time zone.",
            "Two-way sync with the calendar would save me an hour each week.",
            "The calendar feed stopped updating after last week's release.",
            "Recurring tasks show up only once in the synced calendar.",
            "Die Kalendersynchronisation verliert ständig die Verbindung.",
            "La synchronisation avec Outlook décale les jalons d'un jour.",
        ],
    },
    Topic {
        tag: "guest-access",
        mood: -1,
        weight: 5,
        page: "/projects/share",
        texts: &[
            "I need to share one project with a client without showing them the budget.",
            "Guests see every project in the workspace, which we cannot allow.",
            "Inviting a client as a guest took three attempts and a support ticket.",
            "A read-only link for clients would replace the slides I make by hand.",
            "We pay for full seats for people who only look at one board a month.",
            "Wir bräuchten Gastzugänge nur zum Lesen für unsere Kunden.",
        ],
    },
    Topic {
        tag: "search",
        mood: -1,
        weight: 4,
        page: "/search",
        texts: &[
            "Search finds nothing when I make the smallest typo.",
            "I cannot search inside comments, and that is where all our decisions are.",
            "Searching for a task number gives me twenty results and not that task.",
            "Archived projects should not come first in the search results.",
            "Die Suche findet keine Kommentare.",
        ],
    },
    Topic {
        tag: "pricing",
        mood: -2,
        weight: 4,
        page: "/settings/billing",
        texts: &[
            "The price went up by a third and I do not see what we get for it.",
            "For a team of five the business plan is too expensive.",
            "I cannot find out what we will pay next month from the billing page.",
            "Charging for seats that nobody used for a year feels unfair.",
            "Für einen kleinen Verein ist der Preis zu hoch.",
            "Le prix par siège est trop élevé pour une petite association.",
        ],
    },
    Topic {
        tag: "lost-changes",
        mood: -2,
        weight: 4,
        page: "/projects/board",
        texts: &[
            "I wrote a long description, the connection dropped, and everything was gone.",
            "Two of us edited the same task and my changes disappeared without a word.",
            "The board showed a task as done, after a reload it was open again.",
            "An hour of planning was lost when the tab crashed. Please save drafts.",
            "Meine Änderungen waren nach dem Neuladen verschwunden.",
            "J'ai perdu mes modifications après une coupure de connexion.",
        ],
    },
    Topic {
        tag: "onboarding",
        mood: 0,
        weight: 4,
        page: "/welcome",
        texts: &[
            "The first day was confusing: spaces, projects, boards, plans, I did not know which is which.",
            "The sample project helped a lot, I copied it and went from there.",
            "I could not find out how to import my old spreadsheet.",
            "A short tour for new colleagues would help, I explain the same things each time.",
            "Getting started was easier than I feared.",
            "Der Einstieg war einfacher als gedacht.",
        ],
    },
    Topic {
        tag: "shortcuts",
        mood: 0,
        weight: 3,
        page: "/projects/board",
        texts: &[
            "Please add a keyboard shortcut to assign a task to myself.",
            "I work without a mouse, and the board cannot be used by keyboard alone.",
            "A command palette like in my editor would be great.",
            "The shortcut for a new task clashes with the one of my browser.",
        ],
    },
    Topic {
        tag: "dark-mode",
        mood: 0,
        weight: 3,
        page: "/settings/looks",
        texts: &[
            "A dark mode, please. I plan the next day at night.",
            "In dark mode the labels on the bars cannot be read.",
            "Thank you for the dark mode, my eyes are grateful.",
            "Bitte einen dunklen Modus anbieten.",
        ],
    },
    Topic {
        tag: "dependencies",
        mood: 0,
        weight: 4,
        page: "/projects/timeline",
        texts: &[
            "When I move a task, the tasks that depend on it should move along.",
            "I would like to see the critical path on the timeline.",
            "Dependencies between two projects are not possible, and our work always crosses projects.",
            "The arrows between tasks are hard to follow once there are more than ten.",
            "Abhängigkeiten zwischen Projekten fehlen uns sehr.",
        ],
    },
    Topic {
        tag: "templates",
        mood: 1,
        weight: 3,
        page: "/templates",
        texts: &[
            "Project templates save us half a day for every new customer.",
            "Templates are great, only the due dates should count from the start of the project.",
            "I wish templates could hold automations too.",
            "Les modèles de projet nous font gagner beaucoup de temps.",
        ],
    },
    Topic {
        tag: "support",
        mood: 2,
        weight: 5,
        page: "/help",
        texts: &[
            "Support answered within ten minutes and stayed until it worked.",
            "Lea from support solved in one mail what I had tried for two days.",
            "Friendly people, clear answers, no copy and paste. Thank you.",
            "It took four days to get an answer, but then it was a good one.",
            "Der Support war schnell und sehr freundlich.",
            "Le support m'a aidé en quelques minutes, merci.",
        ],
    },
    Topic {
        tag: "praise",
        mood: 2,
        weight: 13,
        page: "/projects/board",
        texts: &[
            "The board is so clear that even our sales people use it.",
            "Finally a planning tool that my team opens without being told to.",
            "We moved from spreadsheets three months ago and nobody wants to go back.",
            "It does what it should and stays out of the way.",
            "The weekly report alone is worth the money.",
            "I see at a glance who has too much to do. That changed our Mondays.",
            "Since the last release everything feels much faster.",
            "Simple, quick, and the colours help me to find things.",
            "Endlich ein Werkzeug, das auch unsere Handwerker verstehen.",
            "Sehr übersichtlich, wir planen jetzt alle Baustellen damit.",
            "Très clair, toute l'équipe l'a adopté en une semaine.",
            "Un outil simple et rapide, bravo.",
        ],
    },
];

/// Possible beginnings of a text.
pub const OPENERS: &[&str] = &["", "", "", "", "", "Hi, ", "Honestly: ", "After two months with Gantry: ", "As a team lead: "];
/// Possible endings of a text.
pub const CLOSERS: &[&str] = &[
    "",
    "",
    "",
    "",
    "",
    "",
    " Otherwise I like it.",
    " We use it every day with eight people.",
    " Happy to show you on a call.",
    " I told you about this in spring already.",
    " Thanks for reading this.",
    " My colleagues say the same.",
];

/// First names; any first and last name make a person.
pub const FIRST_NAMES: &[&str] = &[
    "Anna", "Ben", "Clara", "David", "Elif", "Farid", "Greta", "Hugo", "Ines", "Jakob", "Kerstin", "Luca", "Marie", "Noah", "Olivia",
    "Paul",
];
/// See [`FIRST_NAMES`].
pub const LAST_NAMES: &[&str] = &["Albrecht", "Bianchi", "Costa", "Dubois", "Eriksson", "Fischer", "Green", "Haddad"];
/// The people's companies.
pub const COMPANIES: &[&str] = &["northpier", "hillandson", "kollwitz-bau", "studio-lumen", "vertex-legal", "atelier-roux"];

/// Spam from bots.
pub const SPAM: &[&str] = &[
    "Cheap followers and likes, best price, visit http://boost.example/now",
    "Your website could rank first on every search engine. Reply for a free audit.",
    "WIN a new phone today http://prize.example http://prize.example/claim http://prize.example/win http://prize.example/go",
    "Dear sir, I have a business proposal of 12 million for you.",
    "Crypto signals with guaranteed profit, join http://moon.example",
    "Best casino bonus without deposit",
    "We offer guest posts on your blog, 500 words, dofollow.",
    "Hot offers on watches http://watch.example",
];

/// The team's comments.
pub const REMARKS: &[&str] = &[
    "Same as what the people at Northpier told us last week.",
    "I could reproduce this with the big sample project.",
    "Asked back for a screenshot.",
    "This should be better since 4.1.0; I will ask again in two weeks.",
    "Not for this quarter, but it keeps coming up.",
    "Talked to them on the phone: they would test an early version.",
    "Good quote for the roadmap review.",
];

/// A backlog item: title, body, tag of its feedback, status changes, age in days.
pub struct BacklogTemplate {
    /// The title.
    pub title: &'static str,
    /// The body.
    pub body: &'static str,
    /// Feedback with this tag is linked to it.
    pub tag: &'static str,
    /// A word that such feedback must contain; may be empty.
    pub word: &'static str,
    /// Its status changes: days ago and status.
    pub steps: &'static [(i64, domain::backlog::BacklogStatus)],
    /// Its age in days.
    pub days_ago: i64,
}

use domain::backlog::BacklogStatus::{Declined, InProgress, Planned, Shipped};

/// The backlog items.
pub const BACKLOG: &[BacklogTemplate] = &[
    BacklogTemplate {
        title: "Draw only the visible part of the timeline",
        body: "Large projects freeze the tab. Render the rows in view, and load the rest while scrolling.",
        tag: "timeline-speed",
        word: "",
        steps: &[(70, Planned), (55, InProgress), (30, Shipped)],
        days_ago: 80,
    },
    BacklogTemplate {
        title: "PDF report: fit all columns on the page",
        body: "Landscape when there are more than six columns, and smaller type before anything is cut off.",
        tag: "export",
        word: "PDF",
        steps: &[(48, Planned), (12, InProgress)],
        days_ago: 62,
    },
    BacklogTemplate {
        title: "Custom fields and local formats in CSV exports",
        body: "",
        tag: "export",
        word: "CSV",
        steps: &[(20, Planned)],
        days_ago: 41,
    },
    BacklogTemplate {
        title: "One digest a day instead of single e-mails",
        body: "Per project: at once, daily, never. Mentions always at once.",
        tag: "notifications",
        word: "",
        steps: &[(44, Planned), (20, InProgress)],
        days_ago: 66,
    },
    BacklogTemplate {
        title: "Time zone of milestones in calendar feeds",
        body: "All-day events must stay all-day events.",
        tag: "calendar-sync",
        word: "",
        steps: &[(50, InProgress), (38, Shipped)],
        days_ago: 60,
    },
    BacklogTemplate {
        title: "Read-only links for clients",
        body: "One project, without budget and comments.",
        tag: "guest-access",
        word: "",
        steps: &[(9, Planned)],
        days_ago: 57,
    },
    BacklogTemplate { title: "Offline plan on tablets", body: "", tag: "mobile", word: "", steps: &[], days_ago: 33 },
    BacklogTemplate {
        title: "Keep drafts of descriptions in the browser",
        body: "And say so when somebody else saved in between.",
        tag: "lost-changes",
        word: "",
        steps: &[(46, Planned), (40, InProgress), (10, Shipped)],
        days_ago: 49,
    },
    BacklogTemplate { title: "Search inside comments, forgive typos", body: "", tag: "search", word: "", steps: &[], days_ago: 25 },
    BacklogTemplate {
        title: "Non-profit price",
        body: "Sales looked into it: discounts stay with sales.",
        tag: "pricing",
        word: "",
        steps: &[(28, Declined)],
        days_ago: 36,
    },
    BacklogTemplate {
        title: "Move dependent tasks along",
        body: "With a preview of what moves.",
        tag: "dependencies",
        word: "",
        steps: &[(6, Planned)],
        days_ago: 22,
    },
    BacklogTemplate {
        title: "Command palette and shortcuts for the board",
        body: "",
        tag: "shortcuts",
        word: "",
        steps: &[],
        days_ago: 14,
    },
];

/// Releases and their age in days.
pub const RELEASES: &[(i64, &str)] = &[(100, "3.8.0"), (70, "3.9.0"), (52, "4.0.0"), (44, "4.0.1"), (30, "4.1.0"), (9, "4.2.0")];
