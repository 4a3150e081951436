//! Every route with its scope. A test compares these tables with `template.yaml`.

use domain::access::Scope;

/// A route of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// The function of the route: its folder, package and binary.
    pub function: &'static str,
    /// The HTTP method.
    pub method: &'static str,
    /// The path as in the template, with `{name}` for a parameter.
    pub path: &'static str,
    /// The scope that a token needs; none for a route without a token.
    pub scope: Option<Scope>,
    /// Whether the route is open to client keys: as bearers, or in the path or the query of a route without a token. Pages
    /// of other origins can read all its responses.
    pub client_key: bool,
}

const fn route(
    function: &'static str,
    method: &'static str,
    path: &'static str,
    scope: Option<Scope>,
) -> Route {
    Route {
        function,
        method,
        path,
        scope,
        client_key: false,
    }
}

/// All routes of the API.
pub const ROUTES: [Route; 47] = [
    route("health", "GET", "/health", None),
    route("health", "HEAD", "/health", None),
    route(
        "create-experiment",
        "POST",
        "/experiments",
        Some(Scope::Manage),
    ),
    route(
        "plan-experiment",
        "POST",
        "/experiments/plan",
        Some(Scope::Read),
    ),
    route("list-experiments", "GET", "/experiments", Some(Scope::Read)),
    route(
        "get-experiment",
        "GET",
        "/experiments/{id}",
        Some(Scope::Read),
    ),
    route(
        "get-history",
        "GET",
        "/experiments/{id}/history",
        Some(Scope::Read),
    ),
    route(
        "change-experiment",
        "PATCH",
        "/experiments/{id}",
        Some(Scope::Manage),
    ),
    route(
        "assign",
        "GET",
        "/experiments/{id}/assignment/{user_id}",
        Some(Scope::Assign),
    ),
    route("assign-user", "POST", "/assignments", Some(Scope::Assign)),
    route(
        "assign-users",
        "POST",
        "/experiments/{id}/assignments:evaluate",
        Some(Scope::Assign),
    ),
    route(
        "import-assignments",
        "POST",
        "/experiments/{id}/assignments",
        Some(Scope::Manage),
    ),
    route("put-layer", "PUT", "/layers/{id}", Some(Scope::Manage)),
    route("get-layer", "GET", "/layers/{id}", Some(Scope::Read)),
    route("list-layers", "GET", "/layers", Some(Scope::Read)),
    route(
        "delete-layer",
        "DELETE",
        "/layers/{id}",
        Some(Scope::Manage),
    ),
    route("record-events", "POST", "/events", Some(Scope::Track)),
    route(
        "get-results",
        "GET",
        "/experiments/{id}/results",
        Some(Scope::Read),
    ),
    route(
        "export-user",
        "GET",
        "/users/{user_id}",
        Some(Scope::Manage),
    ),
    route(
        "erase-user",
        "DELETE",
        "/users/{user_id}",
        Some(Scope::Manage),
    ),
    route(
        "audit",
        "POST",
        "/experiments/{id}/audit",
        Some(Scope::Manage),
    ),
    route("create-flag", "POST", "/flags", Some(Scope::Manage)),
    route("list-flags", "GET", "/flags", Some(Scope::Read)),
    route("get-flag", "GET", "/flags/{key}", Some(Scope::Read)),
    route(
        "get-flag-history",
        "GET",
        "/flags/{key}/history",
        Some(Scope::Read),
    ),
    route("change-flag", "PATCH", "/flags/{key}", Some(Scope::Manage)),
    route("delete-flag", "DELETE", "/flags/{key}", Some(Scope::Manage)),
    route(
        "revert-flag",
        "POST",
        "/flags/{key}/revert",
        Some(Scope::Manage),
    ),
    route(
        "put-flag-draft",
        "PUT",
        "/flags/{key}/draft",
        Some(Scope::Manage),
    ),
    route(
        "publish-flag",
        "POST",
        "/flags/{key}/publish",
        Some(Scope::Manage),
    ),
    route(
        "explain-flag",
        "POST",
        "/flags/{key}/evaluate",
        Some(Scope::Read),
    ),
    route(
        "evaluate-flag",
        "POST",
        "/ofrep/v1/evaluate/flags/{key}",
        Some(Scope::Assign),
    )
    .for_client_keys(),
    route(
        "evaluate-flags",
        "POST",
        "/ofrep/v1/evaluate/flags",
        Some(Scope::Assign),
    )
    .for_client_keys(),
    route(
        "get-sdk-features",
        "GET",
        "/api/features/{client_key}",
        None,
    )
    .for_client_keys(),
    route(
        "evaluate-sdk-features",
        "POST",
        "/api/eval/{client_key}",
        None,
    )
    .for_client_keys(),
    route("record-sdk-events", "POST", "/track", None).for_client_keys(),
    route("get-sticky-buckets", "GET", "/sticky/{client_key}", None).for_client_keys(),
    route(
        "record-sticky-buckets",
        "POST",
        "/sticky/{client_key}",
        None,
    )
    .for_client_keys(),
    route("create-segment", "POST", "/segments", Some(Scope::Manage)),
    route("list-segments", "GET", "/segments", Some(Scope::Read)),
    route("get-segment", "GET", "/segments/{id}", Some(Scope::Read)),
    route(
        "get-segment-history",
        "GET",
        "/segments/{id}/history",
        Some(Scope::Read),
    ),
    route(
        "change-segment",
        "PATCH",
        "/segments/{id}",
        Some(Scope::Manage),
    ),
    route(
        "delete-segment",
        "DELETE",
        "/segments/{id}",
        Some(Scope::Manage),
    ),
    route(
        "create-client-key",
        "POST",
        "/client-keys",
        Some(Scope::Manage),
    ),
    route(
        "list-client-keys",
        "GET",
        "/client-keys",
        Some(Scope::Manage),
    ),
    route(
        "revoke-client-key",
        "DELETE",
        "/client-keys/{id}",
        Some(Scope::Manage),
    ),
];

/// The routes of the pages for browsers. They are no part of the API: the function checks the session, and openapi.yaml does
/// not describe them.
pub const PAGES: [Route; 3] = [
    route("dashboard", "GET", "/dashboard", None),
    route("dashboard", "GET", "/dashboard/{page+}", None),
    route("dashboard", "POST", "/dashboard/{page+}", None),
];

/// Whether a resource path is that of pages for browsers.
pub fn is_page(path: &str) -> bool {
    PAGES.iter().any(|route| route.path == path)
}

/// Whether the route of a resource path is open to client keys.
pub fn is_open_to_client_keys(method: &str, path: &str) -> bool {
    let is_this = |route: &&Route| route.method == method && route.path == path;
    ROUTES
        .iter()
        .find(is_this)
        .is_some_and(|route| route.client_key)
}

impl Route {
    /// The same route, open to client keys.
    pub const fn for_client_keys(self) -> Self {
        Self {
            client_key: true,
            ..self
        }
    }

    /// The path as a pattern of an IAM resource: every parameter is a `*`.
    pub fn pattern(&self) -> String {
        let dimensions = self.path.split('/').map(|dimension| {
            if dimension.starts_with('{') {
                "*"
            } else {
                dimension
            }
        });
        format!(
            "{}{}",
            self.method,
            dimensions.collect::<Vec<_>>().join("/")
        )
    }
}
