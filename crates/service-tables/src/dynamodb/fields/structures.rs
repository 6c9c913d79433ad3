//! Structures inside a request.
//!
//! Lives here: taking them one by one, in lists and in maps, each knowing its place for what is told of it.
//! Does not live here: their members (`fields`).

use std::borrow::Cow;

use super::{Fault, Fields, Json};
use crate::dynamodb::values;

/// Members of an object, as they were sent.
type Members<'a> = Vec<(Cow<'a, str>, Json<'a>)>;

/// Lists of structures, by name.
pub(crate) type StructureLists<'a> = Vec<(String, Vec<Fields<'a>>)>;

impl<'a> Fields<'a> {
    /// The members of a structure inside a request, as `ProvisionedThroughput`.
    #[must_use]
    pub(crate) const fn of(operation: &'static str, members: Members<'a>) -> Self {
        Self {
            operation,
            place: String::new(),
            members,
            violations: Vec::new(),
        }
    }

    /// These fields as those of a structure at this place: `expected.a.member.`.
    #[must_use]
    fn at(mut self, place: String) -> Self {
        self.place = place;
        self
    }

    /// Takes a list of structures.
    ///
    /// # Errors
    /// A serialization fault.
    pub(crate) fn structures(
        &mut self,
        name: &str,
        type_name: &str,
    ) -> Result<Option<Vec<Self>>, Fault> {
        let Some(json) = self.take(name) else {
            return Ok(None);
        };
        let operation = self.operation;
        values::read_list(json)?
            .into_iter()
            .map(|member| match member {
                Json::Map(members) => Ok(Self::of(operation, members)),
                Json::List(_) => Err(Fault::serialization(format!(
                    "Unrecognized collection type class com.amazonaws.dynamodb.v20120810.{type_name}"
                ))),
                Json::Null | Json::Bool(_) | Json::Integer(_) | Json::Decimal(_) | Json::Text(_) => {
                    Err(Fault::serialization("Unexpected value type in payload"))
                }
            })
            .collect::<Result<_, _>>()
            .map(Some)
    }

    /// Takes a structure.
    ///
    /// # Errors
    /// A serialization fault.
    pub(crate) fn structure(&mut self, name: &str, type_name: &str) -> Result<Option<Self>, Fault> {
        match self.take(name) {
            None => Ok(None),
            Some(Json::Map(members)) => Ok(Some(Self::of(self.operation, members))),
            Some(Json::List(_)) => Err(Fault::serialization(format!(
                "Unrecognized collection type class com.amazonaws.dynamodb.v20120810.{type_name}"
            ))),
            Some(
                Json::Null | Json::Bool(_) | Json::Integer(_) | Json::Decimal(_) | Json::Text(_),
            ) => Err(Fault::serialization("Unexpected field type")),
        }
    }

    /// Takes structures by name.
    ///
    /// # Errors
    /// A serialization fault.
    pub(crate) fn structures_by_name(
        &mut self,
        name: &str,
        type_name: &str,
    ) -> Result<Option<Vec<(String, Self)>>, Fault> {
        let members_type = format!("com.amazonaws.dynamodb.v20120810.{type_name}");
        let Some(members) = self.take_map(name, &members_type)? else {
            return Ok(None);
        };
        let parameter = lower_first(name);
        members
            .into_iter()
            .map(|(key, json)| {
                let place = format!("{}{parameter}.{key}.member.", self.place);
                let structure = self.structure_of(json, type_name)?.at(place);
                Ok((key.into_owned(), structure))
            })
            .collect::<Result<_, _>>()
            .map(Some)
    }

    /// Takes a list of structures that know their places.
    ///
    /// # Errors
    /// A serialization fault.
    pub(crate) fn placed_structures(
        &mut self,
        name: &str,
        type_name: &str,
    ) -> Result<Option<Vec<Self>>, Fault> {
        let Some(json) = self.take(name) else {
            return Ok(None);
        };
        let parameter = lower_first(name);
        values::read_list(json)?
            .into_iter()
            .zip(1_usize..)
            .map(|(member, number)| {
                let place = format!("{}{parameter}.{number}.member.", self.place);
                Ok(self.structure_of(member, type_name)?.at(place))
            })
            .collect::<Result<_, _>>()
            .map(Some)
    }

    /// Takes a structure that knows its place.
    ///
    /// # Errors
    /// A serialization fault.
    pub(crate) fn placed_structure(
        &mut self,
        name: &str,
        type_name: &str,
    ) -> Result<Option<Self>, Fault> {
        let place = format!("{}{}.", self.place, lower_first(name));
        Ok(self
            .structure(name, type_name)?
            .map(|fields| fields.at(place)))
    }

    /// A member of a list or map of structures; null is an empty one.
    fn structure_of(&self, json: Json<'a>, type_name: &str) -> Result<Self, Fault> {
        match json {
            Json::Map(members) => Ok(Self::of(self.operation, members)),
            Json::Null => Ok(Self::of(self.operation, Vec::new())),
            Json::List(_) => Err(Fault::serialization(format!(
                "Unrecognized collection type class com.amazonaws.dynamodb.v20120810.{type_name}"
            ))),
            Json::Bool(_) | Json::Integer(_) | Json::Decimal(_) | Json::Text(_) => {
                Err(Fault::serialization("Unexpected value type in payload"))
            }
        }
    }

    /// Takes lists of structures by name.
    ///
    /// # Errors
    /// A serialization fault.
    pub(crate) fn structure_lists_by_name(
        &mut self,
        name: &str,
        type_name: &str,
    ) -> Result<Option<StructureLists<'a>>, Fault> {
        let members_type = format!("java.util.List<com.amazonaws.dynamodb.v20120810.{type_name}>");
        let Some(members) = self.take_map(name, &members_type)? else {
            return Ok(None);
        };
        let parameter = lower_first(name);
        let list = |(key, json): (Cow<'a, str>, Json<'a>)| {
            let structures =
                values::read_list(json)?
                    .into_iter()
                    .zip(1_usize..)
                    .map(|(member, number)| {
                        let place =
                            format!("{}{parameter}.{key}.member.{number}.member.", self.place);
                        Ok(self.structure_of(member, type_name)?.at(place))
                    });
            let structures = structures.collect::<Result<Vec<_>, Fault>>()?;
            Ok((key.into_owned(), structures))
        };
        members
            .into_iter()
            .map(list)
            .collect::<Result<_, _>>()
            .map(Some)
    }

    /// Takes the members of a map whose values have this type in the service's own words.
    fn take_map(&mut self, name: &str, members_type: &str) -> Result<Option<Members<'a>>, Fault> {
        match self.take(name) {
            None => Ok(None),
            Some(Json::Map(members)) => Ok(Some(members)),
            Some(Json::List(_)) => Err(Fault::serialization(format!(
                "Unrecognized collection type java.util.Map<java.lang.String, {members_type}>"
            ))),
            Some(
                Json::Null | Json::Bool(_) | Json::Integer(_) | Json::Decimal(_) | Json::Text(_),
            ) => Err(Fault::serialization("Unexpected field type")),
        }
    }

    /// Ends the reading of a structure: what nobody took is refused, what was violated is told with its request.
    ///
    /// # Errors
    /// A validation fault that names a member.
    pub(crate) fn close(&mut self, mut structure: Self) -> Result<(), Fault> {
        structure.nothing_left()?;
        self.adopt(&mut structure);
        Ok(())
    }

    /// Moves the violations of a structure to those of its request.
    pub(crate) fn adopt(&mut self, structure: &mut Self) {
        self.violations.append(&mut structure.violations);
    }
}

/// A parameter's name as paths have it.
fn lower_first(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_ascii_lowercase().to_string() + chars.as_str()
    })
}
