//! A flag that is being made from a definition of another system, with the findings about it.

use domain::condition::Condition;
use domain::ids::{FlagKey, VariantKey};
use domain::limits::{MAX_RULE_ID_CHARS, MAX_TAG_CHARS, MAX_TAGS};
use serde_json::{Map, Value, json};

/// A flag of a file.
#[derive(Debug, Clone)]
pub(super) struct ImportedFlag {
    /// Its key in the other system.
    pub(super) key: String,
    /// The body of `POST /flags`; none if the flag cannot be carried over.
    pub(super) body: Option<Value>,
    /// What has no counterpart, or another one.
    pub(super) findings: Vec<Finding>,
}

/// What has no counterpart, or another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    /// JSON pointer from the definition of the flag.
    pub(super) place: String,
    /// What it is, and what follows.
    pub(super) text: String,
}

/// What a rule gives its users.
#[derive(Debug, Clone)]
pub(super) enum Outcome {
    /// One variant.
    Serve(String),
    /// Variants by a hash.
    Rollout {
        /// Variants with their weights in percent.
        variants: Vec<(String, f64)>,
        /// Percentage of the users that take part.
        traffic_percent: f64,
        /// The attribute that is hashed.
        attribute: String,
        /// The seed; none for the one that the API chooses.
        seed: Option<String>,
    },
}

/// A flag that is being made.
#[derive(Debug)]
pub(super) struct Draft {
    key: String,
    fields: Map<String, Value>,
    variants: Vec<Value>,
    rules: Vec<Value>,
    prerequisites: Vec<Value>,
    findings: Vec<Finding>,
    is_refused: bool,
}

impl Draft {
    /// A flag with the key of the other system.
    pub(super) fn new(key: &str) -> Self {
        let mut draft = Self {
            key: key.to_owned(),
            fields: Map::from_iter([
                ("key".to_owned(), json!(key)),
                ("name".to_owned(), json!(key)),
            ]),
            variants: Vec::new(),
            rules: Vec::new(),
            prerequisites: Vec::new(),
            findings: Vec::new(),
            is_refused: false,
        };
        if let Err(why) = FlagKey::parse(key) {
            draft.refuse("", format!("the key is not allowed here: {why}"));
        }
        draft
    }

    /// Sets a field of the body, if there is a value.
    pub(super) fn set(&mut self, field: &str, value: Option<Value>) {
        let value = value.filter(|value| !matches!(value.as_str(), Some("")));
        if let Some(value) = value {
            self.fields.insert(field.to_owned(), value);
        }
    }

    /// Sets the tags that are short enough.
    pub(super) fn tags(&mut self, tags: Vec<String>, place: &str) {
        let (mut tags, long): (Vec<_>, Vec<_>) = tags
            .into_iter()
            .partition(|tag| tag.chars().count() <= MAX_TAG_CHARS);
        let more = tags.split_off(tags.len().min(MAX_TAGS));
        for tag in long.iter().chain(&more) {
            let text = format!(
                "the tag `{tag}` is left out: a flag has at most {MAX_TAGS} tags of {MAX_TAG_CHARS} characters"
            );
            self.note(place, text);
        }
        self.set("tags", (!tags.is_empty()).then(|| json!(tags)));
    }

    /// Notes what has no counterpart, or another one.
    pub(super) fn note(&mut self, place: impl Into<String>, text: impl Into<String>) {
        self.findings.push(Finding {
            place: place.into(),
            text: text.into(),
        });
    }

    /// Notes why the flag cannot be carried over.
    pub(super) fn refuse(&mut self, place: impl Into<String>, text: impl Into<String>) {
        self.note(place, text);
        self.is_refused = true;
    }

    /// Notes each field of an object that is not one of those known.
    pub(super) fn note_unknown(&mut self, object: &Value, known: &[&str], place: &str) {
        let names = object
            .as_object()
            .into_iter()
            .flat_map(|fields| fields.keys());
        for name in names.filter(|name| !known.contains(&name.as_str())) {
            self.note(
                format!("{place}/{name}"),
                "this field has no counterpart, and is left out",
            );
        }
    }

    /// Adds a variant and returns its key. A key that is not allowed here, or is taken, is changed.
    pub(super) fn variant(&mut self, wanted: &str, value: &Value, name: Option<&str>) -> String {
        let taken = |key: &str| self.variants.iter().any(|each| each["key"] == key);
        let key = unique(&slug(wanted, "variant"), taken);
        if VariantKey::parse(wanted).is_ok() && key != wanted {
            self.note(
                "",
                format!("there are two variants `{wanted}`; one becomes `{key}`"),
            );
        } else if key != wanted {
            self.note("", format!("the variant `{wanted}` becomes `{key}`"));
        }
        let mut variant = json!({"key": key, "value": value});
        if let Some(name) = name.filter(|name| !name.is_empty() && *name != key) {
            variant["name"] = json!(name);
        }
        self.variants.push(variant);
        key
    }

    /// The keys and values of the variants.
    pub(super) fn variants(&self) -> impl Iterator<Item = (&str, &Value)> {
        let variants = self.variants.iter();
        variants.map(|each| (each["key"].as_str().unwrap_or_default(), &each["value"]))
    }

    /// The variant for users of a flag that is off: `false` if there is one, and otherwise the given one.
    pub(super) fn off_variant(&self, otherwise: &str) -> String {
        let off = self.variants().find(|(_, value)| **value == json!(false));
        off.map_or(otherwise, |(key, _)| key).to_owned()
    }

    /// Adds a rule. A condition that is not valid here is noted, and the rule is left out.
    pub(super) fn rule(
        &mut self,
        place: &str,
        (id, description): (&str, Option<&str>),
        condition: Option<Value>,
        outcome: Outcome,
    ) {
        let condition = condition.filter(|each| *each != json!({}));
        if let Some(Err(faults)) = condition.clone().map(Condition::compile) {
            let why = faults.first().map(|fault| fault.why.detail.as_str());
            self.leave_out(place, why.unwrap_or("its condition is not valid here"));
            return;
        }
        let taken = |id: &str| self.rules.iter().any(|each| each["id"] == id);
        let mut rule = json!({"id": unique(&slug(id, "rule"), taken)});
        if let Some(condition) = condition {
            rule["condition"] = condition;
        }
        if let Some(description) = description.filter(|text| !text.is_empty()) {
            rule["description"] = json!(description);
        }
        match outcome {
            Outcome::Serve(variant) => {
                rule["type"] = json!("serve");
                rule["variant"] = json!(variant);
            }
            Outcome::Rollout {
                variants,
                traffic_percent,
                attribute,
                seed,
            } => {
                rule["type"] = json!("rollout");
                let shares = variants.iter();
                let shares = shares.map(|(key, share)| json!({"variant": key, "percent": share}));
                rule["variants"] = shares.collect();
                rule["traffic_percent"] = json!(traffic_percent);
                rule["attribute"] = json!(attribute);
                if let Some(seed) = seed {
                    rule["hash_seed"] = json!(seed);
                }
            }
        }
        self.rules.push(rule);
    }

    /// Notes that a rule is left out.
    pub(super) fn leave_out(&mut self, place: &str, why: &str) {
        let why = why.trim_end_matches('.');
        let text =
            format!("{why}. The rule is left out, so the rules after it decide for its users");
        self.note(place, text);
    }

    /// Adds a prerequisite.
    pub(super) fn needs(&mut self, flag: &str, variants: &[String]) {
        self.prerequisites
            .push(json!({"flag": flag, "variants": variants}));
    }

    /// The flag with its settings for an environment.
    pub(super) fn finish(
        mut self,
        environment: &str,
        enabled: bool,
        off_variant: &str,
        default_variant: &str,
    ) -> ImportedFlag {
        match value_type(self.variants.iter().map(|each| &each["value"])) {
            Ok(name) => self.set("value_type", Some(json!(name))),
            Err(why) => self.refuse("", why),
        }
        self.fields
            .insert("variants".to_owned(), self.variants.into());
        let settings = json!({
            "enabled": enabled, "off_variant": off_variant, "default_variant": default_variant, "rules": self.rules,
        });
        let environments = json!({environment: settings});
        self.fields.insert("environments".to_owned(), environments);
        if !self.prerequisites.is_empty() {
            self.fields
                .insert("prerequisites".to_owned(), self.prerequisites.into());
        }
        ImportedFlag {
            key: self.key,
            body: (!self.is_refused).then_some(Value::Object(self.fields)),
            findings: self.findings,
        }
    }

    /// The flag that cannot be carried over.
    pub(super) fn refused(self) -> ImportedFlag {
        ImportedFlag {
            key: self.key,
            body: None,
            findings: self.findings,
        }
    }
}

/// The type that all values have.
fn value_type<'v>(values: impl Iterator<Item = &'v Value> + Clone) -> Result<&'static str, String> {
    let all = |test: fn(&Value) -> bool| values.clone().all(test);
    if all(Value::is_boolean) {
        Ok("boolean")
    } else if all(Value::is_string) {
        Ok("string")
    } else if all(Value::is_i64) {
        Ok("integer")
    } else if all(Value::is_number) {
        Ok("number")
    } else if all(Value::is_object) {
        Ok("object")
    } else {
        Err(
            "the values must all be booleans, texts, numbers or objects. Arrays, `null` and values of several types have no \
             counterpart"
                .to_owned(),
        )
    }
}

/// The text with the characters that a key can have.
fn slug(text: &str, otherwise: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let slug: String = text
        .chars()
        .map(|c| if allowed(c) { c } else { '-' })
        .collect();
    let slug = slug.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
    let end = slug.len().min(MAX_RULE_ID_CHARS - 4);
    match slug[..end].trim_end_matches('-') {
        "" => otherwise.to_owned(),
        slug => slug.to_owned(),
    }
}

/// The text, with a number if it is taken.
fn unique(text: &str, taken: impl Fn(&str) -> bool) -> String {
    let numbered = (2..).map(|number| format!("{text}-{number}"));
    let mut all = std::iter::once(text.to_owned()).chain(numbered);
    all.find(|key| !taken(key)).unwrap_or_default()
}
