//! What is known of the resource types of AWS IAM.
//!
//! Lives here: the tables.
//! Does not live here: what is wrong with documents in them (`problems`), making the resources (`grants`).
//!
//! Contract: AWS CloudFormation Template Reference, "AWS IAM".

use resource_types::{Property, Shape, TypeTable, carried, missing};

/// The types of AWS IAM.
pub(super) const TYPES: &[TypeTable] = &[
    TypeTable {
        name: "AWS::IAM::AccessKey",
        properties: ACCESS_KEY,
    },
    TypeTable {
        name: "AWS::IAM::Group",
        properties: GROUP,
    },
    TypeTable {
        name: "AWS::IAM::GroupPolicy",
        properties: GROUP_POLICY,
    },
    TypeTable {
        name: "AWS::IAM::InstanceProfile",
        properties: INSTANCE_PROFILE,
    },
    TypeTable {
        name: "AWS::IAM::ManagedPolicy",
        properties: MANAGED_POLICY,
    },
    TypeTable {
        name: "AWS::IAM::Policy",
        properties: POLICY,
    },
    TypeTable {
        name: "AWS::IAM::Role",
        properties: ROLE,
    },
    TypeTable {
        name: "AWS::IAM::RolePolicy",
        properties: ROLE_POLICY,
    },
    TypeTable {
        name: "AWS::IAM::ServiceLinkedRole",
        properties: SERVICE_LINKED_ROLE,
    },
    TypeTable {
        name: "AWS::IAM::User",
        properties: USER,
    },
    TypeTable {
        name: "AWS::IAM::UserPolicy",
        properties: USER_POLICY,
    },
    TypeTable {
        name: "AWS::IAM::UserToGroupAddition",
        properties: ADDITION,
    },
];

const TEXTS: Shape = Shape::List(&Shape::Text);

const POLICIES: Property = carried(
    "Policies",
    Shape::List(&Shape::Object(&[
        carried("PolicyDocument", Shape::Any).required(),
        carried("PolicyName", Shape::Text).required(),
    ])),
);

const TAGS: Property = carried(
    "Tags",
    Shape::List(&Shape::Object(&[
        carried("Key", Shape::Text).required(),
        carried("Value", Shape::Text).required(),
    ])),
);

const ACCESS_KEY: &[Property] = &[
    carried("Serial", Shape::Whole(0, i64::MAX)).replaces(),
    carried(
        "Status",
        Shape::Choice(&[
            ("Active", resource_types::Fate::CarriedOut),
            ("Inactive", resource_types::Fate::CarriedOut),
        ]),
    ),
    carried("UserName", Shape::Text).required().replaces(),
];

const GROUP: &[Property] = &[
    carried("GroupName", Shape::Text).replaces(),
    carried("ManagedPolicyArns", TEXTS),
    carried("Path", Shape::Text).replaces(),
    POLICIES,
];

const GROUP_POLICY: &[Property] = &[
    carried("GroupName", Shape::Text).required().replaces(),
    carried("PolicyDocument", Shape::Any),
    carried("PolicyName", Shape::Text).required().replaces(),
];

const INSTANCE_PROFILE: &[Property] = &[
    carried("InstanceProfileName", Shape::Text).replaces(),
    carried("Path", Shape::Text).replaces(),
    carried("Roles", TEXTS).required(),
];

const MANAGED_POLICY: &[Property] = &[
    carried("Description", Shape::Text).replaces(),
    carried("Groups", TEXTS),
    carried("ManagedPolicyName", Shape::Text).replaces(),
    carried("Path", Shape::Text).replaces(),
    carried("PolicyDocument", Shape::Any).required(),
    carried("Roles", TEXTS),
    carried("Tags", TAGS.shape),
    carried("Users", TEXTS),
];

const POLICY: &[Property] = &[
    carried("Groups", TEXTS),
    carried("PolicyDocument", Shape::Any).required(),
    carried("PolicyName", Shape::Text).required(),
    carried("Roles", TEXTS),
    carried("Users", TEXTS),
];

const ROLE: &[Property] = &[
    carried("AssumeRolePolicyDocument", Shape::Any).required(),
    carried("Description", Shape::Text),
    carried("ManagedPolicyArns", TEXTS),
    carried("MaxSessionDuration", Shape::Whole(3_600, 43_200)),
    carried("Path", Shape::Text).replaces(),
    carried("PermissionsBoundary", Shape::Text),
    POLICIES,
    carried("RoleName", Shape::Text).replaces(),
    TAGS,
];

const ROLE_POLICY: &[Property] = &[
    carried("PolicyDocument", Shape::Any),
    carried("PolicyName", Shape::Text).required().replaces(),
    carried("RoleName", Shape::Text).required().replaces(),
];

const SERVICE_LINKED_ROLE: &[Property] = &[
    carried("AWSServiceName", Shape::Text).required().replaces(),
    carried("CustomSuffix", Shape::Text).replaces(),
    carried("Description", Shape::Text),
];

const USER: &[Property] = &[
    carried("Groups", TEXTS),
    missing("LoginProfile", "there is no console to sign in to"),
    carried("ManagedPolicyArns", TEXTS),
    carried("Path", Shape::Text),
    carried("PermissionsBoundary", Shape::Text),
    POLICIES,
    TAGS,
    carried("UserName", Shape::Text).replaces(),
];

const USER_POLICY: &[Property] = &[
    carried("PolicyDocument", Shape::Any),
    carried("PolicyName", Shape::Text).required().replaces(),
    carried("UserName", Shape::Text).required().replaces(),
];

const ADDITION: &[Property] = &[
    carried("GroupName", Shape::Text).required(),
    carried("Users", TEXTS).required(),
];
