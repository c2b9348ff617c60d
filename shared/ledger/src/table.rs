//! The table: making one where no deployment template did, and reading a partition.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType, StreamSpecification,
    StreamViewType, TimeToLiveSpecification,
};

use crate::item::{Item, s};
use crate::{Ledger, LedgerError};

/// Creates the table as `template.yaml` does, unless it is there already.
///
/// # Errors
/// [`LedgerError::Unavailable`].
pub async fn create_table(client: &Client, table: &str) -> Result<(), LedgerError> {
    let built = |error: aws_sdk_dynamodb::error::BuildError| LedgerError::Unavailable {
        operation: "CreateTable",
        reason: error.to_string(),
    };
    let mut request =
        client.create_table().table_name(table).billing_mode(BillingMode::PayPerRequest).stream_specification(
            StreamSpecification::builder()
                .stream_enabled(true)
                .stream_view_type(StreamViewType::NewImage)
                .build()
                .map_err(built)?,
        );
    for (name, kind) in [("pk", KeyType::Hash), ("sk", KeyType::Range)] {
        let attribute = AttributeDefinition::builder()
            .attribute_name(name)
            .attribute_type(ScalarAttributeType::S)
            .build()
            .map_err(built)?;
        let element = KeySchemaElement::builder().attribute_name(name).key_type(kind).build().map_err(built)?;
        request = request.attribute_definitions(attribute).key_schema(element);
    }
    match request.send().await {
        Ok(_) => {}
        Err(error) if error.as_service_error().is_some_and(|e| e.is_resource_in_use_exception()) => return Ok(()),
        Err(error) => return Err(LedgerError::unavailable("CreateTable")(error)),
    }
    let ttl = TimeToLiveSpecification::builder().attribute_name("expires_at").enabled(true).build().map_err(built)?;
    client
        .update_time_to_live()
        .table_name(table)
        .time_to_live_specification(ttl)
        .send()
        .await
        .map(drop)
        .map_err(LedgerError::unavailable("UpdateTimeToLive"))
}

impl Ledger {
    /// Reads all items of a partition, or those whose sort key begins with `prefix`, in the order of their sort keys.
    pub(crate) async fn query(&self, pk: String, prefix: Option<&str>) -> Result<Vec<Item>, LedgerError> {
        let mut query = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression(if prefix.is_some() {
                "pk = :pk AND begins_with(sk, :prefix)"
            } else {
                "pk = :pk"
            })
            .expression_attribute_values(":pk", s(pk));
        if let Some(prefix) = prefix {
            query = query.expression_attribute_values(":prefix", s(prefix));
        }
        query.into_paginator().items().send().collect::<Result<_, _>>().await.map_err(LedgerError::unavailable("Query"))
    }
}
