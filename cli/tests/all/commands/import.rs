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

/// For each metric and variant: users with an event, and the sum.
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
async fn a_file_with_outcomes_in_columns_comes_in_once_however_often_it_is_imported() {
    let world = gate().await;
    world.file("players.csv", PLAYERS);
    let first = import(&world, "players.csv", &PLAYERS_MAPPING).await;
    assert_eq!(first["rows"], 4);
    assert_eq!(first["assignments"]["stored"], 4);
    // A zero is a value, an empty cell is none.
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
async fn columns_say_what_users_are_and_an_empty_cell_says_nothing() {
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
        let aggregates = import(&world, "users.csv", &mapping).await;
        assert_eq!(aggregates["assignments"][expected], 3, "{aggregates}");
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
async fn a_dimension_that_the_experiment_does_not_declare_is_said_so() {
    let world = gate().await;
    world.file("users.csv", "player,version,home\n1,old,DE\n2,new,\n");
    let mapping = [&PLAYERS_MAPPING[..8], &["--dimension", "country=home"]].concat();
    let ran = world
        .run(&[&["import", "users.csv"], &mapping[..]].concat())
        .await;
    assert!(!ran.ok);
    for expected in [
        "line 2: assignment: country: `country` is not known here; there are none.",
        "1 stored, 0 existing, 1 rejected",
    ] {
        assert!(ran.stderr.contains(expected), "{expected}\n{}", ran.stderr);
    }
}

#[tokio::test]
async fn zeros_can_be_left_out_and_equal_rows_are_different_events() {
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
async fn types_ids_and_properties_come_from_columns_of_a_stream() {
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
    let aggregates: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(aggregates["events"]["stored"], 2);
    assert_eq!(aggregates["events"]["not_counted"]["no_assignment"], 2);
}

#[tokio::test]
async fn rows_that_are_not_taken_are_listed_by_line_and_fail_the_command() {
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
        "line 2: `much` is no value",
        "line 3: assignment: variant: There is no variant `red`",
        "line 4: the user's id is empty",
        "line 5: 2 cells where the header has 4",
        "4 rows not taken",
        "assignments  2 stored, 0 existing, 1 rejected",
        // The event of the user whose assignment was refused is kept, for nothing.
        "3 count, 1 do not: 1 no assignment",
    ] {
        assert!(ran.stderr.contains(expected), "{expected}\n{}", ran.stderr);
    }
    // The good part of a bad row is in.
    assert_eq!(sums(&world, "gate").await[0], (1, "1".to_owned()));
}

#[tokio::test]
async fn users_who_are_in_another_variant_stay_there_and_are_counted() {
    let world = gate().await;
    world.file("one.csv", "player,version\n1,old\n");
    world.file("other.csv", "player,version\n1,new\n");
    import(&world, "one.csv", &PLAYERS_MAPPING[..8]).await;
    let aggregates = import(&world, "other.csv", &PLAYERS_MAPPING[..8]).await;
    assert_eq!(aggregates["assignments"]["existing_in_another_variant"], 1);
}

#[tokio::test]
async fn a_mapping_that_does_not_fit_is_refused_before_anything_is_sent() {
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
async fn an_unknown_experiment_and_a_wrong_token_are_said_so() {
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
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("HTTP 401") && !said.contains(token), "{said}");
}
