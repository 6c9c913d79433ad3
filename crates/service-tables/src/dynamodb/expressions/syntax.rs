//! What an expression says.
//!
//! Lives here: the tree that the parser makes.
//! Does not live here: whether it makes sense (`check`), what it comes to (`condition`, `key_condition`).

/// A part of an expression: an operand or a condition. Which of them may stand where is told by `check`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// A place in an item.
    Path(Path),
    /// A value's placeholder, as `:low`.
    Value(String),
    /// A call of a function.
    Call {
        /// Its name, as it was written.
        name: String,
        /// Its operands.
        operands: Vec<Node>,
    },
    /// A comparison.
    Compare {
        /// The operator.
        comparator: Comparator,
        /// What stands before and after it.
        sides: Box<[Node; 2]>,
    },
    /// `operand BETWEEN low AND high`.
    Between {
        /// Operand, low and high.
        operands: Box<[Node; 3]>,
    },
    /// `operand IN (…)`.
    In {
        /// The operand.
        operand: Box<Node>,
        /// What it may be.
        candidates: Vec<Node>,
    },
    /// All of them.
    And(Vec<Node>),
    /// One of them, or more.
    Or(Vec<Node>),
    /// Not this.
    Not(Box<Node>),
}

/// An operator between two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparator {
    /// `=`
    Equal,
    /// `<>`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

impl Comparator {
    /// As it is written.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }

    /// The operator that says the same with its sides swapped.
    #[must_use]
    pub const fn swapped(self) -> Self {
        match self {
            Self::Equal => Self::Equal,
            Self::NotEqual => Self::NotEqual,
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
        }
    }
}

/// A place in an item: an attribute, and steps into it. Not empty.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path {
    /// The first of them is a name.
    pub steps: Vec<Step>,
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// A name, as it was written.
    Name(String),
    /// A name's placeholder, as `#name`.
    Placeholder(String),
    /// A member of a list, counted from 0.
    Index(usize),
}
