//! The properties of parameters, secrets and keys.
//!
//! Lives here: what becomes of each property.
//! Does not live here: making the resources (`super`).
//!
//! Contract: AWS CloudFormation Template Reference, `AWS::SSM`, `AWS::SecretsManager` and `AWS::KMS`.

use model::coverage::Coverage;
use resource_types::{Fate, Property, Shape, TypeTable, carried, idle, missing};

pub(super) const PARAMETER: &str = "AWS::SSM::Parameter";
pub(super) const SECRET: &str = "AWS::SecretsManager::Secret";
pub(super) const SECRET_POLICY: &str = "AWS::SecretsManager::ResourcePolicy";
pub(super) const ATTACHMENT: &str = "AWS::SecretsManager::SecretTargetAttachment";
pub(super) const ROTATION: &str = "AWS::SecretsManager::RotationSchedule";
pub(super) const KEY: &str = "AWS::KMS::Key";
pub(super) const ALIAS: &str = "AWS::KMS::Alias";

pub(super) const TYPES: &[&str] = &[
    PARAMETER,
    SECRET,
    SECRET_POLICY,
    ATTACHMENT,
    ROTATION,
    KEY,
    ALIAS,
];

const LATER: &str = "asymmetric keys come later: a key of this kind is refused";
const CHECKED: &str = "the policy of a template is taken as it is";

const TAGS: Property = carried(
    "Tags",
    Shape::List(&Shape::Object(&[
        carried("Key", Shape::Text).required(),
        carried("Value", Shape::Text).required(),
    ])),
);

static TABLES: &[TypeTable] = &[
    TypeTable {
        name: PARAMETER,
        properties: &[
            carried("Name", Shape::Text).replaces(),
            carried(
                "Type",
                Shape::Choice(&[
                    ("String", Fate::CarriedOut),
                    ("StringList", Fate::CarriedOut),
                ]),
            )
            .required()
            .replaces(),
            carried("Value", Shape::Text).required(),
            carried("Description", Shape::Text),
            carried("AllowedPattern", Shape::Text),
            carried(
                "DataType",
                Shape::Choice(&[
                    ("text", Fate::CarriedOut),
                    (
                        "aws:ec2:image",
                        Fate::Missing("there is no EC2 that images could be looked for in"),
                    ),
                ]),
            ),
            carried("Tier", Shape::Text),
            missing("Policies", "parameters do not expire"),
            carried("Tags", Shape::TextMap),
        ],
    },
    TypeTable {
        name: SECRET,
        properties: &[
            carried("Name", Shape::Text).replaces(),
            carried("Description", Shape::Text),
            carried("KmsKeyId", Shape::Text),
            carried("SecretString", Shape::Text),
            carried(
                "GenerateSecretString",
                Shape::Object(&[
                    carried("ExcludeCharacters", Shape::Text),
                    carried("ExcludeLowercase", Shape::Flag),
                    carried("ExcludeNumbers", Shape::Flag),
                    carried("ExcludePunctuation", Shape::Flag),
                    carried("ExcludeUppercase", Shape::Flag),
                    carried("GenerateStringKey", Shape::Text),
                    carried("IncludeSpace", Shape::Flag),
                    carried("PasswordLength", Shape::Whole(1, 4_096)),
                    carried("RequireEachIncludedType", Shape::Flag),
                    carried("SecretStringTemplate", Shape::Text),
                ]),
            ),
            missing("ReplicaRegions", "secrets are not replicated"),
            missing("Type", "there are no secrets of partners"),
            TAGS,
        ],
    },
    TypeTable {
        name: SECRET_POLICY,
        properties: &[
            carried("SecretId", Shape::Text).required().replaces(),
            carried("ResourcePolicy", Shape::Any).required(),
            idle("BlockPublicPolicy", CHECKED),
        ],
    },
    TypeTable {
        name: KEY,
        properties: &[
            carried("Description", Shape::Text),
            carried("Enabled", Shape::Flag),
            carried("EnableKeyRotation", Shape::Flag),
            carried("RotationPeriodInDays", Shape::Whole(90, 2_560)),
            carried("KeyPolicy", Shape::Any),
            carried(
                "KeySpec",
                Shape::Choice(&[
                    ("SYMMETRIC_DEFAULT", Fate::CarriedOut),
                    ("HMAC_224", Fate::CarriedOut),
                    ("HMAC_256", Fate::CarriedOut),
                    ("HMAC_384", Fate::CarriedOut),
                    ("HMAC_512", Fate::CarriedOut),
                    ("RSA_2048", Fate::Missing(LATER)),
                    ("RSA_3072", Fate::Missing(LATER)),
                    ("RSA_4096", Fate::Missing(LATER)),
                    ("ECC_NIST_P256", Fate::Missing(LATER)),
                    ("ECC_NIST_P384", Fate::Missing(LATER)),
                    ("ECC_NIST_P521", Fate::Missing(LATER)),
                    ("ECC_SECG_P256K1", Fate::Missing(LATER)),
                ]),
            )
            .replaces(),
            carried("KeyUsage", Shape::Text).replaces(),
            carried("MultiRegion", Shape::Flag).replaces(),
            carried(
                "Origin",
                Shape::Choice(&[
                    ("AWS_KMS", Fate::CarriedOut),
                    (
                        "EXTERNAL",
                        Fate::Missing("material cannot be imported: KMS makes it"),
                    ),
                ]),
            )
            .replaces(),
            carried("PendingWindowInDays", Shape::Whole(7, 30)),
            idle("BypassPolicyLockoutSafetyCheck", CHECKED),
            TAGS,
        ],
    },
    TypeTable {
        name: ALIAS,
        properties: &[
            carried("AliasName", Shape::Text).required().replaces(),
            carried("TargetKeyId", Shape::Text).required(),
        ],
    },
];

/// The table of a type.
pub(super) fn table(resource_type: &str) -> Option<&'static TypeTable> {
    TABLES.iter().find(|table| table.name == resource_type)
}

/// What becomes of each property, for the reference.
#[must_use]
pub fn coverage() -> Vec<Coverage> {
    resource_types::coverage(TABLES)
}
