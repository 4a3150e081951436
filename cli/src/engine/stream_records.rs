//! What the engine's table of stream records lacks to stay fast: an index, and an end.
//!
//! The engine asks for the highest sequence number of a table at every write, and keeps every record for ever.
//! Without an index a write takes longer with each record before it. Both are mended inside the database, through
//! a second connection that is closed before the first request: nothing runs beside the engine afterwards.

use rusqlite::Connection;

/// The columns that the engine's queries name, in the order in which they narrow down: the table, then the
/// position in its stream. The shard is there so that the range of a shard is read from the index alone.
const INDEX: &str = "
    CREATE INDEX IF NOT EXISTS _assay_stream_records_by_position
        ON _stream_records (table_name, CAST(sequence_number AS INTEGER), shard_id);";

/// The service drops records after 24 hours. Each record that comes takes away up to eight of the oldest that are
/// over: more than comes, so that the rest shrinks, and few enough that no write waits for it. The record that came
/// is never over, so the highest sequence number, which the engine counts on from, stays.
const TRIM: &str = "
    CREATE TRIGGER IF NOT EXISTS _assay_stream_records_trim AFTER INSERT ON _stream_records BEGIN
        DELETE FROM _stream_records
        WHERE created_at < NEW.created_at - 86400 AND id IN (
            SELECT id FROM _stream_records
            WHERE table_name = NEW.table_name
            ORDER BY CAST(sequence_number AS INTEGER)
            LIMIT 8);
    END;";

/// Adds both to the database that the engine has made at this path or URI.
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
    fn every_query_of_the_engine_goes_through_the_index() {
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
            assert_eq!(plan.len(), 1, "nothing is sorted: {plan:?}");
            assert!(plan[0].starts_with("SEARCH"), "{plan:?}");
            assert!(
                plan[0].contains("_assay_stream_records_by_position"),
                "{plan:?}"
            );
        }
    }

    #[test]
    fn records_end_a_day_after_the_newest_of_their_table_and_the_newest_stays() {
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
