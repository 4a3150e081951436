//! Checks imported flags, creates them and prints the report.

use super::draft::ImportedFlag;
use crate::client::{Client, ClientError};
use crate::flags::FlagsError;
use crate::flags::read::all;
use crate::output::{counted, print, printable};
use serde_json::Value;
use shared::clock;
use shared::http::input::flag::read_new;
use std::collections::{BTreeMap, BTreeSet};

/// What the import did with a flag.
#[derive(Debug)]
enum ImportResult {
    Created,
    /// The flag would be created, if it was not only a report.
    Creatable,
    Existing,
    /// With the reasons.
    Refused(Vec<String>),
}

/// The numbers of flags by result.
#[derive(Default)]
struct Counts {
    created: u64,
    existing: u64,
    refused: u64,
}

/// Creates the flags that do not exist, and prints the report. A flag is created after those that it needs.
pub(super) async fn send(
    client: &Client,
    flags: Vec<ImportedFlag>,
    dry_run: bool,
) -> Result<(), FlagsError> {
    let stored = all(client, "&archived=true").await?;
    let stored = stored.iter().filter_map(|flag| flag["key"].as_str());
    let mut known: BTreeSet<String> = stored.map(str::to_owned).collect();
    let mut counts = Counts::default();
    for flag in ordered(flags) {
        let result = if known.contains(&flag.key) {
            ImportResult::Existing
        } else {
            create(client, &flag, &known, dry_run).await?
        };
        report(&flag, &result);
        match result {
            ImportResult::Existing => counts.existing += 1,
            ImportResult::Refused(_) => counts.refused += 1,
            ImportResult::Created | ImportResult::Creatable => {
                counts.created += 1;
                known.insert(flag.key);
            }
        }
    }
    let all = counted(counts.created + counts.existing + counts.refused, "flag");
    let created = if dry_run {
        "would be created"
    } else {
        "created"
    };
    print(format_args!(
        "{all}: {} {created}, {} existing and unchanged, {} not imported",
        counts.created, counts.existing, counts.refused
    ));
    if counts.refused > 0 {
        let refused = counts.refused;
        return Err(FlagsError::NotImported { refused, all });
    }
    Ok(())
}

/// The flags in the order of the file, but each after those that it needs. Flags that need each other in a circle come last.
fn ordered(flags: Vec<ImportedFlag>) -> Vec<ImportedFlag> {
    let mut open: BTreeMap<String, usize> = BTreeMap::new();
    for flag in &flags {
        *open.entry(flag.key.clone()).or_default() += 1;
    }
    let (mut ordered, mut rest) = (Vec::with_capacity(flags.len()), flags);
    while !rest.is_empty() {
        let (ready, later): (Vec<_>, Vec<_>) = rest
            .into_iter()
            .partition(|flag| !needs(flag).any(|key| open.contains_key(key)));
        if ready.is_empty() {
            ordered.extend(later);
            break;
        }
        for flag in &ready {
            open.remove(&flag.key);
        }
        ordered.extend(ready);
        rest = later;
    }
    ordered
}

/// The flags that a flag needs.
fn needs(flag: &ImportedFlag) -> impl Iterator<Item = &str> {
    let body = flag.body.as_ref();
    let prerequisites = body.and_then(|body| body["prerequisites"].as_array());
    let prerequisites = prerequisites.into_iter().flatten();
    prerequisites.filter_map(|each| each["flag"].as_str())
}

async fn create(
    client: &Client,
    flag: &ImportedFlag,
    known: &BTreeSet<String>,
    dry_run: bool,
) -> Result<ImportResult, FlagsError> {
    let Some(body) = &flag.body else {
        return Ok(ImportResult::Refused(Vec::new()));
    };
    let text = body.to_string();
    let mut faults = faults(&text);
    let missing = needs(flag).filter(|key| !known.contains(*key));
    faults.extend(missing.map(|key| {
        format!(
            "it needs the flag `{key}`, which is neither in the deployment nor imported before it"
        )
    }));
    if !faults.is_empty() {
        return Ok(ImportResult::Refused(faults));
    }
    if dry_run {
        return Ok(ImportResult::Creatable);
    }
    match client.post::<Value>("/flags", text, None).await {
        Ok(_) => Ok(ImportResult::Created),
        // Another caller created it after the list was read.
        Err(error)
            if error
                .refused_with(409)
                .is_some_and(|problem| problem.code == "key_taken") =>
        {
            Ok(ImportResult::Existing)
        }
        Err(ClientError::Refused(problem)) if problem.status == 422 || problem.status == 409 => {
            let errors = problem.errors.iter();
            let mut faults: Vec<_> = errors
                .map(|error| format!("{}: {}", error.pointer, error.detail))
                .collect();
            if faults.is_empty() {
                faults.push(problem.detail);
            }
            Ok(ImportResult::Refused(faults))
        }
        Err(error) => Err(error.into()),
    }
}

/// The faults that the API would find in the definition alone. A report without a creation has them too.
pub(super) fn faults(body: &str) -> Vec<String> {
    match read_new(body) {
        Err(problem) => vec![problem.first_fault()],
        Ok(new) => {
            let faults = new.create(clock::now()).faults().into_iter();
            faults
                .map(|fault| format!("{}: {}", fault.pointer, fault.why))
                .collect()
        }
    }
}

fn report(flag: &ImportedFlag, result: &ImportResult) {
    let (word, faults) = match result {
        ImportResult::Created => ("created", &[][..]),
        ImportResult::Creatable => ("would be created", &[][..]),
        ImportResult::Existing => ("exists, and is unchanged", &[][..]),
        ImportResult::Refused(faults) => ("not imported", faults.as_slice()),
    };
    print(format_args!("{}: {word}", printable(&flag.key)));
    for fault in faults {
        print(format_args!("  {}", printable(fault)));
    }
    for finding in &flag.findings {
        let place = if finding.place.is_empty() {
            String::new()
        } else {
            format!("{}: ", finding.place)
        };
        print(printable(&format!("  {place}{}", finding.text)));
    }
}
