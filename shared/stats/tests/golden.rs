//! The reference vectors: every case of every file is one test.
//!
//! The vectors are computed at 50 digits with independent libraries. The tests read them from the
//! folder that `ASSAY_GOLDEN` names, or else from `$ASSAY_REFERENCE_DATA/golden`.

#![expect(
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "the test reads the vectors; the crate itself reads nothing"
)]

#[path = "golden/bayesian.rs"]
mod bayesian;
#[path = "golden/compare.rs"]
mod compare;
#[path = "golden/fixed.rs"]
mod fixed;
#[path = "golden/inputs.rs"]
mod inputs;
#[path = "golden/many.rs"]
mod many;
#[path = "golden/planning.rs"]
mod planning;
#[path = "golden/quantiles.rs"]
mod quantiles;
#[path = "golden/sequential.rs"]
mod sequential;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;

use compare::Method;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let Some(folder) = folder() else {
        eprintln!("golden: skipped, neither ASSAY_GOLDEN nor ASSAY_REFERENCE_DATA names a folder");
        return ExitCode::SUCCESS;
    };
    let mut trials = trials(&folder);
    if trials.is_empty() {
        trials.push(failing(
            "golden".into(),
            format!("no vectors in {}", folder.display()),
        ));
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn folder() -> Option<PathBuf> {
    let named = |name: &str| std::env::var_os(name).map(PathBuf::from);
    named("ASSAY_GOLDEN")
        .or_else(|| named("ASSAY_REFERENCE_DATA").map(|data| data.join("golden")))
        .filter(|folder| folder.is_dir())
}

fn trials(folder: &Path) -> Vec<Trial> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the folder of vectors can be listed")
        .map(|entry| entry.expect("an entry can be read").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .collect();
    files.sort();
    files.iter().flat_map(|path| trials_of(path)).collect()
}

fn trials_of(path: &Path) -> Vec<Trial> {
    let name = path
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let text = std::fs::read_to_string(path).expect("a file of vectors can be read");
    let mut file: Value = serde_json::from_str(&text).expect("a file of vectors is JSON");
    let cases = match file.get_mut("cases").map(Value::take) {
        Some(Value::Array(cases)) => cases,
        // This file lists values on which other libraries differ. It has no cases, because each entry
        // repeats the expected value of an existing case.
        _ if name == "disagreements" => return Vec::new(),
        _ => return vec![failing(name, "the file has no cases".into())],
    };
    if file["count"]
        .as_u64()
        .is_some_and(|count| count != cases.len() as u64)
    {
        return vec![failing(
            name,
            format!("{} cases instead of {}", cases.len(), file["count"]),
        )];
    }
    let Some(method) = file["method"].as_str().and_then(method) else {
        return vec![failing(name, format!("unknown method {}", file["method"]))];
    };
    cases
        .into_iter()
        .enumerate()
        .map(|(index, case)| {
            let id = case["id"]
                .as_str()
                .map_or_else(|| format!("{name}-{index}"), String::from);
            Trial::test(id, move || {
                compare::check(method, &case).map_err(Failed::from)
            })
        })
        .collect()
}

fn failing(name: String, why: String) -> Trial {
    Trial::test(name, move || Err(Failed::from(why)))
}

/// The adapter of a method, which converts the inputs of a vector to its result.
fn method(name: &str) -> Option<Method> {
    Some(match name {
        "distributions" => many::distributions,
        "two_proportion_z" => fixed::two_proportion_z,
        "welch_t" => fixed::welch_t,
        "relative_lift" => fixed::relative_lift,
        "fieller" => fixed::fieller,
        "huge_sums" => fixed::huge_sums,
        "ratio_metric" => fixed::ratio_metric,
        "cuped" => fixed::cuped,
        "post_stratification" => fixed::post_stratification,
        "srm" => many::srm,
        "sequential_srm" => sequential::sequential_srm,
        "asymptotic_confidence_sequence" => sequential::asymptotic_confidence_sequence,
        "gbstats_sequential" => sequential::gbstats_sequential,
        "msprt" => sequential::msprt,
        "group_sequential" => sequential::group_sequential,
        "gbstats_bayesian" => bayesian::gbstats_bayesian,
        "beta_binomial" => bayesian::beta_binomial,
        "p_best" => bayesian::p_best,
        "power_proportion" => planning::power_proportion,
        "power_mean" => planning::power_mean,
        "sample_size" => planning::sample_size,
        "mde" => planning::mde,
        "mid_experiment_power" => planning::mid_experiment_power,
        "holm" => many::holm,
        "benjamini_hochberg" => many::benjamini_hochberg,
        "heterogeneity" => many::heterogeneity,
        "trend" => many::trend,
        "quantile_ci" => quantiles::quantile_ci,
        "quantile_histogram" => quantiles::quantile_histogram,
        "quantile_test" => quantiles::quantile_test,
        _ => return None,
    })
}
