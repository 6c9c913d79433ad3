//! The language in which the tables of properties are written.
//!
//! Lives here: what a table can say of a property.
//! Does not live here: the tables themselves (one file a service), comparing properties with them (`check`).

use interfaces::resource_provider::{Properties, PropertyProblem, UpdatePlan};

use crate::check::check_properties;

/// What is known of one resource type.
#[derive(Debug)]
pub struct TypeTable {
    /// As `AWS::Lambda::Function`.
    pub name: &'static str,
    /// Its properties.
    pub properties: &'static [Property],
}

/// What is known of one property.
#[derive(Debug)]
pub struct Property {
    /// Its name.
    pub name: &'static str,
    /// What values it takes.
    pub shape: Shape,
    /// What becomes of it here.
    pub fate: Fate,
    /// Whether a change of it makes a new resource.
    pub update: Update,
    /// Whether it must be there.
    pub presence: Presence,
}

/// What values a property takes.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    /// Any value: read where it is used.
    Any,
    /// A text. Numbers and booleans are texts too, as CloudFormation turns them into such.
    Text,
    /// A whole number within these bounds, or its text.
    Whole(i64, i64),
    /// A number that is not negative, or the text of one.
    Number,
    /// `true`, `false`, or the text of one.
    Flag,
    /// One of these texts, each with a fate of its own.
    Choice(&'static [(&'static str, Fate)]),
    /// A list of values of one shape.
    List(&'static Shape),
    /// A mapping of free names to texts.
    TextMap,
    /// A mapping of free names to values of one shape.
    Map(&'static Shape),
    /// A mapping of these properties.
    Object(&'static [Property]),
}

/// What becomes of a property here.
#[derive(Debug, Clone, Copy)]
pub enum Fate {
    /// It is carried out.
    CarriedOut,
    /// There is nothing to carry out: no program could notice. The text says why.
    NothingToDo(&'static str),
    /// It is not carried out, and the resource works without it. The text says what is missing: a warning. What makes a
    /// function or an API useless is an error of `application`, so that nothing else fails with it.
    Missing(&'static str),
}

/// "Update requires" of the CloudFormation Template Reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Update {
    /// No interruption, or some.
    InPlace,
    /// Replacement.
    Replacement,
}

/// Whether a property must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// It may be left out.
    Optional,
    /// CloudFormation refuses the resource without it.
    Required,
}

/// A property that is carried out.
pub const fn carried(name: &'static str, shape: Shape) -> Property {
    property(name, shape, Fate::CarriedOut)
}

/// A property of which there is nothing to carry out.
pub const fn idle(name: &'static str, why: &'static str) -> Property {
    property(name, Shape::Any, Fate::NothingToDo(why))
}

/// A property without which the resource works, though not as asked.
pub const fn missing(name: &'static str, what: &'static str) -> Property {
    property(name, Shape::Any, Fate::Missing(what))
}

const fn property(name: &'static str, shape: Shape, fate: Fate) -> Property {
    Property {
        name,
        shape,
        fate,
        update: Update::InPlace,
        presence: Presence::Optional,
    }
}

impl Property {
    /// The same, but a change of it makes a new resource.
    pub const fn replaces(mut self) -> Self {
        self.update = Update::Replacement;
        self
    }

    /// The same, but it must be there.
    pub const fn required(mut self) -> Self {
        self.presence = Presence::Required;
        self
    }
}

/// Descriptions, tags and other texts for people.
pub const FOR_PEOPLE: &str = "it only describes the resource to people and to billing";
/// What belongs to the machines of the cloud.
pub const OF_THE_CLOUD: &str =
    "it configures the cloud's own machines, which are not there to be configured";

impl TypeTable {
    /// Everything that is wrong with these properties, or not carried out.
    #[must_use]
    pub fn check(&self, properties: &Properties) -> Vec<PropertyProblem> {
        let mut problems = Vec::new();
        check_properties(self.properties, properties, &[], &mut problems);
        problems
    }

    /// What a change from `old` to `new` takes: a replacement when one property that changed asks for it.
    #[must_use]
    pub fn plan_update(&self, old: &Properties, new: &Properties) -> UpdatePlan {
        let replaces = |property: &Property| {
            property.update == Update::Replacement
                && old.get(property.name) != new.get(property.name)
        };
        if old == new {
            UpdatePlan::Nothing
        } else if self.properties.iter().any(replaces) {
            UpdatePlan::Replace
        } else {
            UpdatePlan::InPlace
        }
    }
}
