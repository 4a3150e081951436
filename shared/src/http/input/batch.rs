//! The bodies of `POST /assignments` and `POST /experiments/{id}/assignments:evaluate`.

use super::attributes;
use super::units::Units;
use crate::http::body::{Faults, Node, Object};
use crate::http::problem::{Fault, Problem};
use domain::assignment::Attributes;
use domain::evaluation_context::EvaluationContext;
use domain::experiment::Experiment;
use domain::ids::{ExperimentId, UnitKind, UserId};
use domain::{Invalid, limits};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// One user, and units of other kinds, in several experiments.
pub struct AssignUserInput {
    /// The user and the other units.
    pub units: Units,
    /// The attributes, which are those of all units.
    pub attributes: SentAttributes,
    /// The named experiments; none for all that are running.
    pub experiments: Option<Vec<ExperimentId>>,
    /// Whether new assignments are stored.
    pub enroll: bool,
}

/// Several users in one experiment.
pub struct AssignUsersInput {
    /// The users, each once.
    pub users: Vec<UserInput>,
    /// Whether new assignments are stored.
    pub enroll: bool,
}

/// A user with attributes.
pub struct UserInput {
    /// The user.
    pub context: EvaluationContext,
    attributes: SentAttributes,
}

/// The attributes of a body.
pub struct SentAttributes {
    sent: Map<String, Value>,
    /// Their JSON pointer.
    pointer: String,
}

impl SentAttributes {
    /// The context of a unit with these attributes.
    pub fn context(&self, unit: UserId) -> EvaluationContext {
        EvaluationContext::new(unit, self.sent.clone())
    }

    /// The values of the dimensions of an experiment.
    fn dimension_values(&self, experiment: &Experiment) -> Result<Attributes, Vec<Fault>> {
        let values = attributes::dimension_values(&self.sent, &experiment.analysis.dimensions);
        values.map_err(|faults| {
            let fault = |(key, invalid)| Fault::at(format!("{}/{key}", self.pointer), invalid);
            faults.into_iter().map(fault).collect()
        })
    }
}

/// The dimension values of one user in several experiments, in their order.
///
/// # Errors
/// 422 with each attribute that cannot be the value of a dimension.
pub fn dimensions_in<'e>(
    attributes: &SentAttributes,
    experiments: impl IntoIterator<Item = &'e Experiment>,
) -> Result<Vec<Attributes>, Problem> {
    let experiments = experiments.into_iter();
    collected(experiments.map(|experiment| attributes.dimension_values(experiment)))
}

/// The dimension values of several users in one experiment, in their order.
///
/// # Errors
/// 422 with each attribute that cannot be the value of a dimension.
pub fn dimensions_of(
    users: &[UserInput],
    experiment: &Experiment,
) -> Result<Vec<Attributes>, Problem> {
    let users = users.iter();
    collected(users.map(|user| user.attributes.dimension_values(experiment)))
}

/// All values, or each fault once: several experiments can declare the same dimension.
fn collected(
    read: impl Iterator<Item = Result<Attributes, Vec<Fault>>>,
) -> Result<Vec<Attributes>, Problem> {
    let (mut values, mut faults) = (Vec::new(), Vec::<Fault>::new());
    for one in read {
        match one {
            Ok(one) => values.push(one),
            Err(found) => {
                for fault in found {
                    if faults.iter().all(|known| known.pointer != fault.pointer) {
                        faults.push(fault);
                    }
                }
            }
        }
    }
    if faults.is_empty() {
        Ok(values)
    } else {
        Err(Problem::invalid(faults))
    }
}

/// Reads one user, units of other kinds, and the names of experiments.
///
/// # Errors
/// 422 with all faults.
pub fn assign_user(text: &str) -> Result<AssignUserInput, Problem> {
    let mut faults = Faults::default();
    let input = Node::root(text).object(&mut faults).and_then(|mut body| {
        let units = Units::read(&mut body, &mut faults);
        let user = units
            .as_ref()
            .and_then(|units| units.of_kind(&UnitKind::default()));
        let attributes = sent_attributes(&mut body, "", user, &mut faults);
        let experiments = body
            .optional("experiments")
            .map(|node| experiments(&node, &mut faults));
        let enroll = enroll(&mut body, &mut faults);
        body.finish(
            &mut faults,
            "user_id, units, attributes, experiments, enroll",
        );
        Some(AssignUserInput {
            units: units?,
            attributes: attributes?,
            experiments: experiments.map_or(Some(None), |experiments| experiments.map(Some))?,
            enroll: enroll?,
        })
    });
    faults.check(input)
}

/// Reads several users.
///
/// # Errors
/// 422 with all faults.
pub fn assign_users(text: &str) -> Result<AssignUsersInput, Problem> {
    let mut faults = Faults::default();
    let input = Node::root(text).object(&mut faults).and_then(|mut body| {
        let users = body
            .required("users", &mut faults)
            .and_then(|node| users(&node, &mut faults));
        let enroll = enroll(&mut body, &mut faults);
        body.finish(&mut faults, "users, enroll");
        Some(AssignUsersInput {
            users: users?,
            enroll: enroll?,
        })
    });
    faults.check(input)
}

fn users(node: &Node<'_>, faults: &mut Faults) -> Option<Vec<UserInput>> {
    let elements = node.array(faults, limits::MAX_USERS_PER_REQUEST)?;
    let mut seen = BTreeSet::new();
    let mut users = Vec::with_capacity(elements.len());
    for element in &elements {
        let Some(mut fields) = element.object(faults) else {
            continue;
        };
        let read = user(&mut fields, element.pointer(), faults);
        fields.finish(faults, "user_id, attributes");
        let Some(read) = read else { continue };
        if !seen.insert(read.context.user_id.clone()) {
            let detail = "This user is listed more than once.";
            let pointer = format!("{}/user_id", element.pointer());
            faults.push(pointer, Invalid::new("duplicate_key", detail));
        }
        users.push(read);
    }
    (users.len() == elements.len()).then_some(users)
}

/// The fields of a user in an object at `pointer`.
fn user(fields: &mut Object<'_>, pointer: &str, faults: &mut Faults) -> Option<UserInput> {
    let user = fields
        .required("user_id", faults)
        .and_then(|node| node.text(faults, UserId::parse));
    let attributes = sent_attributes(fields, pointer, user.as_ref(), faults);
    let (user, attributes) = (user?, attributes?);
    Some(UserInput {
        context: attributes.context(user),
        attributes,
    })
}

/// The attributes in an object at `pointer`.
fn sent_attributes(
    fields: &mut Object<'_>,
    pointer: &str,
    user: Option<&UserId>,
    faults: &mut Faults,
) -> Option<SentAttributes> {
    let node = fields.optional("attributes");
    let pointer = format!("{pointer}/attributes");
    let sent = attributes::read(node, &pointer, user, faults)?;
    Some(SentAttributes { sent, pointer })
}

fn experiments(node: &Node<'_>, faults: &mut Faults) -> Option<Vec<ExperimentId>> {
    let repeated = |_: &ExperimentId| "This experiment is listed more than once.".to_owned();
    let most = limits::MAX_NAMED_EXPERIMENTS;
    node.unique_texts(faults, most, ExperimentId::parse, repeated)
}

/// The fault of a named experiment whose unit the body does not have.
pub fn missing_unit(index: usize, experiment: &Experiment) -> Fault {
    let kind = &experiment.allocation.unit;
    let field = match kind.is_user() {
        true => "user_id".to_owned(),
        false => format!("units/{kind}"),
    };
    let detail = format!(
        "The experiment assigns units of the kind `{kind}`: send the id in `{field}`, or leave the experiment out."
    );
    let invalid = Invalid::new("missing_unit", detail);
    Fault::at(format!("/experiments/{index}"), invalid)
}

/// The fault of a named experiment that does not exist.
pub fn unknown_experiment(index: usize, id: &ExperimentId) -> Fault {
    let detail = format!("There is no experiment `{id}`.");
    let invalid = Invalid::new("unknown_experiment", detail);
    Fault::at(format!("/experiments/{index}"), invalid)
}

/// The fault of a named experiment that is a holdout.
pub fn is_holdout(index: usize, id: &ExperimentId) -> Fault {
    let detail =
        format!("`{id}` is a holdout, and users are not assigned to it directly. Leave it out.");
    Fault::at(
        format!("/experiments/{index}"),
        Invalid::new("is_holdout", detail),
    )
}

fn enroll(body: &mut Object<'_>, faults: &mut Faults) -> Option<bool> {
    body.optional("enroll")
        .map_or(Some(true), |node| node.boolean(faults))
}
