//! The time to evaluate targeting and flags for one user: one condition of 20 clauses, 500 experiments with such conditions,
//! and flags with five rules.

#![expect(clippy::unwrap_used, reason = "a benchmark that a failure ends")]

use criterion::{Criterion, criterion_group, criterion_main};
use domain::allocation::{Allocation, Variant, Variants};
use domain::analysis_definition::AnalysisDefinition;
use domain::condition::{Condition, NoSegments};
use domain::evaluation::{Evaluation, EvaluationInput, evaluate};
use domain::evaluation_context::EvaluationContext;
use domain::experiment::{Experiment, NewExperiment, Status};
use domain::feature::FeatureUser;
use domain::flag::{CompiledFlags, Flag, FlagCompiler, FlagEvaluator};
use domain::ids::{EnvironmentName, ExperimentId, UserId, VariantKey};
use domain::schedule::Schedule;
use domain::time::Timestamp;
use serde_json::{Value, json};
use std::hint::black_box;

/// A user for whom every clause of [`condition`] is evaluated, because all of them match.
fn attributes() -> Value {
    json!({
        "id": "user-12345",
        "country": "DE",
        "platform": "ios",
        "language": "de-AT",
        "age": 31,
        "orders": 12,
        "spend": 341.5,
        "plan": "team",
        "trial": false,
        "version": "10.12.3",
        "os_version": "17.4.1",
        "tags": ["beta", "newsletter", "b2b"],
        "company": {"size": 120, "industry": "retail", "address": {"city": "Berlin", "zip": "10115"}},
        "email": "ann@example.com",
        "device": "iPhone 15 Pro",
    })
}

/// 20 clauses with the operators that conditions of real experiments have.
fn condition() -> Value {
    json!({
        "id": {"$ne": "user-1"},
        "country": {"$in": ["AT", "CH", "DE", "FR", "IT", "NL", "PL"]},
        "platform": {"$in": ["ios", "android"]},
        "language": {"$regex": "^de"},
        "age": {"$gte": 18, "$lt": 65},
        "orders": {"$gt": 3},
        "spend": {"$lte": 1000},
        "plan": {"$nin": ["free", "student"]},
        "trial": false,
        "version": {"$vgte": "10.2.0"},
        "os_version": {"$vlt": "18.0.0"},
        "tags": {"$elemMatch": {"$eq": "b2b"}},
        "company.size": {"$gt": 50},
        "company.address.city": "Berlin",
        "email": {"$not": {"$regex": "@competitor\\.com$"}},
        "device": {"$exists": true},
        "$or": [{"company.industry": "finance"}, {"company.industry": "retail"}],
        "$not": {"tags": {"$in": ["blocked"]}},
    })
}

fn experiment(number: usize) -> Experiment {
    let variant = |key| Variant {
        key: VariantKey::parse(key).unwrap(),
        percent: 50.0,
        name: None,
    };
    let variants = Variants::new(vec![variant("control"), variant("green")]).unwrap();
    let seed = format!("experiment-{number}");
    let new = NewExperiment {
        id: ExperimentId::parse(&seed).unwrap(),
        name: seed.clone(),
        description: None,
        status: Status::Running,
        allocation: Allocation {
            targeting: Some(Condition::compile(condition()).unwrap()),
            ..Allocation::new(variants, 100.0, seed)
        },
        exclusion: None,
        schedule: Schedule::default(),
        analysis: AnalysisDefinition::default(),
        documentation: domain::documentation::Documentation::default(),
        shards: 8,
    };
    new.create(Timestamp::MIN)
}

fn variant<'e>(
    definition: &'e Experiment,
    context: &'e EvaluationContext,
    now: Timestamp,
) -> Evaluation<'e> {
    let input = EvaluationInput {
        definition,
        holdouts: &[],
        context,
        now,
    };
    evaluate(&input, &NoSegments)
}

fn evaluation(bencher: &mut Criterion) {
    let (attributes, segments) = (attributes(), NoSegments);
    let compiled = Condition::compile(condition()).unwrap();
    assert!(compiled.matches(&attributes, &segments));
    bencher.bench_function("condition of 20 clauses", |bencher| {
        bencher.iter(|| compiled.matches(black_box(&attributes), &segments));
    });
    bencher.bench_function("compile a condition of 20 clauses", |bencher| {
        bencher.iter(|| Condition::compile(black_box(condition())));
    });

    let user = UserId::parse("user-12345").unwrap();
    let fields = attributes.as_object().cloned().unwrap_or_default();
    let context = EvaluationContext::new(user, fields);
    let experiments: Vec<_> = (0..500).map(experiment).collect();
    let now = Timestamp::from_micros(1);
    bencher.bench_function("one experiment with 20 clauses", |bencher| {
        bencher.iter(|| variant(&experiments[0], black_box(&context), now));
    });
    bencher.bench_function("500 experiments with 20 clauses", |bencher| {
        bencher.iter(|| {
            let evaluations = experiments.iter();
            evaluations
                .map(|experiment| variant(experiment, black_box(&context), now))
                .filter(|evaluation| evaluation.variant.as_str() == "green")
                .count()
        });
    });
}

/// A flag with five rules. The last one decides for the user of [`attributes`].
fn flag(number: usize) -> Flag {
    let serve = |id: &str, condition: Value| json!({"id": id, "type": "serve", "variant": "on", "condition": condition});
    let flag = json!({
        "key": format!("flag-{number}"), "version": 1, "name": "A flag", "value_type": "boolean",
        "variants": [{"key": "on", "value": true}, {"key": "off", "value": false}],
        "environments": {"production": {
            "enabled": true, "off_variant": "off", "default_variant": "off",
            "rules": [
                serve("team", json!({"email": {"$regex": "@example[.]org$"}})),
                serve("country", json!({"country": {"$in": ["AT", "CH"]}})),
                serve("version", json!({"version": {"$vgte": "11.0.0"}})),
                serve("plan", json!({"plan": "enterprise", "company.size": {"$gt": 500}})),
                {"id": "rest", "type": "rollout", "variants": [{"variant": "on", "percent": 50}, {"variant": "off", "percent": 50}], "hash_seed": format!("flag-{number}:")},
            ],
        }},
        "created_at": Timestamp::MIN, "updated_at": Timestamp::MIN,
    });
    serde_json::from_value(flag).unwrap()
}

fn flags(bencher: &mut Criterion) {
    let (attributes, segments) = (attributes(), NoSegments);
    let flags: Vec<Flag> = (0..100).map(flag).collect();
    let now = Timestamp::from_micros(1);
    let environment = EnvironmentName::parse("production").unwrap();
    let compiler = FlagCompiler::new(&flags, [], now);
    let compiled = flags.iter();
    let compiled = compiled.filter_map(|flag| compiler.compile(flag, &environment));
    let compiled: CompiledFlags = compiled.collect();
    let user = FeatureUser::new(&attributes, &segments);
    bencher.bench_function("one flag with five rules", |bencher| {
        bencher.iter(|| {
            let mut evaluator = FlagEvaluator::new(&compiled, black_box(user));
            let evaluated = evaluator.evaluate("flag-7");
            evaluated.map(|flag| flag.variant.as_str().len())
        });
    });
    bencher.bench_function("100 flags with five rules", |bencher| {
        bencher.iter(|| {
            let mut evaluator = FlagEvaluator::new(&compiled, black_box(user));
            let evaluated = flags.iter();
            let evaluated = evaluated.filter_map(|flag| evaluator.evaluate(flag.key.as_str()));
            evaluated
                .filter(|flag| flag.variant.as_str() == "on")
                .count()
        });
    });
    bencher.bench_function("compile a flag with five rules", |bencher| {
        bencher.iter(|| compiler.compile(black_box(&flags[0]), &environment));
    });
}

criterion_group!(benches, evaluation, flags);
criterion_main!(benches);
