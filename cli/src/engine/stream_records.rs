//! Adds an index and a retention limit to the engine's table of stream records.
//!
//! The engine reads the highest sequence number of a table at every write, and never deletes a record. Without an index
//! each write takes longer than the one before it. A second connection creates the index and a trigger inside the
//! database, and is closed before the first request.

use rusqlite::Connection;

/// The index contains the columns that the engine's queries filter by: the table, then the position in its stream. It
/// also contains the shard, so that SQLite reads the range of a shard from the index alone.
const INDEX: &str = "
    CREATE INDEX IF NOT EXISTS _assay_stream_records_by_position
        ON _stream_records (table_name, CAST(sequence_number AS INTEGER), shard_id);";

/// DynamoDB keeps stream records for 24 hours. Each new record deletes up to eight of the oldest records that are older
/// than that. Eight is more than one, so the number of old records falls; and it is small, so no write becomes slow. The
/// newest record is never deleted, because the engine continues from its sequence number.
const TRIM: &str = "
    CREATE TRIGGER IF NOT EXISTS _assay_stream_records_trim AFTER INSERT ON _stream_records BEGIN
        DELETE FROM _stream_records
        WHERE created_at < NEW.created_at - 86400 AND id IN (
            SELECT id FROM _stream_records
            WHERE table_name = NEW.table_name
            ORDER BY CAST(sequence_number AS INTEGER)
            LIMIT 8);
    END;";

/// Adds the index and the trigger to the engine's database at this path or URI.
pub(super) fn prepare(path: &str) -> rusqlite::Result<()> {
    let connection = Connection::open(path)?;
    connection.execute_batch(INDEX)?;
    connection.execute_batch(TRIM)
}

#[cfg(test)]
mod tests {
    use super::*;
    use dynoxide::Database;

    fn prepared() -> (Database, Connection) {
        let uri = format!("file:{}?mode=memory&cache=shared", uuid::Uuid::new_v4());
        let engine = Database::new(&uri).unwrap();
        prepare(&uri).unwrap();
        prepare(&uri).unwrap();
        let connection = Connection::open(&uri).unwrap();
        (engine, connection)
    }

    fn insert(connection: &Connection, table: &str, sequence_number: i64, created_at: i64) {
        let values = (table, sequence_number.to_string(), created_at);
        let insert = "INSERT INTO _stream_records
            (table_name, event_name, keys_json, sequence_number, shard_id, created_at)
            VALUES (?1, 'INSERT', '{}', ?2, 'shard', ?3)";
        connection.execute(insert, values).unwrap();
    }

    fn sequence_numbers(connection: &Connection, table: &str) -> Vec<String> {
        let query = "SELECT sequence_number FROM _stream_records WHERE table_name = ?1
            ORDER BY CAST(sequence_number AS INTEGER)";
        let mut statement = connection.prepare(query).unwrap();
        let rows = statement.query_map([table], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    }

    #[test]
    fn every_query_of_the_engine_uses_the_index() {
        let (_engine, connection) = prepared();
        for query in [
            "SELECT COALESCE(MAX(CAST(sequence_number AS INTEGER)), 0) + 1 FROM _stream_records WHERE table_name = 't'",
            "SELECT event_name, new_image FROM _stream_records WHERE table_name = 't' AND shard_id = 's'
             AND CAST(sequence_number AS INTEGER) > 5 ORDER BY CAST(sequence_number AS INTEGER) ASC LIMIT 9",
            "SELECT MIN(CAST(sequence_number AS INTEGER)), MAX(CAST(sequence_number AS INTEGER))
             FROM _stream_records WHERE table_name = 't' AND shard_id = 's'",
        ] {
            let explain = format!("EXPLAIN QUERY PLAN {query}");
            let mut statement = connection.prepare(&explain).unwrap();
            let plan = statement.query_map([], |row| row.get::<_, String>(3));
            let plan: Vec<String> = plan.unwrap().map(Result::unwrap).collect();
            assert_eq!(plan.len(), 1, "the query does not sort: {plan:?}");
            assert!(plan[0].starts_with("SEARCH"), "{plan:?}");
            assert!(
                plan[0].contains("_assay_stream_records_by_position"),
                "{plan:?}"
            );
        }
    }

    #[test]
    fn records_a_day_older_than_the_newest_are_deleted_and_the_newest_is_kept() {
        let (_engine, connection) = prepared();
        let day = 86_400;
        for number in 1..=20 {
            insert(&connection, "t", number, 1000);
        }
        insert(&connection, "other", 1, 1000);
        insert(&connection, "t", 21, 1000 + day);
        assert_eq!(sequence_numbers(&connection, "t").len(), 21);
        insert(&connection, "t", 22, 1001 + day);
        let rest = sequence_numbers(&connection, "t");
        assert_eq!(rest.len(), 14, "{rest:?}");
        assert_eq!(rest[0], "9");
        insert(&connection, "t", 23, 1001 + day);
        insert(&connection, "t", 24, 1001 + day);
        assert_eq!(sequence_numbers(&connection, "t"), ["21", "22", "23", "24"]);
        assert_eq!(sequence_numbers(&connection, "other"), ["1"]);
    }
}
