//! `CloudWatchLogs` events: subscription filters of a log group.
//!
//! Lives here: the filter and its permission.
//! Does not live here: what filter patterns match.

use super::Push;
use crate::sam::context::Context;
use crate::sam::nodes::{list, mapping, text};

const KNOWN: [&str; 2] = ["FilterPattern", "LogGroupName"];

pub(super) fn write(event: &Push<'_>, context: &mut Context<'_>) {
    if !event.check(&KNOWN, &KNOWN, context) {
        return;
    }
    let place = event.place;
    let group = event.get("LogGroupName").cloned();
    let arn = "arn:aws:logs:${AWS::Region}:${AWS::AccountId}:log-group:${__LogGroupName__}:*";
    let names = mapping(group.map(|group| ("__LogGroupName__", group)), place);
    let source = mapping(
        [("Fn::Sub", list(vec![text(arn, place), names], place))],
        place,
    );
    let permission = event.permit("logs.amazonaws.com", Some(("SourceArn", source)), context);
    let mut filter = event.passed(&KNOWN);
    filter.set("DestinationArn", place, event.function_arn());
    event.write(&event.id, "AWS::Logs::SubscriptionFilter", filter, context);
    let depends_on = list(vec![text(permission, place)], place);
    context.set_attribute(&event.id, "DependsOn", depends_on);
}
