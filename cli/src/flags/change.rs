//! Changes flags: the kill switch, rollouts, and the return to an earlier version.

use super::FlagsError;
use crate::client::{Client, ClientError, path_segment};
use crate::output::{note, print};
use domain::evaluation_context::EvaluationContext;
use domain::flag::{Flag, FlagEnvironment, FlagRule, FlagRuleKind, Rollout, RolloutVariant};
use domain::ids::{EnvironmentName, RuleId, VariantKey};
use reqwest::Method;
use serde_json::json;

/// How often a change is tried if others change the flag at the same time.
const TRIES: usize = 5;

/// The id of a rollout that this command adds.
const ROLLOUT_RULE: &str = "rollout";

/// Arguments of `on` and `off`.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct SwitchArgs {
    /// Key of the flag.
    #[arg(value_name = "KEY")]
    key: String,
    /// Environment. It can be left out if the flag has only one.
    #[arg(long, value_name = "NAME")]
    environment: Option<String>,
    /// Why. The history of the flag shows it.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// Arguments of `rollout`.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct RolloutArgs {
    /// Key of the flag.
    #[arg(value_name = "KEY")]
    key: String,
    /// Percentage of the users, from 0 to 100. Raising it moves no user to another variant.
    #[arg(value_name = "PERCENT", value_parser = percent)]
    percent: f64,
    /// Variant of the users. It can be left out if the rollout exists, or if the flag has only one variant besides the
    /// default.
    #[arg(long, value_name = "KEY")]
    variant: Option<String>,
    /// Id of the rule. It can be left out if the environment has only one rollout.
    #[arg(long, value_name = "ID")]
    rule: Option<String>,
    /// Environment. It can be left out if the flag has only one.
    #[arg(long, value_name = "NAME")]
    environment: Option<String>,
    /// Why. The history of the flag shows it.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// Arguments of `revert`.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct RevertArgs {
    /// Key of the flag.
    #[arg(value_name = "KEY")]
    key: String,
    /// The version whose content the flag gets; `assay flags history` shows the versions.
    #[arg(value_name = "VERSION")]
    version: u64,
    /// Why. The history of the flag shows it.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

fn percent(text: &str) -> Result<f64, String> {
    let number = text.trim_end_matches('%').parse::<f64>().ok();
    number
        .filter(|number| (0.0..=100.0).contains(number))
        .ok_or_else(|| "must be a number from 0 to 100".to_owned())
}

/// Switches a flag on or off.
pub(super) async fn switch(client: &Client, args: &SwitchArgs, on: bool) -> Result<(), FlagsError> {
    let changed = change(client, &args.key, args.reason.as_deref(), |flag| {
        let name = environment_of(flag, args.environment.as_deref())?;
        let mut environment = settings(flag, &name)?.clone();
        environment.enabled = on;
        Ok((name, environment))
    });
    let changed = changed.await?;
    let variant = &changed.settings.off_variant;
    let state = if on {
        "on: users get variants by its rules".to_owned()
    } else {
        format!("off: all users get `{variant}`")
    };
    changed.report(&state);
    Ok(())
}

/// Sets the traffic of a rollout.
pub(super) async fn rollout(client: &Client, args: &RolloutArgs) -> Result<(), FlagsError> {
    let changed = change(client, &args.key, args.reason.as_deref(), |flag| {
        let name = environment_of(flag, args.environment.as_deref())?;
        let environment = with_rollout(flag, settings(flag, &name)?, args)?;
        Ok((name, environment))
    });
    let changed = changed.await?;
    let traffic = format!("{}% of the users are in the rollout", args.percent);
    changed.report(&traffic);
    if !changed.settings.enabled {
        note(format_args!(
            "The flag is off, so all users get `{}` until `assay flags on`.",
            changed.settings.off_variant
        ));
    }
    Ok(())
}

/// Gives a flag the content of an earlier version.
pub(super) async fn revert(client: &Client, args: &RevertArgs) -> Result<(), FlagsError> {
    let path = format!("/flags/{}", path_segment(&args.key));
    let revert = format!("{path}/revert");
    let mut body = json!({"version": args.version});
    if let Some(reason) = &args.reason {
        body["reason"] = json!(reason);
    }
    for _ in 0..TRIES {
        let flag: Flag = client.get(&path).await?;
        let sent = client.change(Method::POST, &revert, &body, flag.version);
        if let Some(reverted) = unless_outdated(sent.await)? {
            print(format_args!(
                "{} has the content of version {} (version {}).",
                reverted.key, args.version, reverted.version
            ));
            return Ok(());
        }
    }
    Err(FlagsError::Contended(args.key.clone()))
}

/// A flag after a change of one environment.
struct Changed {
    flag: Flag,
    environment: EnvironmentName,
    settings: FlagEnvironment,
    is_new: bool,
}

impl Changed {
    fn report(&self, state: &str) {
        let version = self.flag.version;
        let change = if self.is_new { "now" } else { "already" };
        print(format_args!(
            "{} in {} is {change} {state} (version {version}).",
            self.flag.key, self.environment
        ));
    }
}

/// Changes one environment of a flag. `next` makes the new settings; it is asked again if others changed the flag in between.
async fn change(
    client: &Client,
    key: &str,
    reason: Option<&str>,
    next: impl Fn(&Flag) -> Result<(EnvironmentName, FlagEnvironment), FlagsError>,
) -> Result<Changed, FlagsError> {
    let path = format!("/flags/{}", path_segment(key));
    for _ in 0..TRIES {
        let before: Flag = client.get(&path).await?;
        let (environment, settings) = next(&before)?;
        if before.environments.get(&environment) == Some(&settings) {
            return Ok(Changed {
                flag: before,
                environment,
                settings,
                is_new: false,
            });
        }
        let mut body = json!({"environments": {environment.as_str(): settings}});
        if let Some(reason) = reason {
            body["reason"] = json!(reason);
        }
        let sent = client.change(Method::PATCH, &path, &body, before.version);
        if let Some(flag) = unless_outdated(sent.await)? {
            return Ok(Changed {
                flag,
                environment,
                settings,
                is_new: true,
            });
        }
    }
    Err(FlagsError::Contended(key.to_owned()))
}

/// None if the API refused the change because of the version.
fn unless_outdated(sent: Result<Flag, ClientError>) -> Result<Option<Flag>, ClientError> {
    match sent {
        Err(error) if error.refused_with(412).is_some() => Ok(None),
        sent => sent.map(Some),
    }
}

/// The environment with a name; the only one of the flag without a name.
fn environment_of(flag: &Flag, name: Option<&str>) -> Result<EnvironmentName, FlagsError> {
    let mut known = flag.environments.keys();
    let found = match (name, flag.environments.len()) {
        (Some(name), _) => known.find(|known| known.as_str() == name),
        (None, 1) => known.next(),
        (None, _) => None,
    };
    found.cloned().ok_or_else(|| {
        let known = flag.environments.keys().map(EnvironmentName::as_str);
        let known: Vec<_> = known.collect();
        let text = match (known.is_empty(), name) {
            (true, _) => format!("the flag `{}` has no environment", flag.key),
            (false, None) => format!(
                "the flag `{}` has several environments: {}. Name one with --environment",
                flag.key,
                known.join(", ")
            ),
            (false, Some(name)) => format!(
                "the flag `{}` has no environment `{name}`; it has {}",
                flag.key,
                known.join(", ")
            ),
        };
        FlagsError::DoesNotFit(text)
    })
}

fn settings<'f>(flag: &'f Flag, name: &EnvironmentName) -> Result<&'f FlagEnvironment, FlagsError> {
    let settings = flag.environments.get(name);
    settings.ok_or_else(|| FlagsError::DoesNotFit(format!("there is no environment `{name}`")))
}

/// The settings with another traffic of the rollout.
fn with_rollout(
    flag: &Flag,
    before: &FlagEnvironment,
    args: &RolloutArgs,
) -> Result<FlagEnvironment, FlagsError> {
    let mut environment = before.clone();
    let Some(index) = rollout_index(&environment, args.rule.as_deref())? else {
        let variant = new_variant(flag, before, args.variant.as_deref())?;
        environment
            .rules
            .push(new_rollout(flag, variant, args.percent)?);
        return Ok(environment);
    };
    let rule = &mut environment.rules[index];
    let FlagRuleKind::Rollout(rollout) = &mut rule.kind else {
        return Err(FlagsError::DoesNotFit(format!(
            "the rule `{}` is not a rollout",
            rule.id
        )));
    };
    check_variant(&rule.id, rollout, args.variant.as_deref())?;
    rollout.traffic_percent = args.percent;
    rollout.ramp = Default::default();
    Ok(environment)
}

/// The index of the rollout that is meant; none if there is none.
fn rollout_index(
    environment: &FlagEnvironment,
    id: Option<&str>,
) -> Result<Option<usize>, FlagsError> {
    let rules = environment.rules.iter().enumerate();
    let named = |id: &str| {
        let position = environment
            .rules
            .iter()
            .position(|rule| rule.id.as_str() == id);
        position.map(Some).ok_or_else(|| {
            let ids = environment.rules.iter().map(|rule| rule.id.as_str());
            let ids: Vec<_> = ids.collect();
            let text = format!("there is no rule `{id}`; the rules are: {}", ids.join(", "));
            FlagsError::DoesNotFit(text)
        })
    };
    if let Some(id) = id {
        return named(id);
    }
    let rollouts = rules.filter(|(_, rule)| matches!(rule.kind, FlagRuleKind::Rollout(_)));
    let rollouts: Vec<_> = rollouts.collect();
    match rollouts.as_slice() {
        [] => Ok(None),
        [(index, _)] => Ok(Some(*index)),
        several => {
            let ids = several.iter().map(|(_, rule)| rule.id.as_str());
            let ids: Vec<_> = ids.collect();
            Err(FlagsError::DoesNotFit(format!(
                "there are several rollouts: {}. Name one with --rule",
                ids.join(", ")
            )))
        }
    }
}

/// Checks that a rollout gives all its users the variant. Other variants would move users, so they need a definition.
fn check_variant(id: &RuleId, rollout: &Rollout, variant: Option<&str>) -> Result<(), FlagsError> {
    let Some(variant) = variant else {
        return Ok(());
    };
    let with_share = rollout.variants.iter().filter(|each| each.percent > 0.0);
    let given: Vec<_> = with_share.map(|each| each.variant.as_str()).collect();
    if given == [variant] {
        return Ok(());
    }
    Err(FlagsError::DoesNotFit(format!(
        "the rollout `{id}` gives its users {}. Leave --variant out to set its percentage, or change its variants with \
         PATCH /flags/KEY",
        given.join(", ")
    )))
}

/// The variant of a new rollout.
fn new_variant(
    flag: &Flag,
    environment: &FlagEnvironment,
    named: Option<&str>,
) -> Result<VariantKey, FlagsError> {
    let others = flag.variants.iter().map(|variant| &variant.key);
    let others = others.filter(|key| match named {
        Some(named) => key.as_str() == named,
        None => **key != environment.default_variant,
    });
    match others.collect::<Vec<_>>().as_slice() {
        [only] => Ok((*only).clone()),
        _ => {
            let all = flag.variants.iter().map(|variant| variant.key.as_str());
            let all: Vec<_> = all.collect();
            Err(FlagsError::DoesNotFit(format!(
                "name one of the variants with --variant: {}",
                all.join(", ")
            )))
        }
    }
}

/// A rollout of one variant. It has the seed that the API gives a rule without one, so that users get the same variants in all
/// environments.
fn new_rollout(flag: &Flag, variant: VariantKey, percent: f64) -> Result<FlagRule, FlagsError> {
    let id = RuleId::parse(ROLLOUT_RULE);
    let id = id.map_err(|why| FlagsError::DoesNotFit(why.to_string()))?;
    let rollout = Rollout {
        variants: vec![RolloutVariant {
            variant,
            percent: 100.0,
        }],
        traffic_percent: percent,
        ramp: Default::default(),
        attribute: EvaluationContext::USER_ID_ATTRIBUTE.to_owned(),
        hash_seed: format!("{}:{id}:", flag.key),
    };
    Ok(FlagRule {
        id,
        description: None,
        condition: None,
        starts_at: None,
        ends_at: None,
        kind: FlagRuleKind::Rollout(rollout),
    })
}
