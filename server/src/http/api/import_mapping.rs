//! How the columns of an imported file become fields of feedback, as an API client chooses and reads it.

use domain::{
    FieldErrors,
    imports::{ColumnMapping, DateOrder, Target},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

use super::problem::ApiRejection;

/// Which column of the file has which field of feedback. Columns are named as in the file’s header.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct ImportColumns {
    /// The text: the only field that every import needs.
    #[validate(length(max = 1000))]
    #[schema(max_length = 1000, example = "Comment")]
    #[serde(default)]
    text: Option<String>,
    /// Columns with tags.
    #[validate(length(max = 20, code = "too_many", message = "Use at most 20 columns with tags."))]
    #[schema(max_items = 20, example = json!(["Category"]))]
    #[serde(default)]
    tag: Vec<String>,
    #[validate(length(max = 1000))]
    #[schema(max_length = 1000, example = "Stars")]
    #[serde(default)]
    score: Option<String>,
    /// A column, or the maximum of the scale itself.
    #[validate(length(max = 1000))]
    #[schema(max_length = 1000, example = "5")]
    #[serde(default)]
    score_max: Option<String>,
    /// When it was given.
    #[validate(length(max = 1000))]
    #[schema(max_length = 1000)]
    #[serde(default)]
    created_at: Option<String>,
    /// Your own ID for the person.
    #[validate(length(max = 1000))]
    #[schema(max_length = 1000)]
    #[serde(default)]
    contact_id: Option<String>,
    #[validate(length(max = 1000))]
    #[schema(max_length = 1000)]
    #[serde(default)]
    contact_email: Option<String>,
    #[validate(length(max = 1000))]
    #[schema(max_length = 1000)]
    #[serde(default)]
    contact_name: Option<String>,
    #[validate(length(max = 1000))]
    #[schema(max_length = 1000)]
    #[serde(default)]
    page_url: Option<String>,
    #[validate(length(max = 1000))]
    #[schema(max_length = 1000)]
    #[serde(default)]
    release: Option<String>,
    #[validate(length(max = 1000))]
    #[schema(max_length = 1000)]
    #[serde(default)]
    environment: Option<String>,
    #[validate(length(max = 1000))]
    #[schema(max_length = 1000)]
    #[serde(default)]
    language: Option<String>,
    /// A column, or a kind of feedback itself.
    #[validate(length(max = 1000))]
    #[schema(max_length = 1000)]
    #[serde(default)]
    kind: Option<String>,
    /// A column, or a status itself.
    #[validate(length(max = 1000))]
    #[schema(max_length = 1000)]
    #[serde(default)]
    status: Option<String>,
    /// Your own ID of the row. A row with an ID that was imported before is not imported again.
    #[validate(length(max = 1000))]
    #[schema(max_length = 1000)]
    #[serde(default)]
    external_id: Option<String>,
}

impl ImportColumns {
    /// The place for the column of a target; `None` for tags, which have several.
    fn slot(&mut self, target: Target) -> Option<&mut Option<String>> {
        Some(match target {
            Target::Text => &mut self.text,
            Target::Tag => return None,
            Target::Score => &mut self.score,
            Target::ScoreMax => &mut self.score_max,
            Target::CreatedAt => &mut self.created_at,
            Target::ContactId => &mut self.contact_id,
            Target::ContactEmail => &mut self.contact_email,
            Target::ContactName => &mut self.contact_name,
            Target::PageUrl => &mut self.page_url,
            Target::Release => &mut self.release,
            Target::Environment => &mut self.environment,
            Target::Language => &mut self.language,
            Target::Kind => &mut self.kind,
            Target::Status => &mut self.status,
            Target::ExternalId => &mut self.external_id,
        })
    }
}

/// What comes first in dates of bare numbers.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ImportDateOrder {
    /// As in 23/11/2025.
    DayFirst,
    /// As in 11/23/2025.
    MonthFirst,
}

impl From<DateOrder> for ImportDateOrder {
    fn from(order: DateOrder) -> Self {
        match order {
            DateOrder::DayFirst => Self::DayFirst,
            DateOrder::MonthFirst => Self::MonthFirst,
        }
    }
}

impl From<ImportDateOrder> for DateOrder {
    fn from(order: ImportDateOrder) -> Self {
        match order {
            ImportDateOrder::DayFirst => Self::DayFirst,
            ImportDateOrder::MonthFirst => Self::MonthFirst,
        }
    }
}

/// How to read a file. An encoding, date order or number of header rows that is omitted or null is detected; columns that are omitted are not
/// imported.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct ImportMapping {
    #[validate(nested)]
    #[serde(default, deserialize_with = "super::request::object")]
    columns: ImportColumns,
    /// A tag that every row gets; null for none.
    #[validate(length(max = super::request::chars(domain::feedback::MAX_TAG)))]
    #[schema(max_length = 60, example = "reviews-2026")]
    #[serde(default)]
    add_tag: Option<String>,
    /// The encoding of the file, such as `utf-8` or `windows-1252`.
    #[validate(length(max = 40))]
    #[schema(max_length = 40, example = "utf-8")]
    #[serde(default)]
    encoding: Option<String>,
    /// Needed only if the dates of the file can be read both ways.
    #[serde(default)]
    date_order: Option<ImportDateOrder>,
    /// How many rows name the columns.
    #[serde(default, deserialize_with = "super::request::whole")]
    #[schema(minimum = 1, maximum = 3)]
    header_rows: Option<u8>,
}

impl ImportMapping {
    /// The mapping of the use cases.
    ///
    /// # Errors
    /// 422 with the place of each error in `mapping`.
    pub fn read(mut self) -> Result<ColumnMapping, ApiRejection> {
        let mut pairs = Vec::new();
        for target in Target::ALL {
            match self.columns.slot(*target) {
                Some(column) => pairs.extend(column.take().map(|column| (target.as_str(), column))),
                None => pairs.extend(std::mem::take(&mut self.columns.tag).into_iter().map(|column| (target.as_str(), column))),
            }
        }
        pairs.extend(self.add_tag.map(|tag| ("add_tag", tag)));
        pairs.extend(self.encoding.map(|encoding| ("encoding", encoding)));
        pairs.extend(self.date_order.map(|order| ("dates", DateOrder::from(order).as_str().to_owned())));
        pairs.extend(self.header_rows.map(|rows| ("header_rows", rows.to_string())));
        ColumnMapping::from_pairs(pairs.iter().map(|(name, value)| (*name, value.as_str()))).map_err(at_mapping)
    }
}

impl From<&ColumnMapping> for ImportMapping {
    fn from(mapping: &ColumnMapping) -> Self {
        let mut columns = ImportColumns::default();
        for (target, column) in &mapping.columns {
            match columns.slot(*target) {
                Some(slot) => *slot = Some(column.clone()),
                None => columns.tag.push(column.clone()),
            }
        }
        Self {
            columns,
            add_tag: mapping.add_tag.clone(),
            encoding: mapping.encoding.map(|encoding| encoding.as_str().to_owned()),
            date_order: mapping.dates.map(Into::into),
            header_rows: mapping.header_rows.and_then(|rows| u8::try_from(rows).ok()),
        }
    }
}

/// The place in a request of a fault in a mapping.
pub fn place(field: &str) -> String {
    match field {
        "dates" => "/mapping/date_order".to_owned(),
        field if Target::parse(field).is_some() => format!("/mapping/columns/{field}"),
        field => format!("/mapping/{field}"),
    }
}

/// A refusal of a mapping, with the places of its faults.
pub fn at_mapping(error: impl Into<ApiRejection>) -> ApiRejection {
    error.into().at(place)
}

/// The faults of a mapping, with their places.
pub fn faults(errors: FieldErrors) -> Vec<super::problem::FieldProblem> {
    errors.0.into_iter().map(|e| super::problem::FieldProblem::at(place(&e.field), &e.code, e.message)).collect()
}
