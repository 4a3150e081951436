use super::*;
use serde_json::json;

#[test]
fn experiments_are_sorted_both_ways_and_equal_ones_keep_their_order() {
    let one = |id: &str, name: &str, status: &str, started: Option<&str>| json!({"id": id, "name": name, "status": status, "started_at": started});
    let all = [
        one("1", "beta", "stopped", Some("2026-11-02")),
        one("2", "Alpha", "draft", None),
        one("3", "beta", "running", Some("2026-11-01")),
    ];
    for (order, expected) in [
        ("name", "213"),
        ("-name", "132"),
        ("status", "231"),
        ("start", "312"),
        ("-start", "213"),
    ] {
        let mut sorted = all.to_vec();
        Order::read(order).unwrap().sort(&mut sorted);
        let ids: String = sorted.iter().map(|one| text(&one["id"])).collect();
        assert_eq!(ids, expected, "{order}");
    }
    assert_eq!(Order::read("users"), None);
    assert_eq!(Order::read("--name"), None);
}
