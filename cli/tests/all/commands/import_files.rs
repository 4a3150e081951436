//! `assay import` with files as databases and spreadsheets write them.

use super::support::{Ran, World};
use serde_json::{Value, json};

const USERS: [&str; 8] = [
    "--experiment",
    "shop",
    "--user",
    "user",
    "--variant",
    "group",
    "--assigned-at",
    "at",
];

async fn shop() -> World {
    let world = World::start().await;
    let metrics = json!([{"key": "paid", "kind": "sum", "event_type": "paid"}]);
    world.experiment("shop", ["old", "new"], metrics).await;
    world
}

/// Imports a file with these bytes.
async fn import(world: &World, bytes: &[u8], options: &[&str]) -> Ran {
    std::fs::write(world.folder.path().join("file.csv"), bytes).unwrap();
    world
        .run(&[&["import", "file.csv"], options].concat())
        .await
}

async fn assigned_at(world: &World, user: &str) -> String {
    let export = world.get(&format!("/users/{user}")).await;
    let at = &export["assignments"][0]["assigned_at"];
    at.as_str().unwrap_or("none").to_owned()
}

/// The numbers of users with an event, and the sums, of both variants.
async fn paid(world: &World) -> Value {
    let results = world.done_json(&["results", "shop", "--json"]).await;
    let variants = results["metrics"][0]["variants"].as_array().unwrap();
    let numbers = variants.iter().map(|v| json!([v["converted"], v["sum"]]));
    numbers.collect()
}

#[tokio::test]
async fn times_of_databases_are_imported_as_the_same_instant() {
    let world = shop().await;
    let times = [
        "2026-11-02 10:00:00 UTC",
        "2026-11-02 12:00:00+02",
        "2026-11-02 12:00:00.000+0200",
        "2026-11-02 12:00:00 +0200",
        "2026-11-02T10:00Z",
        "2026-11-02 10:00:00 +0000 UTC",
    ];
    let rows = times.iter().enumerate();
    let rows = rows.map(|(index, time)| format!("u{index},old,{time}\n"));
    let file = format!("user,group,at\n{}", rows.collect::<String>());
    let ran = import(&world, file.as_bytes(), &USERS).await;
    assert!(ran.ok, "{}", ran.stderr);
    for (index, time) in times.iter().enumerate() {
        let stored = assigned_at(&world, &format!("u{index}")).await;
        assert_eq!(stored, "2026-11-02T10:00:00.000000Z", "{time}");
    }
}

#[tokio::test]
async fn numbers_since_1970_are_times_only_on_request() {
    let world = shop().await;
    let file = b"user,group,at\ns,old,1793613600.5\n";
    let refused = import(&world, file, &USERS).await;
    assert!(!refused.ok);
    assert!(
        refused.stderr.contains("--time-format epoch-seconds"),
        "{}",
        refused.stderr
    );
    let seconds = [&USERS[..], &["--time-format", "epoch-seconds"]].concat();
    assert!(import(&world, file, &seconds).await.ok);
    assert_eq!(
        assigned_at(&world, "s").await,
        "2026-11-02T10:00:00.500000Z"
    );
    let file = b"user,group,at\nm,old,1793613600500\n";
    let millis = [&USERS[..], &["--time-format", "epoch-milliseconds"]].concat();
    assert!(import(&world, file, &millis).await.ok);
    assert_eq!(
        assigned_at(&world, "m").await,
        "2026-11-02T10:00:00.500000Z"
    );
}

#[tokio::test]
async fn an_unclear_file_is_refused_with_its_name_before_anything_is_sent() {
    let world = shop().await;
    let paid = [&USERS[..], &["--event", "paid,value=amount,time=later"]].concat();
    let header = "user,group,at,amount,later";
    let row = "a,old,2026-11-02,1.5,2026-11-03";
    let utf16: Vec<u8> = std::iter::once(0xfeff)
        .chain(format!("{header}\n{row}\n").encode_utf16())
        .flat_map(u16::to_le_bytes)
        .collect();
    let utf16_without_mark = utf16[2..].to_vec();
    let file = |text: String| text.into_bytes();
    let cases = [
        (Vec::new(), "the file is empty"),
        (file("\u{feff}".to_owned()), "the file is empty"),
        (file("\n\n".to_owned()), "the file is empty"),
        (utf16, "UTF-16"),
        (utf16_without_mark, "UTF-16"),
        (
            file(format!("{header},amount\n{row},500\n")),
            "the columns 4 and 6 have the same name, `amount`",
        ),
        (
            file(format!("{header},note,note\n{row},,\n")),
            "the same name, `note`",
        ),
        (
            file(format!("{header}\n{row}\n").replace(',', ";")),
            "--delimiter ';'",
        ),
        (
            file(format!(
                "{header}\n{row}\nb,old,2026-11-02,\"12,50\",2026-11-03\n"
            )),
            "line 3: `12,50` has a comma. If it is the decimal mark, add --decimal-mark comma",
        ),
        (
            file(format!(
                "{header}\n{row}\nb,\"old,2026-11-02,2,2026-11-03\nc,new,2026-11-02,3,2026-11-03\n"
            )),
            "the quote at the start of a cell in line 3 is not closed before the end",
        ),
        (
            file(format!(
                "{header}\n{row}\nb,\"old,2026-11-02,2,2026-11-03\nc,\"new\",2026-11-02,3,2026-11-03\n"
            )),
            "the quote at the start of a cell in line 3 is not closed before the next quote",
        ),
    ];
    let open_header = file(format!("\"{header}\n{row}\n"));
    let in_header = (
        open_header,
        "the quote at the start of a cell in line 1 is not closed",
    );
    for (bytes, expected) in cases.into_iter().chain([in_header]) {
        let ran = import(&world, &bytes, &paid).await;
        assert!(!ran.ok, "{expected}");
        assert!(ran.stderr.contains(expected), "{expected}\n{}", ran.stderr);
    }
    assert_eq!(assigned_at(&world, "a").await, "none");
}

#[tokio::test]
async fn a_file_with_decimal_commas_and_semicolons_is_imported_when_the_caller_says_so() {
    let world = shop().await;
    let file = "user;group;at;amount;later\n\
                a;old;2026-11-02;1.234,50;2026-11-03\n\
                b;new;2026-11-02;-0,5;2026-11-03\n";
    let options = [
        &USERS[..],
        &["--event", "paid,value=amount,time=later"],
        &["--delimiter", ";", "--decimal-mark", "comma"],
    ];
    let ran = import(&world, file.as_bytes(), &options.concat()).await;
    assert!(ran.ok, "{}", ran.stderr);
    assert_eq!(paid(&world).await, json!([[1, "1234.5"], [1, "-0.5"]]));
}

#[tokio::test]
async fn events_at_the_instant_of_the_assignment_are_explained_and_count_on_request() {
    let world = shop().await;
    let file = b"user,group,at,amount,order\n\
                 a,old,2026-11-02 10:00:00,5,o1\n\
                 a,old,2026-11-02 11:00:00,7,o2\n\
                 b,new,2026-11-02 10:00:00,9,o3\n";
    let mapping = [
        &USERS[..],
        &["--event", "paid,value=amount,time=at,id=order"],
    ]
    .concat();
    let ran = import(&world, file, &mapping).await;
    assert!(ran.ok, "{}", ran.stderr);
    for expected in [
        "2 events have the very time of their user's assignment and were not sent",
        "import the file again with --same-instant counts",
        "events       1 stored",
    ] {
        assert!(ran.stderr.contains(expected), "{expected}\n{}", ran.stderr);
    }
    assert_eq!(paid(&world).await, json!([[1, "7"], [0, "0"]]));

    let counts = [&mapping[..], &["--same-instant", "counts", "--json"]].concat();
    for stored in [2, 0] {
        let ran = import(&world, file, &counts).await;
        let outcome: Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!(outcome["events"]["stored"], stored, "{outcome}");
        assert_eq!(outcome["events"]["moved"], 2, "{outcome}");
    }
    assert_eq!(paid(&world).await, json!([[1, "12"], [1, "9"]]));
}

#[tokio::test]
async fn events_before_the_assignment_are_stored_and_do_not_count() {
    let world = shop().await;
    let file = b"user,group,at,amount\na,old,2026-11-02 10:00:00,5\n";
    let mapping = [
        &USERS[..],
        &["--event", "paid,value=amount,time=at"],
        &["--same-instant", "before", "--json"],
    ];
    let ran = import(&world, file, &mapping.concat()).await;
    let outcome: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(outcome["events"]["stored"], 1, "{outcome}");
    assert_eq!(outcome["events"]["not_counted"]["before_assignment"], 1);
    assert_eq!(paid(&world).await, json!([[0, "0"], [0, "0"]]));
}

#[tokio::test]
async fn a_row_that_was_imported_in_part_says_which_part_is_stored() {
    let world = shop().await;
    let file = b"user,group,at,amount,later\n\
                 a,old,2026-11-02,much,2026-11-03\n\
                 b,red,2026-11-02,2,2026-11-03\n\
                 c,new,soon,3,2026-11-03\n\
                 d,red,2026-11-02,,\n";
    let mapping = [&USERS[..], &["--event", "paid,value=amount,time=later"]].concat();
    let ran = import(&world, file, &mapping).await;
    assert!(!ran.ok);
    let lines: Vec<&str> = ran.stderr.lines().map(str::trim).collect();
    for (start, end) in [
        (
            "line 2: `much` is not",
            "Stored of this row: the assignment.",
        ),
        (
            "line 3: assignment: variant",
            "Stored of this row: 1 event.",
        ),
        (
            "line 4: `soon` is not a time",
            "Stored of this row: 1 event.",
        ),
        ("line 5: assignment: variant", "`new`."),
    ] {
        let found = lines
            .iter()
            .any(|line| line.starts_with(start) && line.ends_with(end));
        assert!(found, "{start}…{end}\n{}", ran.stderr);
    }
}
