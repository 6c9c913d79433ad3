//! Parameters, secrets and keys: SSM Parameter Store, AWS Secrets Manager, AWS KMS.
