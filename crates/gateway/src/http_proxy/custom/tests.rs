//! Forms of answers and requests, one by one.

use bytes::Bytes;
use http::StatusCode;

use super::json_form;
use crate::http::upstream::Answered;

#[test]
fn answers_in_xml_have_a_form_in_json() {
    for (xml, json) in [
        (
            "<?xml version=\"1.0\"?>\n<SendMessageResponse xmlns=\"http://queue.amazonaws.com/\"><SendMessageResult>\
             <MessageId>m&amp;1</MessageId><MD5OfMessageBody>5d</MD5OfMessageBody></SendMessageResult>\
             <ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></SendMessageResponse>",
            r#"{"SendMessageResponse":{"SendMessageResult":{"MessageId":"m&1","MD5OfMessageBody":"5d"},"ResponseMetadata":{"RequestId":"r"}}}"#,
        ),
        (
            "<R><ReceiveMessageResult><Message><Body>a</Body></Message></ReceiveMessageResult></R>",
            r#"{"R":{"ReceiveMessageResult":{"messages":[{"Body":"a"}]}}}"#,
        ),
        (
            "<R><ReceiveMessageResult></ReceiveMessageResult></R>",
            r#"{"R":{"ReceiveMessageResult":{"messages":null}}}"#,
        ),
        (
            "<R><Topics><member><A>1</A></member><member><A>2</A></member></Topics><X>a</X><X>b</X><E/></R>",
            r#"{"R":{"Topics":[{"A":"1"},{"A":"2"}],"X":["a","b"],"E":null}}"#,
        ),
        (
            "<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>",
            r#"{"Error":{"Code":"AccessDenied"}}"#,
        ),
        ("no xml", "no xml"),
        ("<a><b></a>", "<a><b></a>"),
    ] {
        let answered = Answered {
            status: StatusCode::OK,
            headers: Vec::new(),
            body: Bytes::from(xml),
        };
        let made = json_form::of(answered).body;
        assert_eq!(String::from_utf8_lossy(&made), json, "{xml}");
    }
}
