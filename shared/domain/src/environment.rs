//! Environments: the stages of the callers, such as `production` and `staging`, that one deployment serves.

use super::Invalid;
use super::ids::EnvironmentName;
use super::limits::MAX_ENVIRONMENTS;

/// The environments of a deployment, at least one. The first one is the default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environments {
    first: EnvironmentName,
    others: Vec<EnvironmentName>,
}

impl Environments {
    /// The environments of a deployment that names none.
    pub const DEFAULT: &'static str = "production";

    /// Reads names separated by commas.
    ///
    /// # Errors
    /// If there is no name, a name is invalid or listed twice, or there are more than [`MAX_ENVIRONMENTS`].
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let mut names = Vec::new();
        for name in text.split(',') {
            let name = EnvironmentName::parse(name.trim())?;
            if names.contains(&name) {
                let detail = format!("The environment `{name}` is listed more than once.");
                return Err(Invalid::new("duplicate_key", detail));
            }
            names.push(name);
            if names.len() > MAX_ENVIRONMENTS {
                let detail = format!("There may be at most {MAX_ENVIRONMENTS} environments.");
                return Err(Invalid::new("too_many", detail));
            }
        }
        let mut names = names.into_iter();
        let first = names.next();
        Ok(Self {
            first: first.ok_or_else(|| Invalid::new("empty", "Must not be empty."))?,
            others: names.collect(),
        })
    }

    /// The environment of callers that do not belong to one.
    pub fn default_name(&self) -> &EnvironmentName {
        &self.first
    }

    /// All environments, the default first.
    pub fn iter(&self) -> impl Iterator<Item = &EnvironmentName> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// Whether there is an environment with this name.
    pub fn contains(&self, name: &EnvironmentName) -> bool {
        self.iter().any(|known| known == name)
    }

    /// Reads the name of one of the environments.
    ///
    /// # Errors
    /// If there is no such environment.
    pub fn find(&self, text: &str) -> Result<EnvironmentName, Invalid> {
        let found = self.iter().find(|known| known.as_str() == text);
        found.cloned().ok_or_else(|| {
            let known: Vec<_> = self.iter().map(|name| format!("`{name}`")).collect();
            let detail = format!(
                "There is no such environment; the environments are {}.",
                known.join(", ")
            );
            Invalid::new("unknown_environment", detail)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> Result<Vec<String>, &'static str> {
        let parsed = Environments::parse(text).map_err(|invalid| invalid.code);
        parsed.map(|all| all.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn environments_are_a_list_of_names_with_the_default_first() {
        let named = |names: &[&str]| Ok(names.iter().map(ToString::to_string).collect());
        assert_eq!(code(Environments::DEFAULT), named(&["production"]));
        assert_eq!(code("live, staging-2"), named(&["live", "staging-2"]));
        let environments = Environments::parse("live,dev").unwrap();
        assert_eq!(environments.default_name().as_str(), "live");
        assert!(environments.find("dev").is_ok());
        let unknown = environments.find("prod").unwrap_err();
        assert!(unknown.detail.contains("`live`, `dev`"), "{unknown}");
    }

    #[test]
    fn lists_that_are_empty_too_long_or_malformed_are_refused() {
        assert_eq!(code(""), Err("empty"));
        assert_eq!(code("a,"), Err("empty"));
        assert_eq!(code("a,b,a"), Err("duplicate_key"));
        for bad in ["Production", "a_b", "-a", "ä", "a b"] {
            assert_eq!(code(bad), Err("bad_characters"), "{bad}");
        }
        assert!(code(&"a".repeat(32)).is_ok());
        assert_eq!(code(&"a".repeat(33)), Err("too_long"));
        assert!(code("a,b,c,d,e,f,g,h,i,j").is_ok());
        assert_eq!(code("a,b,c,d,e,f,g,h,i,j,k"), Err("too_many"));
    }
}
