//! Members of requests that say how much a table or an index takes besides what is provisioned.
//!
//! Lives here: `OnDemandThroughput` and `WarmThroughput`, what either may be, in DynamoDB's words.
//! Does not live here: `ProvisionedThroughput` (`table_fields`), holding anybody to it (`dynamodb::throughput`).

use crate::dynamodb::fault::Fault;
use crate::dynamodb::fields::Fields;
use crate::engine::indexes::Throughput;
use crate::engine::table::{Billing, Ceilings};

/// What an on-demand table takes at once, reads and writes, from its first moment.
pub(super) const ON_DEMAND_UNITS: Throughput = Throughput {
    read_units: 12_000,
    write_units: 4_000,
};
/// With this, a ceiling is removed.
const NO_CEILING: i64 = -1;

/// What is wanted of reads and of writes, if anything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Units {
    reads: Option<i64>,
    writes: Option<i64>,
}

/// Which request wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asking {
    Create,
    Update,
}

/// What it is wanted of.
#[derive(Debug, Clone, Copy)]
pub(super) enum Of<'a> {
    Table,
    Index(&'a str),
}

/// Takes `OnDemandThroughput`; one without members is none.
pub(super) fn take_on_demand(fields: &mut Fields<'_>) -> Result<Option<Units>, Fault> {
    let names = ["MaxReadRequestUnits", "MaxWriteRequestUnits"];
    let found = take(fields, "OnDemandThroughput", names)?;
    Ok(found.filter(|units| units.reads.is_some() || units.writes.is_some()))
}

/// Takes `WarmThroughput`.
pub(super) fn take_warm(fields: &mut Fields<'_>) -> Result<Option<Units>, Fault> {
    let names = ["ReadUnitsPerSecond", "WriteUnitsPerSecond"];
    take(fields, "WarmThroughput", names)
}

fn take(
    fields: &mut Fields<'_>,
    name: &str,
    [reads, writes]: [&str; 2],
) -> Result<Option<Units>, Fault> {
    let Some(mut structure) = fields.placed_structure(name, name)? else {
        return Ok(None);
    };
    let units = Units {
        reads: structure.integer(reads)?,
        writes: structure.integer(writes)?,
    };
    fields.close(structure)?;
    Ok(Some(units))
}

/// The ceilings that come of those that are there.
pub(super) fn ceilings(
    wanted: Option<Units>,
    there: Ceilings,
    billing: &Billing,
    asking: Asking,
    of: Of<'_>,
) -> Result<Ceilings, Fault> {
    let Some(wanted) = wanted else {
        return Ok(there);
    };
    let members = [
        ("MaxReadRequestUnits", wanted.reads),
        ("MaxWriteRequestUnits", wanted.writes),
    ];
    let given = || members.iter().filter(|(_, units)| units.is_some());
    if let (Billing::Provisioned { .. }, Some((member, _))) = (billing, given().next()) {
        let place = match of {
            Of::Table => String::new(),
            Of::Index(name) => format!(" for index: {name}"),
        };
        let when = match asking {
            Asking::Create => "when table BillingMode is PROVISIONED.",
            Asking::Update => "when the table BillingMode is PROVISIONED",
        };
        return Err(Fault::invalid(format!(
            "{member} for OnDemandThroughput{place} cannot be specified {when}"
        )));
    }
    let mut units = [there.read_units, there.write_units];
    for (slot, (member, wanted)) in units.iter_mut().zip(members) {
        match wanted {
            None => {}
            Some(NO_CEILING) if asking == Asking::Update => *slot = None,
            Some(wanted) => match u64::try_from(wanted) {
                Ok(wanted) if 0 < wanted => *slot = Some(wanted),
                Ok(_) | Err(_) => {
                    let place = match of {
                        Of::Table => "table".to_owned(),
                        Of::Index(name) => format!("index : {name}"),
                    };
                    return Err(Fault::invalid(format!(
                        "Requested {member} for OnDemandThroughput for {place} is outside of valid range"
                    )));
                }
            },
        }
    }
    let [read_units, write_units] = units;
    Ok(Ceilings {
        read_units,
        write_units,
    })
}

/// How warm something is to be that takes this much by itself; `there` is how warm it is already, if it is there.
pub(super) fn warmed(
    wanted: Option<Units>,
    there: Option<Throughput>,
    billing: &Billing,
    base: Throughput,
    of: Of<'_>,
) -> Result<Option<Throughput>, Fault> {
    let Some(wanted) = wanted else {
        return Ok(there);
    };
    if let (None, None, Of::Index(name)) = (wanted.reads, wanted.writes, of) {
        return Err(Fault::invalid(format!(
            "WarmThroughput must have at least one of ReadUnitsPerSecond or WriteUnitsPerSecond specified for index: {name}"
        )));
    }
    let least = warmth(there, base);
    let is_new = there.is_none();
    let place = match of {
        Of::Table => "table".to_owned(),
        Of::Index(name) => format!("index {name}"),
    };
    let unit = |(member, capacity): (&str, &str), wanted: Option<i64>, least: u64| {
        let Some(wanted) = wanted else {
            return Ok(least);
        };
        if let Some(wanted) = u64::try_from(wanted).ok().filter(|wanted| least <= *wanted) {
            return Ok(wanted);
        }
        let than = match (is_new, billing) {
            (false, _) => "lower than current WarmThroughput, decreasing WarmThroughput is not supported".to_owned(),
            (true, Billing::Provisioned { .. }) => format!("lower than {capacity} of ProvisionedThroughput"),
            (true, Billing::OnDemand { .. }) => "lower than initial throughput for OnDemand. See: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/on-demand-capacity-mode.html#on-demand-capacity-mode-initial".to_owned(),
        };
        Err(Fault::invalid(format!(
            "Requested {member} for WarmThroughput for {place} is {than}"
        )))
    };
    Ok(Some(Throughput {
        read_units: unit(
            ("ReadUnitsPerSecond", "ReadCapacityUnits"),
            wanted.reads,
            least.read_units,
        )?,
        write_units: unit(
            ("WriteUnitsPerSecond", "WriteCapacityUnits"),
            wanted.writes,
            least.write_units,
        )?,
    }))
}

/// How warm something is that takes this much by itself.
pub(super) fn warmth(warm: Option<Throughput>, base: Throughput) -> Throughput {
    let warm = warm.unwrap_or(base);
    Throughput {
        read_units: warm.read_units.max(base.read_units),
        write_units: warm.write_units.max(base.write_units),
    }
}

/// What something takes by itself: what is provisioned, or what on-demand tables begin with.
pub(super) fn base(billing: &Billing, of_index: Option<Option<Throughput>>) -> Throughput {
    match (billing, of_index) {
        (Billing::OnDemand { .. }, _) => ON_DEMAND_UNITS,
        (Billing::Provisioned { .. }, Some(throughput)) => throughput.unwrap_or(Throughput {
            read_units: 0,
            write_units: 0,
        }),
        (
            Billing::Provisioned {
                read_units,
                write_units,
            },
            None,
        ) => Throughput {
            read_units: *read_units,
            write_units: *write_units,
        },
    }
}
