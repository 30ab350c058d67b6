//! The table for the local stack and the tests. The deployed one is in `template.yaml`; both have the same keys.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::DisplayErrorContext;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType, ScalarAttributeType,
    StreamSpecification, StreamViewType, TableStatus, TimeToLiveSpecification, TimeToLiveStatus,
};

use shared::settings::config::credentials_beside;

use crate::Failure;

fn key(partition: &str, sort: &str) -> Vec<KeySchemaElement> {
    [(partition, KeyType::Hash), (sort, KeyType::Range)]
        .map(|(name, kind)| KeySchemaElement::builder().attribute_name(name).key_type(kind).build().expect("a name and a kind are given"))
        .to_vec()
}

fn attribute(name: &str) -> AttributeDefinition {
    let text = AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S).build();
    text.expect("a name and a type are given")
}

/// Creates the table unless it exists.
///
/// # Errors
/// If DynamoDB fails.
pub async fn create(client: &Client, name: &str) -> Result<String, Failure> {
    let lists = GlobalSecondaryIndex::builder()
        .index_name("gsi1")
        .set_key_schema(Some(key("gsi1pk", "gsi1sk")))
        .projection(Projection::builder().projection_type(ProjectionType::All).build())
        .build()?;
    let due = GlobalSecondaryIndex::builder()
        .index_name("gsi2")
        .set_key_schema(Some(key("gsi2pk", "gsi2sk")))
        .projection(Projection::builder().projection_type(ProjectionType::KeysOnly).build())
        .build()?;
    let created = client
        .create_table()
        .table_name(name)
        .set_attribute_definitions(Some(["pk", "sk", "gsi1pk", "gsi1sk", "gsi2pk", "gsi2sk"].map(attribute).to_vec()))
        .set_key_schema(Some(key("pk", "sk")))
        .global_secondary_indexes(lists)
        .global_secondary_indexes(due)
        .billing_mode(BillingMode::PayPerRequest)
        .stream_specification(StreamSpecification::builder().stream_enabled(true).stream_view_type(StreamViewType::NewImage).build()?)
        .send()
        .await;
    create_credentials(client, &credentials_beside(name)).await?;
    let existed = match created {
        Ok(_) => false,
        Err(error) if error.as_service_error().is_some_and(|error| error.is_resource_in_use_exception()) => true,
        Err(error) => return Err(DisplayErrorContext(error).to_string().into()),
    };
    wait_until_active(client, name).await?;
    expire(client, name).await?;
    Ok(if existed { format!("the table {name} already exists") } else { format!("created the table {name}") })
}

/// Creates the table of password hashes, which has neither an index nor a stream.
async fn create_credentials(client: &Client, name: &str) -> Result<(), Failure> {
    let created = client
        .create_table()
        .table_name(name)
        .set_attribute_definitions(Some(["pk", "sk"].map(attribute).to_vec()))
        .set_key_schema(Some(key("pk", "sk")))
        .billing_mode(BillingMode::PayPerRequest)
        .send()
        .await;
    match created {
        Err(error) if !error.as_service_error().is_some_and(|error| error.is_resource_in_use_exception()) => {
            Err(DisplayErrorContext(error).to_string().into())
        }
        _ => wait_until_active(client, name).await,
    }
}

async fn wait_until_active(client: &Client, name: &str) -> Result<(), Failure> {
    for _ in 0..100 {
        let answer = client.describe_table().table_name(name).send().await.map_err(|error| DisplayErrorContext(error).to_string())?;
        if answer.table().and_then(|table| table.table_status()) == Some(&TableStatus::Active) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Err(format!("the table {name} did not become active").into())
}

/// Lets items expire at the time in their `ttl`. DynamoDB fails if this is already set.
async fn expire(client: &Client, name: &str) -> Result<(), Failure> {
    let answer = client.describe_time_to_live().table_name(name).send().await.map_err(|error| DisplayErrorContext(error).to_string())?;
    let status = answer.time_to_live_description().and_then(|description| description.time_to_live_status());
    if matches!(status, Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling)) {
        return Ok(());
    }
    let specification = TimeToLiveSpecification::builder().attribute_name("ttl").enabled(true).build()?;
    let updated = client.update_time_to_live().table_name(name).time_to_live_specification(specification).send().await;
    updated.map(|_| ()).map_err(|error| DisplayErrorContext(error).to_string().into())
}
