//! Pagination, within a query and across requests.

use super::item::Item;
use super::{Store, StoreError};
use aws_sdk_dynamodb::operation::query::QueryOutput;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};
use domain::ids::UserId;
use domain::{Invalid, limits};
use futures::{FutureExt, Stream, TryStreamExt};

/// Items of a page: more than one megabyte holds of most items. DynamoDB ends a page after one megabyte in any case. A
/// local engine that reads the rest of the partition for each page would need quadratic time.
const PAGE_ITEMS: i32 = 4_000;

/// The position of a query. DynamoDB ends a page after one megabyte, with the key to continue from.
enum Pages {
    First,
    From(Item),
    Done,
}

impl Pages {
    /// The start of the next page; `None` after the last page.
    fn start(self) -> Option<Option<Item>> {
        match self {
            Self::First => Some(None),
            Self::From(key) => Some(Some(key)),
            Self::Done => None,
        }
    }

    /// The position after a page that ended with this key.
    fn after(last: Option<Item>) -> Self {
        last.map_or(Self::Done, Self::From)
    }
}

impl Store {
    /// One page of a query.
    pub(super) async fn page(&self, query: QueryFluentBuilder) -> Result<QueryOutput, StoreError> {
        let query = query.return_consumed_capacity(ReturnConsumedCapacity::Total);
        let answer = query.send().boxed().await?;
        self.usage.read(answer.consumed_capacity());
        Ok(answer)
    }

    /// The items of a query, page by page; a page is read when it is requested.
    pub(super) fn pages(
        &self,
        query: QueryFluentBuilder,
    ) -> impl Stream<Item = Result<Vec<Item>, StoreError>> + use<'_> {
        self.pages_of(query.limit(PAGE_ITEMS))
    }

    /// The same with the query's own number of items of a page.
    pub(super) fn pages_of(
        &self,
        query: QueryFluentBuilder,
    ) -> impl Stream<Item = Result<Vec<Item>, StoreError>> + use<'_> {
        futures::stream::try_unfold(Pages::First, move |pages| {
            let query = query.clone();
            async move {
                let Some(start) = pages.start() else {
                    return Ok(None);
                };
                let answer = self.page(query.set_exclusive_start_key(start)).await?;
                let items = answer.items.unwrap_or_default();
                Ok(Some((items, Pages::after(answer.last_evaluated_key))))
            }
        })
    }

    /// All items of a user in a table partitioned by user, read consistently.
    pub(super) fn items_of(
        &self,
        table: &str,
        user_key: &str,
        user: &UserId,
    ) -> impl Stream<Item = Result<Vec<Item>, StoreError>> + use<'_> {
        let query = self.query_of(table, user_key, user);
        self.pages(query.key_condition_expression("#user = :user"))
    }

    /// A consistent query about a user: `#user = :user` and the rest of its key condition.
    pub(super) fn query_of(
        &self,
        table: &str,
        user_key: &str,
        user: &UserId,
    ) -> QueryFluentBuilder {
        self.client
            .query()
            .table_name(table)
            .expression_attribute_names("#user", user_key)
            .expression_attribute_values(":user", AttributeValue::S(user.to_string()))
            .consistent_read(true)
    }
}

/// All items of a query.
pub(super) async fn collect_pages(
    pages: impl Stream<Item = Result<Vec<Item>, StoreError>>,
) -> Result<Vec<Item>, StoreError> {
    pages.try_concat().await
}

/// A page token for callers: opaque, versioned, bounded. It contains a sort key only, no partition key, so a forged one
/// gives access to nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(pub String);

/// The version, first, so that later forms can be distinguished.
const VERSION: &str = "1:";

impl Cursor {
    /// The token.
    pub fn encode(&self) -> String {
        data_encoding::BASE64URL_NOPAD.encode(format!("{VERSION}{}", self.0).as_bytes())
    }

    /// Parses a token. `is_key` says whether a text is a sort key of the list.
    ///
    /// # Errors
    /// If the token is invalid; the sentence is the same for all reasons.
    pub fn decode(text: &str, is_key: impl Fn(&str) -> bool) -> Result<Self, Invalid> {
        let wrong = || {
            Invalid::new(
                "bad_cursor",
                "Must be a `next_cursor` from an earlier answer.",
            )
        };
        if text.len() > limits::MAX_CURSOR_CHARS {
            return Err(wrong());
        }
        let bytes = data_encoding::BASE64URL_NOPAD
            .decode(text.as_bytes())
            .map_err(|_| wrong())?;
        let text = String::from_utf8(bytes).map_err(|_| wrong())?;
        text.strip_prefix(VERSION)
            .filter(|key| is_key(key))
            .map(|key| Self(key.to_owned()))
            .ok_or_else(wrong)
    }
}
