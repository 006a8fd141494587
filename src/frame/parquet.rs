//! What a parquet file says of itself, checked before polars believes it.
//!
//! Polars allocates what a page header says, a negative count as sixteen exabytes, and a failed allocation ends the
//! process: no panic that could be caught. So every header is looked at first; no page is unpacked for it.
//! Source: the Parquet format, `parquet.thrift`.

use std::io::Cursor;

use polars_parquet_format::thrift::protocol::TCompactInputProtocol;
use polars_parquet_format::{
    ColumnMetaData, ConvertedType, FieldRepetitionType, FileMetaData, LogicalType, PageHeader, SchemaElement,
};

use crate::frame::condition::Condition;

mod statistics;

const MAGIC: &[u8] = b"PAR1";

/// How deep columns may nest: polars follows them by recursion.
const DEPTH_MAX: usize = 128;

/// What reading a footer may allocate at most, a multiple of its length: what takes bytes there takes a struct here.
const FOOTER_GROWTH_MAX: usize = 64;

/// What a value takes on average once it is unpacked: an integer, a float, the view of a string.
const VALUE_BYTES: u64 = 8;

/// What the footer of a file says: which columns there are, and where.
pub(super) struct Outline {
    metadata: FileMetaData,
    leaves: Vec<Leaf>,
}

/// Which part of a file is to be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Part {
    /// The names of columns; all where there are none.
    pub(super) columns: Option<Vec<String>>,
    /// Which row groups, by their place; all where there are none.
    pub(super) groups: Option<Vec<usize>>,
}

impl Outline {
    /// Reads the footer of a file, and checks that it does not contradict itself.
    ///
    /// # Errors
    /// What is wrong.
    pub(super) fn of(body: &[u8]) -> Result<Self, String> {
        let metadata = footer(body)?;
        let leaves = leaves(&metadata.schema)?;
        let group_rows: Option<i64> = metadata.row_groups.iter().try_fold(0_i64, |sum, group| sum.checked_add(group.num_rows));
        if metadata.row_groups.iter().any(|group| group.num_rows < 0) || group_rows != Some(metadata.num_rows) {
            return Err("its row groups have not as many rows as the file".to_owned());
        }
        if metadata.row_groups.iter().any(|group| group.columns.len() != leaves.len()) {
            return Err("a row group has not the columns of the schema".to_owned());
        }
        Ok(Self { metadata, leaves })
    }

    /// The names of the columns, in the order of the file.
    pub(super) fn columns(&self) -> Vec<&str> {
        let mut columns: Vec<&str> = Vec::new();
        let mut last = None;
        for leaf in &self.leaves {
            if last.replace(leaf.root) != Some(leaf.root) {
                columns.push(&self.metadata.schema[leaf.root].name);
            }
        }
        columns
    }

    /// How many rows the file has.
    pub(super) fn rows(&self) -> u64 {
        self.metadata.num_rows.unsigned_abs()
    }

    /// How many nulls a column has; `None` where the writer has not noted it of each row group, or it has parts, whose nulls are
    /// not its own.
    pub(super) fn nulls(&self, name: &str) -> Option<u64> {
        let place = self.leaves.iter().position(|leaf| self.metadata.schema[leaf.root].name == name)?;
        let leaf = self.leaves[place];
        if leaf.count != Count::OnceARow || leaf.root != leaf.place {
            return None;
        }
        if self.metadata.schema[leaf.place].repetition_type == Some(FieldRepetitionType::REQUIRED) {
            return Some(0);
        }
        self.metadata.row_groups.iter().try_fold(0, |sum, group| {
            let chunk = group.columns[place].meta_data.as_ref()?;
            let nulls = chunk.statistics.as_ref()?.null_count.filter(|nulls| (0..=chunk.num_values).contains(nulls))?;
            Some(sum + nulls.unsigned_abs())
        })
    }

    /// Which row groups may have rows that meet `condition`.
    pub(super) fn groups(&self, condition: &Condition) -> Vec<usize> {
        let groups = self.metadata.row_groups.iter().enumerate();
        let group = |(place, group)| statistics::may_meet(condition, &self.metadata.schema, &self.leaves, group).then_some(place);
        groups.filter_map(group).collect()
    }

    /// Whether one of `columns` has moments in it, which a query may read by another clock than the file's notes do.
    pub(super) fn has_clocks(&self, columns: &[String]) -> bool {
        let moments = [Some(ConvertedType::TIMESTAMP_MILLIS), Some(ConvertedType::TIMESTAMP_MICROS)];
        let is_clock = |element: &SchemaElement| {
            matches!(element.logical_type, Some(LogicalType::TIMESTAMP(_))) || moments.contains(&element.converted_type)
        };
        self.metadata.schema.iter().any(|element| columns.contains(&element.name) && is_clock(element))
    }

    /// Which row groups have the rows from `offset` on, `limit` of them, and how many rows stand before the first of these.
    pub(super) fn groups_of_rows(&self, offset: u64, limit: Option<u64>) -> (Vec<usize>, u64) {
        let end = limit.map_or(u64::MAX, |limit| offset.saturating_add(limit));
        let (mut groups, mut before, mut first) = (Vec::new(), 0_u64, 0_u64);
        for (place, group) in self.metadata.row_groups.iter().enumerate() {
            let next = before.saturating_add(group.num_rows.unsigned_abs());
            if next > offset && before < end {
                groups.push(place);
            } else if next <= offset {
                first = next;
            }
            before = next;
        }
        (groups, first)
    }

    /// Checks that `part` of the file does not contradict itself, and answers how many bytes of memory it takes at least.
    ///
    /// # Errors
    /// What is wrong.
    pub(super) fn check(&self, body: &[u8], part: &Part) -> Result<u64, String> {
        let is_read = |leaf: &Leaf| {
            let name = &self.metadata.schema[leaf.root].name;
            part.columns.as_ref().is_none_or(|columns| columns.contains(name))
        };
        let mut bytes = 0_u64;
        for (place, group) in self.metadata.row_groups.iter().enumerate() {
            if part.groups.as_ref().is_some_and(|groups| !groups.contains(&place)) {
                continue;
            }
            for (chunk, leaf) in group.columns.iter().zip(&self.leaves).filter(|(_, leaf)| is_read(leaf)) {
                let chunk = chunk.meta_data.as_ref().ok_or("a column is said to be in another file")?;
                if leaf.count == Count::OnceARow && chunk.num_values != group.num_rows {
                    return Err("a column has not as many values as its row group has rows".to_owned());
                }
                bytes = bytes.saturating_add(chunk_bytes(body, chunk)?);
            }
        }
        Ok(bytes)
    }
}

fn footer(body: &[u8]) -> Result<FileMetaData, String> {
    let (before, magic) = body.split_last_chunk::<4>().ok_or("it is too short")?;
    let (before, length) = before.split_last_chunk::<4>().ok_or("it is too short")?;
    if magic != MAGIC || !before.starts_with(MAGIC) {
        return Err("it does not begin and end with PAR1; it may be cut".to_owned());
    }
    let length = u32::from_le_bytes(*length) as usize;
    let start = before.len().checked_sub(length).ok_or("its footer is longer than itself; it may be cut")?;
    let mut protocol = TCompactInputProtocol::new(&before[start..], length.saturating_mul(FOOTER_GROWTH_MAX));
    FileMetaData::read_from_in_protocol(&mut protocol).map_err(|cause| format!("its footer cannot be read: {cause}"))
}

/// A column that has values, or a part of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Leaf {
    count: Count,
    /// Where in the schema it is itself.
    place: usize,
    /// Where in the schema the column is that it is a part of; `place` where it is that column.
    root: usize,
}

/// How often a column may have a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Count {
    /// Once a row, null included.
    OnceARow,
    /// Any number of times: it is in a list.
    Repeated,
}

/// The columns that have values, from the schema's tree, which is a list from the root on, parents before children.
fn leaves(schema: &[SchemaElement]) -> Result<Vec<Leaf>, String> {
    /// A node of which children are still to come.
    struct Parent {
        children_left: i32,
        count: Count,
        root: usize,
    }
    let mut parents: Vec<Parent> = Vec::new();
    let mut leaves = Vec::new();
    for (place, element) in schema.iter().enumerate() {
        while parents.pop_if(|parent| parent.children_left == 0).is_some() {}
        let depth = parents.len();
        let (above, root) = match parents.last_mut() {
            Some(parent) => {
                parent.children_left -= 1;
                (parent.count, if depth == 1 { place } else { parent.root })
            }
            None if place == 0 => (Count::OnceARow, 0),
            None => return Err("its schema has more than one root".to_owned()),
        };
        let is_repeated = element.repetition_type == Some(FieldRepetitionType::REPEATED) && place > 0;
        let count = if is_repeated { Count::Repeated } else { above };
        match element.num_children.unwrap_or(0) {
            ..0 => return Err("its schema counts less than no children".to_owned()),
            0 if place > 0 => leaves.push(Leaf { count, place, root }),
            _ if depth == DEPTH_MAX => return Err(format!("its columns nest deeper than {DEPTH_MAX}")),
            children_left => parents.push(Parent { children_left, count, root }),
        }
    }
    if parents.iter().any(|parent| parent.children_left > 0) {
        return Err("its schema ends too early".to_owned());
    }
    Ok(leaves)
}

/// Walks over the page headers of a column chunk; answers what its values take.
fn chunk_bytes(body: &[u8], chunk: &ColumnMetaData) -> Result<u64, String> {
    let start = place(chunk.dictionary_page_offset.unwrap_or(chunk.data_page_offset))?;
    let length = place(chunk.total_compressed_size)?;
    let end =
        start.checked_add(length).filter(|&end| end <= body.len()).ok_or("a column lies outside the file; it may be cut")?;
    let values = u64::try_from(chunk.num_values).map_err(|_| "a column has less than no values")?;
    let mut pages = Cursor::new(&body[..end]);
    pages.set_position(start as u64);
    let (mut seen, mut unpacked) = (0_u64, 0_u64);
    while seen < values {
        let left = end - usize::try_from(pages.position()).unwrap_or(end);
        let mut protocol = TCompactInputProtocol::new(&mut pages, left.saturating_mul(FOOTER_GROWTH_MAX));
        let header =
            PageHeader::read_from_in_protocol(&mut protocol).map_err(|cause| format!("a page has no header: {cause}"))?;
        let page = Page::of(&header).filter(|page| page.values <= values - seen).ok_or("a page header contradicts itself")?;
        let next = pages.position() + page.packed;
        if next > end as u64 {
            return Err("a page is longer than its column".to_owned());
        }
        pages.set_position(next);
        seen += page.values;
        unpacked = unpacked.saturating_add(page.unpacked);
    }
    Ok(unpacked.max(values.saturating_mul(VALUE_BYTES)))
}

fn place(offset: i64) -> Result<usize, String> {
    usize::try_from(offset).map_err(|_| "a column lies outside the file".to_owned())
}

/// What a page header says, none of it negative.
struct Page {
    /// Values of the column, nulls included; 0 in a dictionary.
    values: u64,
    packed: u64,
    unpacked: u64,
}

impl Page {
    fn of(header: &PageHeader) -> Option<Self> {
        let packed = u64::try_from(header.compressed_page_size).ok()?;
        let unpacked = u64::try_from(header.uncompressed_page_size).ok()?;
        let data = header.data_page_header.as_ref().map(|data| data.num_values);
        let data_v2 = header.data_page_header_v2.as_ref();
        if let Some(data) = data_v2 {
            let levels = u64::try_from(data.definition_levels_byte_length).ok()?
                + u64::try_from(data.repetition_levels_byte_length).ok()?;
            let are_plausible =
                levels <= packed.min(unpacked) && (0..=data.num_values).contains(&data.num_nulls) && data.num_rows >= 0;
            are_plausible.then_some(())?;
        }
        if let Some(dictionary) = &header.dictionary_page_header {
            // No value of a dictionary takes less than a byte.
            u64::try_from(dictionary.num_values).ok().filter(|&values| values <= unpacked)?;
        }
        let values = data.into_iter().chain(data_v2.map(|data| data.num_values)).max().unwrap_or(0);
        Some(Self { values: u64::try_from(values).ok()?, packed, unpacked })
    }
}
