//! The table: making one where no deployment template did, and reading a partition.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, CreateGlobalSecondaryIndexAction, GlobalSecondaryIndex,
    GlobalSecondaryIndexUpdate, KeySchemaElement, KeyType, Projection, ProjectionType, ScalarAttributeType,
    StreamSpecification, StreamViewType, TimeToLiveSpecification,
};

use crate::arrivals::{ARRIVALS_INDEX, ARRIVED, PROJECTED, RECORDED_AT};
use crate::item::{Item, s};
use crate::{Ledger, LedgerError, Retention};

/// Creates the table as `template.yaml` does, unless it is there already.
///
/// # Errors
/// [`LedgerError::Unavailable`].
pub async fn create_table(client: &Client, table: &str) -> Result<(), LedgerError> {
    let built = |error: BuildError| LedgerError::Unavailable { operation: "CreateTable", reason: error.to_string() };
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
    for definition in index_attributes().map_err(built)? {
        request = request.attribute_definitions(definition);
    }
    request = request.global_secondary_indexes(arrivals_index().map_err(built)?);
    match request.send().await {
        // A new table's index holds everything.
        Ok(_) => Ledger::new(client.clone(), table, Retention::default()).note_indexed().await?,
        Err(error) if error.as_service_error().is_some_and(|e| e.is_resource_in_use_exception()) => {
            return add_index(client, table).await;
        }
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

/// Adds the index over arrivals to a table of a version without it, as the deployment of the template does.
async fn add_index(client: &Client, table: &str) -> Result<(), LedgerError> {
    let built = |error: BuildError| LedgerError::Unavailable { operation: "UpdateTable", reason: error.to_string() };
    let described = client.describe_table().table_name(table).send().await;
    let described = described.map_err(LedgerError::unavailable("DescribeTable"))?;
    let indexes = described.table().map(|table| table.global_secondary_indexes()).unwrap_or_default();
    if indexes.iter().any(|index| index.index_name() == Some(ARRIVALS_INDEX)) {
        return Ok(());
    }
    let index = arrivals_index().map_err(built)?;
    let create = CreateGlobalSecondaryIndexAction::builder()
        .index_name(index.index_name())
        .set_key_schema(Some(index.key_schema().to_vec()))
        .set_projection(index.projection().cloned())
        .build()
        .map_err(built)?;
    let mut request = client
        .update_table()
        .table_name(table)
        .global_secondary_index_updates(GlobalSecondaryIndexUpdate::builder().create(create).build());
    for definition in index_attributes().map_err(built)? {
        request = request.attribute_definitions(definition);
    }
    request.send().await.map(drop).map_err(LedgerError::unavailable("UpdateTable"))
}

/// The attributes of the index's keys.
fn index_attributes() -> Result<[AttributeDefinition; 2], BuildError> {
    let attribute = |name, kind| AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build();
    Ok([attribute(ARRIVED, ScalarAttributeType::S)?, attribute(RECORDED_AT, ScalarAttributeType::N)?])
}

/// The index over arrivals, as `template.yaml` has it.
fn arrivals_index() -> Result<GlobalSecondaryIndex, BuildError> {
    let element = |name, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build();
    let projection = Projection::builder()
        .projection_type(ProjectionType::Include)
        .set_non_key_attributes(Some(PROJECTED.map(str::to_owned).into()))
        .build();
    GlobalSecondaryIndex::builder()
        .index_name(ARRIVALS_INDEX)
        .key_schema(element(ARRIVED, KeyType::Hash)?)
        .key_schema(element(RECORDED_AT, KeyType::Range)?)
        .projection(projection)
        .build()
}

impl Ledger {
    /// Reads the last item of a partition.
    pub(crate) async fn last_of(&self, pk: String) -> Result<Option<Item>, LedgerError> {
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", s(pk))
            .scan_index_forward(false)
            .limit(1);
        let answer = query.send().await.map_err(LedgerError::unavailable("Query"))?;
        Ok(answer.items.and_then(|items| items.into_iter().next()))
    }

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
