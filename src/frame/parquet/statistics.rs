//! Which row groups cannot have a row that meets a condition, by the least and the greatest value that their writer noted.
//!
//! A row group is left out only where that is certain. NaN is in no such note and greater than all numbers, so that a column of
//! fractions is never left out for being too small.
//! Source: the Parquet format, `parquet.thrift`, Statistics.

use polars_parquet_format::{ConvertedType, LogicalType, RowGroup, SchemaElement, TimeUnit, Type};

use super::{Count, Leaf};
use crate::frame::condition::{Comparison, Condition, Literal, Node};
use crate::frame::moment::Moment;

/// Whether a row of `group` may meet `condition`.
pub(super) fn may_meet(condition: &Condition, schema: &[SchemaElement], leaves: &[Leaf], group: &RowGroup) -> bool {
    Group { schema, leaves, group }.may(condition.root())
}

struct Group<'a> {
    schema: &'a [SchemaElement],
    leaves: &'a [Leaf],
    group: &'a RowGroup,
}

/// What a column's values are, as far as they are compared here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Values {
    Integers,
    Floats,
    /// Of 32 bits; what they are compared with is rounded to that.
    NarrowFloats,
    Texts,
    /// In units of so many nanoseconds since 1970.
    Moments(i128),
}

/// A value that a note or a condition has.
#[derive(Clone, Debug, PartialEq, PartialOrd)]
enum Bound {
    Integer(i128),
    Float(f64),
    Text(Vec<u8>),
}

impl Group<'_> {
    fn may(&self, node: &Node) -> bool {
        match node {
            Node::All(parts) => parts.iter().all(|part| self.may(part)),
            Node::Any(parts) => parts.iter().any(|part| self.may(part)),
            Node::Compare(comparison, left, right) => match (&**left, &**right) {
                (Node::Column(name), Node::Literal(literal)) => self.may_compare(name, *comparison, literal),
                (Node::Literal(literal), Node::Column(name)) => self.may_compare(name, comparison.mirrored(), literal),
                _ => true,
            },
            Node::Between(value, bounds) => {
                let Node::Column(name) = &**value else { return true };
                [Comparison::GreaterOrEqual, Comparison::LessOrEqual].into_iter().zip(&**bounds).all(|(comparison, bound)| {
                    let Node::Literal(literal) = bound else { return true };
                    self.may_compare(name, comparison, literal)
                })
            }
            Node::In(value, members) => {
                let Node::Column(name) = &**value else { return true };
                members.iter().any(|member| match member {
                    Node::Literal(literal) => self.may_compare(name, Comparison::Equal, literal),
                    _ => true,
                })
            }
            _ => true,
        }
    }

    fn may_compare(&self, name: &str, comparison: Comparison, literal: &Literal) -> bool {
        self.excludes(name, comparison, literal) != Some(true)
    }

    /// Whether no value compares so; `None` where nothing is known.
    fn excludes(&self, name: &str, comparison: Comparison, literal: &Literal) -> Option<bool> {
        let place = self.leaves.iter().position(|leaf| self.schema[leaf.root].name == name)?;
        let leaf = self.leaves[place];
        if leaf.count != Count::OnceARow || leaf.root != leaf.place {
            return None;
        }
        let chunk = self.group.columns.get(place)?.meta_data.as_ref()?;
        let notes = chunk.statistics.as_ref()?;
        if notes.null_count == Some(chunk.num_values) {
            return Some(true);
        }
        let values = Values::of(&self.schema[leaf.place])?;
        let (least, greatest) = (values.bound(notes.min_value.as_deref()?)?, values.bound(notes.max_value.as_deref()?)?);
        let wanted = values.wanted(literal)?;
        if matches!(wanted, Bound::Float(number) if number.is_nan()) {
            return None;
        }
        let may_be_nan = matches!(values, Values::Floats | Values::NarrowFloats);
        Some(match comparison {
            Comparison::Equal => wanted < least || wanted > greatest,
            Comparison::NotEqual => false,
            Comparison::Less => least >= wanted,
            Comparison::LessOrEqual => least > wanted,
            Comparison::Greater => !may_be_nan && greatest <= wanted,
            Comparison::GreaterOrEqual => !may_be_nan && greatest < wanted,
        })
    }
}

impl Values {
    fn of(element: &SchemaElement) -> Option<Self> {
        let physical = element.type_?;
        match (&element.logical_type, element.converted_type) {
            (None, None) if physical == Type::INT32 || physical == Type::INT64 => Some(Self::Integers),
            (None, None) if physical == Type::DOUBLE => Some(Self::Floats),
            (None, None) if physical == Type::FLOAT => Some(Self::NarrowFloats),
            (Some(LogicalType::INTEGER(integer)), _) => integer.is_signed.then_some(Self::Integers),
            (None, Some(ConvertedType::INT_8 | ConvertedType::INT_16 | ConvertedType::INT_32 | ConvertedType::INT_64)) => {
                Some(Self::Integers)
            }
            (Some(LogicalType::STRING(_)), _) | (None, Some(ConvertedType::UTF8)) => Some(Self::Texts),
            (Some(LogicalType::DATE(_)), _) | (None, Some(ConvertedType::DATE)) => Some(Self::Moments(86_400_000_000_000)),
            (Some(LogicalType::TIMESTAMP(timestamp)), _) => Some(Self::Moments(match timestamp.unit {
                TimeUnit::MILLIS(_) => 1_000_000,
                TimeUnit::MICROS(_) => 1_000,
                TimeUnit::NANOS(_) => 1,
            })),
            (None, Some(ConvertedType::TIMESTAMP_MILLIS)) => Some(Self::Moments(1_000_000)),
            (None, Some(ConvertedType::TIMESTAMP_MICROS)) => Some(Self::Moments(1_000)),
            _ => None,
        }
    }

    /// A value as it is noted: without a length before it, the least byte first.
    fn bound(self, bytes: &[u8]) -> Option<Bound> {
        let integer = || match *bytes {
            [a, b, c, d] => Some(i128::from(i32::from_le_bytes([a, b, c, d]))),
            [a, b, c, d, e, f, g, h] => Some(i128::from(i64::from_le_bytes([a, b, c, d, e, f, g, h]))),
            _ => None,
        };
        match self {
            Self::Integers => integer().map(Bound::Integer),
            Self::Moments(nanos) => integer().map(|count| Bound::Integer(count * nanos)),
            Self::Floats => Some(Bound::Float(f64::from_le_bytes(bytes.try_into().ok()?))),
            Self::NarrowFloats => Some(Bound::Float(f32::from_le_bytes(bytes.try_into().ok()?).into())),
            Self::Texts => Some(Bound::Text(bytes.to_vec())),
        }
        .filter(|bound| !matches!(bound, Bound::Float(number) if number.is_nan()))
    }

    /// What is asked for, to be compared with these values as the condition does.
    fn wanted(self, literal: &Literal) -> Option<Bound> {
        match (self, literal) {
            (Self::Integers, Literal::Integer(number)) => Some(Bound::Integer(*number)),
            (Self::Floats, Literal::Integer(number)) => Some(Bound::Float(*number as f64)),
            (Self::Floats, Literal::Float(number)) => Some(Bound::Float(*number)),
            (Self::NarrowFloats, Literal::Integer(number)) => Some(Bound::Float((*number as f32).into())),
            (Self::NarrowFloats, Literal::Float(number)) => Some(Bound::Float((*number as f32).into())),
            (Self::Texts, Literal::Text(text)) => Some(Bound::Text(text.as_bytes().to_vec())),
            (Self::Moments(_), Literal::Moment(moment)) => Some(Bound::Integer(moment.0)),
            (Self::Moments(_), Literal::Text(text)) => Moment::parse(text).map(|moment| Bound::Integer(moment.0)),
            _ => None,
        }
    }
}
