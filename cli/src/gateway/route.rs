//! Finds the resource of a path. Path segments are compared in their percent-encoded form, so `a%2Fb` is one path segment.

/// The resources of an API with their methods, the most specific ones first.
#[derive(Debug)]
pub(super) struct Router<T> {
    resources: Vec<Resource<T>>,
}

/// A path of the template, such as `/experiments/{id}`.
#[derive(Debug)]
pub(super) struct Resource<T> {
    /// The path as the template contains it.
    pub(super) path: String,
    segments: Vec<PathSegment>,
    methods: Vec<(String, T)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum PathSegment {
    Literal(String),
    /// `{name}`: one path segment that is not empty.
    Variable(String),
    /// `{name+}`: the rest of the path, which is not empty.
    Greedy(String),
}

/// A matched resource and the percent-encoded values of its parameters.
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
                    segments: path.split('/').skip(1).map(PathSegment::read).collect(),
                    methods: vec![(method, target)],
                    path,
                }),
            }
        }
        resources.sort_by_key(Resource::rank);
        Self { resources }
    }

    /// Finds the target of a method on the most specific resource that matches the path.
    ///
    /// API Gateway first chooses the resource and then the method. So if a literal resource does not have the method, the
    /// request fails even if a resource with a variable has it.
    pub(super) fn find(&self, method: &str, path: &str) -> Option<Match<'_, T>> {
        // The event contains a slash at the end of the path, but the router ignores it.
        let trimmed = path.strip_suffix('/').filter(|rest| !rest.is_empty());
        let path = trimmed.unwrap_or(path);
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        let (resource, parameters) = self.resources.iter().find_map(|resource| {
            capture(&resource.segments, &segments).map(|parameters| (resource, parameters))
        })?;
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
    /// A smaller rank is more specific. From the left, literal is more specific than variable, and variable than greedy.
    fn rank(&self) -> Vec<u8> {
        let rank = |segment: &PathSegment| match segment {
            PathSegment::Literal(_) => 0,
            PathSegment::Variable(_) => 1,
            PathSegment::Greedy(_) => 2,
        };
        self.segments.iter().map(rank).collect()
    }
}

impl PathSegment {
    fn read(text: &str) -> Self {
        match text
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'))
        {
            Some(name) => match name.strip_suffix('+') {
                Some(name) => Self::Greedy(name.to_owned()),
                None => Self::Variable(name.to_owned()),
            },
            None => Self::Literal(text.to_owned()),
        }
    }
}

fn capture(pattern: &[PathSegment], segments: &[&str]) -> Option<Vec<(String, String)>> {
    let mut captured = Vec::new();
    let mut rest = segments;
    for segment in pattern {
        let (first, after) = rest.split_first()?;
        match segment {
            PathSegment::Literal(text) if text == first => {}
            PathSegment::Variable(name) if !first.is_empty() => {
                captured.push((name.clone(), (*first).to_owned()));
            }
            PathSegment::Greedy(name) if !first.is_empty() => {
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
    fn a_variable_matches_one_encoded_path_segment() {
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
    fn a_literal_path_segment_has_priority_over_a_variable() {
        assert_eq!(
            found("POST", "/experiments/archive"),
            Some(("archive", vec![]))
        );
        assert_eq!(found("GET", "/experiments/archive"), None);
    }

    #[test]
    fn a_greedy_variable_matches_the_rest_and_any_matches_every_method() {
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
