//! A table's stream, read record by record.

use dynoxide::Database;
use dynoxide::actions::describe_stream::DescribeStreamRequest;
use dynoxide::actions::get_records::GetRecordsRequest;
use dynoxide::actions::get_shard_iterator::GetShardIteratorRequest;
use dynoxide::actions::list_streams::ListStreamsRequest;
use serde_json::Value;

/// A position in the stream of a table, which has a single shard here.
pub struct Stream {
    database: Database,
    iterator: String,
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Stream")
    }
}

impl Stream {
    /// The position after everything written so far; `None` if the table or its stream does not exist.
    pub(super) fn latest(database: &Database, table: &str) -> Option<Stream> {
        let streams = database.list_streams(ListStreamsRequest { table_name: Some(table.to_owned()), ..Default::default() }).ok()?;
        let arn = streams.streams.into_iter().next()?.stream_arn;
        let described = DescribeStreamRequest { stream_arn: arn.clone(), ..Default::default() };
        let shard = database.describe_stream(described).ok()?.stream_description.shards.into_iter().next()?.shard_id;
        let latest =
            GetShardIteratorRequest { stream_arn: arn, shard_id: shard, shard_iterator_type: "LATEST".to_owned(), sequence_number: None };
        let iterator = database.get_shard_iterator(latest).ok()?.shard_iterator?;
        Some(Stream { database: database.clone(), iterator })
    }

    /// What was written since the last read, as the records of a Lambda event.
    ///
    /// # Errors
    /// The database's error message.
    pub fn read(&mut self) -> Result<Vec<Value>, String> {
        let request = GetRecordsRequest { shard_iterator: self.iterator.clone(), limit: None };
        let answer = self.database.get_records(request).map_err(|error| error.to_string())?;
        if let Some(next) = answer.next_shard_iterator {
            self.iterator = next;
        }
        answer.records.iter().map(|record| serde_json::to_value(record).map_err(|error| error.to_string())).collect()
    }
}
