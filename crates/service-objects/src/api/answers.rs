//! Answers and refusals as Amazon S3 frames them.
//!
//! Lives here: documents, bare answers, the document of a refusal.
//! Does not live here: what stands in documents (each operation).

use aws_wire::xml::Xml;
use bytes::Bytes;
use http::Method;
use interfaces::service::ServiceAnswer;

use crate::engine::fault::{self, Fault};
use crate::engine::node::NAMESPACE;
use crate::engine::notification::host_id;

pub(crate) type Headers = Vec<(&'static str, String)>;

/// An answer without a body.
pub(crate) fn empty(status: u16, headers: Headers) -> ServiceAnswer {
    ServiceAnswer {
        status,
        headers,
        body: Bytes::new(),
        rest: None,
    }
}

/// A document whose root has this name.
pub(crate) fn document(
    root: &str,
    headers: Headers,
    write: impl FnOnce(&mut Xml),
) -> ServiceAnswer {
    let mut xml = Xml::document_utf8();
    xml.open_with(root, &[("xmlns", NAMESPACE)]);
    write(&mut xml);
    xml.close(root);
    bytes("application/xml", headers, xml.finish())
}

/// A body of this type.
pub(crate) fn bytes(content_type: &str, mut headers: Headers, body: Vec<u8>) -> ServiceAnswer {
    headers.push(("content-type", content_type.to_owned()));
    ServiceAnswer {
        status: 200,
        headers,
        body: Bytes::from(body),
        rest: None,
    }
}

/// A refusal of a request for this resource.
pub(crate) fn refused(
    fault: &Fault,
    resource: &str,
    request_id: &str,
    method: &Method,
) -> ServiceAnswer {
    let mut headers = fault.headers.clone();
    headers.push(("x-amz-id-2", host_id(request_id)));
    let has_no_body = *method == Method::HEAD || fault.kind == fault::NOT_MODIFIED;
    let body = if has_no_body {
        Bytes::new()
    } else {
        headers.push(("content-type", "application/xml".to_owned()));
        let mut xml = Xml::document_utf8();
        xml.element("Error", |xml| write_error(xml, fault, resource, request_id));
        Bytes::from(xml.finish())
    };
    ServiceAnswer {
        status: fault.kind.status,
        headers,
        body,
        rest: None,
    }
}

fn write_error(xml: &mut Xml, fault: &Fault, resource: &str, request_id: &str) {
    xml.text("Code", fault.kind.code);
    xml.text("Message", &fault.message);
    for (name, value) in &fault.details {
        xml.text(name, value);
    }
    xml.text("Resource", resource);
    xml.text("RequestId", request_id);
    xml.text("HostId", &host_id(request_id));
}
