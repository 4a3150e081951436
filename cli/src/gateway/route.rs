//! Which resource a path belongs to: matched segment by segment on the path as sent, still encoded, so that
//! `a%2Fb` is one segment and never two.

/// The resources of an API, each with its methods.
#[derive(Debug)]
pub(super) struct Router<T> {
    resources: Vec<Resource<T>>,
}

/// A path of the template, as `/experiments/{id}`.
#[derive(Debug)]
pub(super) struct Resource<T> {
    /// As written in the template.
    pub(super) path: String,
    segments: Vec<DimensionValue>,
    methods: Vec<(String, T)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum DimensionValue {
    Literal(String),
    /// `{name}`: one segment, not empty.
    One(String),
    /// `{name+}`: all that is left, not empty.
    Rest(String),
}

/// A matched resource and the values of its parameters, still encoded.
#[derive(Debug)]
pub(super) struct Match<'r, T> {
    pub(super) resource: &'r str,
    pub(super) parameters: Vec<(String, String)>,
    pub(super) target: &'r T,
}

impl<T> Router<T> {
    pub(super) fn new(routes: impl IntoIterator<Item = (String, String, T)>) -> Self {
        let mut resources: Vec<Resource<T>> = Vec::new();
        for (method, path, target) in routes {
            match resources.iter_mut().find(|resource| resource.path == path) {
                Some(resource) => resource.methods.push((method, target)),
                None => resources.push(Resource {
                    segments: path.split('/').skip(1).map(DimensionValue::read).collect(),
                    methods: vec![(method, target)],
                    path,
                }),
            }
        }
        Self { resources }
    }

    /// The method's target on the most specific resource of the path. API Gateway first finds the resource and
    /// only then the method, so a literal resource without it hides a variable one that has it.
    pub(super) fn find(&self, method: &str, path: &str) -> Option<Match<'_, T>> {
        // A slash at the end is kept in the event but means nothing for the route.
        let trimmed = path.strip_suffix('/').filter(|rest| !rest.is_empty());
        let path = trimmed.unwrap_or(path);
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        let matching = self.resources.iter().filter_map(|resource| {
            capture(&resource.segments, &segments).map(|parameters| (resource, parameters))
        });
        let (resource, parameters) = matching.min_by_key(|(resource, _)| resource.rank())?;
        let exact = resource.methods.iter().find(|(name, _)| name == method);
        let any = || resource.methods.iter().find(|(name, _)| name == "ANY");
        exact.or_else(any).map(|(_, target)| Match {
            resource: &resource.path,
            parameters,
            target,
        })
    }
}

impl<T> Resource<T> {
    /// Smaller is more specific: literal before variable before greedy, from the left.
    fn rank(&self) -> Vec<u8> {
        let rank = |segment: &DimensionValue| match segment {
            DimensionValue::Literal(_) => 0,
            DimensionValue::One(_) => 1,
            DimensionValue::Rest(_) => 2,
        };
        self.segments.iter().map(rank).collect()
    }
}

impl DimensionValue {
    fn read(text: &str) -> Self {
        match text
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'))
        {
            Some(name) => match name.strip_suffix('+') {
                Some(name) => Self::Rest(name.to_owned()),
                None => Self::One(name.to_owned()),
            },
            None => Self::Literal(text.to_owned()),
        }
    }
}

fn capture(pattern: &[DimensionValue], segments: &[&str]) -> Option<Vec<(String, String)>> {
    let mut captured = Vec::new();
    let mut rest = segments;
    for segment in pattern {
        let (first, after) = rest.split_first()?;
        match segment {
            DimensionValue::Literal(text) if text == first => {}
            DimensionValue::One(name) if !first.is_empty() => {
                captured.push((name.clone(), (*first).to_owned()));
            }
            DimensionValue::Rest(name) if !first.is_empty() => {
                captured.push((name.clone(), rest.join("/")));
                return Some(captured);
            }
            _ => return None,
        }
        rest = after;
    }
    rest.is_empty().then_some(captured)
}

#[cfg(test)]
mod tests {
    use super::Router;

    fn router() -> Router<&'static str> {
        let route = |method: &str, path: &str, name| (method.to_owned(), path.to_owned(), name);
        Router::new([
            route("GET", "/", "root"),
            route("GET", "/experiments", "list"),
            route("POST", "/experiments", "create"),
            route("GET", "/experiments/{id}", "get"),
            route("POST", "/experiments/archive", "archive"),
            route("GET", "/experiments/{id}/assignment/{user_id}", "assign"),
            route("ANY", "/files/{path+}", "files"),
        ])
    }

    fn found(method: &str, path: &str) -> Option<(&'static str, Vec<String>)> {
        let router = router();
        let found = router.find(method, path)?;
        let values = found.parameters.into_iter().map(|(_, value)| value);
        Some((*found.target, values.collect()))
    }

    #[test]
    fn a_variable_takes_one_segment_as_it_was_sent() {
        let path = "/experiments/a%2Fb/assignment/%25%F0%9F%98%80+";
        let values = vec!["a%2Fb".to_owned(), "%25%F0%9F%98%80+".to_owned()];
        assert_eq!(found("GET", path), Some(("assign", values)));
    }

    #[test]
    fn a_variable_is_never_empty() {
        assert_eq!(found("GET", "/experiments//assignment/u"), None);
        assert_eq!(found("GET", "//experiments"), None);
        assert_eq!(found("GET", "/files/"), None);
    }

    #[test]
    fn a_slash_at_the_end_does_not_change_the_route() {
        assert_eq!(found("GET", "/experiments/"), Some(("list", vec![])));
        assert_eq!(found("GET", "/"), Some(("root", vec![])));
        assert_eq!(found("GET", "/experiments//"), None);
    }

    #[test]
    fn a_literal_segment_wins_and_hides_the_variable_one() {
        assert_eq!(
            found("POST", "/experiments/archive"),
            Some(("archive", vec![]))
        );
        assert_eq!(found("GET", "/experiments/archive"), None);
    }

    #[test]
    fn a_greedy_variable_takes_the_rest_and_any_takes_every_method() {
        assert_eq!(
            found("PUT", "/files/a/b%2Fc"),
            Some(("files", vec!["a/b%2Fc".to_owned()]))
        );
    }

    #[test]
    fn a_method_that_is_not_declared_is_not_found() {
        assert_eq!(found("DELETE", "/experiments"), None);
        assert_eq!(found("HEAD", "/experiments"), None);
    }
}
