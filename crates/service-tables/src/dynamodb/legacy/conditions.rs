//! Conditions on attributes, one by one.
//!
//! Lives here: reading them, what is wrong with them, the condition that they come to.
//! Does not live here: whether a condition holds (`expressions::condition`).

use crate::dynamodb::expressions::condition::{Condition, Operand, order};
use crate::dynamodb::expressions::placeholders::PathStep;
use crate::dynamodb::expressions::syntax::Comparator;
use crate::dynamodb::fault::Fault;
use crate::dynamodb::fields::Fields;
use crate::dynamodb::values::Judged;
use crate::engine::value::Value;

/// The operators, as the service lists them.
const OPERATORS: [&str; 13] = [
    "IN",
    "NULL",
    "BETWEEN",
    "LT",
    "NOT_CONTAINS",
    "EQ",
    "GT",
    "NOT_NULL",
    "NE",
    "LE",
    "BEGINS_WITH",
    "GE",
    "CONTAINS",
];

/// How conditions on several attributes are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::dynamodb) enum Join {
    And,
    Or,
}

/// Conditions on attributes: the members of one parameter.
#[derive(Debug)]
pub(in crate::dynamodb) struct Conditions {
    members: Vec<Member>,
}

/// The condition on one attribute, as it was sent.
#[derive(Debug)]
struct Member {
    attribute: String,
    operator: Option<Operator>,
    values: Option<Judged<Vec<Value>>>,
    value: Option<Judged<Value>>,
    exists: Option<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Compare(Comparator),
    Between,
    In,
    Null,
    NotNull,
    Contains,
    NotContains,
    BeginsWith,
}

impl Join {
    pub(in crate::dynamodb) fn take(fields: &mut Fields<'_>) -> Result<Option<Self>, Fault> {
        let found = fields.one_of("ConditionalOperator", "conditionalOperator", &["OR", "AND"])?;
        Ok(found.map(|name| if name == "OR" { Self::Or } else { Self::And }))
    }
}

impl Conditions {
    /// Takes `Expected`.
    pub(in crate::dynamodb) fn take_expected(
        fields: &mut Fields<'_>,
    ) -> Result<Option<Self>, Fault> {
        let Some(structures) = fields.structures_by_name("Expected", "ExpectedAttributeValue")?
        else {
            return Ok(None);
        };
        let members = structures.into_iter().map(|(attribute, mut structure)| {
            let member = Member {
                attribute,
                values: structure.values("AttributeValueList")?,
                operator: Operator::take(&mut structure)?,
                exists: structure.boolean("Exists")?,
                value: structure.value("Value")?,
            };
            fields.close(structure)?;
            Ok(member)
        });
        let members = members.collect::<Result<_, Fault>>()?;
        Ok(Some(Self { members }))
    }

    /// Takes `QueryFilter`, `ScanFilter` or `KeyConditions`.
    pub(in crate::dynamodb) fn take(
        fields: &mut Fields<'_>,
        parameter: &str,
    ) -> Result<Option<Self>, Fault> {
        let Some(structures) = fields.structures_by_name(parameter, "Condition")? else {
            return Ok(None);
        };
        let members = structures.into_iter().map(|(attribute, mut structure)| {
            let operator = Operator::take(&mut structure)?;
            if operator.is_none() && structure.has_no_violation() {
                structure.violation(None, "comparisonOperator", "not be null");
            }
            let member = Member {
                attribute,
                operator,
                values: structure.values("AttributeValueList")?,
                exists: None,
                value: None,
            };
            fields.close(structure)?;
            Ok(member)
        });
        let members = members.collect::<Result<_, Fault>>()?;
        Ok(Some(Self { members }))
    }

    pub(in crate::dynamodb) const fn len(&self) -> usize {
        self.members.len()
    }

    /// What `Expected` comes to; none when it says nothing.
    pub(in crate::dynamodb) fn expected(self, join: Join) -> Result<Option<Condition>, Fault> {
        self.joined(join, Member::expected)
    }

    /// What a filter comes to; none when it says nothing.
    pub(in crate::dynamodb) fn filter(self, join: Join) -> Result<Option<Condition>, Fault> {
        self.joined(join, |member| {
            let values = member.values.unwrap_or_else(|| Ok(Vec::new()))?;
            let Some(operator) = member.operator else {
                return Err(no_operator(&member.attribute));
            };
            operator.judge(&values)?;
            operator.condition(&member.attribute, values)
        })
    }

    /// What `KeyConditions` comes to.
    pub(in crate::dynamodb) fn keys(self) -> Result<Option<Condition>, Fault> {
        if !(1..=2).contains(&self.members.len()) {
            return Err(Fault::validation("Conditions can be of length 1 or 2 only"));
        }
        self.joined(Join::And, |member| {
            let values = member.values.unwrap_or_else(|| Ok(Vec::new()))?;
            let Some(operator) = member.operator else {
                return Err(no_operator(&member.attribute));
            };
            operator.judge(&values)?;
            if !operator.finds_keys() {
                return Err(Fault::validation(
                    "Attempted conditional constraint is not an indexable operation",
                ));
            }
            operator.condition(&member.attribute, values)
        })
    }

    fn joined(
        self,
        join: Join,
        condition: impl Fn(Member) -> Result<Condition, Fault>,
    ) -> Result<Option<Condition>, Fault> {
        let mut conditions = self
            .members
            .into_iter()
            .map(condition)
            .collect::<Result<Vec<_>, _>>()?;
        Ok(match (conditions.len(), join) {
            (0 | 1, _) => conditions.pop(),
            (_, Join::And) => Some(Condition::And(conditions)),
            (_, Join::Or) => Some(Condition::Or(conditions)),
        })
    }
}

impl Member {
    fn expected(self) -> Result<Condition, Fault> {
        let attribute = self.attribute;
        let about = |what: &str| Fault::invalid(format!("{what} for Attribute: {attribute}"));
        if self.values.is_some() && self.value.is_some() {
            return Err(about(
                "Value and AttributeValueList cannot be used together",
            ));
        }
        if let Some(operator) = self.operator {
            if self.exists.is_some() {
                return Err(about(
                    "Exists and ComparisonOperator cannot be used together",
                ));
            }
            if self.values.is_none() && self.value.is_none() && !operator.takes_no_value() {
                let name = operator.name();
                return Err(about(&format!(
                    "Value or AttributeValueList must be used with ComparisonOperator: {name}"
                )));
            }
            let values = match (self.values, self.value) {
                (Some(values), _) => values?,
                (None, Some(value)) => vec![value?],
                (None, None) => Vec::new(),
            };
            operator.judge(&values)?;
            return operator.condition(&attribute, values);
        }
        if self.values.is_some() {
            return Err(about(
                "AttributeValueList can only be used with a ComparisonOperator",
            ));
        }
        match (self.exists, self.value) {
            (None | Some(true), Some(value)) => {
                Operator::Compare(Comparator::Equal).condition(&attribute, vec![value?])
            }
            (None, None) => Err(about("Value must be provided when Exists is null")),
            (Some(true), None) => Err(about("Value must be provided when Exists is true")),
            (Some(false), Some(_)) => Err(about("Value cannot be used when Exists is false")),
            (Some(false), None) => Operator::Null.condition(&attribute, Vec::new()),
        }
    }
}

impl Operator {
    fn take(fields: &mut Fields<'_>) -> Result<Option<Self>, Fault> {
        let found = fields.one_of("ComparisonOperator", "comparisonOperator", &OPERATORS)?;
        Ok(found.map(|name| match name {
            "EQ" => Self::Compare(Comparator::Equal),
            "NE" => Self::Compare(Comparator::NotEqual),
            "LT" => Self::Compare(Comparator::Less),
            "LE" => Self::Compare(Comparator::LessOrEqual),
            "GT" => Self::Compare(Comparator::Greater),
            "GE" => Self::Compare(Comparator::GreaterOrEqual),
            "BETWEEN" => Self::Between,
            "NULL" => Self::Null,
            "NOT_NULL" => Self::NotNull,
            "CONTAINS" => Self::Contains,
            "NOT_CONTAINS" => Self::NotContains,
            "BEGINS_WITH" => Self::BeginsWith,
            // Of the list there is only this one left.
            _ => Self::In,
        }))
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Compare(Comparator::Equal) => "EQ",
            Self::Compare(Comparator::NotEqual) => "NE",
            Self::Compare(Comparator::Less) => "LT",
            Self::Compare(Comparator::LessOrEqual) => "LE",
            Self::Compare(Comparator::Greater) => "GT",
            Self::Compare(Comparator::GreaterOrEqual) => "GE",
            Self::Between => "BETWEEN",
            Self::In => "IN",
            Self::Null => "NULL",
            Self::NotNull => "NOT_NULL",
            Self::Contains => "CONTAINS",
            Self::NotContains => "NOT_CONTAINS",
            Self::BeginsWith => "BEGINS_WITH",
        }
    }

    const fn takes_no_value(self) -> bool {
        matches!(self, Self::Null | Self::NotNull)
    }

    /// Whether a query can find keys by it.
    const fn finds_keys(self) -> bool {
        match self {
            Self::Compare(Comparator::NotEqual)
            | Self::In
            | Self::Null
            | Self::NotNull
            | Self::Contains
            | Self::NotContains => false,
            Self::Compare(_) | Self::Between | Self::BeginsWith => true,
        }
    }

    /// Refuses values that it does not take.
    fn judge(self, values: &[Value]) -> Result<(), Fault> {
        let fits = match self {
            Self::Compare(_) | Self::Contains | Self::NotContains | Self::BeginsWith => {
                values.len() == 1
            }
            Self::Between => values.len() == 2,
            Self::In => !values.is_empty(),
            Self::Null | Self::NotNull => values.is_empty(),
        };
        let name = self.name();
        if !fits {
            return Err(Fault::invalid(format!(
                "Invalid number of argument(s) for the {name} ComparisonOperator"
            )));
        }
        if values
            .windows(2)
            .any(|pair| matches!(pair, [a, b] if a.type_name() != b.type_name()))
        {
            return Err(Fault::invalid(
                "AttributeValues inside AttributeValueList must be of same type",
            ));
        }
        if let Some(value) = values.iter().find(|value| !self.takes(value)) {
            return Err(Fault::invalid(format!(
                "ComparisonOperator {name} is not valid for {} AttributeValue type",
                value.type_name()
            )));
        }
        match (self, values) {
            (Self::Between, [low, high])
                if order(low, high).is_some_and(std::cmp::Ordering::is_gt) =>
            {
                Err(Fault::validation(
                    "The BETWEEN condition was provided a range where the lower bound is greater than the upper bound",
                ))
            }
            _ => Ok(()),
        }
    }

    fn takes(self, value: &Value) -> bool {
        let is_scalar = matches!(value, Value::S(_) | Value::N(_) | Value::B(_));
        match self {
            Self::Compare(Comparator::Equal | Comparator::NotEqual)
            | Self::Null
            | Self::NotNull => true,
            Self::BeginsWith => matches!(value, Value::S(_) | Value::B(_)),
            Self::Compare(_) | Self::Between | Self::In | Self::Contains | Self::NotContains => {
                is_scalar
            }
        }
    }

    /// The condition, given as many values as it takes.
    fn condition(self, attribute: &str, values: Vec<Value>) -> Result<Condition, Fault> {
        let path = || vec![PathStep::Name(attribute.to_owned())];
        let tested = Operand::Path(path());
        let mut values = values.into_iter().map(Operand::Value);
        if self == Self::In {
            return Ok(Condition::In {
                operand: tested,
                candidates: values.collect(),
            });
        }
        Ok(match (self, values.next(), values.next()) {
            (Self::Null, ..) => Condition::Not(Box::new(Condition::Exists(path()))),
            (Self::NotNull, ..) => Condition::Exists(path()),
            (Self::Compare(comparator), Some(value), _) => Condition::Compare {
                comparator,
                sides: Box::new([tested, value]),
            },
            (Self::Between, Some(low), Some(high)) => Condition::Between {
                operands: Box::new([tested, low, high]),
            },
            (Self::Contains, Some(part), _) => Condition::Contains {
                operands: Box::new([tested, part]),
            },
            // Of an attribute that is not there neither `CONTAINS` nor `NOT_CONTAINS` holds.
            (Self::NotContains, Some(part), _) => Condition::And(vec![
                Condition::Exists(path()),
                Condition::Not(Box::new(Condition::Contains {
                    operands: Box::new([tested, part]),
                })),
            ]),
            (Self::BeginsWith, Some(start), _) => Condition::BeginsWith {
                operands: Box::new([tested, start]),
            },
            (
                Self::Compare(_)
                | Self::Between
                | Self::In
                | Self::Contains
                | Self::NotContains
                | Self::BeginsWith,
                ..,
            ) => {
                return Err(Fault::invalid(format!(
                    "Invalid number of argument(s) for the {} ComparisonOperator",
                    self.name()
                )));
            }
        })
    }
}

/// A filter without an operator breaks a constraint, which is told before this could be.
fn no_operator(attribute: &str) -> Fault {
    Fault::invalid(format!(
        "ComparisonOperator must be provided for Attribute: {attribute}"
    ))
}
