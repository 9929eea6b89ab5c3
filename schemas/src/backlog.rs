//! Backlog items and their links.

use domain::backlog::{self, BacklogStatus};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// Progress of the work.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ItemStatus {
    /// Not decided.
    Open,
    /// Decided, not started.
    Planned,
    /// In progress.
    InProgress,
    /// Available to users.
    Shipped,
    /// Decided against.
    Declined,
}

impl From<BacklogStatus> for ItemStatus {
    fn from(status: BacklogStatus) -> Self {
        match status {
            BacklogStatus::Open => Self::Open,
            BacklogStatus::Planned => Self::Planned,
            BacklogStatus::InProgress => Self::InProgress,
            BacklogStatus::Shipped => Self::Shipped,
            BacklogStatus::Declined => Self::Declined,
        }
    }
}

impl From<ItemStatus> for BacklogStatus {
    fn from(status: ItemStatus) -> Self {
        match status {
            ItemStatus::Open => Self::Open,
            ItemStatus::Planned => Self::Planned,
            ItemStatus::InProgress => Self::InProgress,
            ItemStatus::Shipped => Self::Shipped,
            ItemStatus::Declined => Self::Declined,
        }
    }
}

/// How much the item matters to the person who gave the feedback.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Importance {
    /// They would like it.
    Nice,
    /// They want it.
    #[default]
    Normal,
    /// They cannot do without it.
    Critical,
}

impl From<Importance> for backlog::Importance {
    fn from(importance: Importance) -> Self {
        match importance {
            Importance::Nice => Self::Nice,
            Importance::Normal => Self::Normal,
            Importance::Critical => Self::Critical,
        }
    }
}

impl From<backlog::Importance> for Importance {
    fn from(importance: backlog::Importance) -> Self {
        match importance {
            backlog::Importance::Nice => Self::Nice,
            backlog::Importance::Normal => Self::Normal,
            backlog::Importance::Critical => Self::Critical,
        }
    }
}

/// A unit of work.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct BacklogItem {
    id: Uuid,
    /// The number shown in the console, as in `#12`.
    #[schema(example = 12)]
    number: i64,
    #[schema(example = "Export keeps all columns")]
    title: String,
    body: String,
    status: ItemStatus,
    evidence: Evidence,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
    /// Increases with each change.
    version: i64,
}

impl BacklogItem {
    /// Returns an item with the demand for it.
    #[must_use]
    pub fn new(item: backlog::BacklogItem, evidence: Evidence) -> Self {
        Self {
            id: item.id.0,
            number: item.number,
            title: item.title,
            body: item.body,
            status: item.status.into(),
            evidence,
            created_at: item.created_at.rfc3339(),
            updated_at: item.updated_at.rfc3339(),
            version: item.version,
        }
    }
}

/// Demand for an item, not counting spam.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct Evidence {
    /// Distinct people.
    pub people: i64,
    /// Linked items of feedback.
    pub feedback: i64,
    /// How many of them are marked critical.
    pub critical: i64,
}

/// A linked backlog item.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct LinkedItem {
    /// The item’s number.
    pub number: i64,
    /// The item’s title.
    pub title: String,
    /// `open`, `planned`, `in_progress`, `shipped` or `declined`.
    pub status: ItemStatus,
    /// The quoted part of the feedback; null if the link is about all of it.
    pub quote: Option<String>,
    /// `nice`, `normal` or `critical`.
    pub importance: Importance,
}
