//! `assay import`.

use super::support::World;
use serde_json::{Value, json};

/// One row for each user, with outcomes in columns and no times.
const PLAYERS: &str = "\
player,version,spent,returned
1,old,0,FALSE
2,old,10.50,TRUE
3,new,,TRUE
4,new,7,TRUE
";

const PLAYERS_MAPPING: [&str; 14] = [
    "--experiment",
    "gate",
    "--user",
    "player",
    "--variant",
    "version",
    "--assigned-at",
    "2026-01-01",
    "--event-at",
    "2026-01-15",
    "--event",
    "returned,when=returned=TRUE",
    "--event",
    "spent,value=spent",
];

async fn gate() -> World {
    let world = World::start().await;
    let metrics = json!([
        {"key": "returned", "kind": "conversion", "event_type": "returned"},
        {"key": "spent", "kind": "sum", "event_type": "spent"},
    ]);
    world.experiment("gate", ["old", "new"], metrics).await;
    world
}

async fn import(world: &World, file: &str, mapping: &[&str]) -> Value {
    world
        .done_json(&[&["import", file, "--json"], mapping].concat())
        .await
}

/// For each metric and variant: the number of users with an event, and the sum of the values.
async fn sums(world: &World, experiment: &str) -> Vec<(u64, String)> {
    let results = world.done_json(&["results", experiment, "--json"]).await;
    let metrics = results["metrics"].as_array().unwrap().iter();
    let values = metrics.flat_map(|metric| metric["variants"].as_array().unwrap());
    values
        .map(|value| {
            let sum = value["sum"].as_str().unwrap().to_owned();
            (value["converted"].as_u64().unwrap(), sum)
        })
        .collect()
}

#[tokio::test]
async fn a_repeated_import_of_a_file_stores_each_record_once() {
    let world = gate().await;
    world.file("players.csv", PLAYERS);
    let first = import(&world, "players.csv", &PLAYERS_MAPPING).await;
    assert_eq!(first["rows"], 4);
    assert_eq!(first["assignments"]["stored"], 4);
    // A zero is a value, and an empty cell is not.
    assert_eq!(first["events"]["stored"], 6);
    assert_eq!(first["events"]["counted"], 6);
    let expected = [(1, "1"), (2, "2"), (2, "10.5"), (1, "7")];
    let expected = expected.map(|(users, sum)| (users, sum.to_owned()));
    assert_eq!(sums(&world, "gate").await, expected);

    let again = import(&world, "players.csv", &PLAYERS_MAPPING).await;
    assert_eq!(again["assignments"]["existing"], 4);
    assert_eq!(again["assignments"]["existing_in_another_variant"], 0);
    assert_eq!(again["events"]["duplicates"], 6);
    assert_eq!(again["events"]["stored"], 0);
    assert_eq!(sums(&world, "gate").await, expected);
}

#[tokio::test]
async fn dimension_columns_become_attributes_and_empty_cells_are_ignored() {
    let world = World::start().await;
    let definition = json!({
        "id": "gate", "name": "Gate", "dimensions": ["country", "platform"],
        "variants": [{"key": "old", "percent": 50}, {"key": "new", "percent": 50}],
    });
    world.create(&definition).await;
    world.file(
        "users.csv",
        "player,version,home,os\nann,old,Österreich 😀,ios\nbob,new,,web\ncid,new,,\n",
    );
    let mapping = [
        &PLAYERS_MAPPING[..8],
        &["--dimension", "country=home", "--dimension", "platform=os"],
    ]
    .concat();
    for expected in ["stored", "existing"] {
        let counts = import(&world, "users.csv", &mapping).await;
        assert_eq!(counts["assignments"][expected], 3, "{counts}");
    }
    for (user, attributes) in [
        (
            "ann",
            json!({"country": "Österreich 😀", "platform": "ios"}),
        ),
        ("bob", json!({"platform": "web"})),
        ("cid", Value::Null),
    ] {
        let path = format!("/experiments/gate/assignment/{user}");
        assert_eq!(world.get(&path).await["attributes"], attributes, "{user}");
    }
}

#[tokio::test]
async fn an_undeclared_dimension_is_reported() {
    let world = gate().await;
    world.file("users.csv", "player,version,home\n1,old,DE\n2,new,\n");
    let mapping = [&PLAYERS_MAPPING[..8], &["--dimension", "country=home"]].concat();
    let ran = world
        .run(&[&["import", "users.csv"], &mapping[..]].concat())
        .await;
    assert!(!ran.ok);
    for expected in [
        "line 2: assignment: country: `country` is unknown; no fields are allowed here.",
        "1 stored, 0 existing, 1 rejected",
    ] {
        assert!(ran.stderr.contains(expected), "{expected}\n{}", ran.stderr);
    }
}

#[tokio::test]
async fn a_condition_can_exclude_zeros_and_equal_rows_are_different_events() {
    let world = gate().await;
    world.file("users.csv", "player,version\n1,old\n2,new\n");
    let users = &PLAYERS_MAPPING[..8];
    import(&world, "users.csv", users).await;
    world.file("paid.tsv", "who\tpaid\n1\t5\n1\t5\n2\t0\n");
    let mapping = [
        "--user",
        "who",
        "--delimiter",
        "\\t",
        "--event",
        "spent,value=paid,when=paid!=0",
        "--event-at",
        "2026-02-01 12:30:00",
    ];
    assert_eq!(
        import(&world, "paid.tsv", &mapping).await["events"]["stored"],
        2
    );
    assert_eq!(
        import(&world, "paid.tsv", &mapping).await["events"]["duplicates"],
        2
    );
    assert_eq!(sums(&world, "gate").await[2], (1, "10".to_owned()));
}

#[tokio::test]
async fn types_ids_and_properties_come_from_columns_of_standard_input() {
    let world = gate().await;
    let mut command = world.command(&[
        "import",
        "-",
        "--json",
        "--user",
        "who",
        "--event",
        "{what},time=at,id=key,property=country",
    ]);
    let file = world.file(
        "events.csv",
        "\u{feff}who,what,at,key,country\n1,returned,2026-01-02,a,CH\n1,returned,2026-01-02,b,\n1,,2026-01-02,c,\n",
    );
    command.stdin(std::fs::File::open(file).unwrap());
    let output = command.output().await.unwrap();
    let counts: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(counts["events"]["stored"], 2);
    assert_eq!(counts["events"]["not_counted"]["no_assignment"], 2);
}

#[tokio::test]
async fn rejected_rows_are_listed_by_line_and_fail_the_command() {
    let world = gate().await;
    world.file(
        "players.csv",
        "player,version,spent,returned\n1,old,much,TRUE\n2,red,1,FALSE\n,old,1,TRUE\n3,old\n4,new,3,TRUE\n",
    );
    let ran = world
        .run(&[&["import", "players.csv"], &PLAYERS_MAPPING[..]].concat())
        .await;
    assert!(!ran.ok);
    for expected in [
        "line 2: `much` is not a valid value",
        "line 3: assignment: variant: There is no variant `red`",
        "line 4: the user's id is empty",
        "line 5: 2 cells, but the header has 4",
        "4 rows not imported",
        "assignments  2 stored, 0 existing, 1 rejected",
        // The event of the user with the rejected assignment is stored, and counts for no experiment.
        "3 counted, 1 not counted: 1 no assignment",
    ] {
        assert!(ran.stderr.contains(expected), "{expected}\n{}", ran.stderr);
    }
    // The valid part of a bad row is stored.
    assert_eq!(sums(&world, "gate").await[0], (1, "1".to_owned()));
}

#[tokio::test]
async fn users_who_have_another_variant_keep_it_and_are_reported() {
    let world = gate().await;
    world.file("one.csv", "player,version\n1,old\n");
    world.file("other.csv", "player,version\n1,new\n");
    import(&world, "one.csv", &PLAYERS_MAPPING[..8]).await;
    let counts = import(&world, "other.csv", &PLAYERS_MAPPING[..8]).await;
    assert_eq!(counts["assignments"]["existing_in_another_variant"], 1);
}

#[tokio::test]
async fn a_mapping_that_does_not_match_the_file_is_refused_before_any_request() {
    let world = gate().await;
    world.file("players.csv", PLAYERS);
    let cases: [(&[&str], &str); 6] = [
        (
            &[&PLAYERS_MAPPING[..8], &["--dimension", "country=home"]].concat(),
            "no column `home`",
        ),
        (
            &[
                &PLAYERS_MAPPING[..8],
                &["--dimension", "a=spent", "--dimension", "a=returned"],
            ]
            .concat(),
            "the dimension `a` is given more than once",
        ),
        (
            &["--user", "name", "--event", "a", "--event-at", "2026-01-01"],
            "no column `name`",
        ),
        (&["--user", "player", "--event", "a"], "has no time"),
        (
            &["--user", "player", "--event", "a,time=soon"],
            "neither a column nor a time",
        ),
        (
            &["--user", "player", "--event", "a,when=returned"],
            "COLUMN=VALUE",
        ),
    ];
    for (mapping, expected) in cases {
        let ran = world
            .run(&[&["import", "players.csv"], mapping].concat())
            .await;
        assert!(!ran.ok && ran.stderr.contains(expected), "{}", ran.stderr);
    }
    assert_eq!(sums(&world, "gate").await[0], (0, "0".to_owned()));
}

#[tokio::test]
async fn an_unknown_experiment_and_a_wrong_token_are_reported() {
    let world = gate().await;
    world.file("players.csv", PLAYERS);
    let mut mapping = PLAYERS_MAPPING;
    mapping[1] = "gates";
    let ran = world
        .run(&[&["import", "players.csv"], &mapping[..]].concat())
        .await;
    assert!(
        ran.stderr.contains("There is no experiment `gates`"),
        "{}",
        ran.stderr
    );

    let token = "wrong_token_0123456789";
    let mut command = world.command(&[&["import", "players.csv"], &PLAYERS_MAPPING[..]].concat());
    let output = command.env("ASSAY_TOKEN", token).output().await.unwrap();
    let printed = String::from_utf8(output.stderr).unwrap();
    assert!(
        printed.contains("HTTP 401") && !printed.contains(token),
        "{printed}"
    );
}
