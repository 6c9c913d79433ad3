//! Function URLs of AWS Lambda, as deployed.
//!
//! Lives here: which function answers at which address, for whom and how.
//! Does not live here: events and replies (`gateway`).

use crate::door::Callee;
use crate::http_api::CorsConfiguration;
use crate::ids::ApiId;
use crate::problem::Place;

/// An address of a function of its own: `AWS::Lambda::Url`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionUrl {
    /// Its id: the first label of its host name.
    pub id: ApiId,
    /// What answers.
    pub callee: Callee,
    /// Who may call.
    pub auth: AuthType,
    /// Its CORS configuration.
    pub cors: Option<CorsConfiguration>,
    /// How replies come.
    pub invoke_mode: InvokeMode,
    /// Where the manifest declares it.
    pub place: Option<Place>,
}

/// `AuthType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthType {
    /// `NONE`: anybody.
    Open,
    /// `NONE` without a permission for everybody: nobody.
    Nobody,
    /// `AWS_IAM`: a signature whose principal may `lambda:InvokeFunctionUrl`.
    Iam,
}

/// `InvokeMode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum InvokeMode {
    /// The whole reply at once.
    #[default]
    Buffered,
    /// As it is written.
    ResponseStream,
}
