//! Explains which variant of a flag a user gets.

use super::FlagsError;
use crate::client::{Client, path_segment};
use crate::output::{print, printable};
use domain::condition::number_text;
use domain::evaluation_context::EvaluationContext;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Arguments of `evaluate`.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct EvaluateArgs {
    /// Key of the flag.
    #[arg(value_name = "KEY")]
    key: String,
    /// Id of the user: the attribute `id`.
    #[arg(long, value_name = "ID")]
    user: String,
    /// Attribute of the user, such as country=DE. A value that is written as JSON is one: true, 7, ["a"]; quote a text that
    /// looks like JSON: version='"7"'. Can be given several times.
    #[arg(long = "attribute", value_name = "NAME=VALUE", value_parser = attribute)]
    attributes: Vec<(String, Value)>,
    /// Environment. By default that of the token, and otherwise the first one of the deployment.
    #[arg(long, value_name = "NAME")]
    environment: Option<String>,
}

/// The variant of a user, and why.
#[derive(Deserialize)]
struct Explanation {
    environment: String,
    version: u64,
    variant: String,
    value: Value,
    reason: String,
    rule: Option<String>,
    experiment: Option<ExperimentVariant>,
    trace: Vec<Step>,
    left_out: Vec<LeftOutRule>,
}

#[derive(Deserialize)]
struct ExperimentVariant {
    id: String,
    variant: String,
}

/// A part of the flag that was looked at.
#[derive(Deserialize)]
struct Step {
    part: String,
    rule: Option<String>,
    prerequisite: Option<String>,
    skipped: Option<String>,
}

/// A rule that lets no user take part at present.
#[derive(Deserialize)]
struct LeftOutRule {
    rule: String,
    reason: String,
}

/// Reads `name=value`, as the API reads a query: a number is one only if it is written as JavaScript writes it.
fn attribute(text: &str) -> Result<(String, Value), String> {
    let (name, text) = text
        .split_once('=')
        .filter(|(name, _)| !name.is_empty())
        .ok_or_else(|| "must have the form NAME=VALUE".to_owned())?;
    let value = match serde_json::from_str(text) {
        Ok(Value::Number(number)) => {
            let is_canonical = number.as_f64().map(number_text).as_deref() == Some(text);
            if is_canonical {
                Value::Number(number)
            } else {
                text.into()
            }
        }
        Ok(value) => value,
        Err(_) => text.into(),
    };
    Ok((name.to_owned(), value))
}

/// Prints the variant, the value, the reason and the parts of the flag that were looked at.
pub(super) async fn evaluate(client: &Client, args: EvaluateArgs) -> Result<(), FlagsError> {
    let mut attributes: Map<String, Value> = args.attributes.into_iter().collect();
    let id = EvaluationContext::USER_ID_ATTRIBUTE.to_owned();
    attributes.insert(id, json!(args.user));
    let mut body = json!({"attributes": attributes});
    if let Some(environment) = args.environment {
        body["environment"] = json!(environment);
    }
    let path = format!("/flags/{}/evaluate", path_segment(&args.key));
    let explanation: Explanation = client.post(&path, body.to_string(), None).await?;
    for line in lines(&explanation) {
        print(printable(&line));
    }
    Ok(())
}

fn lines(explanation: &Explanation) -> Vec<String> {
    let decided = explanation.rule.as_deref();
    let decided = decided.map(|rule| format!(" (rule {rule})"));
    let mut lines = vec![
        format!("variant  {}", explanation.variant),
        format!("value    {}", explanation.value),
        format!(
            "reason   {}{}",
            explanation.reason,
            decided.unwrap_or_default()
        ),
        format!(
            "version {} in {}",
            explanation.version, explanation.environment
        ),
    ];
    if let Some(experiment) = &explanation.experiment {
        let text = format!(
            "the user takes part in the experiment {} with the variant {}",
            experiment.id, experiment.variant
        );
        lines.push(text);
    }
    let mut trace: Vec<(String, String)> = Vec::new();
    for step in &explanation.trace {
        let (part, outcome) = step.text();
        // A rollout has a step for each of its variants. The last one says whether it decided.
        match trace.last_mut().filter(|(last, _)| *last == part) {
            Some(last) => last.1 = outcome,
            None => trace.push((part, outcome)),
        }
    }
    let trace = trace.into_iter();
    lines.extend(trace.map(|(part, outcome)| format!("  {part}: {outcome}")));
    let left_out = explanation.left_out.iter();
    lines.extend(left_out.map(|each| {
        let why = each.reason.replace('_', " ");
        format!(
            "  rule {}: lets no user take part at present ({why})",
            each.rule
        )
    }));
    lines
}

impl Step {
    /// The part, and what became of it.
    fn text(&self) -> (String, String) {
        if let Some(prerequisite) = &self.prerequisite {
            // The step gives the off variant to users for whom the prerequisite is not met.
            let outcome = match self.skipped {
                Some(_) => "met",
                None => "not met, so the user gets the off variant",
            };
            return (format!("prerequisite {prerequisite}"), outcome.to_owned());
        }
        let rule = self.rule.as_deref().unwrap_or_default();
        let outcome = match self.skipped.as_deref() {
            None => "decides",
            Some("condition") => "the attributes do not match its condition",
            Some("traffic") => "outside its traffic, or without the attribute that is hashed",
            Some("filters") => "outside its layer, or in a holdout",
            Some(other) => return (self.named(rule), other.replace('_', " ")),
        };
        (self.named(rule), outcome.to_owned())
    }

    fn named(&self, rule: &str) -> String {
        format!("rule {rule} ({})", self.part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_attributes_are_json_or_text() {
        let value = |text: &str| attribute(text).map(|(_, value)| value);
        assert_eq!(value("a=DE"), Ok(json!("DE")));
        assert_eq!(value("a=true"), Ok(json!(true)));
        assert_eq!(value("a=7"), Ok(json!(7)));
        assert_eq!(value("a=007"), Ok(json!("007")));
        assert_eq!(value("a=1.10"), Ok(json!("1.10")));
        assert_eq!(value("a=\"7\""), Ok(json!("7")));
        assert_eq!(value("a=[1,\"b\"]"), Ok(json!([1, "b"])));
        assert_eq!(value("a=b=c"), Ok(json!("b=c")));
        assert!(value("a").is_err() && value("=b").is_err());
    }
}
