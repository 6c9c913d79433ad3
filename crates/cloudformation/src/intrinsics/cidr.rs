//! `Fn::Cidr`: cuts a block of addresses into smaller ones.
//!
//! Lives here: the arithmetic, for both generations of addresses.
//! Does not live here: whether a network uses what comes out.
//!
//! Contract: AWS CloudFormation Template Reference, "Fn::Cidr".

use std::net::{Ipv4Addr, Ipv6Addr};

use model::problem::Place;
use serde_json::Value;

use super::functions::text_of;
use super::{Evaluator, Outcome, problem};
use crate::node::Node;

/// "Fn::Cidr": the most blocks that one call makes.
const BLOCKS_MAX: u32 = 256;

pub(super) fn call(evaluator: &Evaluator<'_>, argument: &Node, _place: &Place) -> Outcome {
    let refuse = |what: &str| {
        evaluator.fail(problem(what, &argument.place).help(
            "write `!Cidr [10.0.0.0/16, 6, 8]`: a block, how many, and the host bits of each",
        ))
    };
    let Some([_, _, ..]) = argument.as_sequence() else {
        return refuse("`Fn::Cidr` takes a block of addresses, a count and a number of bits");
    };
    let Outcome::Value(Value::Array(parts)) = evaluator.evaluate(argument) else {
        return Outcome::Failed;
    };
    let texts: Option<Vec<String>> = parts.iter().map(text_of).collect();
    let blocks = match texts.as_deref() {
        Some([block, count, bits]) => match (count.parse(), bits.parse()) {
            (Ok(count), Ok(bits)) => blocks(block, count, bits),
            (_, _) => None,
        },
        Some(_) | None => None,
    };
    match blocks {
        Some(blocks) => Outcome::Value(blocks.into_iter().map(Value::String).collect()),
        None => evaluator.failed_or(|| {
            refuse("`Fn::Cidr` cannot cut this block into so many blocks of this size")
        }),
    }
}

/// The first `count` blocks with `host_bits` bits of host each.
fn blocks(block: &str, count: u32, host_bits: u32) -> Option<Vec<String>> {
    if count == 0 || BLOCKS_MAX < count {
        return None;
    }
    let (address, prefix) = block.split_once('/')?;
    let prefix: u32 = prefix.parse().ok()?;
    let (start, width, is_v6) = if let Ok(address) = address.parse::<Ipv4Addr>() {
        (u128::from(u32::from(address)), 32, false)
    } else {
        (u128::from(address.parse::<Ipv6Addr>().ok()?), 128, true)
    };
    let available = width_minus(width, prefix)?;
    if host_bits == 0 || available < host_bits {
        return None;
    }
    let mask = if available == 128 {
        u128::MAX
    } else {
        (1_u128 << available) - 1
    };
    let start = start & !mask;
    let fits = available - host_bits;
    if fits < 32 && (1_u32 << fits) < count {
        return None;
    }
    let made = (0..count).map(|index| {
        let offset = u128::from(index).checked_shl(host_bits).unwrap_or(0);
        let address = start | offset;
        let new_prefix = width - host_bits;
        if is_v6 {
            format!("{}/{new_prefix}", Ipv6Addr::from(address))
        } else {
            let address = u32::try_from(address).unwrap_or_default();
            format!("{}/{new_prefix}", Ipv4Addr::from(address))
        }
    });
    Some(made.collect())
}

fn width_minus(width: u32, prefix: u32) -> Option<u32> {
    width.checked_sub(prefix)
}
